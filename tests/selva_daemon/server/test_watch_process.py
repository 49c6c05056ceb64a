"""The process of the watch folders: started when there are some, replaced when it dies, ended with the daemon."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_core.base.settings.editing import change_watched_folders
from selva_core.base.settings.watched_folder import WatchedFolder
from selva_daemon.client.client import Client
from selva_daemon.server.watch_process import WatchProcess
from tests.support.daemons import StartServer, wait_until

WAITS = (sys.executable, "-c", "import sys; sys.stdin.read()")
MACHINE_PATIENCE_S = 150.0
"""Three processes start one after the other and a fourth reads the clip, on a machine that may do much else."""
ENDS = (sys.executable, "-c", "import sys; print('no license'); sys.exit(3)")


@pytest.fixture
def own_paths(paths: AppPaths) -> AppPaths:
    for folder in (paths.state, paths.config):
        ensure_private_folder(folder)
    return paths


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def started(own_paths: AppPaths, clock: list[float]) -> Iterator[WatchProcess]:
    process = WatchProcess(own_paths, is_wanted=True, program=WAITS, clock=lambda: clock[0])
    process.tick()
    yield process
    process.close()


def watch(paths: AppPaths, *folders: Path) -> None:
    change_watched_folders(
        paths.settings_file, lambda before: tuple(WatchedFolder(path=each) for each in folders)
    )


def test_it_follows_the_settings_while_the_daemon_runs(
    own_paths: AppPaths, tmp_path: Path, clock: list[float]
) -> None:
    process = WatchProcess(own_paths, is_wanted=False, program=WAITS, clock=lambda: clock[0])
    process.tick()
    assert process.pid is None
    assert process.status() == []
    watch(own_paths, tmp_path)
    clock[0] += 2
    process.tick()
    assert process.pid is not None
    (status,) = process.status()
    assert (status.role, status.state) == ("watch", "running")
    own_paths.settings_file.write_text("watch_folders = 3\n")
    clock[0] += 2
    process.tick()
    assert process.pid is not None, "a file that is wrong changes nothing"
    own_paths.settings_file.write_text("")

    def has_ended() -> bool:
        clock[0] += 2
        process.tick()
        return process.pid is None

    wait_until(has_ended, "the end of the process")


def test_one_that_dies_is_replaced_after_a_moment_and_later_the_oftener_it_dies(
    started: WatchProcess, clock: list[float]
) -> None:
    first = started.pid
    assert first is not None
    os.kill(first, signal.SIGTERM)

    def is_backing_off() -> bool:
        clock[0] += 1
        started.tick()
        return started.pid is None

    wait_until(is_backing_off, "the end of the process to be noticed")
    assert started.status()[0].state == "backing-off"
    clock[0] += 1.5
    started.tick()
    assert started.pid not in (None, first)


def test_what_it_prints_is_in_a_file_and_one_that_cannot_start_stops_nothing(
    own_paths: AppPaths, clock: list[float]
) -> None:
    process = WatchProcess(own_paths, is_wanted=True, program=ENDS, clock=lambda: clock[0])
    output = own_paths.state / "watch-output.log"

    def has_printed() -> bool:
        clock[0] += 40
        process.tick()
        return output.exists() and output.read_text().count("no license") >= 2

    wait_until(has_printed, "two lines of output")
    process.close()
    process = WatchProcess(own_paths, is_wanted=True, program=("/no/such/program",), clock=lambda: clock[0])
    process.tick()
    assert process.status()[0].state == "backing-off"
    process.close()


def test_it_ends_with_its_standard_input(started: WatchProcess) -> None:
    assert started.pid is not None
    started.close()
    assert started.pid is None


def test_a_daemon_renders_what_is_put_into_a_folder_of_its_settings(
    clip: Path, own_paths: AppPaths, tmp_path: Path, start_server: StartServer
) -> None:
    """The real process: settings, service, client, worker, results."""
    share, results = tmp_path / "share", tmp_path / "results"
    share.mkdir()
    watched = WatchedFolder(
        path=share, results=results, settle_s=0.1, rescan_s=0.2, model="selva-echo", pages=False
    )
    change_watched_folders(own_paths.settings_file, lambda before: (watched,))
    start_server(watch_folders=(watched,))
    (share / "walk.cues.toml").write_text('[[cue]]\ntrack = "Click"\nprompt = "click"\n')
    (share / "walk.mp4").write_bytes(clip.read_bytes())
    give_up_s = time.monotonic() + MACHINE_PATIENCE_S
    while not (results / "walk" / "report.json").is_file():
        assert time.monotonic() < give_up_s
        time.sleep(0.05)
    with Client.connect(paths=own_paths) as client:
        roles = [process.role for process in client.status().processes]
        assert [job.priority for job in client.jobs()] == ["batch"]
    assert roles == ["server", "worker", "watch"]
    assert sorted(path.name for path in (results / "walk").iterdir()) == ["report.json", "stems", "walk.otio"]
