"""How far a whole request is, from the states of its jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from selva_core.base.render_options import RenderOptions
from selva_daemon.protocol.status import JobStatus
from selva_otio import CueSheet
from selva_render.jobs import ClipJob

_MIN_FRACTION_FOR_ESTIMATE = 0.03


@dataclass(frozen=True, kw_only=True)
class RequestProgress:
    """`fraction` is 0..1 of the whole request; `seconds_left` is None while there is nothing to estimate it from."""

    message: str
    fraction: float
    seconds_left: float | None


class RequestProgressTracker:
    """Adds up the jobs of a request, each weighed by the seconds of sound it makes."""

    def __init__(
        self, work: Sequence[tuple[CueSheet, RenderOptions]], *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._total_s = sum((total_sound_s(sheet, options) for sheet, options in work), Fraction(0))
        self._num_clips = sum(len(sheet.clips) for sheet, _ in work)
        self._done_s: dict[str, Fraction] = {}
        self._finished: set[str] = set()
        self._now_s = now_s
        self._started_s: float | None = None

    def update(self, job: ClipJob, status: JobStatus) -> RequestProgress:
        """The progress of the request, now that this job has this status."""
        weight_s = job.clip.sound_duration_s * job.request.num_stems
        fraction = 1.0 if status.is_finished else status.fraction
        self._done_s[status.job_id] = weight_s * Fraction(fraction).limit_denominator(10_000)
        if status.is_finished:
            self._finished.add(status.job_id)
        if self._started_s is None and fraction > 0:
            self._started_s = self._now_s()
        done = float(sum(self._done_s.values()) / self._total_s) if self._total_s else 1.0
        return RequestProgress(
            message=self._describe(job, status),
            fraction=min(done, 1.0),
            seconds_left=self._estimate(done, status),
        )

    def _estimate(self, done: float, status: JobStatus) -> float | None:
        if self._num_clips == 1 and status.seconds_left is not None:
            return status.seconds_left
        if self._started_s is None or done < _MIN_FRACTION_FOR_ESTIMATE:
            return None
        return (self._now_s() - self._started_s) * (1 - done) / done

    def _describe(self, job: ClipJob, status: JobStatus) -> str:
        count = (
            f"{min(len(self._finished) + 1, self._num_clips)} of {self._num_clips}: "
            if self._num_clips > 1
            else ""
        )
        if status.state == "queued":
            ahead = max(status.position - 1, 0)
            reason = (
                f"waiting behind {ahead} job{'s' if ahead != 1 else ''}"
                if ahead
                else "waiting for the device"
            )
            return f"{count}{job.request.label}: {reason}"
        step = f" (step {status.step} of {status.num_steps})" if status.num_steps else ""
        return f"{count}{job.request.label}: {status.stage or status.state}{step}"


def total_sound_s(sheet: CueSheet, options: RenderOptions) -> Fraction:
    """Seconds of sound that a cue sheet asks for."""
    return sum(
        (cue.clip.sound_duration_s * (cue.num_takes or options.num_takes) for cue in sheet.cues), Fraction(0)
    )
