"""The progress of a request, from the states of its jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selva_daemon.protocol.status import JobStatus
from selva_plugins.progress import RequestProgress, RequestProgressTracker, total_sound_s
from selva_plugins.rendering import RenderTask
from selva_render.jobs import build_jobs
from tests.selva_plugins.tasks import task_of


class Request:
    """A request of one task whose jobs report what the test says, with a clock that the test moves."""

    def __init__(self, task: RenderTask) -> None:
        self.jobs = build_jobs(task.sheet, task.options, task.output, timeline_name="film")
        self.clock_s = 100.0
        self.tracker = RequestProgressTracker([(task.sheet, task.options)], now_s=lambda: self.clock_s)

    def report(self, index: int, state: str = "running", **changed: Any) -> RequestProgress:
        job = self.jobs[index]
        status = JobStatus(
            job_id=f"job-{index}",
            label=job.request.label,
            model="selva-echo",
            priority="interactive",
            state=state,
            num_stems=job.request.num_stems,
            sequence=1,
            submitted_s=0.0,
            **changed,
        )
        return self.tracker.update(job, status)


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return tmp_path / "flash.mov"


def test_sound_is_counted_with_all_takes(movie: Path) -> None:
    task = task_of(movie, num_clips=3, num_takes=2)
    assert total_sound_s(task.sheet, task.options) == 3 * 2 * 2


def test_fraction_is_that_of_all_jobs(movie: Path) -> None:
    request = Request(task_of(movie, num_clips=2))
    fractions = [
        request.report(0, fraction=0.5).fraction,
        request.report(0, "done").fraction,
        request.report(1, fraction=0.5).fraction,
        request.report(1, "failed").fraction,
    ]
    assert fractions == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("state", "changed", "message"),
    [
        ("queued", {"position": 3}, "1 of 2: clip 0: waiting behind 2 jobs"),
        ("queued", {"position": 2}, "1 of 2: clip 0: waiting behind 1 job"),
        ("queued", {"position": 1}, "1 of 2: clip 0: waiting for the device"),
        (
            "running",
            {"stage": "sampling", "step": 3, "num_steps": 25},
            "1 of 2: clip 0: sampling (step 3 of 25)",
        ),
        ("running", {"stage": "picture"}, "1 of 2: clip 0: picture"),
        ("done", {}, "2 of 2: clip 0: done"),
    ],
)
def test_message_says_which_clip_and_what_is_done(
    movie: Path, state: str, changed: dict[str, Any], message: str
) -> None:
    assert Request(task_of(movie, num_clips=2)).report(0, state, **changed).message == message


def test_message_of_a_single_clip_has_no_count(movie: Path) -> None:
    assert Request(task_of(movie)).report(0, stage="text").message == "clip 0: text"


def test_time_left_of_a_single_clip_is_the_daemons_estimate(movie: Path) -> None:
    request = Request(task_of(movie))
    assert request.report(0, fraction=0.5, seconds_left=7.0).seconds_left == 7.0


def test_time_left_of_several_clips_is_estimated_from_the_time_passed(movie: Path) -> None:
    request = Request(task_of(movie, num_clips=2))
    assert request.report(0, fraction=0.01).seconds_left is None
    request.clock_s += 10
    assert request.report(0, fraction=0.02, seconds_left=5.0).seconds_left is None
    assert request.report(0, fraction=0.5, seconds_left=5.0).seconds_left == pytest.approx(30.0)
