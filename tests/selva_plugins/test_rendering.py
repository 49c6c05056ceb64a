"""Render tasks against a real daemon: progress, cancel, a daemon that dies, one that cannot be reached."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.errors import RenderCancelled
from selva_core.base.paths import AppPaths
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_daemon.settings import DaemonSettings
from selva_plugins.progress import RequestProgress
from selva_plugins.rendering import render_tasks
from tests.selva_plugins.tasks import connector, task_of
from tests.support.daemons import serving, wait_until


def never() -> bool:
    return False


def test_progress_of_all_tasks_goes_from_nothing_to_all(daemon: AppPaths, movie: Path) -> None:
    progresses: list[RequestProgress] = []
    reports = render_tasks(
        [task_of(movie, num_clips=2, num_takes=2), task_of(movie, seed=9)],
        timeline_name="film",
        on_progress=progresses.append,
        is_cancelled=never,
        connect=connector(daemon),
    )
    assert [len(report.stems) for report in reports] == [4, 1]
    fractions = [progress.fraction for progress in progresses]
    assert fractions == sorted(fractions)
    assert (fractions[0] < 0.5, fractions[-1]) == (True, 1.0)
    assert any("of 3: clip 1" in progress.message for progress in progresses)


@pytest.fixture
def _slow_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.2")


@pytest.mark.usefixtures("_slow_echo")
def test_cancel_ends_the_running_and_the_waiting_job(daemon: AppPaths, movie: Path) -> None:
    cancelled = threading.Event()

    def on_progress(progress: RequestProgress) -> None:
        if "sampling" in progress.message:
            cancelled.set()

    with pytest.raises(RenderCancelled):
        render_tasks(
            [task_of(movie, num_clips=3)],
            timeline_name="film",
            on_progress=on_progress,
            is_cancelled=cancelled.is_set,
            connect=connector(daemon),
        )
    with connector(daemon)() as client:
        wait_until(
            lambda: {job.state for job in client.jobs()} == {"cancelled"}, "the end of the running job"
        )
        assert len(client.jobs()) == 3


@pytest.mark.usefixtures("_slow_echo")
def test_cancel_reaches_a_job_that_waits_behind_another(daemon: AppPaths, movie: Path) -> None:
    """Nothing is progresses from a job that only waits, so the cancel must not need to hear."""
    ahead = threading.Thread(
        target=render_tasks,
        args=([task_of(movie, seed=77, num_clips=1)],),
        kwargs={
            "timeline_name": "other",
            "on_progress": lambda progress: None,
            "is_cancelled": never,
            "connect": connector(daemon),
        },
    )
    cancelled = threading.Event()

    def on_progress(progress: RequestProgress) -> None:
        if "waiting" in progress.message:
            cancelled.set()

    ahead.start()
    with connector(daemon)() as client:
        wait_until(lambda: any(job.state == "running" for job in client.jobs()), "a running job")
    with pytest.raises(RenderCancelled):
        render_tasks(
            [task_of(movie)],
            timeline_name="film",
            on_progress=on_progress,
            is_cancelled=cancelled.is_set,
            connect=connector(daemon),
        )
    ahead.join()
    with connector(daemon)() as client:
        assert sorted(job.state for job in client.jobs()) == ["cancelled", "done"]


@pytest.mark.usefixtures("_slow_echo")
def test_daemon_that_is_restarted_finishes_the_request(own_paths: AppPaths, movie: Path) -> None:
    reports: list[Any] = []
    sampling = threading.Event()

    def on_progress(progress: RequestProgress) -> None:
        if "sampling" in progress.message:
            sampling.set()

    def render() -> None:
        reports.extend(
            render_tasks(
                [task_of(movie)],
                timeline_name="film",
                on_progress=on_progress,
                is_cancelled=never,
                connect=connector(own_paths),
                retry_after_s=0.3,
            )
        )

    thread = threading.Thread(target=render)
    with serving(own_paths, DaemonSettings(drain_timeout_s=0.05)):
        thread.start()
        assert sampling.wait(30)
    with serving(own_paths, DaemonSettings(drain_timeout_s=0.2)):
        thread.join(60)
    assert not thread.is_alive()
    assert [len(report.stems) for report in reports] == [1]


def test_daemon_that_cannot_be_reached_is_given_up(own_paths: AppPaths, movie: Path) -> None:
    progresses: list[RequestProgress] = []
    with pytest.raises(DaemonUnavailableError):
        render_tasks(
            [task_of(movie)],
            timeline_name="film",
            on_progress=progresses.append,
            is_cancelled=never,
            connect=connector(own_paths),
            retry_after_s=0.0,
        )
    assert sum("trying again" in progress.message for progress in progresses) == 3
