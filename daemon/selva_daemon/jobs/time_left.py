"""How long a running job still takes: the work that is left in each stage, at the speed of that stage.

The speed is what this job has shown; before it has, what earlier jobs of the model on this device have; before the first of
them, what this job has shown in its other stages, with a margin: the worker counts the work of all stages in units that take
about as long, but a machine may be slower in one stage than in another. So a first job says nothing before enough of it is
measured, and then rather too much than too little. The estimate climbs only where a stage is measured for the first time ever,
or begins and the stage before it has taken so much longer than expected that what was shown would be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from selva_daemon.jobs.stage_rates import Measured, StageRates
from selva_daemon.protocol.worker_link import JobProgressed

TRUSTED_SHARE = 0.2
"""Of a stage's work: after so much of it, what this job showed weighs as much as what others did."""
MIN_PACE, MAX_PACE = 0.25, 8.0
"""How much slower or faster than earlier jobs a job may be taken to be, from its stages so far: a machine may be busy."""

MEASURED_SHARE = 0.15
"""Of all work, which is measured before anything is said of a job whose model never ran on the device."""
UNMEASURED_SLOWNESS = 2.0
"""How much slower than the others a stage is taken to be that was never measured. On two cores a unit took from 0.7 to 1.4 times
as long in one stage as in all of them; an estimate that sinks misleads nobody."""

CLIMB_SHARE = 0.1
"""A stage that begins or is measured first raises the estimate by no less than this share: 13.0 s and then 13.4 s say nothing
new."""


@dataclass(kw_only=True)
class TimeLeft:
    """Of one running job. num_batched: how many jobs share its batches, and so each second of it."""

    model: str
    device: str
    rates: StageRates
    num_batched: int = 1
    measured: dict[str, Measured] = field(default_factory=dict)
    _work_left: Mapping[str, float] = field(default_factory=dict)
    _whole: dict[str, float] = field(default_factory=dict)
    _stage: str = ""
    _reported_s: float = 0.0
    _shown_s: float | None = None

    def update(self, event: JobProgressed, now_s: float) -> None:
        """A report of the worker. One without `work_left` says nothing about time."""
        if not event.work_left:
            return
        begins = event.stage != self._stage
        is_measured_first = bool(self._work_left) and self._measure(event.work_left, now_s)
        for stage, left in event.work_left.items():
            self._whole[stage] = max(self._whole.get(stage, 0.0), left)
        self._work_left, self._stage, self._reported_s = event.work_left, event.stage, now_s
        estimate_s = self._estimate()
        if estimate_s is None or self._shown_s is None:
            self._shown_s = estimate_s
            return
        climbs = (begins or is_measured_first) and estimate_s > self._shown_s * (1 + CLIMB_SHARE)
        self._shown_s = estimate_s if climbs else min(self._shown_s, estimate_s)

    def seconds(self) -> float | None:
        """As of the last report; None while nothing can be said."""
        return self._shown_s

    def learn(self) -> None:
        """Remember for later jobs what this one, which is done, has shown."""
        self.rates.learn(
            self.model,
            self.device,
            {
                stage: Measured(each.seconds / self.num_batched, each.work)
                for stage, each in self.measured.items()
            },
        )

    def _measure(self, work_left: Mapping[str, float], now_s: float) -> bool:
        """Returns whether a stage was measured for the first time ever, on this device."""
        done = {
            stage: before - work_left.get(stage, 0.0)
            for stage, before in self._work_left.items()
            if before > work_left.get(stage, 0.0)
        }
        if not done:
            return False
        # The end of a stage and the beginning of the next may come in one report; the time was spent in the former.
        stage = self._stage if self._stage in done else next(iter(done))
        is_first = (
            stage not in self.measured and self.rates.seconds_per_unit(self.model, self.device, stage) is None
        )
        spent = Measured(now_s - self._reported_s, done[stage])
        self.measured[stage] = self.measured.get(stage, Measured()) + spent
        return is_first

    def _estimate(self) -> float | None:
        if not self._knows_enough():
            return None
        total_s = 0.0
        for stage, left in self._work_left.items():
            if left <= 0:
                continue
            per_unit_s = self._seconds_per_unit(stage)
            if per_unit_s is None:
                return None
            total_s += left * per_unit_s
        return total_s

    def _knows_enough(self) -> bool:
        """Whether enough of the work was measured, by this job or by earlier ones, to speak of the rest."""
        whole = sum(self._whole.values())
        known = sum(
            work
            if self.rates.seconds_per_unit(self.model, self.device, stage) is not None
            else work - self._work_left.get(stage, 0.0)
            for stage, work in self._whole.items()
        )
        return known >= MEASURED_SHARE * whole

    def _seconds_per_unit(self, stage: str) -> float | None:
        own = self.measured.get(stage, Measured())
        learnt_s = self.rates.seconds_per_unit(self.model, self.device, stage)
        if learnt_s is None:
            return own.seconds_per_unit or self._unmeasured()
        expected_s = learnt_s * self.num_batched * self._pace()
        if own.seconds_per_unit is None:
            return expected_s
        weight = own.work / (own.work + TRUSTED_SHARE * self._whole.get(stage, 0.0))
        return weight * own.seconds_per_unit + (1 - weight) * expected_s

    def _pace(self) -> float:
        """How many times as long as earlier jobs this one has taken so far."""
        spent_s = expected_s = 0.0
        for stage, own in self.measured.items():
            learnt_s = self.rates.seconds_per_unit(self.model, self.device, stage)
            if learnt_s is not None:
                spent_s += own.seconds
                expected_s += learnt_s * own.work * self.num_batched
        return min(max(spent_s / expected_s, MIN_PACE), MAX_PACE) if expected_s > 0 else 1.0

    def _unmeasured(self) -> float | None:
        """Of a stage that was never measured, from those that were."""
        average_s = sum(self.measured.values(), Measured()).seconds_per_unit
        return None if average_s is None else UNMEASURED_SLOWNESS * average_s
