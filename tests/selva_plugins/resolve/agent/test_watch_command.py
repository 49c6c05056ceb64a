"""`selva host resolve --watch` as it is typed, and as Resolve starts it: a process of its own that answers the agent, writes a
log, and ends when it is asked to.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from selva_core.base.file_lock import FileLock
from selva_core.base.paths import AppPaths
from selva_plugins.hosts.resolve import install as resolve_install
from selva_plugins.hosts.resolve.agent.bridge_log import find_log_file
from selva_plugins.hosts.resolve.agent.watch import WATCH_LOCK
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import Edition, build
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.lua import ScriptsMenu, WindowAnswer
from tests.selva_plugins.resolve.scenes import Scene, build_scene
from tests.support.daemons import wait_until
from tests.support.flashes import write_flashing_clip
from tests.support.signals import with_default_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and shells as on Unix")

COMMAND = [sys.executable, "-u", "-m", "selva_daemon", "host", "resolve", "--watch"]

# As pythonw starts a program on Windows.
WITHOUT_STREAMS = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]


@contextmanager
def watching(
    *options: str, stop_by: signal.Signals = signal.SIGINT, environment: Mapping[str, str] | None = None
) -> Iterator[list[str]]:
    """The command at work, and what it has written so far. It ends well by the signal."""
    process = subprocess.Popen(
        with_default_signals([*COMMAND, *options]),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, **(environment or {})},
    )
    lines: list[str] = []
    assert process.stdout is not None
    with process.stdout as stdout:
        reader = threading.Thread(target=lambda: lines.extend(stdout))
        reader.start()
        try:
            wait_until(lambda: bool(lines), "the first line of the command")
            yield lines
            process.send_signal(stop_by)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.wait()
            reader.join()


@dataclass(frozen=True)
class Station:
    """A Resolve with the agent installed and one clip with a cue; its daemon is found by the environment."""

    fusion: Path
    menu: ScriptsMenu
    scene: Scene

    def generate(self) -> str:
        return self.menu.run(self.fusion / "Scripts" / "Utility" / "Selva" / "Generate stems.lua").text

    def placed_frames(self) -> list[int]:
        return [item.start for track in self.scene.timeline.tracks["audio"][1:] for item in track.items]


OpenStation = Callable[[Edition], Station]


@pytest.fixture
def open_station(
    open_host: OpenHost, paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> OpenStation:
    folders = {"STATE": paths.state, "CACHE": paths.cache, "CONFIG": paths.config}
    for name, folder in folders.items():
        monkeypatch.setenv(f"SELVA_{name}_DIR", str(folder))

    def start(edition: Edition) -> Station:
        fusion = tmp_path / "größe" / "Fusion"
        prefs = FusionPrefs(fusion / "Profiles" / "Default" / "Fusion.prefs")
        resolve_install.install(fusion)
        scene = build_scene(timeline_name="Reel 犬")
        scene.project.settings["projectMediaLocation"] = str(tmp_path)
        movie = write_flashing_clip(
            tmp_path / "犬.avi", rate=scene.timeline.rate, num_frames=48, flashes={12}
        )
        scene.add_clip(scene.add_media(movie), at=10, frames=24)
        scene.timeline.markers[10] = model.Marker("Blue", "Dog: small dog barking", "", 1)
        version = "21.1.0" if edition == "free" else "18.5.1"
        menu = ScriptsMenu(open_host(build(version, edition), scene), prefs, interpreter="luajit")
        menu.on_wait = time.sleep
        if edition == "studio":
            menu.on_window = lambda _window: WindowAnswer("Generate", {"Prompts": ""})
        return Station(fusion, menu, scene)

    return start


@pytest.mark.parametrize("edition", ["free", "studio"])
def test_the_command_answers_an_agent_and_ends_when_interrupted(
    edition: Edition, open_station: OpenStation, tmp_path: Path
) -> None:
    station = open_station(edition)
    with watching("--resource-path", str(station.fusion), "--model", "selva-echo", "--mark-stems") as lines:
        text = station.generate()
        wait_until(lambda: any("1 of 1 stems placed" in line for line in lines), "the report")
    assert "1 stem placed" in text
    assert station.placed_frames() == [86410]
    assert station.scene.timeline.markers[10].name == "Dog: small dog barking"
    assert os.listdir(tmp_path / "Selva" / "Feature") == ["stems"]
    log = find_log_file().read_text(encoding="utf-8")
    assert all(part in log for part in ("Reel 犬: request", "1 of 1 stems placed"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: str(number.name))
def test_the_command_ends_cleanly_when_a_service_manager_or_a_closed_terminal_asks(
    number: signal.Signals, open_station: OpenStation
) -> None:
    fusion = open_station("studio").fusion
    with watching("--resource-path", str(fusion), stop_by=number):
        pass
    lock = FileLock(AppPaths.find().state / "resolve" / WATCH_LOCK)
    lock.acquire()
    lock.release()


def test_started_by_nohup_the_command_outlives_its_terminal(open_station: OpenStation) -> None:
    fusion = open_station("studio").fusion
    process = subprocess.Popen(
        ["nohup", *with_default_signals([*COMMAND, "--resource-path", str(fusion)], ignored="HUP")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process.stdout as stdout:
        try:
            assert b"waiting for Workspace" in stdout.readline()
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.wait()


def test_without_any_standard_stream_the_bridge_answers_and_its_log_says_so(
    open_station: OpenStation,
) -> None:
    station = open_station("studio")
    options = ["--resource-path", str(station.fusion), "--model", "selva-echo", "--idle-exit", "1"]
    process = subprocess.Popen([*WITHOUT_STREAMS, *COMMAND, *options])
    try:
        assert "1 stem placed" in station.generate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
    assert station.placed_frames() == [86410]
    log = find_log_file().read_text(encoding="utf-8")
    assert "Reel 犬: request" in log
    assert "ended: nothing to do" in log


def test_a_console_of_a_legacy_code_page_shows_an_escape_for_what_it_lacks(open_station: OpenStation) -> None:
    station = open_station("studio")
    options = ("--resource-path", str(station.fusion), "--model", "selva-echo")
    with watching(*options, environment={"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}) as lines:
        assert "1 stem placed" in station.generate()
        wait_until(lambda: any("1 of 1 stems placed" in line for line in lines), "the report")
    assert any("Reel \\u72ac: request" in line for line in lines)


def test_an_error_that_ends_the_bridge_is_in_its_log_where_no_terminal_shows_it(
    open_station: OpenStation,
) -> None:
    fusion = open_station("studio").fusion
    with watching("--resource-path", str(fusion)):
        second = subprocess.run(
            [*WITHOUT_STREAMS, *COMMAND, "--resource-path", str(fusion)],
            timeout=60,
            check=False,
        )
    assert second.returncode == 1
    assert "is at work already" in find_log_file().read_text(encoding="utf-8")
