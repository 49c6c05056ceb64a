"""Many jobs are submitted some at a time, and those that are not finished are known when something ends the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

import selva_render.jobs
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import InvalidRequestError, QueueFullError
from selva_daemon.protocol.status import JobStatus
from selva_render.jobs import ClipJob, run_jobs
from selva_render.report import FailedClip


class Daemon:
    """Does jobs in their order, each in two steps, as a client sees it. room: how many its queue takes."""

    def __init__(self, room: int = 1_000_000) -> None:
        self._room = room
        self._unfinished: list[str] = []
        self.most_unfinished = 0

    def submit(self, request: str, *, timeout_s: float) -> Any:
        if request == "refused":
            raise InvalidRequestError("no", fields=[])
        if len(self._unfinished) >= self._room:
            raise QueueFullError("the queue is full")
        self._unfinished.append(request)
        self.most_unfinished = max(self.most_unfinished, len(self._unfinished))
        return SimpleNamespace(job_id=request)

    def watch(self, job_ids: Sequence[str]) -> Iterator[JobStatus]:
        for job_id in job_ids:
            yield status(job_id, "running")
            self._unfinished.remove(job_id)
            yield status(job_id, "done")


def status(job_id: str, state: str) -> JobStatus:
    return JobStatus(
        job_id=job_id, label="", model="", priority="", state=state, num_stems=0, sequence=1, submitted_s=0.0
    )


def jobs(*names: str) -> Iterator[ClipJob]:
    clip = SimpleNamespace(name="shot", video_track="V1", record_start_s=0)
    return (cast(ClipJob, SimpleNamespace(request=name, clip=clip)) for name in names)


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selva_render.jobs, "MAX_WATCHED", 4)


@pytest.mark.parametrize("num_jobs", [0, 1, 4, 5, 23])
def test_all_jobs_are_done_in_their_order_and_few_wait_at_a_time(num_jobs: int) -> None:
    daemon = Daemon()
    submitted: dict[str, ClipJob] = {}
    names = [f"job {number}" for number in range(num_jobs)]
    seen = [
        (status.job_id, status.state)
        for _, status in run_jobs(cast(Client, daemon), jobs(*names), submitted, [])
    ]
    assert seen == [(name, state) for name in names for state in ("running", "done")]
    assert not submitted
    assert daemon.most_unfinished <= 6


def test_what_is_not_finished_is_known_and_nothing_else_is_made_for_a_run_that_ends() -> None:
    submitted: dict[str, ClipJob] = {}
    supply = jobs(*(f"job {number}" for number in range(23)))
    run = run_jobs(cast(Client, Daemon()), supply, submitted, [])
    assert [next(run)[1].state for _ in range(3)] == ["running", "done", "running"]
    assert list(submitted) == ["job 1", "job 2", "job 3"]
    assert str(next(supply).request) == "job 4", "it was not asked for"


def test_a_clip_that_is_refused_does_not_stop_the_others() -> None:
    refused: list[FailedClip] = []
    names = ["refused", "a", "refused", "b", "refused"]
    run = run_jobs(cast(Client, Daemon()), jobs(*names), {}, refused)
    assert [status.job_id for _, status in run if status.is_finished] == ["a", "b"]
    assert len(refused) == 3


def test_a_full_queue_is_waited_for_while_a_job_of_ours_makes_room() -> None:
    names = [f"job {number}" for number in range(9)]
    run = run_jobs(cast(Client, Daemon(room=3)), jobs(*names), {}, [])
    assert [status.job_id for _, status in run if status.is_finished] == names
    full = run_jobs(cast(Client, Daemon(room=0)), jobs(*names), {}, [])
    with pytest.raises(QueueFullError):
        next(full)
