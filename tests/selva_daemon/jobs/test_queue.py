"""The queue on disk, and which job is next."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.errors import MediaNotFoundError, RenderCancelled, StorageError
from selva_daemon.jobs.queue import MAX_INTERRUPTIONS, JobQueue
from selva_daemon.jobs.scheduling import MAX_BATCH_STEMS, FairScheduler
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.protocol.errors import JobStateError, QueueFullError, UnknownJobError
from selva_daemon.protocol.status import StemResult
from tests.support.daemons import JobMaker

STEM = StemResult(
    cue="c1",
    track="Boots",
    take=1,
    seed=42,
    file="/a.wav",
    sample_rate_hz=48_000,
    num_samples=384_000,
    cached=True,
    warnings=("it clips",),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


def open_queue(file: Path, *, max_queued_jobs: int = 100, max_finished_jobs: int = 100) -> JobQueue:
    return JobQueue(file, max_queued_jobs=max_queued_jobs, max_finished_jobs=max_finished_jobs)


@pytest.fixture
def queue(file: Path) -> Iterator[JobQueue]:
    with closing(open_queue(file)) as opened:
        yield opened


@pytest.fixture
def scheduler() -> FairScheduler:
    return FairScheduler(interactive_in_a_row=2)


class Adder:
    """Adds jobs under fresh request ids."""

    def __init__(self, queue: JobQueue, make_job: JobMaker) -> None:
        self._queue = queue
        self._make_job = make_job
        self._count = 0

    def __call__(self, session: str = "one", *, client: str = "owner", **changes: object) -> StoredJob:
        self._count += 1
        request = self._make_job(label=f"{session} {self._count}", **changes)
        job, created = self._queue.submit(
            request, client=client, session=session, request_id=str(self._count)
        )
        assert created
        return job


@pytest.fixture
def add(queue: JobQueue, make_job: JobMaker) -> Adder:
    return Adder(queue, make_job)


def take_all(queue: JobQueue, scheduler: FairScheduler) -> list[str]:
    labels = []
    while jobs := queue.start_next(scheduler):
        labels += [job.label for job in jobs]
    return labels


def test_an_accepted_job_is_there_after_the_process_is_gone(file: Path, make_job: JobMaker) -> None:
    queue = open_queue(file)
    job, _ = queue.submit(make_job(), client="owner", session="s", request_id="r")
    with closing(open_queue(file)) as other:  # the first was never closed: as after a crash
        assert other.job(job.job_id) == job
        assert other.job(job.job_id).request == make_job()
    queue.close()


def test_the_same_request_is_stored_once(queue: JobQueue, make_job: JobMaker) -> None:
    first, created = queue.submit(make_job(), client="owner", session="s", request_id="r")
    again, created_again = queue.submit(make_job(), client="owner", session="s", request_id="r")
    assert (created, created_again) == (True, False)
    assert again == first
    other, created_other = queue.submit(make_job(), client="owner", session="t", request_id="r")
    assert created_other
    assert other.job_id != first.job_id


def test_a_full_queue_says_how_many_wait_and_takes_more_when_some_are_done(
    file: Path, make_job: JobMaker, scheduler: FairScheduler
) -> None:
    with closing(open_queue(file, max_queued_jobs=1)) as queue:
        queue.submit(make_job(), client="o", session="s", request_id="1")
        with pytest.raises(QueueFullError) as caught:
            queue.submit(make_job(), client="o", session="s", request_id="2")
        assert caught.value.facts == {"num_queued": 1, "max_queued": 1}
        assert caught.value.retryable
        queue.start_next(scheduler)
        assert queue.submit(make_job(), client="o", session="s", request_id="2")[1]


def test_jobs_of_one_client_run_in_the_order_they_came(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    jobs = [add() for _ in range(4)]
    assert [queue.position(job) for job in jobs] == [1, 2, 3, 4]
    assert take_all(queue, scheduler) == [job.label for job in jobs]


def test_clients_are_served_in_turn(queue: JobQueue, add: Adder, scheduler: FairScheduler) -> None:
    for _ in range(3):
        add("busy")
    add("late")
    assert take_all(queue, scheduler) == ["busy 1", "late 4", "busy 2", "busy 3"]


def test_invented_sessions_take_no_turns_from_another_client(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    for number in range(4):
        add(f"invented-{number}", client="greedy")
    add("late", client="modest")
    add("late", client="modest")
    assert take_all(queue, scheduler) == [
        "invented-0 1",
        "late 5",
        "invented-1 2",
        "late 6",
        "invented-2 3",
        "invented-3 4",
    ]


@pytest.mark.parametrize("priority", ["interactive", "batch"])
@pytest.mark.parametrize("seed", range(4))
def test_the_position_is_the_place_in_which_the_job_is_run(
    seed: int, priority: str, queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret

    def add_some(count: int) -> None:
        for _ in range(count):
            add(
                chance.choice("ab"),
                client=chance.choice(["owner", "edit-2"]),
                priority=priority,
            )

    add_some(6)
    for _ in range(3):
        queue.start_next(scheduler)
    add_some(9)
    waiting = queue.jobs(states=("queued",))
    positions = {job.label: queue.position(job, scheduler) for job in waiting}
    assert take_all(queue, scheduler) == sorted(positions, key=lambda label: positions[label])
    assert sorted(positions.values()) == list(range(1, len(waiting) + 1))


def test_the_position_of_a_batch_job_counts_the_interactive_ones_that_go_before(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    first, second = add("folder", priority="batch"), add("folder", priority="batch")
    editor = [add("editor") for _ in range(4)]
    assert [queue.position(job, scheduler) for job in (first, second)] == [3, 6]
    assert [queue.position(job, scheduler) for job in editor] == [1, 2, 4, 5]


def test_interactive_jobs_go_first_and_batch_jobs_do_not_starve(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    add("folder", priority="batch")
    add("folder", priority="batch")
    for _ in range(4):
        add("editor")
    assert take_all(queue, scheduler) == [
        "editor 3",
        "editor 4",
        "folder 1",
        "editor 5",
        "editor 6",
        "folder 2",
    ]


def start_batch(queue: JobQueue, scheduler: FairScheduler, *, max_jobs: int = 8) -> list[str]:
    return [job.label for job in queue.start_next(scheduler, max_jobs=max_jobs)]


def test_jobs_of_one_shape_share_batches_up_to_the_limit(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    for _ in range(3):
        add()
    assert start_batch(queue, scheduler, max_jobs=2) == ["one 1", "one 2"]
    assert start_batch(queue, scheduler, max_jobs=2) == ["one 3"]
    assert start_batch(queue, scheduler) == []


@pytest.mark.parametrize(
    "change",
    [
        {"duration_s": Fraction(1, 5)},
        {"num_steps": 7},
        {"guidance": 2.0},
        {"quality": "draft"},
        {"separate": 1.0},
        {"precision": "float32"},
    ],
)
def test_a_job_of_another_shape_ends_the_batch_and_is_not_overtaken(
    queue: JobQueue, add: Adder, scheduler: FairScheduler, change: dict[str, Any]
) -> None:
    add()
    add(**change)
    add()
    assert [start_batch(queue, scheduler) for _ in range(3)] == [["one 1"], ["one 2"], ["one 3"]]


def test_a_batch_is_filled_in_the_order_of_clients_and_priorities(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    for _ in range(3):
        add("greedy", priority="batch")
    add("modest", priority="batch")
    add("urgent")
    assert start_batch(queue, scheduler, max_jobs=4) == ["urgent 5", "greedy 1", "modest 4", "greedy 2"]


def test_a_job_that_had_a_crash_runs_alone(queue: JobQueue, add: Adder, scheduler: FairScheduler) -> None:
    first, second, third = add(), add(), add()
    assert len(queue.start_next(scheduler, max_jobs=2)) == 2
    for job in (first, second):
        queue.record_worker_crash(job.job_id, "signal 9")
    assert [start_batch(queue, scheduler) for _ in range(3)] == [[first.label], [second.label], [third.label]]


def test_a_batch_takes_no_more_stems_than_fill_it(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    for _ in range(3):
        add(num_takes=MAX_BATCH_STEMS // 2)
    assert start_batch(queue, scheduler) == ["one 1", "one 2"]
    assert start_batch(queue, scheduler) == ["one 3"]


def test_moved_jobs_run_first_in_the_order_given_or_last(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    jobs = [add() for _ in range(4)]
    queue.move([jobs[3].job_id, jobs[2].job_id], to_front=True)
    queue.move([jobs[0].job_id], to_front=False)
    assert take_all(queue, scheduler) == ["one 4", "one 3", "one 2", "one 1"]


def test_only_waiting_jobs_are_moved(queue: JobQueue, add: Adder, scheduler: FairScheduler) -> None:
    first, second = add(), add()
    queue.start_next(scheduler)
    with pytest.raises(JobStateError, match="running"):
        queue.move([second.job_id, first.job_id], to_front=True)
    with pytest.raises(UnknownJobError):
        queue.move(["nonesuch"], to_front=True)
    assert queue.job(second.job_id).rank == 0


def test_a_finished_job_keeps_its_stems_and_is_not_finished_twice(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    job = add()
    queue.start_next(scheduler)
    queue.finish(job.job_id, [STEM])
    assert queue.job(job.job_id).stems == (STEM,)
    with pytest.raises(JobStateError):
        queue.cancel(job.job_id, RenderCancelled("too late"))
    assert queue.job(job.job_id).state == "done"


def test_a_failed_job_keeps_its_reason(queue: JobQueue, add: Adder, scheduler: FairScheduler) -> None:
    job = add()
    queue.start_next(scheduler)
    queue.fail(job.job_id, MediaNotFoundError("gone", path="/x.mov"))
    error = queue.job(job.job_id).error
    assert error is not None
    assert (error.code, error.facts) == ("media-not-found", {"path": "/x.mov"})


def test_a_retried_job_waits_behind_the_others_and_starts_over(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    first = add()
    queue.start_next(scheduler)
    queue.fail(first.job_id, MediaNotFoundError("gone"))
    second = add()
    retried = queue.retry(first.job_id)
    assert (retried.state, retried.error, retried.worker_deaths) == ("queued", None, 0)
    assert queue.position(retried) == 2
    third = add()
    assert take_all(queue, scheduler) == [second.label, first.label, third.label]


def test_history_keeps_the_newest(file: Path, make_job: JobMaker, scheduler: FairScheduler) -> None:
    with closing(open_queue(file, max_finished_jobs=2)) as queue:
        add = Adder(queue, make_job)
        jobs = [add() for _ in range(4)]
        for job in jobs[:3]:
            queue.start_next(scheduler)
            queue.finish(job.job_id, [])
        assert [job.label for job in queue.jobs(states=["done"])] == ["one 2", "one 3"]
        assert queue.job(jobs[3].job_id).state == "queued"


def test_after_a_crash_running_jobs_wait_in_their_old_place(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    jobs = [add() for _ in range(3)]
    queue.start_next(scheduler)
    assert [job.state for job in queue.recover()] == ["queued"]
    assert queue.recover() == []
    assert take_all(queue, scheduler) == [job.label for job in jobs]
    assert queue.job(jobs[0].job_id).attempts == 2


def test_a_job_that_was_running_at_every_crash_fails_in_the_end(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    job = add()
    for _ in range(MAX_INTERRUPTIONS - 1):
        queue.start_next(scheduler)
        assert queue.recover()[0].state == "queued"
    queue.start_next(scheduler)
    assert queue.recover()[0].state == "failed"
    assert queue.retry(job.job_id).interruptions == 0


def test_a_job_whose_node_is_lost_again_and_again_waits_in_its_place_and_fails_in_the_end(
    queue: JobQueue, add: Adder, scheduler: FairScheduler
) -> None:
    first, second = add(), add()
    for _ in range(MAX_INTERRUPTIONS - 1):
        queue.start_next(scheduler)
        assert queue.record_interruption(first.job_id, "its node was lost").state == "queued"
    queue.start_next(scheduler)
    failed = queue.record_interruption(first.job_id, "its node was lost")
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.message.startswith(f"its node was lost {MAX_INTERRUPTIONS} times")
    assert take_all(queue, scheduler) == [second.label]


def test_switches_are_remembered(file: Path) -> None:
    with closing(open_queue(file)) as queue:
        assert not queue.switch("paused")
        queue.set_switch("paused", True)
    with closing(open_queue(file)) as queue:
        assert queue.switch("paused")


def test_a_full_disk_is_an_error_and_the_queue_stays_as_it_was(
    queue: JobQueue, add: Adder, make_job: JobMaker, scheduler: FairScheduler
) -> None:
    job = add()
    pages = queue._database.execute("PRAGMA page_count").fetchone()[0]
    queue._database.execute(f"PRAGMA max_page_count = {pages}")
    big = make_job(prompts=["x" * 2000] * 100)
    with pytest.raises(StorageError, match="full"):
        queue.submit(big, client="owner", session="s", request_id="big")
    assert [stored.job_id for stored in queue.jobs()] == [job.job_id]
    queue._database.execute(f"PRAGMA max_page_count = {pages * 100}")
    assert queue.submit(big, client="owner", session="s", request_id="big")[1]


def test_a_queue_of_a_newer_version_is_not_touched(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="newer"):
        open_queue(file)
