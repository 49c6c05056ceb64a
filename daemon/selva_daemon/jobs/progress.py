"""What is known of a job beyond its row in the queue: its present stage, and how long it will take."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from selva_daemon.jobs.time_left import TimeLeft
from selva_daemon.protocol.worker_link import JobProgressed

MAX_REMEMBERED_JOBS = 20_000
MIN_ESTIMATED_FRACTION = 0.02


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """sequence: counts the changes of the job since the daemon started. started_s: monotonic, None when not running.
    num_batched: how many jobs run in the same batches, this one counted. part: of the stage, where it has parts.
    """

    sequence: int = 0
    stage: str = ""
    step: int = 0
    num_steps: int = 0
    fraction: float = 0.0
    started_s: float | None = None
    num_batched: int = 1
    part: str = ""
    time_left: TimeLeft | None = None

    def seconds_left(self, now_s: float) -> float | None:
        if self.time_left is not None:
            # Not by the fraction while nothing is measured: loading the model would count as slow rendering (153 s were
            # shown of a job that took 20).
            return self.time_left.seconds()
        if self.started_s is None or self.stage == "loading" or self.fraction < MIN_ESTIMATED_FRACTION:
            return None
        return (now_s - self.started_s) / self.fraction * (1.0 - self.fraction)


class ProgressByJob:
    """The progress of the jobs that changed last; older entries are dropped, so its size has a limit."""

    def __init__(self) -> None:
        self._by_job: OrderedDict[str, JobProgress] = OrderedDict()

    def of(self, job_id: str) -> JobProgress:
        return self._by_job.get(job_id, JobProgress())

    def change(self, job_id: str, **changes: Any) -> JobProgress:
        """Set fields of the job's JobProgress, under its next sequence number."""
        before = self.of(job_id)
        after = replace(before, sequence=before.sequence + 1, **changes)
        self._by_job[job_id] = after
        self._by_job.move_to_end(job_id)
        if len(self._by_job) > MAX_REMEMBERED_JOBS:
            self._by_job.popitem(last=False)
        return after

    def attach(self, job_id: str, time_left: TimeLeft) -> None:
        """No change that clients are sent: the sequence number stays."""
        self._by_job[job_id] = replace(self.of(job_id), time_left=time_left)

    def record(self, event: JobProgressed) -> JobProgress:
        """A worker's report. The fraction never goes back: a worker that runs short of memory renders in halves and counts
        the second time from where it began.
        """
        return self.change(
            event.job_id,
            stage=event.stage,
            step=event.step,
            num_steps=event.num_steps,
            part=event.part,
            fraction=max(self.of(event.job_id).fraction, min(1.0, event.fraction)),
        )
