"""A damaged queue at start: what can be read is saved, the rest set aside; one unreadable row fails by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from selva_core.base.errors import StorageError
from selva_daemon.jobs.queue import JobQueue
from selva_daemon.protocol.status import CANCELLED, DONE, FAILED, QUEUED
from tests.support.daemons import JobMaker

PAGE_BYTES = 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


def open_queue(file: Path) -> JobQueue:
    return JobQueue(file, max_queued_jobs=1000, max_finished_jobs=1000)


def fill(file: Path, make_job: JobMaker, *, num_jobs: int = 60) -> list[str]:
    """The ids of waiting jobs, all of them in the database file itself."""
    with closing(open_queue(file)) as queue:
        ids = [
            queue.submit(make_job(label=f"job {index}"), client="c", session="s", request_id=str(index))[
                0
            ].job_id
            for index in range(num_jobs)
        ]
        queue._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return ids


def put_noise_into_a_page(file: Path) -> None:
    num_pages = file.stat().st_size // PAGE_BYTES
    with file.open("r+b") as stream:
        stream.seek(num_pages // 2 * PAGE_BYTES)
        stream.write(b"\xa5" * PAGE_BYTES)


def truncate(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // PAGE_BYTES * 2 // 3 * PAGE_BYTES)


def test_a_sound_queue_is_opened_as_it_is(file: Path, make_job: JobMaker) -> None:
    ids = fill(file, make_job)
    with closing(open_queue(file)) as queue:
        assert [job.job_id for job in queue.jobs(limit=100)] == ids
        assert queue.counts()[QUEUED] == len(ids)
    assert not list(file.parent.glob("*.damaged-*"))


@pytest.mark.parametrize("damage", [put_noise_into_a_page, truncate])
def test_of_a_damaged_queue_the_jobs_that_can_be_read_are_saved(
    file: Path, make_job: JobMaker, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    ids = fill(file, make_job)
    damage(file)
    damaged_bytes = file.read_bytes()
    with closing(open_queue(file)) as queue:
        saved = [job.job_id for job in queue.jobs(limit=100)]
        assert 0 < len(saved) <= len(ids)  # all of them where the noise hit an index
        assert saved == [job_id for job_id in ids if job_id in saved]
        added, is_new = queue.submit(make_job(), client="c", session="new", request_id="1")
        assert is_new
        assert queue.job(added.job_id).state == QUEUED
    [aside] = file.parent.glob("queue.damaged-*.sqlite3")
    assert aside.read_bytes() == damaged_bytes
    assert f"{len(saved)} of its jobs were saved" in caplog.text


def test_a_file_that_is_no_database_is_set_aside(file: Path, make_job: JobMaker) -> None:
    file.write_bytes(b"what somebody wrote here" * 400)
    with closing(open_queue(file)) as queue:
        assert queue.jobs() == []
        queue.submit(make_job(), client="c", session="s", request_id="1")
    [aside] = file.parent.glob("queue.damaged-*.sqlite3")
    assert aside.read_bytes() == b"what somebody wrote here" * 400


@pytest.mark.parametrize(
    ("column", "value", "state"),
    [
        ("request", b"\xc1 noise", FAILED),
        ("error", b"\xc1 noise", FAILED),
        ("stems", b"\xc1 noise", FAILED),
        ("priority", 77, FAILED),
        ("state", "dancing", FAILED),
    ],
)
def test_one_unreadable_row_fails_by_itself(
    file: Path, make_job: JobMaker, column: str, value: object, state: str
) -> None:
    first, second, third = fill(file, make_job, num_jobs=3)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"UPDATE jobs SET {column} = ? WHERE job_id = ?", (value, second))  # noqa: S608 - of the parameters above
    with closing(open_queue(file)) as queue:
        job = queue.job(second)
        assert job.state == state
        assert isinstance(job.error, StorageError)
        assert "send the job again" in job.error.message
        assert [queue.job(job_id).state for job_id in (first, third)] == [QUEUED, QUEUED]


@pytest.mark.parametrize("state", [DONE, CANCELLED])
def test_an_unreadable_row_of_a_finished_job_keeps_its_state(
    file: Path, make_job: JobMaker, state: str
) -> None:
    [only] = fill(file, make_job, num_jobs=1)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE jobs SET state = ?, stems = ?", (state, b"\xc1"))
    with closing(open_queue(file)) as queue:
        assert queue.job(only).state == state
        assert queue.job(only).stems == ()
