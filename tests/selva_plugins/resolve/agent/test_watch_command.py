"""`selva host resolve --watch` as it is typed: a process of its own that answers the agent, and ends when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths
from selva_plugins.hosts.resolve import install as resolve_install
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import Edition, build
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.lua import ScriptsMenu, WindowAnswer
from tests.selva_plugins.resolve.scenes import build_scene
from tests.support.daemons import wait_until
from tests.support.flashes import write_flashing_clip


@contextmanager
def watching(*options: str) -> Iterator[list[str]]:
    """The command at work, and what it has written so far."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "selva_daemon", "host", "resolve", "--watch", *options],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    lines: list[str] = []
    assert process.stdout is not None
    with process.stdout as stdout:
        reader = threading.Thread(target=lambda: lines.extend(stdout))
        reader.start()
        try:
            wait_until(lambda: bool(lines), "the first line of the command")
            yield lines
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.wait()
            reader.join()


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts as a terminal of Unix does")
@pytest.mark.parametrize("edition", ["free", "studio"])
def test_the_command_answers_an_agent_and_ends_when_interrupted(
    edition: Edition,
    open_host: OpenHost,
    paths: AppPaths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = {"STATE": paths.state, "CACHE": paths.cache, "CONFIG": paths.config}
    for name, folder in folders.items():
        monkeypatch.setenv(f"SELVA_{name}_DIR", str(folder))
    fusion = tmp_path / "größe" / "Fusion"
    prefs = FusionPrefs(fusion / "Profiles" / "Default" / "Fusion.prefs")
    resolve_install.install(fusion)
    scene = build_scene()
    scene.project.settings["projectMediaLocation"] = str(tmp_path)
    movie = write_flashing_clip(tmp_path / "flash.avi", rate=scene.timeline.rate, num_frames=48, flashes={12})
    scene.add_clip(scene.add_media(movie), at=10, frames=24)
    scene.timeline.markers[10] = model.Marker("Blue", "Dog: small dog barking", "", 1)
    version = "21.1.0" if edition == "free" else "18.5.1"
    menu = ScriptsMenu(open_host(build(version, edition), scene), prefs, interpreter="luajit")
    menu.on_wait = time.sleep
    if edition == "studio":
        menu.on_window = lambda _window: WindowAnswer("Generate", {"Prompts": ""})
    with watching("--resource-path", str(fusion), "--model", "selva-echo", "--mark-stems") as lines:
        run = menu.run(fusion / "Scripts" / "Utility" / "Selva" / "Generate stems.lua")
        wait_until(lambda: any("1 of 1 stems placed" in line for line in lines), "the report")
    assert "1 stem placed" in run.text
    assert [item.start for item in scene.timeline.tracks["audio"][1].items] == [86410]
    assert scene.timeline.markers[10].name == "Dog: small dog barking"
    assert os.listdir(tmp_path / "Selva" / "Feature") == ["stems"]
