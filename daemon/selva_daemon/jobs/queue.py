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
from selva_daemon.jobs.mass_cancel import REASON, MassCancel
from selva_daemon.jobs.migrations import migrate
from selva_daemon.jobs.queue_repair import fail_unreadable_jobs, set_aside_if_damaged
from selva_daemon.jobs.scheduling import FairScheduler, can_batch
from selva_daemon.jobs.stored_job import JobTurn, StoredJob
from selva_daemon.jobs.waiting_jobs import WaitingJobs
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
"""One death may have another cause, such as a full memory; a second one of the same job is the job's."""
MAX_INTERRUPTIONS = 5
"""Higher than MAX_WORKER_DEATHS: power cuts and log-outs end the daemon too, and are no fault of the job."""
MAX_RUNNING_JOBS = 1_000_000
"""More than all devices run at a time."""
DEFAULT_INTERACTIVE_IN_A_ROW = 8
FORGOTTEN_IN_A_ROW = 500
"""Rows deleted in one transaction, during which no request is answered."""


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
            # isolation_level=None: `_transaction` begins every transaction; Python's sqlite3 would begin others by itself.
            # timeout: backup programs and virus scanners hold a database for moments.
            self._database = sqlite3.connect(file, isolation_level=None, timeout=10.0)
            self._database.row_factory = sqlite3.Row
            # WAL appends to one file instead of writing every changed page twice, so a commit waits for the disk once. It needs
            # shared memory, which network drives lack: the state folder lies on a local disk.
            self._database.execute("PRAGMA journal_mode = WAL")
            migrate(self._database, name=str(file))
            # No migration, because indices change nothing but speed and earlier versions work with any. Each index costs a
            # write for every job whose state changes, so the order of waiting jobs is held in memory (WaitingJobs).
            self._database.execute("CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state)")
            self._database.execute("DROP INDEX IF EXISTS jobs_in_turn")
            self._database.execute("DROP INDEX IF EXISTS jobs_in_order")
            fail_unreadable_jobs(self._database)
            self._mass_cancel = MassCancel(self._database)
            self._waiting_jobs: WaitingJobs | None = None
            _ = self._waiting

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
                return self._read(known), False
            num_queued = self.num_waiting
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
            job = self.job(job_id)
            self._waiting.add(job.turn)
            return job, True

    def job(self, job_id: str) -> StoredJob:
        """Raises UnknownJobError."""
        with self._translated():
            row = self._database.execute("SELECT * FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        if row is None:
            raise _unknown_job(job_id)
        return self._read(row)

    def _read(self, row: sqlite3.Row) -> StoredJob:
        return StoredJob.from_row(self._mass_cancel.as_it_is(row))

    @property
    def _waiting(self) -> WaitingJobs:
        if self._waiting_jobs is None:
            with self._translated():
                rows = self._database.execute(
                    "SELECT rank, priority, client, session, number FROM jobs WHERE state = ?", (QUEUED,)
                ).fetchall()
            turns = (JobTurn(*row) for row in rows)
            self._waiting_jobs = WaitingJobs(
                turn for turn in turns if not self._mass_cancel.covers(state=QUEUED, number=turn.number)
            )
        return self._waiting_jobs

    @property
    def num_waiting(self) -> int:
        return self._waiting.num_jobs

    def jobs(self, *, states: Sequence[str] = STATES, limit: int = 100) -> list[StoredJob]:
        """The newest jobs in these states, newest last."""
        condition = self._mass_cancel.listed(
            ", ".join("?" * len(states)), queued=QUEUED in states, cancelled=CANCELLED in states
        )
        # The plus keeps SQLite from sorting all rows of these states: it then walks the numbers from the last.
        if set(states) == set(STATES):
            condition = condition.replace("state", "+state", 1)
        with self._translated():
            rows = self._database.execute(
                f"SELECT * FROM jobs WHERE {condition} ORDER BY number DESC LIMIT ?",  # noqa: S608 - marks and a number
                (*states, limit),
            ).fetchall()
        return [self._read(row) for row in reversed(rows)]

    def counts(self) -> dict[str, int]:
        with self._translated():
            rows = self._database.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        counts = dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}
        counts[CANCELLED] += self._mass_cancel.num_left
        counts[QUEUED] = self.num_waiting
        return counts

    def position(self, job: StoredJob, scheduler: FairScheduler | None = None) -> int:
        """1 is next; 0 when the job does not wait. See TurnOrder."""
        return self.positions([job], scheduler)[0]

    def positions(self, jobs: Sequence[StoredJob], scheduler: FairScheduler | None = None) -> list[int]:
        """Of each of these jobs, for little more than the cost of one."""
        scheduler = scheduler or FairScheduler(interactive_in_a_row=DEFAULT_INTERACTIVE_IN_A_ROW)
        waiting = [job.turn for job in jobs if job.state == QUEUED]
        found = iter(self._waiting.positions(waiting, scheduler) if waiting else ())
        return [next(found) if job.state == QUEUED else 0 for job in jobs]

    def move(self, job_ids: Sequence[str], *, to_front: bool) -> None:
        """Put waiting jobs first, in the order given, or last. Raises UnknownJobError, JobStateError."""
        with self._transaction(promised=True):
            jobs = [self.job(job_id) for job_id in dict.fromkeys(job_ids)]
            for job in jobs:
                self._require_state(job, (QUEUED,), "moved")
            first, last = max(self._waiting.first_rank, 0), min(self._waiting.last_rank, 0)
            for index, job in enumerate(reversed(jobs) if to_front else jobs, start=1):
                rank = first + index if to_front else last - index
                self._database.execute("UPDATE jobs SET rank = ? WHERE number = ?", (rank, job.number))
                self._waiting.remove(job.turn)
                self._waiting.add(job.turn._replace(rank=rank))

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
            # An UPDATE does not move AUTOINCREMENT's counter: once this row is forgotten, its number would be given out again.
            self._database.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'jobs'", (number,))
            retried = self.job(job_id)
            self._waiting.add(retried.turn)
            return retried

    def clear_finished(self) -> int:
        """Forget finished jobs (their files stay); returns how many."""
        with self._transaction(promised=True):
            return self._database.execute(
                "DELETE FROM jobs WHERE state IN (?, ?, ?)", FINISHED_STATES
            ).rowcount

    # -- for the server ------------------------------------------------------------------------------

    def next_waiting(self, scheduler: FairScheduler) -> StoredJob | None:
        """The job that is run next; None when nothing waits."""
        chosen = scheduler.choose(self._waiting.heads())
        return None if chosen is None else self._numbered(chosen.number)

    def start_next(self, scheduler: FairScheduler, *, max_jobs: int = 1) -> list[StoredJob]:
        """Mark the next job as running, and with it, up to `max_jobs`, those behind it that can share its batches.

        The order stays: each of them would have been next anyway. Returns them, none when nothing waits.
        """
        taken: list[StoredJob] = []
        with self._transaction():
            while len(taken) < max_jobs and (chosen := scheduler.choose(heads := self._waiting.heads())):
                job = self._numbered(chosen.number)
                if taken and not can_batch(taken, job):
                    break
                self._waiting.remove(job.turn)
                self._database.execute(
                    "UPDATE jobs SET state = ?, attempts = attempts + 1, started_s = ? WHERE number = ?",
                    (RUNNING, time.time(), chosen.number),
                )
                scheduler.record(chosen, heads)
                taken.append(self._numbered(chosen.number))
        return taken

    def _numbered(self, number: int) -> StoredJob:
        with self._translated():
            row = self._database.execute("SELECT * FROM jobs WHERE number = ?", (number,)).fetchone()
        return self._read(row)

    def finish(self, job_id: str, stems: Sequence[StemResult]) -> None:
        """The job's files are on disk."""
        self._close_job(job_id, DONE, stems=msgspec.msgpack.encode(stems))

    def fail(self, job_id: str, error: SelvaError) -> None:
        self._close_job(job_id, FAILED, error=msgspec.msgpack.encode(to_wire(error)))

    def cancel(self, job_id: str, error: SelvaError) -> None:
        self._close_job(job_id, CANCELLED, error=msgspec.msgpack.encode(to_wire(error)))

    def cancel_waiting(self, job_ids: Sequence[str]) -> list[str]:
        """Cancel the waiting ones of these jobs, in one transaction. Returns the ids of those that were cancelled."""
        packed = msgspec.msgpack.encode(to_wire(REASON))
        with self._transaction(promised=True):
            jobs = [self.job(job_id) for job_id in dict.fromkeys(job_ids)]
            cancelled = [job for job in jobs if job.state == QUEUED]
            for job in cancelled:
                self._database.execute(
                    "UPDATE jobs SET state = ?, error = ?, finished_s = ? WHERE number = ?",
                    (CANCELLED, packed, time.time(), job.number),
                )
                self._waiting.remove(job.turn)
            self._forget_oldest()
        return [job.job_id for job in cancelled]

    def cancel_all_waiting(self) -> int:
        """Cancel all that wait, with one small write; returns how many. `write_cancelled` writes their rows."""
        try:
            with self._transaction(promised=True):
                num_cancelled = self._mass_cancel.begin()
                self._waiting_jobs = WaitingJobs(())
        except StorageError:
            self._mass_cancel = MassCancel(self._database)  # as it is on disk
            raise
        return num_cancelled

    @property
    def has_cancelled_to_write(self) -> bool:
        return self._mass_cancel.num_left > 0

    def write_cancelled(self) -> list[str]:
        """Write some rows of those that `cancel_all_waiting` has cancelled; returns their ids."""
        with self._transaction():
            written = self._mass_cancel.write_some()
        self._mass_cancel.record_written(len(written))
        return written

    def unfinished(self, *, limit: int) -> dict[str, str]:
        """The states of jobs that run, then of those that wait, by id, each the oldest first."""
        found: dict[str, str] = {}
        for state in (RUNNING, QUEUED):
            condition = self._mass_cancel.listed("?", queued=state == QUEUED, cancelled=False)
            with self._translated():
                rows = self._database.execute(
                    f"SELECT job_id FROM jobs WHERE {condition} ORDER BY number LIMIT ?",  # noqa: S608 - a mark and a number
                    (state, limit - len(found)),
                ).fetchall()
            found |= {row[0]: state for row in rows}
        return found

    def states(self, job_ids: Sequence[str]) -> dict[str, str]:
        """By id, in the order given. Raises UnknownJobError."""
        return {job_id: self.job(job_id).state for job_id in job_ids}

    def requeue(self, job_id: str) -> None:
        """A running job waits again, in its old place. Its worker was ended for another reason, so no crash is counted."""
        with self._transaction():
            self._set_waiting(job_id)

    def _set_waiting(self, job_id: str) -> None:
        self._database.execute("UPDATE jobs SET state = ? WHERE job_id = ?", (QUEUED, job_id))
        job = self.job(job_id)
        if job.state == QUEUED:
            self._waiting.add(job.turn)

    def record_worker_crash(self, job_id: str, reason: str) -> StoredJob:
        """The worker died while it ran this job: queue the job once more, or fail it the second time."""
        with self._transaction():
            self._database.execute(
                "UPDATE jobs SET worker_deaths = worker_deaths + 1 WHERE job_id = ?", (job_id,)
            )
            job = self.job(job_id)
            if job.worker_deaths < MAX_WORKER_DEATHS:
                self._set_waiting(job_id)
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
        """After a crash of the server: running jobs are queued again, each once per crash; returns them."""
        running = self.jobs(states=(RUNNING,), limit=MAX_RUNNING_JOBS)
        return [self.record_interruption(job.job_id, "the daemon died") for job in running]

    def record_interruption(self, job_id: str, cause: str) -> StoredJob:
        """A running job is queued again, because what it ran on is gone: this machine, or another of a cluster.

        A job that was running at MAX_INTERRUPTIONS of them may be their cause (a driver that takes the machine down) and
        fails. cause: the beginning of the sentence that then says so.
        """
        interruptions = self.job(job_id).interruptions + 1
        if interruptions >= MAX_INTERRUPTIONS:
            error = WorkerDiedError(
                f"{cause} {interruptions} times while it ran this job; "
                f"try it again with: {selva_command('jobs', 'retry', job_id)}",
                interruptions=interruptions,
            )
            self.fail(job_id, error)
            return self.job(job_id)
        with self._transaction():
            self._database.execute(
                "UPDATE jobs SET interruptions = interruptions + 1 WHERE job_id = ?", (job_id,)
            )
            self._set_waiting(job_id)
        return self.job(job_id)

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
            job = self.job(job_id)
            self._require_state(job, (QUEUED, RUNNING), f"set to {state}")
            if job.state == QUEUED:
                self._waiting.remove(job.turn)
            self._database.execute(
                "UPDATE jobs SET state = ?, stems = ?, error = ?, finished_s = ? WHERE job_id = ?",
                (state, stems, error, time.time(), job_id),
            )
            self._forget_oldest()

    def forget_oldest(self) -> bool:
        """Drop finished jobs that the history has no room for, some of them; returns whether there may be more."""
        with self._transaction():
            return self._forget_oldest() == FORGOTTEN_IN_A_ROW

    def _forget_oldest(self) -> int:
        """At most FORGOTTEN_IN_A_ROW, so that after a cancel of many jobs requests are answered between the deletions."""
        if self._mass_cancel.num_left:
            return FORGOTTEN_IN_A_ROW  # clients that watch these jobs have not been sent their end yet
        return self._database.execute(
            "DELETE FROM jobs WHERE number IN (SELECT number FROM jobs WHERE state IN (?, ?, ?)"
            " ORDER BY number LIMIT min(?, max(0,"
            " (SELECT count(*) FROM jobs WHERE state IN (?, ?, ?)) - ?)))",
            (*FINISHED_STATES, FORGOTTEN_IN_A_ROW, *FINISHED_STATES, self._max_finished_jobs),
        ).rowcount

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
        _ = self._waiting  # built before the rows change
        with self._translated():
            self._database.execute(f"PRAGMA synchronous = {'FULL' if promised else 'NORMAL'}")
            # IMMEDIATE takes the write lock here, where nothing is read yet: a transaction that first reads and then writes is
            # refused (SQLITE_BUSY) without waiting when another program has written in between.
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                self._waiting_jobs = None
                self._database.rollback()
                raise

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
