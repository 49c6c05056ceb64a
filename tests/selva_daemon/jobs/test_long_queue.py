"""Queues of many jobs: what is kept in memory agrees with the disk, and cancelling all takes one small write."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from selva_core.base.errors import RenderCancelled, StorageError
from selva_daemon.jobs.mass_cancel import ROWS_IN_A_ROW
from selva_daemon.jobs.queue import FORGOTTEN_IN_A_ROW, JobQueue
from selva_daemon.jobs.scheduling import FairScheduler
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.protocol.errors import JobStateError
from tests.support.daemons import JobMaker

MANY = 2 * ROWS_IN_A_ROW + 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


def open_queue(file: Path, *, max_finished_jobs: int = 10_000) -> JobQueue:
    return JobQueue(file, max_queued_jobs=10_000, max_finished_jobs=max_finished_jobs)


def submit(queue: JobQueue, make_job: JobMaker, index: int, *, client: str = "owner") -> StoredJob:
    job, _ = queue.submit(
        make_job(label=f"{index}", priority="batch" if index % 3 == 0 else "interactive"),
        client=client,
        session=f"session {index % 4}",
        request_id=f"{index}",
    )
    return job


def fill(file: Path, make_job: JobMaker, count: int) -> None:
    """Many rows quickly: the first is submitted, the others are copies of it."""
    with closing(open_queue(file)) as queue:
        submit(queue, make_job, 1)
    with closing(sqlite3.connect(file)) as database, database:
        columns = "client, session, label, model, num_stems, priority, state, request, submitted_s"
        database.executemany(
            f"INSERT INTO jobs (job_id, request_id, {columns}) SELECT ?, ?, {columns} FROM jobs LIMIT 1",  # noqa: S608
            [(f"copy-{index}", f"copy {index}") for index in range(1, count)],
        )


@pytest.fixture
def queue(file: Path, make_job: JobMaker) -> Iterator[JobQueue]:
    fill(file, make_job, MANY)
    with closing(open_queue(file)) as opened:
        yield opened


def test_positions_in_memory_are_those_of_the_queue_on_disk(file: Path, make_job: JobMaker) -> None:
    """After any sequence of changes, a queue that is opened anew finds the same places and the same next job."""
    chance, scheduler = random.Random(12), FairScheduler(interactive_in_a_row=2)  # noqa: S311 - a fixed sequence
    with closing(open_queue(file)) as queue:
        for index in range(120):
            waiting = queue.jobs(states=("queued",))
            act = chance.choice(("submit", "submit", "move", "cancel", "start", "retry", "requeue"))
            some = chance.sample(waiting, min(3, len(waiting)))
            if act == "submit":
                submit(queue, make_job, index, client=chance.choice(("owner", "guest")))
            elif act == "move":
                queue.move([job.job_id for job in some], to_front=chance.random() < 0.5)
            elif act == "cancel":
                queue.cancel_waiting([job.job_id for job in some[:1]])
            elif act == "start":
                queue.start_next(scheduler, max_jobs=2)
            elif act == "retry" and (finished := queue.jobs(states=("cancelled",))):
                queue.retry(finished[0].job_id)
            elif act == "requeue" and (running := queue.jobs(states=("running",))):
                queue.requeue(running[0].job_id)
            if index % 10 == 9:
                jobs = queue.jobs()
                with closing(open_queue(file)) as other:
                    assert other.positions(jobs, scheduler) == queue.positions(jobs, scheduler)
                    assert other.counts() == queue.counts()


def test_a_change_that_failed_leaves_no_trace_in_memory(file: Path, make_job: JobMaker) -> None:
    with closing(open_queue(file)) as queue:
        jobs = [submit(queue, make_job, index) for index in (1, 2)]
        [running] = queue.start_next(FairScheduler(interactive_in_a_row=8))
        waiting = next(job for job in jobs if job.job_id != running.job_id)
        with pytest.raises(JobStateError):
            queue.move([waiting.job_id, running.job_id], to_front=True)
        assert queue.position(queue.job(waiting.job_id)) == 1
        assert queue.num_waiting == 1


def test_the_places_of_a_list_of_jobs_need_no_look_at_the_disk(queue: JobQueue) -> None:
    jobs = queue.jobs(limit=200)
    statements: list[str] = []
    queue._database.set_trace_callback(statements.append)
    assert queue.positions(jobs) == list(range(MANY - 199, MANY + 1))
    assert statements == []


def test_cancelling_all_holds_before_the_rows_are_written(queue: JobQueue, make_job: JobMaker) -> None:
    scheduler = FairScheduler(interactive_in_a_row=8)
    [running] = queue.start_next(scheduler)
    assert queue.cancel_all_waiting() == MANY - 1
    assert queue.counts() == {"queued": 0, "running": 1, "done": 0, "failed": 0, "cancelled": MANY - 1}
    assert queue.jobs(states=("queued",)) == []
    assert len(queue.jobs(states=("cancelled",), limit=50)) == 50
    assert {job.state for job in queue.jobs(limit=MANY)} == {"running", "cancelled"}
    cancelled = queue.jobs(states=("cancelled",), limit=1)[0]
    assert isinstance(cancelled.error, RenderCancelled)
    assert queue.start_next(scheduler) == []
    later = submit(queue, make_job, 5)
    assert queue.position(later) == 1
    assert queue.unfinished(limit=10) == {running.job_id: "running", later.job_id: "queued"}
    written = []
    while queue.has_cancelled_to_write:
        written += queue.write_cancelled()
    assert len(written) == MANY - 1
    assert [job.job_id for job in queue.start_next(scheduler)] == [later.job_id]


def test_what_was_cancelled_together_stays_cancelled_after_a_kill(file: Path, queue: JobQueue) -> None:
    queue.cancel_all_waiting()
    queue.write_cancelled()
    with closing(open_queue(file)) as after:
        assert after.counts()["queued"] == 0
        assert after.counts()["cancelled"] == MANY
        assert after.has_cancelled_to_write


def test_cancelling_all_writes_little_before_it_is_answered(queue: JobQueue) -> None:
    changes = queue._database.total_changes
    queue.cancel_all_waiting()
    assert queue._database.total_changes - changes == 1


def test_a_full_disk_cancels_nothing(queue: JobQueue) -> None:
    queue._database.execute("PRAGMA query_only = 1")
    with pytest.raises(StorageError):
        queue.cancel_all_waiting()
    assert queue.num_waiting == MANY


def test_the_history_is_shortened_bit_by_bit(file: Path, make_job: JobMaker) -> None:
    fill(file, make_job, MANY)
    with closing(open_queue(file, max_finished_jobs=10)) as queue:
        queue.cancel_all_waiting()
        while queue.has_cancelled_to_write:
            queue.write_cancelled()
        assert queue.forget_oldest()
        assert queue.counts()["cancelled"] == MANY - FORGOTTEN_IN_A_ROW
        while queue.forget_oldest():
            pass
        assert queue.counts()["cancelled"] == 10
