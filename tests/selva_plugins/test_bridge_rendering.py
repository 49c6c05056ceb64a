"""The bridge core against a real daemon: progress, cancel, a daemon that dies, and what is said when it cannot go on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.errors import RenderCancelled
from selva_core.base.paths import AppPaths
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_daemon.settings import DaemonSettings
from selva_otio import CueSheet, SpottedClip, StemTrack, TimelineClock
from selva_otio.cues.cue_sheet import CueBuilder
from selva_plugins import bridge
from selva_plugins.bridge import PreparedRequest, answer_request
from selva_plugins.progress import RequestProgress
from selva_plugins.rendering import RenderTask, render_tasks
from selva_plugins.request_folder import PROTOCOL, read_json
from selva_render.options import OutputOptions
from tests.support.daemons import serving, wait_until
from tests.support.flashes import write_flashing_clip

CLOCK = TimelineClock(frame_rate_hz=Fraction(25), otio_rate_hz=25.0, start_frame=0, drop_frame=False)


@pytest.fixture
def places(tmp_path: Path) -> AppPaths:
    return AppPaths(state=tmp_path / "state", cache=tmp_path / "cache", config=tmp_path / "config")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return write_flashing_clip(tmp_path / "flash.mov", rate=Fraction(25), num_frames=50, flashes={10, 30})


def task_of(movie: Path, *, num_clips: int = 1, num_takes: int = 1, seed: int = 1) -> RenderTask:
    numbering = CueBuilder()
    clips = [
        SpottedClip(
            name=f"clip {index}",
            video_track="V1",
            media_path=movie,
            media_start_s=Fraction(0),
            speed=Fraction(1),
            record_start_s=Fraction(2 * index),
            duration_s=Fraction(2),
            source_timecode="00:00:00:00",
            source_end_timecode="00:00:02:00",
        )
        for index in range(num_clips)
    ]
    sound = StemTrack(name="Dog", prompt="bark")
    sheet = CueSheet(
        clock=CLOCK, tracks=("Dog",), cues=tuple(numbering.build_cue(clip, sound, "") for clip in clips)
    )
    return RenderTask(
        sheet=sheet,
        options=RenderOptions(model="selva-echo", num_takes=num_takes, seed=seed),
        output=OutputOptions(stems_folder=movie.parent / "stems"),
    )


def connector(places: AppPaths) -> Callable[[], Client]:
    return lambda: Client.connect(paths=places)


def never() -> bool:
    return False


@pytest.fixture
def daemon(places: AppPaths) -> Iterator[AppPaths]:
    with serving(places, DaemonSettings(drain_timeout_s=0.2)):
        yield places


def test_progress_of_all_batches_goes_from_nothing_to_all(daemon: AppPaths, movie: Path) -> None:
    heard: list[RequestProgress] = []
    reports = render_tasks(
        [task_of(movie, num_clips=2, num_takes=2), task_of(movie, seed=9)],
        timeline_name="film",
        on_progress=heard.append,
        is_cancelled=never,
        connect=connector(daemon),
    )
    assert [len(report.stems) for report in reports] == [4, 1]
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert (fractions[0] < 0.5, fractions[-1]) == (True, 1.0)
    assert any("of 3: clip 1" in progress.message for progress in heard)


@pytest.fixture
def _slow_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.2")


@pytest.mark.usefixtures("_slow_echo")
def test_cancel_ends_the_running_and_the_waiting_job(daemon: AppPaths, movie: Path) -> None:
    cancelled = threading.Event()

    def hear(progress: RequestProgress) -> None:
        if "sampling" in progress.message:
            cancelled.set()

    with pytest.raises(RenderCancelled):
        render_tasks(
            [task_of(movie, num_clips=3)],
            timeline_name="film",
            on_progress=hear,
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
    """Nothing is heard from a job that only waits, so the cancel must not need to hear."""
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

    def hear(progress: RequestProgress) -> None:
        if "waiting" in progress.message:
            cancelled.set()

    ahead.start()
    with connector(daemon)() as client:
        wait_until(lambda: any(job.state == "running" for job in client.jobs()), "a running job")
    with pytest.raises(RenderCancelled):
        render_tasks(
            [task_of(movie)],
            timeline_name="film",
            on_progress=hear,
            is_cancelled=cancelled.is_set,
            connect=connector(daemon),
        )
    ahead.join()
    with connector(daemon)() as client:
        assert sorted(job.state for job in client.jobs()) == ["cancelled", "done"]


@pytest.mark.usefixtures("_slow_echo")
def test_daemon_that_is_restarted_finishes_the_request(places: AppPaths, movie: Path) -> None:
    reports: list[Any] = []
    sampling = threading.Event()

    def hear(progress: RequestProgress) -> None:
        if "sampling" in progress.message:
            sampling.set()

    def render() -> None:
        reports.extend(
            render_tasks(
                [task_of(movie)],
                timeline_name="film",
                on_progress=hear,
                is_cancelled=never,
                connect=connector(places),
                retry_after_s=0.3,
            )
        )

    thread = threading.Thread(target=render)
    with serving(places, DaemonSettings(drain_timeout_s=0.05)):
        thread.start()
        assert sampling.wait(30)
    with serving(places, DaemonSettings(drain_timeout_s=0.2)):
        thread.join(60)
    assert not thread.is_alive()
    assert [len(report.stems) for report in reports] == [1]


def test_daemon_that_never_comes_is_given_up(places: AppPaths, movie: Path) -> None:
    heard: list[RequestProgress] = []
    with pytest.raises(DaemonUnavailableError):
        render_tasks(
            [task_of(movie)],
            timeline_name="film",
            on_progress=heard.append,
            is_cancelled=never,
            connect=connector(places),
            retry_after_s=0.0,
        )
    assert sum("trying again" in progress.message for progress in heard) == 3


# Whole requests --------------------------------------------------------------------------------------------------------


class FakeAdapter:
    """A host whose preparing is what the test says."""

    def __init__(self, prepare: Callable[[], PreparedRequest]) -> None:
        self.prepare = lambda request: prepare()
        self.check = lambda request: [{"title": "t", "text": "x", "level": "ok"}]


def put_request(folder: Path, action: str = "items") -> Path:
    folder.mkdir(parents=True)
    values = {"schema": "selva.request/1", "protocol": PROTOCOL, "host": "fake", "action": action}
    (folder / "request.json").write_text(json.dumps(values))
    return folder


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(
        prepare: Callable[[], PreparedRequest], *, connect: Any = None, action: str = "items"
    ) -> dict[str, Any]:
        monkeypatch.setattr(bridge, "_find_adapter", lambda name: FakeAdapter(prepare))
        folder = put_request(tmp_path / "requests" / "r1", action)
        answer_request(folder, connect=connect)
        return read_json(folder / "status.json")

    return run


def prepared(movie: Path) -> PreparedRequest:
    return PreparedRequest(
        tasks=[task_of(movie)],
        timeline_name="film",
        notices=["an item had no picture"],
        build_placements=lambda reports: [
            {"cue": stem.cue.id} for report in reports for stem in report.stems
        ],
    )


def test_answered_request_has_its_plan_before_it_says_ready(
    answer: Callable[..., dict[str, Any]], daemon: AppPaths, movie: Path, tmp_path: Path
) -> None:
    status = answer(lambda: prepared(movie), connect=connector(daemon))
    assert (status["state"], status["fraction"]) == ("ready", 1.0)
    assert status["notices"][0] == "an item had no picture"
    assert any("No model was run" in notice for notice in status["notices"])
    plan = read_json(tmp_path / "requests" / "r1" / "plan.json")
    assert len(plan["placements"]) == 1


def test_second_bridge_for_an_answered_request_leaves_at_once(
    answer: Callable[..., dict[str, Any]], daemon: AppPaths, movie: Path, tmp_path: Path
) -> None:
    before = answer(lambda: prepared(movie), connect=connector(daemon))
    answer_request(tmp_path / "requests" / "r1", connect=connector(daemon))
    assert read_json(tmp_path / "requests" / "r1" / "status.json") == before


def test_request_cut_short_is_answered_when_asked_again(
    answer: Callable[..., dict[str, Any]], daemon: AppPaths, movie: Path, tmp_path: Path
) -> None:
    """As after a crash of the bridge: a status without an end, a lock nobody holds."""
    folder = tmp_path / "requests" / "r1"
    status = answer(lambda: prepared(movie), connect=connector(daemon))
    (folder / "status.json").write_text(json.dumps({**status, "state": "working"}))
    (folder / "plan.json").unlink()
    answer_request(folder, connect=connector(daemon))
    assert read_json(folder / "status.json")["state"] == "ready"
    with connector(daemon)() as client:
        stems = [stem for job in client.jobs() for stem in client.job(job.job_id).stems]
    assert [stem.cached for stem in stems] == [False, True]


def test_fault_of_our_own_is_said_and_logged(answer: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    def fail() -> PreparedRequest:
        raise ZeroDivisionError("by design")

    status = answer(fail)
    assert status["state"] == "failed"
    assert "a fault in the bridge (ZeroDivisionError: by design)" in status["message"]
    assert "ZeroDivisionError" in (tmp_path / "requests" / "r1" / "bridge.log").read_text()


def test_check_needs_no_daemon(answer: Callable[..., dict[str, Any]]) -> None:
    status = answer(lambda: prepared(Path("/x")), action="check")
    assert (status["state"], status["checks"][0]["level"]) == ("ready", "ok")


def test_cancelled_request_says_so(
    answer: Callable[..., dict[str, Any]], daemon: AppPaths, movie: Path, tmp_path: Path
) -> None:
    def prepare() -> PreparedRequest:
        (tmp_path / "requests" / "r1" / "cancel").touch()
        return prepared(movie)

    assert answer(prepare, connect=connector(daemon))["state"] == "cancelled"


def test_unknown_host_is_refused_by_name(tmp_path: Path) -> None:
    folder = put_request(tmp_path / "requests" / "r1")
    answer_request(folder)
    assert "no host is called 'fake'" in read_json(folder / "status.json")["message"]
