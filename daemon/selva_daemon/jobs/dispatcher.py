"""Between the queue on disk and the workers: gives jobs to idle workers, records how they end, and publishes each change."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import UNSET

from selva_core.base.errors import RenderCancelled, StorageError
from selva_daemon.jobs.estimates import Estimates
from selva_daemon.jobs.events import EventPublisher
from selva_daemon.jobs.progress import ProgressByJob
from selva_daemon.jobs.queue import MAX_RUNNING_JOBS, JobQueue
from selva_daemon.jobs.scheduling import BatchWindow, FairScheduler
from selva_daemon.jobs.stage_rates import StageRates
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.jobs.supervisor import Outcome, Supervisor
from selva_daemon.protocol.errors import QueueFullError, UnknownJobError
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import CANCELLED, DONE, FAILED, QUEUED, RUNNING, DaemonEvent, JobStatus
from selva_daemon.protocol.worker_link import JobCancelled, JobDone, JobEvent, JobFailed, JobProgressed
from selva_daemon.worker.output_files import remove_staging_in_background

PAUSED, YIELDED = "paused", "yielded"
PUBLISHED_IN_A_ROW = 500
RETRY_WRITING_S = 2.0
_log = logging.getLogger(__name__)


class Dispatcher:
    """Implements WorkerListener. Only the server's main thread calls it."""

    def __init__(
        self,
        queue: JobQueue,
        events: EventPublisher,
        *,
        scheduler: FairScheduler,
        rates: StageRates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._events = events
        self._scheduler = scheduler
        self._clock = clock
        self._batch_window = BatchWindow()
        self._progress = ProgressByJob()
        self._estimates = Estimates(rates or StageRates(), self._progress)
        self._unsaved: list[tuple[str, Callable[[], object]]] = []
        self._unpublished: deque[str] = deque()
        self._write_cancelled_at_s = -math.inf
        self._history_is_long = True
        self.workers: list[Supervisor] = []
        self.draining = False
        self.dispatch_at_s = math.inf
        self.finished_since_start = {DONE: 0, FAILED: 0, CANCELLED: 0}

    # -- for requests ----------------------------------------------------------------------------------

    def submit(
        self, request: JobRequest, *, client: str, session: str, request_id: str
    ) -> tuple[StoredJob, bool]:
        try:
            job, created = self._queue.submit(request, client=client, session=session, request_id=request_id)
        except QueueFullError as exc:
            raise self._queue_full(exc, request) from exc
        if created:
            _log.info("accepted %r: %d stems", job.label, job.num_stems, extra={"job_id": job.job_id})
            self._changed(job.job_id, stage="waiting")
            self._batch_window.record_arrival(job.shape, self._clock())
            self.dispatch()
        return job, created

    def _queue_full(self, error: QueueFullError, request: JobRequest) -> QueueFullError:
        """The error with what a client can plan by: the job's would-be position, and when there is room."""
        one_s = self._estimates.expected_seconds(request.model, request.num_stems * request.media.duration_s)
        position = self._queue.num_waiting + 1
        estimate = f"This one would be number {position}"
        if one_s is not None:
            estimate += f", to begin in about {one_s * position:.0f} s; there is room in about {one_s:.0f} s"
        return QueueFullError(
            f"{error.message}. {estimate}. Send it again later, or raise max_queued_jobs",
            **error.facts,
            position=position,
            seconds_until_room=one_s,
            seconds_until_start=None if one_s is None else one_s * position,
        )

    def cancel(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Waiting jobs are cancelled immediately, running ones within a sampling step; finished ones stay as they are.

        Returns the state of each. An unknown id cancels nothing at all. Raises UnknownJobError.
        """
        states = self._queue.states(job_ids)
        cancelled = self._queue.cancel_waiting(job_ids)
        self._count_cancelled(len(cancelled))
        self._unpublished.extend(cancelled)
        self.publish_some()
        self._cancel_running([job_id for job_id, state in states.items() if state == RUNNING])
        return {**states, **dict.fromkeys(cancelled, CANCELLED)}

    def cancel_all(self, *, max_named: int) -> tuple[dict[str, str], int]:
        """Every job that waits or runs, as `cancel`; returns the states of up to `max_named`, and how many there are."""
        states = self._queue.unfinished(limit=max_named)
        running = [job.job_id for job in self._queue.jobs(states=(RUNNING,), limit=MAX_RUNNING_JOBS)]
        num_waiting = self._queue.cancel_all_waiting()
        self._count_cancelled(num_waiting)
        self._history_is_long = True
        self.publish_some()
        self._cancel_running(running)
        named = {job_id: state if state == RUNNING else CANCELLED for job_id, state in states.items()}
        return named, num_waiting + len(running)

    def _count_cancelled(self, num_cancelled: int) -> None:
        self.finished_since_start[CANCELLED] += num_cancelled
        if num_cancelled:
            _log.info("cancelled %d waiting jobs", num_cancelled)

    def _cancel_running(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            if not any(worker.cancel(job_id) for worker in self.workers):
                _log.warning("a running job has no worker", extra={"job_id": job_id})

    @property
    def has_unpublished(self) -> bool:
        """Whether `publish_some` has more to do."""
        return bool(self._unpublished) or (
            self._queue.has_cancelled_to_write and self._clock() >= self._write_cancelled_at_s
        )

    def publish_some(self) -> None:
        """Record and publish the next changes of many that were made together; the rest waits, so that requests are answered
        between. A full disk is tried again after a while.
        """
        if not self._unpublished and self._queue.has_cancelled_to_write:
            try:
                self._unpublished.extend(self._queue.write_cancelled())
            except StorageError as exc:
                _log.error("cancelled jobs cannot be recorded yet: %s", exc)
                self._write_cancelled_at_s = self._clock() + RETRY_WRITING_S
        for _ in range(min(PUBLISHED_IN_A_ROW, len(self._unpublished))):
            job_id = self._unpublished.popleft()
            self._progress.change(job_id, started_s=None)
            self.publish_state_of(job_id)

    def retry(self, job_id: str) -> StoredJob:
        job = self._queue.retry(job_id)
        self._changed(job_id, stage="waiting", fraction=0.0, step=0, num_steps=0)
        self.dispatch()
        return job

    def set_paused(self, paused: bool) -> None:
        self._queue.set_switch(PAUSED, paused)
        self.publish_daemon()
        self.dispatch()

    def release_device(self) -> None:
        """Free the device for other programs: workers end, running jobs are queued again."""
        self._queue.set_switch(YIELDED, True)
        for worker in self.workers:
            worker.release()
        self.publish_daemon()

    def resume_device(self) -> None:
        """Start the workers again after `release_device`."""
        self._queue.set_switch(YIELDED, False)
        for worker in self.workers:
            worker.start()
        self.publish_daemon()

    def load_in_advance(self, model_id: str) -> bool:
        """Have idle workers load a model for which a job is likely to come; False where nothing may run now."""
        if self.draining or self.is_paused or self.is_device_released or self._queue.num_waiting:
            return False
        for worker in self.workers:
            worker.load(model_id)
        return True

    @property
    def is_paused(self) -> bool:
        return self._queue.switch(PAUSED)

    @property
    def is_device_released(self) -> bool:
        return self._queue.switch(YIELDED)

    def job_status(self, job: StoredJob) -> JobStatus:
        """What replies and events say about a job."""
        return self.job_statuses([job])[0]

    def job_statuses(self, jobs: Sequence[StoredJob]) -> list[JobStatus]:
        """What replies say about each of these jobs."""
        positions = self._queue.positions(jobs, self._scheduler)
        return [self._status_at(job, position) for job, position in zip(jobs, positions, strict=True)]

    def _status_at(self, job: StoredJob, position: int) -> JobStatus:
        progress = self._progress.of(job.job_id)
        stage = {QUEUED: "waiting", RUNNING: progress.stage}.get(job.state, "")
        return JobStatus(
            job_id=job.job_id,
            label=job.label,
            model=job.model,
            priority=job.priority,
            state=job.state,
            num_stems=job.num_stems,
            sequence=progress.sequence,
            submitted_s=job.submitted_s,
            started_s=job.started_s,
            finished_s=job.finished_s,
            stage=stage,
            part=progress.part if job.state == RUNNING and progress.part else UNSET,
            step=progress.step,
            num_steps=progress.num_steps,
            fraction=1.0 if job.state == DONE else progress.fraction,
            position=position,
            seconds_left=self._estimates.seconds_left(job, progress, position, now_s=self._clock()),
            attempts=job.attempts,
            error=job.error,
            stems=job.stems,
        )

    def position(self, job: StoredJob) -> int:
        """See JobQueue.position."""
        return self._queue.position(job, self._scheduler)

    def move(self, job_ids: Sequence[str], *, to_front: bool, max_named: int) -> dict[str, int]:
        """Put waiting jobs first, in the order given, or last; returns the positions of up to `max_named`.

        Raises UnknownJobError, JobStateError.
        """
        self._queue.move(job_ids, to_front=to_front)
        jobs = [self._queue.job(job_id) for job_id in list(dict.fromkeys(job_ids))[:max_named]]
        positions = self._queue.positions(jobs, self._scheduler)
        return {job.job_id: position for job, position in zip(jobs, positions, strict=True)}

    def seconds_until_start(self, job: StoredJob) -> float | None:
        """An estimate: the jobs before this one take as long as such jobs took lately."""
        one_s = self._estimates.expected_seconds(job.model, job.stem_seconds)
        return None if one_s is None else one_s * max(0, self.position(job) - 1)

    # -- giving jobs to workers ----------------------------------------------------------------------------

    def tick(self) -> None:
        self._retry_unsaved()
        if self._history_is_long:
            self._history_is_long = self._queue.forget_oldest()
        jobs_are_waiting = any(worker.can_take_job for worker in self.workers) and self._queue.num_waiting > 0
        for worker in self.workers:
            worker.tick(jobs_are_waiting=jobs_are_waiting and not self.is_paused)
        self.dispatch()

    def dispatch(self) -> None:
        """Give waiting jobs to idle workers; a full disk stops it until there is room.

        Where a moment's wait would let more jobs share batches, `dispatch_at_s` says when to call again.
        """
        self.dispatch_at_s = math.inf
        idle = [worker for worker in self.workers if worker.can_take_job]
        if not idle or self.draining or self._unsaved or self.is_paused or self.is_device_released:
            return
        try:
            for worker in idle:
                while worker.can_take_job and self._give_next(worker):
                    pass
        except StorageError as exc:
            _log.error("no job can be started: %s", exc)

    def _give_next(self, worker: Supervisor) -> bool:
        """Whether it was given jobs."""
        until_s = self._batch_window_until_s(worker.max_batch_jobs)
        if until_s is not None:
            self.dispatch_at_s = until_s
            return False
        jobs = self._queue.start_next(self._scheduler, max_jobs=worker.max_batch_jobs)
        if jobs:
            worker.give(jobs)
        for job in jobs:
            self._changed(
                job.job_id,
                stage="loading",
                part="",
                fraction=0.0,
                started_s=self._clock(),
                num_batched=len(jobs),
                time_left=None,
            )
        return bool(jobs)

    def _batch_window_until_s(self, max_jobs: int) -> float | None:
        """How long to wait for more jobs like the next one; None where they would not fit or do not come."""
        if max_jobs == 1 or self._queue.num_waiting >= max_jobs:
            return None
        head = self._queue.next_waiting(self._scheduler)
        return None if head is None else self._batch_window.waits_until_s(head.shape, self._clock())

    def recover(self) -> None:
        """Queue again, or fail, what was running when the daemon died."""
        for job in self._queue.recover():
            _log.warning("was running when the daemon died; now %s", job.state, extra={"job_id": job.job_id})
            if job.state == FAILED:  # a job that runs again removes what it left by itself
                remove_staging_in_background(job.output_folder, job.job_id)

    def publish_state_of(self, job_id: str) -> None:
        """For those who follow the job. One that does not exist is not answered: events have no errors."""
        if not self._events.is_followed(job_id):
            return
        try:
            self._events.publish_job(self.job_status(self._queue.job(job_id)))
        except UnknownJobError:
            _log.debug("a subscription to a job that does not exist", extra={"job_id": job_id[:64]})

    # -- WorkerListener ------------------------------------------------------------------------------------

    def on_job_event(self, event: JobEvent) -> None:
        job_id = event.job_id
        if isinstance(event, JobProgressed):
            self._progress.record(event)
            devices = (worker.device_of(job_id) for worker in self.workers)
            device = next((device for device in devices if device is not None), "")
            job = self._queue.job(
                job_id
            )  # one read of its row: most of what a short job costs are its reports
            self._estimates.update(job, event, device=device, now_s=self._clock())
            if self._events.is_followed(job_id):
                self._events.publish_job(self.job_status(job))
        elif isinstance(event, JobDone):
            self._estimates.learn(self._queue.job(job_id), event, now_s=self._clock())
            self._close(job_id, DONE, lambda: self._queue.finish(job_id, event.stems))
        elif isinstance(event, JobFailed):
            self._close(job_id, FAILED, lambda: self._queue.fail(job_id, event.error))
        elif isinstance(event, JobCancelled):
            reason = RenderCancelled("the job was cancelled while it ran")
            self._close(job_id, CANCELLED, lambda: self._queue.cancel(job_id, reason))

    def close(self) -> None:
        """Keep what was learnt."""
        self._estimates.save()

    def on_worker_ended(self, outcomes: Mapping[str, Outcome], reason: str) -> None:
        self.publish_daemon()
        for job_id, outcome in outcomes.items():
            remove_staging_in_background(self._queue.job(job_id).output_folder, job_id)
            if outcome is Outcome.CANCELLED:
                self.on_job_event(JobCancelled(job_id=job_id))
            elif outcome is Outcome.REQUEUED:
                self._save(job_id, partial(self._queue.requeue, job_id))
            elif outcome is Outcome.LOST:
                _log.warning("interrupted, and queued again: %s", reason, extra={"job_id": job_id})
                cause = f"what it ran on was lost (at last: {reason})"
                self._save(job_id, partial(self._queue.record_interruption, job_id, cause))
            else:
                _log.error("its worker died: %s", reason, extra={"job_id": job_id})
                self._save(job_id, partial(self._queue.record_worker_crash, job_id, reason))

    # -- recording -----------------------------------------------------------------------------------------

    def _close(self, job_id: str, state: str, record: Callable[[], object]) -> None:
        self._save(job_id, record)
        self._count_finished(job_id, state)
        self.dispatch()

    def _count_finished(self, job_id: str, state: str) -> None:
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
            self._changed(job_id, started_s=None, time_left=None)

    def _retry_unsaved(self) -> None:
        waiting, self._unsaved = self._unsaved, []
        for job_id, record in waiting:
            self._save(job_id, record)

    def _changed(self, job_id: str, **changes: Any) -> None:
        self._progress.change(job_id, **changes)
        self.publish_state_of(job_id)

    def publish_daemon(self) -> None:
        self._events.publish_daemon(
            DaemonEvent(
                paused=self.is_paused,
                yielded=self.is_device_released,
                draining=self.draining,
                queue=self._queue.counts(),
                workers=tuple(worker.state.value for worker in self.workers),
            )
        )
