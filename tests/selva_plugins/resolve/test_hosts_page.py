"""The lines that docs/hosts/bridge.md shows do what it says."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.settings import DaemonSettings
from selva_plugins.hosts import resolve
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.external import ExternalDoor
from tests.selva_plugins.resolve.scenes import build_scene
from tests.support.daemons import serving
from tests.support.flashes import write_flashing_clip

PAGE = Path(__file__).parents[3] / "docs" / "hosts" / "bridge.md"


def test_the_ten_lines_put_stems_on_the_open_timeline(
    open_host: OpenHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    scene = build_scene()
    scene.project.settings["projectMediaLocation"] = str(tmp_path)
    movie = write_flashing_clip(tmp_path / "flash.avi", rate=scene.timeline.rate, num_frames=48, flashes={12})
    scene.add_clip(scene.add_media(movie), at=10, frames=24)
    paths = AppPaths(state=tmp_path / "state", cache=tmp_path / "cache", config=tmp_path / "config")
    folders = {"STATE": paths.state, "CACHE": paths.cache, "CONFIG": paths.config}
    for name, folder in folders.items():
        monkeypatch.setenv(f"SELVA_{name}_DIR", str(folder))
    host = open_host(build("21.1.0"), scene)
    with serving(paths, DaemonSettings(drain_timeout_s=0.2)), ExternalDoor(host) as door:
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        exec(compile(lines, str(PAGE), "exec"), {})  # noqa: S102 - our own page
    tracks = {track.name: [item.start for item in track.items] for track in scene.timeline.tracks["audio"]}
    assert tracks == {"Audio 1": [], "Dog": [86410], "Dog take 2": [86410]}
    assert "Dog flash.avi" in capsys.readouterr().out


def test_every_call_that_the_page_names_is_there() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## The calls")[2].partition("##")[0]
    names = [
        name
        for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
        for name in re.findall("`(.*?)`", row)
    ]
    modules = "bridge", "checks", "form", "hosts.resolve"
    public = {
        f"{module}.{name}"
        for module in modules
        for name in dir(importlib.import_module(f"selva_plugins.{module}"))
    }
    public |= {f"hosts.resolve.{name}" for name in resolve.__all__}
    public |= {f"hosts.resolve.StudioBridge.{name}" for name in dir(resolve.StudioBridge)}
    assert len(names) >= 8
    assert set(names) <= public
