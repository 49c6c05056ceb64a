"""What the dispatcher publishes and gives to workers, with a real queue and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from selva_daemon.jobs.dispatcher import PUBLISHED_IN_A_ROW, Dispatcher
from selva_daemon.jobs.events import EventPublisher
from selva_daemon.jobs.queue import MAX_INTERRUPTIONS, JobQueue
from selva_daemon.jobs.scheduling import BATCH_GAP_S, FairScheduler
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.jobs.supervisor import Outcome, Supervisor, WorkerState
from selva_daemon.protocol.errors import QueueFullError, UnknownJobError
from selva_daemon.protocol.status import DaemonEvent, JobStatus, StemResult
from selva_daemon.protocol.worker_link import JobCancelled, JobDone
from tests.support.daemons import JobMaker, wait_until

MAX_QUEUED = 5
STEM = StemResult(
    cue="c", track="t", take=1, seed=1, file="/t.wav", sample_rate_hz=48_000, num_samples=1, cached=False
)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class RecordedEvents:
    """Stands for the publisher."""

    def __init__(self) -> None:
        self.jobs: list[JobStatus] = []

    def is_followed(self, job_id: str) -> bool:
        return True

    def publish_job(self, status: JobStatus) -> None:
        self.jobs.append(status)

    def publish_daemon(self, event: DaemonEvent) -> None:
        """No test here asks."""


class IdleWorker:
    """Stands for a supervisor whose worker takes jobs and never reports."""

    def __init__(self, max_batch_jobs: int = 1) -> None:
        self.max_batch_jobs = max_batch_jobs
        self.can_take_job = True
        self.state = WorkerState.IDLE
        self.given: list[list[str]] = []
        self.cancelled: list[str] = []
        self.loaded: list[str] = []

    def load(self, model_id: str) -> None:
        self.loaded.append(model_id)

    def give(self, jobs: Sequence[StoredJob]) -> None:
        self.can_take_job = False
        self.given.append([job.job_id for job in jobs])

    def cancel(self, job_id: str) -> bool:
        self.cancelled.append(job_id)
        return job_id in self.given[-1]


class Stage:
    """A dispatcher with everything around it."""

    def __init__(self, queue: JobQueue, make_job: JobMaker) -> None:
        self.clock, self.events, self.worker = Clock(), RecordedEvents(), IdleWorker()
        self.dispatcher = Dispatcher(
            queue,
            cast(EventPublisher, self.events),
            scheduler=FairScheduler(interactive_in_a_row=8),
            clock=self.clock,
        )
        self.dispatcher.workers = [cast(Supervisor, self.worker)]
        self._make_job = make_job
        self._count = 0

    def submit(self, **changes: Any) -> str:
        self._count += 1
        job, _ = self.dispatcher.submit(
            self._make_job(seed=self._count, **changes),
            client="owner",
            session="s",
            request_id=str(self._count),
        )
        return job.job_id

    def finish(self, *job_ids: str, after_s: float) -> None:
        """The worker's jobs end; it may be given others."""
        self.clock.now_s += after_s
        self.worker.can_take_job = True
        for job_id in job_ids:
            self.dispatcher.on_job_event(JobDone(job_id=job_id, stems=(STEM,)))

    def events_of(self, job_id: str) -> list[tuple[str, int]]:
        return [(status.state, status.sequence) for status in self.events.jobs if status.job_id == job_id]


@pytest.fixture
def stage(tmp_path: Path, make_job: JobMaker) -> Iterator[Stage]:
    file = tmp_path / "queue.sqlite3"
    with closing(JobQueue(file, max_queued_jobs=MAX_QUEUED, max_finished_jobs=100)) as queue:
        yield Stage(queue, make_job)


def test_cancelling_a_waiting_job_is_published_once_with_its_reason_and_reaches_no_worker(
    stage: Stage,
) -> None:
    stage.submit()
    waiting = stage.submit()
    assert stage.dispatcher.cancel([waiting]) == {waiting: "cancelled"}
    assert stage.events_of(waiting) == [("queued", 1), ("cancelled", 2)]
    last = stage.events.jobs[-1]
    assert last.error is not None
    assert (last.error.code, last.position, last.stage) == ("cancelled", 0, "")
    assert "before it began" in last.error.message
    assert stage.worker.cancelled == []


def test_cancelling_a_running_job_is_published_when_the_worker_has_dropped_it(stage: Stage) -> None:
    running = stage.submit()
    assert stage.dispatcher.cancel([running]) == {running: "running"}
    assert stage.worker.cancelled == [running]
    assert stage.events_of(running)[-1][0] == "running"
    stage.dispatcher.on_job_event(JobCancelled(job_id=running))
    assert stage.events_of(running)[-1][0] == "cancelled"


def test_cancelling_a_finished_job_publishes_nothing_and_changes_nothing(stage: Stage) -> None:
    job_id = stage.submit()
    stage.finish(job_id, after_s=1)
    events = stage.events_of(job_id)
    assert stage.dispatcher.cancel([job_id]) == {job_id: "done"}
    assert stage.events_of(job_id) == events


def test_many_cancelled_jobs_are_published_in_parts_so_that_requests_are_answered_between(
    tmp_path: Path, make_job: JobMaker
) -> None:
    many = PUBLISHED_IN_A_ROW + 5
    with closing(JobQueue(tmp_path / "many.sqlite3", max_queued_jobs=many, max_finished_jobs=many)) as queue:
        stage = Stage(queue, make_job)
        running, *waiting = [stage.submit() for _ in range(many)]
        stage.events.jobs.clear()
        states, num_jobs = stage.dispatcher.cancel_all(max_named=many)
        assert states == {running: "running", **dict.fromkeys(waiting, "cancelled")}
        assert num_jobs == many
        assert stage.worker.cancelled == [running]
        assert len(stage.events.jobs) == PUBLISHED_IN_A_ROW
        assert queue.counts() == {"queued": 0, "running": 1, "done": 0, "failed": 0, "cancelled": many - 1}
        while stage.dispatcher.has_unpublished:
            stage.dispatcher.publish_some()
        assert [(status.job_id, status.state) for status in stage.events.jobs] == [
            (job_id, "cancelled") for job_id in waiting
        ]


def test_the_reply_to_cancelling_all_names_no_more_jobs_than_a_message_holds(stage: Stage) -> None:
    running, first, _ = (stage.submit() for _ in range(3))
    states, num_jobs = stage.dispatcher.cancel_all(max_named=2)
    assert states == {running: "running", first: "cancelled"}
    assert num_jobs == 3


def test_only_what_somebody_follows_is_published(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.submit()
    monkeypatch.setattr(stage.events, "is_followed", lambda _job_id: False)
    stage.events.jobs.clear()
    stage.submit()
    assert stage.events.jobs == []


def test_an_unknown_id_among_others_cancels_nothing(stage: Stage) -> None:
    stage.submit()
    waiting = stage.submit()
    with pytest.raises(UnknownJobError):
        stage.dispatcher.cancel([waiting, "mistyped"])
    assert stage.dispatcher.cancel([waiting]) == {waiting: "cancelled"}


def test_a_full_queue_names_its_length_the_position_and_when_there_is_room(stage: Stage) -> None:
    stage.finish(stage.submit(), after_s=20)
    running = stage.submit()
    for _ in range(MAX_QUEUED):
        stage.submit()
    with pytest.raises(QueueFullError) as caught:
        stage.submit()
    assert caught.value.message == (
        "the queue is full: 5 jobs wait, more are not taken. This one would be number 6, to begin in about "
        "120 s; there is room in about 20 s. Send it again later, or raise max_queued_jobs"
    )
    assert caught.value.facts == {
        "num_queued": 5,
        "max_queued": 5,
        "position": 6,
        "seconds_until_room": 20.0,
        "seconds_until_start": 120.0,
    }
    assert caught.value.retryable
    stage.finish(running, after_s=20)
    assert stage.submit()


def test_a_full_queue_without_a_finished_job_names_no_times(stage: Stage) -> None:
    for _ in range(MAX_QUEUED + 1):
        stage.submit()
    with pytest.raises(QueueFullError, match=r"number 6\. Send it again") as caught:
        stage.submit()
    assert caught.value.facts["seconds_until_start"] is None


def test_waiting_jobs_share_batches_once_the_worker_is_free(stage: Stage) -> None:
    stage.worker.max_batch_jobs = 3
    first = stage.submit()
    waiting = [stage.submit() for _ in range(4)]
    assert stage.worker.given == [[first]]
    stage.finish(first, after_s=10)
    assert stage.worker.given[1:] == [waiting[:3]]
    stage.finish(*waiting[:3], after_s=10)
    assert stage.worker.given[2:] == [waiting[3:]]


def test_an_idle_worker_waits_a_moment_while_jobs_of_one_shape_arrive(stage: Stage) -> None:
    stage.worker.max_batch_jobs = 3
    stage.worker.can_take_job = False
    first = stage.submit()
    stage.worker.can_take_job = True
    second = stage.submit()
    assert stage.worker.given == []
    assert stage.dispatcher.dispatch_at_s == stage.clock.now_s + BATCH_GAP_S
    stage.clock.now_s = stage.dispatcher.dispatch_at_s
    stage.dispatcher.dispatch()
    assert stage.worker.given == [[first, second]]


def test_a_full_batch_and_a_single_job_do_not_wait(stage: Stage) -> None:
    stage.worker.max_batch_jobs = 2
    single = stage.submit()
    assert stage.worker.given == [[single]]
    pair = [stage.submit(), stage.submit()]
    stage.finish(single, after_s=0)
    assert stage.worker.given[1:] == [pair]


def test_jobs_that_shared_batches_count_with_their_share_of_the_time(stage: Stage) -> None:
    stage.worker.max_batch_jobs = 2
    stage.worker.can_take_job = False
    pair = [stage.submit(), stage.submit()]
    stage.clock.now_s += 1
    stage.worker.can_take_job = True
    stage.dispatcher.dispatch()
    stage.finish(*pair, after_s=20)
    stage.submit()
    waiting = stage.submit()
    assert stage.events.jobs[-1].job_id == waiting
    assert stage.events.jobs[-1].seconds_left == 10.0


def test_each_job_of_a_dead_worker_gets_its_own_outcome(stage: Stage) -> None:
    stage.worker.max_batch_jobs = 3
    first = stage.submit()
    trio = [stage.submit() for _ in range(3)]
    stage.finish(first, after_s=1)
    stage.worker.can_take_job = False
    outcomes = dict(zip(trio, (Outcome.CRASHED, Outcome.CANCELLED, Outcome.REQUEUED), strict=True))
    stage.dispatcher.on_worker_ended(outcomes, "signal 9")
    assert [stage.events_of(job_id)[-1][0] for job_id in trio] == ["queued", "cancelled", "queued"]


def test_a_job_that_is_given_up_after_crashes_of_the_daemon_leaves_nothing_behind(
    stage: Stage, tmp_path: Path
) -> None:
    job_id = stage.submit()
    stage.worker.can_take_job = False
    left = tmp_path / "stems" / f".selva-{job_id}-0123abcd"
    for _ in range(MAX_INTERRUPTIONS - 1):
        left.mkdir(parents=True, exist_ok=True)
        stage.dispatcher.recover()
        stage.worker.can_take_job = True
        stage.dispatcher.dispatch()
    assert left.exists()  # the job is to run again, and removes it then
    stage.dispatcher.recover()
    assert stage.dispatcher.cancel([job_id]) == {job_id: "failed"}
    wait_until(lambda: not left.exists(), "the hidden folder to be removed")


def test_model_is_loaded_in_advance_while_nothing_waits(stage: Stage) -> None:
    assert stage.dispatcher.load_in_advance("selva-nano")
    assert stage.worker.loaded == ["selva-nano"]


def test_nothing_is_loaded_in_advance_while_jobs_wait_or_the_daemon_is_paused(stage: Stage) -> None:
    stage.dispatcher.set_paused(True)
    assert not stage.dispatcher.load_in_advance("selva-nano")
    stage.submit()
    stage.dispatcher.set_paused(False)
    stage.worker.can_take_job = False
    stage.submit()
    assert not stage.dispatcher.load_in_advance("selva-nano")
    assert stage.worker.loaded == []
