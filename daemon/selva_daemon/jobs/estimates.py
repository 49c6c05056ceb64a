"""How long jobs take: of running ones by their stages, of waiting ones by what whole jobs of the model took."""

from __future__ import annotations

from fractions import Fraction

from selva_daemon.jobs.progress import JobProgress, ProgressByJob
from selva_daemon.jobs.stage_rates import Measured, StageRates
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.jobs.time_left import TimeLeft
from selva_daemon.protocol.status import QUEUED, RUNNING
from selva_daemon.protocol.worker_link import JobDone, JobProgressed

_ANY_DEVICE, _WHOLE_JOB = "any device", "whole job"  # a row of the rates; its work is seconds of stems


class Estimates:
    """Learns from every job that is done."""

    def __init__(self, rates: StageRates, progress: ProgressByJob) -> None:
        self._rates = rates
        self._progress = progress

    def update(self, job: StoredJob, event: JobProgressed, *, device: str, now_s: float) -> None:
        """A report of the worker that runs the job on this device."""
        if not event.work_left:
            return
        progress = self._progress.of(job.job_id)
        if (time_left := progress.time_left) is None:
            time_left = TimeLeft(
                model=job.model, device=device, rates=self._rates, num_batched=progress.num_batched
            )
            self._progress.attach(job.job_id, time_left)
        time_left.update(event, now_s)

    def learn(self, job: StoredJob, done: JobDone, *, now_s: float) -> None:
        """A job that came out of the cache says nothing; one that shared batches took its share of the time."""
        progress = self._progress.of(job.job_id)
        if progress.started_s is None or all(stem.cached for stem in done.stems):
            return
        if progress.time_left is not None:
            progress.time_left.learn()
        share_s = (now_s - progress.started_s) / progress.num_batched
        self._rates.learn(job.model, _ANY_DEVICE, {_WHOLE_JOB: Measured(share_s, float(job.stem_seconds))})

    def expected_seconds(self, model: str, stem_seconds: Fraction) -> float | None:
        """How long so much sound took in earlier jobs of the model, on whatever device they ran."""
        per_second_s = self._rates.seconds_per_unit(model, _ANY_DEVICE, _WHOLE_JOB)
        return None if per_second_s is None else round(per_second_s * float(stem_seconds), 3)

    def seconds_left(
        self, job: StoredJob, progress: JobProgress, position: int, *, now_s: float
    ) -> float | None:
        """Until the job is done; None when nothing is known, and for one that neither runs nor waits."""
        expected_s = self.expected_seconds(job.model, job.stem_seconds)
        if job.state == RUNNING:
            left_s = progress.seconds_left(now_s)
            is_unmeasured = progress.stage == "loading" or progress.time_left is not None
            return expected_s if left_s is None and is_unmeasured else left_s
        if job.state != QUEUED or position == 0 or expected_s is None:
            return None
        return expected_s * position

    def save(self) -> None:
        self._rates.save()
