"""The queue on disk: SQLite in WAL mode, written before anything is acknowledged.

Only the server's main thread uses a JobQueue. States: queued → running → done, failed or cancelled; a running job whose
worker or server died is queued again. Order is by number, never by time: the clock may be set back.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from selva_core.base.command_line import selva_command
from selva_core.base.errors import SelvaError, StorageError
from selva_core.base.render_options import PRIORITIES
from selva_daemon.jobs.migrations import migrate
from selva_daemon.jobs.queue_repair import fail_unreadable_jobs, set_aside_if_damaged
from selva_daemon.jobs.scheduling import FairScheduler, QueueHead, can_batch
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.protocol.errors import (
    JobStateError,
    QueueFullError,
    UnknownJobError,
    WorkerDiedError,
    to_wire,
)
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import (
    CANCELLED,
    DONE,
    FAILED,
    FINISHED_STATES,
    QUEUED,
    RUNNING,
    STATES,
    StemResult,
)

MAX_WORKER_DEATHS = 2
MAX_INTERRUPTIONS = 5
DEFAULT_INTERACTIVE_IN_A_ROW = 8


class JobQueue:
    """Opened once by the daemon; `close` it. What a method changes is on disk when it returns.

    Raises StorageError when the database cannot be written (a full disk, for instance), which leaves it as it was, and for
    a database of a newer version.
    """

    def __init__(self, file: Path, *, max_queued_jobs: int, max_finished_jobs: int) -> None:
        self._file = file
        self._max_queued_jobs = max_queued_jobs
        self._max_finished_jobs = max_finished_jobs
        with self._translated():
            try:
                set_aside_if_damaged(file)
            except OSError as exc:
                raise StorageError(
                    f"the queue {file} is damaged and cannot be set aside: {exc.strerror or exc}",
                    path=str(file),
                ) from exc
            self._database = sqlite3.connect(file, isolation_level=None, timeout=10.0)
            self._database.row_factory = sqlite3.Row
            self._database.execute("PRAGMA journal_mode = WAL")
            migrate(self._database, name=str(file))
            # Not a migration: the index changes what is fast and nothing else, and earlier versions live with it.
            self._database.execute(
                "CREATE INDEX IF NOT EXISTS jobs_in_turn ON jobs"
                " (state, rank, priority, client, session, number)"
            )
            fail_unreadable_jobs(self._database)

    def close(self) -> None:
        self._database.close()

    # -- for clients -----------------------------------------------------------------------------------

    def submit(
        self, request: JobRequest, *, client: str, session: str, request_id: str
    ) -> tuple[StoredJob, bool]:
        """Store the job; returns it and whether it is new: a repeated request of a session is stored once.

        Raises QueueFullError.
        """
        with self._transaction(promised=True):
            known = self._database.execute(
                "SELECT * FROM jobs WHERE client = ? AND session = ? AND request_id = ?",
                (client, session, request_id),
            ).fetchone()
            if known is not None:
                return StoredJob.from_row(known), False
            num_queued = self.counts()[QUEUED]
            if num_queued >= self._max_queued_jobs:
                raise QueueFullError(
                    f"the queue is full: {num_queued} jobs wait, more are not taken",
                    num_queued=num_queued,
                    max_queued=self._max_queued_jobs,
                )
            self._database.execute(
                "INSERT INTO jobs (job_id, client, session, request_id, label, model, num_stems, priority,"
                " state, request, submitted_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job_id := uuid.uuid4().hex[:16],
                    client,
                    session,
                    request_id,
                    request.label,
                    request.model,
                    request.num_stems,
                    PRIORITIES.index(request.priority),
                    QUEUED,
                    msgspec.msgpack.encode(request.to_wire()),
                    time.time(),
                ),
            )
            return self.job(job_id), True

    def job(self, job_id: str) -> StoredJob:
        """Raises UnknownJobError."""
        with self._translated():
            row = self._database.execute("SELECT * FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        if row is None:
            raise _unknown_job(job_id)
        return StoredJob.from_row(row)

    def jobs(self, *, states: Sequence[str] = STATES, limit: int = 100) -> list[StoredJob]:
        """The newest jobs in these states, newest last."""
        marks = ", ".join("?" * len(states))
        with self._translated():
            rows = self._database.execute(
                f"SELECT * FROM jobs WHERE state IN ({marks}) ORDER BY number DESC LIMIT ?",  # noqa: S608 - marks only
                (*states, limit),
            ).fetchall()
        return [StoredJob.from_row(row) for row in reversed(rows)]

    def counts(self) -> dict[str, int]:
        with self._translated():
            rows = self._database.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}

    def position(self, job: StoredJob, scheduler: FairScheduler | None = None) -> int:
        """1 is next; 0 when the job does not wait. See FairScheduler.num_before."""
        if job.state != QUEUED:
            return 0
        scheduler = scheduler or FairScheduler(interactive_in_a_row=DEFAULT_INTERACTIVE_IN_A_ROW)
        priority = PRIORITIES.index(job.priority)
        with self._translated():
            moved_before = self._database.execute(
                "SELECT count(*) FROM jobs WHERE state = ? AND rank > ?", (QUEUED, job.rank)
            ).fetchone()[0]
            index = self._database.execute(
                "SELECT count(*) FROM jobs WHERE state = ? AND rank = ? AND priority = ? AND client = ?"
                " AND session = ? AND number < ?",
                (QUEUED, job.rank, priority, job.client, job.session, job.number),
            ).fetchone()[0]
            heads = self._heads(job.rank)
        here = (job.client, job.session, priority)
        own = next((head for head in heads if (head.client, head.session, head.priority) == here), None)
        if own is None:  # it was begun since `job` was read
            return int(moved_before) + 1
        return int(moved_before) + scheduler.num_before(own, int(index), heads) + 1

    def move(self, job_ids: Sequence[str], *, to_front: bool) -> None:
        """Put waiting jobs first, in the order given, or last. Raises UnknownJobError, JobStateError."""
        with self._transaction(promised=True):
            for job_id in job_ids:
                self._require_state(self.job(job_id), (QUEUED,), "moved")
            edge = self._database.execute(
                f"SELECT {'max' if to_front else 'min'}(rank) FROM jobs WHERE state = ?",  # noqa: S608 - fixed words
                (QUEUED,),
            ).fetchone()[0]
            for index, job_id in enumerate(reversed(job_ids) if to_front else job_ids, start=1):
                rank = max(edge, 0) + index if to_front else min(edge, 0) - index
                self._database.execute("UPDATE jobs SET rank = ? WHERE job_id = ?", (rank, job_id))

    def retry(self, job_id: str) -> StoredJob:
        """Queue a finished job once more, at the end. Raises UnknownJobError, JobStateError."""
        with self._transaction(promised=True):
            job = self.job(job_id)
            self._require_state(job, FINISHED_STATES, "tried again")
            number = self._database.execute("SELECT max(number) FROM jobs").fetchone()[0] + 1
            self._database.execute(
                "UPDATE jobs SET state = ?, number = ?, rank = 0, worker_deaths = 0, interruptions = 0,"
                " stems = NULL, error = NULL, started_s = NULL, finished_s = NULL WHERE job_id = ?",
                (QUEUED, number, job_id),
            )
            self._database.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'jobs'", (number,))
            return self.job(job_id)

    def clear_finished(self) -> int:
        """Forget finished jobs (their files stay); returns how many."""
        with self._transaction(promised=True):
            return self._database.execute(
                "DELETE FROM jobs WHERE state IN (?, ?, ?)", FINISHED_STATES
            ).rowcount

    # -- for the server ------------------------------------------------------------------------------

    def next_waiting(self, scheduler: FairScheduler) -> StoredJob | None:
        """The job that is run next; None when nothing waits."""
        with self._translated():
            heads = self._heads()
            chosen = scheduler.choose(heads)
            return None if chosen is None else self._numbered(chosen.number)

    def start_next(self, scheduler: FairScheduler, *, max_jobs: int = 1) -> list[StoredJob]:
        """Mark the next job as running, and with it, up to `max_jobs`, those behind it that can share its batches.

        The order stays: each of them would have been next anyway. Returns them, none when nothing waits.
        """
        taken: list[StoredJob] = []
        with self._transaction():
            while len(taken) < max_jobs and (chosen := scheduler.choose(heads := self._heads())) is not None:
                if taken and not can_batch(taken, self._numbered(chosen.number)):
                    break
                self._database.execute(
                    "UPDATE jobs SET state = ?, attempts = attempts + 1, started_s = ? WHERE number = ?",
                    (RUNNING, time.time(), chosen.number),
                )
                scheduler.record(chosen, heads)
                taken.append(self._numbered(chosen.number))
        return taken

    def _heads(self, rank: int | None = None) -> list[QueueHead]:
        """Of the jobs of this rank, by default of those that go first."""
        if rank is None:
            rank = self._database.execute("SELECT max(rank) FROM jobs WHERE state = ?", (QUEUED,)).fetchone()[
                0
            ]
        rows = self._database.execute(
            "SELECT client, session, priority, min(number) AS number, count(*) AS num_waiting FROM jobs"
            " WHERE state = ? AND rank = ? GROUP BY priority, client, session",
            (QUEUED, rank),
        ).fetchall()
        return [QueueHead(**dict(row)) for row in rows]

    def _numbered(self, number: int) -> StoredJob:
        row = self._database.execute("SELECT * FROM jobs WHERE number = ?", (number,)).fetchone()
        return StoredJob.from_row(row)

    def finish(self, job_id: str, stems: Sequence[StemResult]) -> None:
        """The job's files are on disk."""
        self._close_job(job_id, DONE, stems=msgspec.msgpack.encode(stems))

    def fail(self, job_id: str, error: SelvaError) -> None:
        self._close_job(job_id, FAILED, error=msgspec.msgpack.encode(to_wire(error)))

    def cancel(self, job_id: str, error: SelvaError) -> None:
        self._close_job(job_id, CANCELLED, error=msgspec.msgpack.encode(to_wire(error)))

    def cancel_waiting(self, error: SelvaError, job_ids: Sequence[str] | None = None) -> list[str]:
        """Cancel the waiting ones of these jobs, or all that wait, in one transaction: thousands take as long as one.

        Returns the ids of those that were cancelled.
        """
        packed = msgspec.msgpack.encode(to_wire(error))
        with self._transaction(promised=True):
            rows = self._database.execute(
                "SELECT job_id FROM jobs WHERE state = ? ORDER BY number", (QUEUED,)
            ).fetchall()
            named = None if job_ids is None else frozenset(job_ids)
            cancelled = [row[0] for row in rows if named is None or row[0] in named]
            self._database.executemany(
                "UPDATE jobs SET state = ?, error = ?, finished_s = ? WHERE job_id = ?",
                [(CANCELLED, packed, time.time(), job_id) for job_id in cancelled],
            )
            self._forget_oldest()
        return cancelled

    def unfinished(self) -> dict[str, str]:
        """The states of all jobs that wait or run, by id, the oldest first."""
        with self._translated():
            rows = self._database.execute(
                "SELECT job_id, state FROM jobs WHERE state IN (?, ?) ORDER BY number", (QUEUED, RUNNING)
            ).fetchall()
        return {row[0]: row[1] for row in rows}

    def states(self, job_ids: Sequence[str]) -> dict[str, str]:
        """By id, in the order given. Raises UnknownJobError."""
        with self._translated():
            found = {
                job_id: row[0]
                for job_id in job_ids
                if (
                    row := self._database.execute(
                        "SELECT state FROM jobs WHERE job_id = ?", (job_id,)
                    ).fetchone()
                )
            }
        for job_id in job_ids:
            if job_id not in found:
                raise _unknown_job(job_id)
        return found

    def requeue(self, job_id: str) -> None:
        """A running job waits again, in its old place. Its worker was ended for another reason, so no crash is counted."""
        with self._transaction():
            self._database.execute("UPDATE jobs SET state = ? WHERE job_id = ?", (QUEUED, job_id))

    def record_worker_crash(self, job_id: str, reason: str) -> StoredJob:
        """The worker died while it ran this job: queue the job once more, or fail it the second time."""
        with self._transaction():
            self._database.execute(
                "UPDATE jobs SET worker_deaths = worker_deaths + 1 WHERE job_id = ?", (job_id,)
            )
            job = self.job(job_id)
            if job.worker_deaths < MAX_WORKER_DEATHS:
                self._database.execute("UPDATE jobs SET state = ? WHERE job_id = ?", (QUEUED, job_id))
        if job.worker_deaths >= MAX_WORKER_DEATHS:
            self.fail(
                job_id,
                WorkerDiedError(
                    f"the worker died {job.worker_deaths} times while it ran this job: {reason}",
                    deaths=job.worker_deaths,
                    reason=reason,
                ),
            )
        return self.job(job_id)

    def recover(self) -> list[StoredJob]:
        """After a crash of the server: running jobs are queued again, each once per crash; returns them.

        A job that was running at MAX_INTERRUPTIONS crashes may be their cause (a driver that takes the
        machine down) and fails.
        """
        running = self.jobs(states=(RUNNING,), limit=1_000_000)
        for job in running:
            if job.interruptions + 1 >= MAX_INTERRUPTIONS:
                error = WorkerDiedError(
                    f"the daemon died {job.interruptions + 1} times while it ran this job; "
                    f"try it again with: {selva_command('jobs', 'retry', job.job_id)}",
                    interruptions=job.interruptions + 1,
                )
                self.fail(job.job_id, error)
            else:
                with self._transaction():
                    self._database.execute(
                        "UPDATE jobs SET state = ?, interruptions = interruptions + 1 WHERE job_id = ?",
                        (QUEUED, job.job_id),
                    )
        return [self.job(job.job_id) for job in running]

    def switch(self, name: str) -> bool:
        with self._translated():
            row = self._database.execute("SELECT value FROM switches WHERE name = ?", (name,)).fetchone()
        return bool(row and row[0])

    def set_switch(self, name: str, on: bool) -> None:
        with self._transaction(promised=True):
            self._database.execute("INSERT OR REPLACE INTO switches VALUES (?, ?)", (name, int(on)))

    def _close_job(
        self, job_id: str, state: str, *, stems: bytes | None = None, error: bytes | None = None
    ) -> None:
        with self._transaction():
            self._require_state(self.job(job_id), (QUEUED, RUNNING), f"set to {state}")
            self._database.execute(
                "UPDATE jobs SET state = ?, stems = ?, error = ?, finished_s = ? WHERE job_id = ?",
                (state, stems, error, time.time(), job_id),
            )
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._database.execute(
            "DELETE FROM jobs WHERE number IN (SELECT number FROM jobs WHERE state IN (?, ?, ?)"
            " ORDER BY number DESC LIMIT -1 OFFSET ?)",
            (*FINISHED_STATES, self._max_finished_jobs),
        )

    @staticmethod
    def _require_state(job: StoredJob, allowed: Sequence[str], verb: str) -> None:
        if job.state not in allowed:
            raise JobStateError(
                f"job {job.job_id} is {job.state}; only {' or '.join(allowed)} jobs can be {verb}",
                job_id=job.job_id,
                state=job.state,
            )

    @contextmanager
    def _transaction(self, *, promised: bool = False) -> Iterator[None]:
        """All or nothing, safe from a crash of this process. `promised`: safe from a power cut too.

        Waiting for the disk costs milliseconds, so only what was promised to a client does (synchronous = FULL). The rest
        may be lost with the power: then a job is queued or running where it had been done, and is done again from the
        cache.
        """
        with self._translated():
            self._database.execute(f"PRAGMA synchronous = {'FULL' if promised else 'NORMAL'}")
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.rollback()
                raise
            self._database.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            if getattr(self, "_database", None) is not None and self._database.in_transaction:
                self._database.rollback()
            raise StorageError(
                f"the queue {self._file} cannot be used: {exc}. Is the disk full?", path=str(self._file)
            ) from exc


def _unknown_job(job_id: str) -> UnknownJobError:
    return UnknownJobError(f"there is no job {job_id!r}; see: {selva_command('jobs', 'list')}", job_id=job_id)
