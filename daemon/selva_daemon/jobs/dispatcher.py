"""Between the queue on disk and the workers: hands out jobs, records what becomes of them, and tells
subscribers.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from selva_core.base.errors import RenderCancelled, StorageError
from selva_daemon.jobs.events import EventPublisher
from selva_daemon.jobs.progress import DurationEstimate, JobProgress, ProgressBook
from selva_daemon.jobs.queue import JobQueue
from selva_daemon.jobs.scheduling import BatchWindow, FairScheduler
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.jobs.supervisor import Outcome, Supervisor
from selva_daemon.protocol.errors import QueueFullError, UnknownJobError, from_wire
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import QUEUED, RUNNING
from selva_daemon.worker.output_files import remove_staging

PAUSED, YIELDED = "paused", "yielded"
_log = logging.getLogger(__name__)


class Dispatcher:
    """Implements WorkerListener. Only the server's main thread calls it."""

    def __init__(
        self,
        queue: JobQueue,
        events: EventPublisher,
        *,
        turns: FairScheduler,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._events = events
        self._turns = turns
        self._clock = clock
        self._gathering = BatchWindow()
        self._progress = ProgressBook()
        self._durations = DurationEstimate()
        self._unsaved: list[tuple[str, Callable[[], object]]] = []
        self.workers: list[Supervisor] = []
        self.draining = False
        self.hand_out_at_s = math.inf
        self.finished_since_start = {"done": 0, "failed": 0, "cancelled": 0}

    # -- what clients ask ----------------------------------------------------------------------------------

    def submit(
        self, request: JobRequest, *, client: str, session: str, request_id: str
    ) -> tuple[StoredJob, bool]:
        try:
            job, created = self._queue.submit(request, client=client, session=session, request_id=request_id)
        except QueueFullError as exc:
            raise self._refusal(exc, request) from exc
        if created:
            _log.info("accepted %r: %d stems", job.label, job.num_stems, extra={"job_id": job.job_id})
            self._changed(job.job_id, stage="waiting")
            self._gathering.note_arrival(job.shape, self._clock())
            self.hand_out()
        return job, created

    def _refusal(self, full: QueueFullError, request: JobRequest) -> QueueFullError:
        """Says also which place the job would have had, when it would begin and when there is room."""
        one_s = self._durations.seconds_for(request.model, request.num_stems)
        position = self._queue.counts()[QUEUED] + 1
        words = f"This one would be number {position}"
        if one_s is not None:
            words += f", to begin in about {one_s * position:.0f} s; there is room in about {one_s:.0f} s"
        return QueueFullError(
            f"{full.message}. {words}. Send it again later, or raise max_queued_jobs",
            **full.facts,
            position=position,
            seconds_until_room=one_s,
            seconds_until_start=None if one_s is None else one_s * position,
        )

    def cancel(self, job_id: str) -> StoredJob:
        """A waiting job is cancelled now, a running one within a sampling step, a finished one stays as it
        is.
        """
        job = self._queue.job(job_id)
        if job.state == QUEUED:
            self._queue.cancel(job_id, RenderCancelled("the job was cancelled before it began"))
            self._closed(job_id, "cancelled")
            self._changed(job_id, started_s=None)
        elif job.state == RUNNING and not any(worker.cancel(job_id) for worker in self.workers):
            _log.warning("a running job has no worker", extra={"job_id": job_id})
        return self._queue.job(job_id)

    def retry(self, job_id: str) -> StoredJob:
        job = self._queue.retry(job_id)
        self._changed(job_id, stage="waiting", fraction=0.0, step=0, num_steps=0)
        self.hand_out()
        return job

    def set_paused(self, paused: bool) -> None:
        self._queue.set_switch(PAUSED, paused)
        self.tell_daemon_state()
        self.hand_out()

    def set_device_released(self, yielded: bool) -> None:
        """Give the device to others at once, or take it back."""
        self._queue.set_switch(YIELDED, yielded)
        for worker in self.workers:
            worker.release() if yielded else worker.start()
        self.tell_daemon_state()

    @property
    def is_paused(self) -> bool:
        return self._queue.switch(PAUSED)

    @property
    def is_device_released(self) -> bool:
        return self._queue.switch(YIELDED)

    def job_body(self, job: StoredJob) -> dict[str, Any]:
        """What replies and events say about a job (JobStatus)."""
        progress = self._progress.of(job.job_id)
        position = self._queue.position(job)
        return {
            "job_id": job.job_id,
            "label": job.label,
            "model": job.model,
            "priority": job.priority,
            "state": job.state,
            "num_stems": job.num_stems,
            "sequence": progress.sequence,
            "submitted_s": job.submitted_s,
            "started_s": job.started_s,
            "finished_s": job.finished_s,
            "stage": "waiting" if job.state == QUEUED else progress.stage if job.state == RUNNING else "",
            "step": progress.step,
            "num_steps": progress.num_steps,
            "fraction": 1.0 if job.state == "done" else progress.fraction,
            "position": position,
            "seconds_left": self._seconds_left(job, progress, position),
            "attempts": job.attempts,
            "error": job.error,
            "stems": list(job.stems),
        }

    def seconds_until_start(self, job: StoredJob) -> float | None:
        """An estimate: the jobs before this one take as long as such jobs took lately."""
        one_s = self._durations.seconds_for(job.model, job.num_stems)
        return None if one_s is None else one_s * max(0, self._queue.position(job) - 1)

    # -- work ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        self._save_unsaved()
        work_is_waiting = (
            any(worker.can_take_job for worker in self.workers) and self._queue.counts()[QUEUED] > 0
        )
        for worker in self.workers:
            worker.tick(work_is_waiting=work_is_waiting and not self.is_paused)
        self.hand_out()

    def hand_out(self) -> None:
        """Give waiting jobs to idle workers; a full disk stops it until there is room.

        Where a moment's wait would let more jobs share batches, `hand_out_at_s` tells when to call again.
        """
        self.hand_out_at_s = math.inf
        idle = [worker for worker in self.workers if worker.can_take_job]
        if not idle or self.draining or self._unsaved or self.is_paused or self.is_device_released:
            return
        try:
            for worker in idle:
                self._give_next(worker)
        except StorageError as exc:
            _log.error("no job can be started: %s", exc)

    def _give_next(self, worker: Supervisor) -> None:
        until_s = self._gathering_until_s(worker.max_batch_jobs)
        if until_s is not None:
            self.hand_out_at_s = until_s
            return
        jobs = self._queue.start_next(self._turns, most_jobs=worker.max_batch_jobs)
        if jobs:
            worker.give(jobs)
        for job in jobs:
            self._changed(
                job.job_id, stage="loading", fraction=0.0, started_s=self._clock(), together=len(jobs)
            )

    def _gathering_until_s(self, most_jobs: int) -> float | None:
        """How long to wait for more jobs like the next one; None where they would not fit or do not come."""
        if most_jobs == 1 or self._queue.counts()[QUEUED] >= most_jobs:
            return None
        head = self._queue.next_waiting(self._turns)
        return None if head is None else self._gathering.waits_until_s(head.shape, self._clock())

    def recover(self) -> None:
        """Bring the queue of an earlier run into a true state."""
        for job in self._queue.recover():
            _log.warning("was running when the daemon died; now %s", job.state, extra={"job_id": job.job_id})

    def publish_state_of(self, topic_job_id: str) -> None:
        """For a new subscriber; a job nobody knows is silence."""
        try:
            self._events.publish_job(self.job_body(self._queue.job(topic_job_id)))
        except UnknownJobError:
            _log.debug("a subscription to a job that does not exist", extra={"job_id": topic_job_id[:64]})

    # -- WorkerListener ------------------------------------------------------------------------------------

    def job_progressed(self, job_id: str, progress: Mapping[str, Any]) -> None:
        self._progress.report(job_id, progress)
        self._events.publish_job(self.job_body(self._queue.job(job_id)))

    def job_done(self, job_id: str, stems: Sequence[Mapping[str, Any]]) -> None:
        started_s = self._progress.of(job_id).started_s
        job = self._queue.job(job_id)
        if started_s is not None and not all(stem["cached"] for stem in stems):
            share_s = (self._clock() - started_s) / self._progress.of(job_id).together
            self._durations.learn(job.model, num_stems=job.num_stems, duration_s=share_s)
        self._close(job_id, "done", lambda: self._queue.finish(job_id, stems))

    def job_failed(self, job_id: str, error: Mapping[str, Any]) -> None:
        failure = from_wire(error)
        self._close(job_id, "failed", lambda: self._queue.fail(job_id, failure))

    def job_cancelled(self, job_id: str) -> None:
        reason = RenderCancelled("the job was cancelled while it ran")
        self._close(job_id, "cancelled", lambda: self._queue.cancel(job_id, reason))

    def worker_ended(self, outcomes: Mapping[str, Outcome], reason: str) -> None:
        self.tell_daemon_state()
        for job_id, outcome in outcomes.items():
            job = self._queue.job(job_id)
            _sweep_up(Path(job.request_body["output"]["folder"]), job_id)
            if outcome is Outcome.CANCELLED:
                self.job_cancelled(job_id)
            elif outcome is Outcome.PUT_BACK:
                self._save(job_id, partial(self._queue.requeue, job_id))
            else:
                _log.error("its worker died: %s", reason, extra={"job_id": job_id})
                self._save(job_id, partial(self._queue.record_worker_crash, job_id, reason))

    # -- recording -----------------------------------------------------------------------------------------

    def _close(self, job_id: str, state: str, record: Callable[[], object]) -> None:
        self._save(job_id, record)
        self._closed(job_id, state)
        self.hand_out()

    def _closed(self, job_id: str, state: str) -> None:
        self.finished_since_start[state] += 1
        _log.info("%s", state, extra={"job_id": job_id})

    def _save(self, job_id: str, record: Callable[[], object]) -> None:
        """Record it, or keep trying while the disk is full; a client sees the change once it is on disk."""
        try:
            record()
        except StorageError as exc:
            _log.error("cannot be recorded yet: %s", exc, extra={"job_id": job_id})
            self._unsaved.append((job_id, record))
        else:
            self._changed(job_id, started_s=None)

    def _save_unsaved(self) -> None:
        waiting, self._unsaved = self._unsaved, []
        for job_id, record in waiting:
            self._save(job_id, record)

    def _changed(self, job_id: str, **facts: Any) -> None:
        self._progress.change(job_id, **facts)
        self._events.publish_job(self.job_body(self._queue.job(job_id)))

    def tell_daemon_state(self) -> None:
        self._events.publish_daemon(
            {
                "paused": self.is_paused,
                "yielded": self.is_device_released,
                "draining": self.draining,
                "queue": self._queue.counts(),
                "workers": [worker.state.value for worker in self.workers],
            }
        )

    def _seconds_left(self, job: StoredJob, progress: JobProgress, position: int) -> float | None:
        if job.state == RUNNING:
            return progress.seconds_left(self._clock())
        if job.state != QUEUED or position == 0:
            return None
        one_s = self._durations.seconds_for(job.model, job.num_stems)
        return None if one_s is None else one_s * position


def _sweep_up(folder: Path, job_id: str) -> None:
    """Remove what a dead worker left, in a thread: the folder's drive may not answer, and the server must."""
    threading.Thread(
        target=remove_staging, args=(folder,), kwargs={"job_id": job_id}, name=f"sweep-{job_id}", daemon=True
    ).start()
