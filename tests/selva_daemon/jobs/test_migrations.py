"""Databases of every earlier schema version are opened, brought to the present version, and lose nothing."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from selva_core.base.errors import RenderCancelled, StorageError
from selva_daemon.jobs.migrations import MIGRATIONS, migrate
from selva_daemon.jobs.queue import JobQueue
from selva_daemon.jobs.scheduling import FairScheduler
from selva_daemon.protocol.errors import InternalError

DATABASES = Path(__file__).parents[2] / "data" / "queue"
"""schema_N.sqlite3: written by the last program that had the schema version N."""


@pytest.fixture
def memory() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        yield database


def version_of(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def test_there_is_a_database_of_each_version() -> None:
    assert [DATABASES / f"schema_{version}.sqlite3" for version in range(1, len(MIGRATIONS) + 1)] == sorted(
        DATABASES.glob("*.sqlite3")
    )


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_the_jobs_of_an_earlier_database_are_all_there(version: int, tmp_path: Path) -> None:
    file = tmp_path / "queue.sqlite3"
    shutil.copy(DATABASES / f"schema_{version}.sqlite3", file)
    with closing(JobQueue(file, max_queued_jobs=100, max_finished_jobs=100)) as queue:
        jobs = {job.label: job for job in queue.jobs()}
        assert {label: job.state for label, job in jobs.items()} == {
            "done": "done",
            "failed": "failed",
            "cancelled": "cancelled",
            "crashed": "queued",
            "moved to the end": "queued",
            "Füße, 犬": "queued",
            "running": "running",
        }
        (stem,) = jobs["done"].stems
        assert (stem.file, stem.cached, stem.warnings) == (
            "/cut/stems/sc12_boots_0123456789.wav",
            True,
            ("it clips",),
        )
        assert isinstance(jobs["failed"].error, InternalError)
        assert isinstance(jobs["cancelled"].error, RenderCancelled)
        assert jobs["crashed"].had_a_crash
        assert queue.switch("paused")


@pytest.mark.skipif(sys.platform == "win32", reason="the paths in it are POSIX paths")
@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_the_requests_of_an_earlier_database_can_be_rendered(version: int, tmp_path: Path) -> None:
    file = tmp_path / "queue.sqlite3"
    shutil.copy(DATABASES / f"schema_{version}.sqlite3", file)
    with closing(JobQueue(file, max_queued_jobs=100, max_finished_jobs=100)) as queue:
        jobs = {job.label: job for job in queue.jobs()}
        request = jobs["Füße, 犬"].request
        assert request.media.images is not None
        assert (request.num_stems, request.provenance["project"], request.media.images.first) == (
            4,
            "Füße",
            1001,
        )


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_the_work_of_an_earlier_database_goes_on(version: int, tmp_path: Path) -> None:
    """The job that was running is queued again, and the order is the one that was left."""
    file = tmp_path / "queue.sqlite3"
    shutil.copy(DATABASES / f"schema_{version}.sqlite3", file)
    with closing(JobQueue(file, max_queued_jobs=100, max_finished_jobs=100)) as queue:
        assert [job.label for job in queue.recover()] == ["running"]
        scheduler, labels = FairScheduler(interactive_in_a_row=8), []
        while jobs := queue.start_next(scheduler):
            labels += [job.label for job in jobs]
            queue.finish(jobs[0].job_id, [])
        assert labels == ["running", "crashed", "Füße, 犬", "moved to the end"]


def test_an_empty_file_gets_every_migration(memory: sqlite3.Connection) -> None:
    migrate(memory, name="q", migrations=("CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y"))
    assert version_of(memory) == 2
    memory.execute("INSERT INTO a VALUES (1, 2)")


def test_a_database_gets_only_the_migrations_that_it_lacks(memory: sqlite3.Connection) -> None:
    migrate(memory, name="q", migrations=("CREATE TABLE a (x)",))
    memory.execute("INSERT INTO a VALUES (1)")
    migrate(memory, name="q", migrations=("fails if it is run again", "ALTER TABLE a ADD COLUMN y"))
    assert version_of(memory) == 2
    assert memory.execute("SELECT * FROM a").fetchall() == [(1, None)]


def test_a_migration_that_fails_half_way_leaves_the_version_before(memory: sqlite3.Connection) -> None:
    migrate(memory, name="q", migrations=("CREATE TABLE a (x)",))
    with pytest.raises(sqlite3.Error):
        migrate(memory, name="q", migrations=("", "CREATE TABLE b (x); CREATE TABLE a (x)"))
    assert version_of(memory) == 1
    assert not memory.in_transaction
    assert memory.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(memory: sqlite3.Connection) -> None:
    memory.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StorageError, match="made by a newer version"):
        migrate(memory, name="q")
    assert version_of(memory) == len(MIGRATIONS) + 1
