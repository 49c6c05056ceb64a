"""What is known of a job beyond its row in the queue: where it is, and how long it will take."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

REMEMBERED_JOBS = 20_000
SMOOTHING = 0.3


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """`sequence` counts the changes of the job since the daemon started. `started_s` is monotonic, None
    when not running. `together` is how many jobs run in the same batches, this one counted.
    """

    sequence: int = 0
    stage: str = ""
    step: int = 0
    num_steps: int = 0
    fraction: float = 0.0
    started_s: float | None = None
    together: int = 1

    def seconds_left(self, now_s: float) -> float | None:
        if self.started_s is None or self.fraction < 0.02:
            return None
        return (now_s - self.started_s) / self.fraction * (1.0 - self.fraction)


class ProgressBook:
    """Progress by job; the oldest entries are forgotten, so its size has a limit."""

    def __init__(self) -> None:
        self._by_job: OrderedDict[str, JobProgress] = OrderedDict()

    def of(self, job_id: str) -> JobProgress:
        return self._by_job.get(job_id, JobProgress())

    def change(self, job_id: str, **facts: Any) -> JobProgress:
        """Note new facts of the job under its next sequence number."""
        before = self.of(job_id)
        after = replace(before, sequence=before.sequence + 1, **facts)
        self._by_job[job_id] = after
        self._by_job.move_to_end(job_id)
        if len(self._by_job) > REMEMBERED_JOBS:
            self._by_job.popitem(last=False)
        return after

    def report(self, job_id: str, progress: Mapping[str, Any]) -> JobProgress:
        """A worker's report; progress never goes back."""
        return self.change(
            job_id,
            stage=str(progress["stage"]),
            step=int(progress["step"]),
            num_steps=int(progress["num_steps"]),
            fraction=max(self.of(job_id).fraction, min(1.0, float(progress["fraction"]))),
        )


class DurationEstimate:
    """How long one stem of a model takes here, from the jobs that ran: an average that follows changes."""

    def __init__(self) -> None:
        self._seconds_per_stem: dict[str, float] = {}

    def learn(self, model: str, *, num_stems: int, duration_s: float) -> None:
        sample_s = duration_s / max(1, num_stems)
        before_s = self._seconds_per_stem.get(model, sample_s)
        self._seconds_per_stem[model] = before_s + SMOOTHING * (sample_s - before_s)

    def seconds_for(self, model: str, num_stems: int) -> float | None:
        per_stem_s = self._seconds_per_stem.get(model)
        return None if per_stem_s is None else per_stem_s * num_stems
