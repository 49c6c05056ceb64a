"""A damaged queue at start: readable jobs are saved, the damaged files are set aside, and the log says both.

Databases are damaged by disks, by power cuts on disks that lie about flushing, and by people who copy one file of the three
(queue.sqlite3, -wal, -shm). Nothing is deleted: the damaged files stay beside the new one, under a name with the time.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from selva_core.base.errors import StorageError
from selva_core.base.render_options import PRIORITIES
from selva_daemon.jobs.migrations import migrate
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.protocol.errors import to_wire
from selva_daemon.protocol.status import FAILED, FINISHED_STATES, STATES

_log = logging.getLogger(__name__)
_COMPANIONS = ("", "-wal", "-shm")
MAX_LOST_IN_A_ROW = 100_000
"""How many numbers without a readable row are tried behind one that cannot be read, before the rest counts as lost."""


def set_aside_if_damaged(file: Path) -> Path | None:
    """Replace a damaged database by a new one with the jobs that could be read.

    Returns where the damaged one lies now, or None when it is sound or there is none. Raises OSError, sqlite3.Error when the
    new one cannot be written.
    """
    problem = _find_damage(file)
    if problem is None:
        return None
    damaged = file.with_name(f"{file.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{file.suffix}")
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            Path(f"{file}{companion}").rename(f"{damaged}{companion}")
    num_saved = _save_jobs(damaged, file)
    _log.error(
        "the queue %s is damaged (%s): %d of its jobs were saved into a new one, the rest lies in %s",
        file,
        problem,
        num_saved,
        damaged,
    )
    return damaged


def fail_unreadable_jobs(database: sqlite3.Connection) -> list[str]:
    """Jobs whose row cannot be read are set to failed, each by itself; returns their ids."""
    found = [
        (row["number"], row["job_id"], row["state"], row["priority"], problem)
        for row in database.execute("SELECT * FROM jobs")
        if (problem := _find_fault(row)) is not None
    ]
    for number, _, state, priority, problem in found:
        error = StorageError(
            f"what the queue holds of this job cannot be read ({problem}); send the job again"
        )
        database.execute(
            "UPDATE jobs SET state = ?, priority = ?, stems = NULL, error = ?, finished_s = coalesce(finished_s, ?)"
            " WHERE number = ?",
            (
                state if state in FINISHED_STATES else FAILED,
                priority if priority in range(len(PRIORITIES)) else 0,
                msgspec.msgpack.encode(to_wire(error)),
                time.time(),
                number,
            ),
        )
    failed = [str(job_id) for _, job_id, *_ in found]
    if failed:
        _log.error("%d jobs of the queue cannot be read and count as failed: %s", len(failed), failed[:20])
    return failed


def _find_fault(row: sqlite3.Row) -> str | None:
    try:
        job = StoredJob.from_row(row)
        if job.state not in STATES:
            return f"state {job.state!r}"
        if job.state not in FINISHED_STATES:
            _ = job.shape  # decodes all that the server itself reads of a request
    except (ValueError, TypeError, LookupError, AttributeError, msgspec.MsgspecError) as exc:
        return f"{type(exc).__name__}: {exc}"
    return None


def _find_damage(file: Path) -> str | None:
    """Why the database cannot be trusted; None when it can, or when there is none."""
    if not file.exists() or file.stat().st_size == 0:
        return None
    try:
        with closing(sqlite3.connect(file, timeout=10.0)) as database:
            found: str = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError:
        return None  # no room or no permission: nothing is wrong with the file, and opening it says so
    except sqlite3.DatabaseError as exc:
        return str(exc)
    return None if found == "ok" else found.replace("\n", " ")[:200]


def _save_jobs(damaged: Path, file: Path) -> int:
    """Copy the rows that can be read into a new database."""
    num_saved = 0
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        migrate(database, name=str(file))
        columns = [row[1] for row in database.execute("PRAGMA table_info(jobs)")]
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        database.execute("BEGIN IMMEDIATE")
        for values in _iter_readable_rows(damaged, names):
            with suppress(sqlite3.IntegrityError, sqlite3.InterfaceError):
                database.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", values)  # noqa: S608 - our own columns
                num_saved += 1
        database.execute("COMMIT")
    return num_saved


def _iter_readable_rows(damaged: Path, names: str) -> Iterator[tuple[object, ...]]:
    """The rows in order of their numbers; behind one that cannot be read, each number is tried by itself."""
    try:
        with closing(sqlite3.connect(damaged)) as database:
            # Without it SQLite refuses every read of a file that is shorter than its header says.
            database.execute("PRAGMA writable_schema = ON")
            number, num_lost = 0, 0
            while num_lost < MAX_LOST_IN_A_ROW:
                try:
                    row = database.execute(
                        f"SELECT {names} FROM jobs WHERE number > ? ORDER BY number LIMIT 1",  # noqa: S608 - our own columns
                        (number,),
                    ).fetchone()
                except sqlite3.DatabaseError as exc:
                    if "not a database" in str(exc):
                        return
                    number, num_lost = number + 1, num_lost + 1
                    continue
                if row is None:
                    return
                number, num_lost = row[0], 0
                yield row
    except sqlite3.DatabaseError:
        return  # not even its first page can be read
