"""The progress of a render, as a share of its expected cost, and its cancellation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

from selva_core.base.errors import RenderCancelled
from selva_core.engine import RenderProgress
from selva_core.models.arithmetic import Arithmetic

Stage = Literal["picture", "text", "sampling", "sound"]  # these words are part of the wire protocol

# Relative costs, measured with the published small model: only their proportions matter. Other models have weights.
SEGMENT_COST = 4.3
PROMPT_COST = 0.5
STEP_COST = 1.8  # one window, one step
AUDIO_COST = 18.0  # one window

_COST_PER_GFLOP = SEGMENT_COST / 371.1
_STEERING_SLOWNESS, _SOUND_SLOWNESS = 1.5, 1.4
"""Seconds of an operation against one of the video encoder: selva-small-16k on two AVX2 cores took 62 s for the encoder, 4.7 s to
steer, 20 s for 25 steps and 9.5 s for the sound of 8 s."""

_SMALL_MODEL_WEIGHTS: Mapping[Stage, float] = {"picture": 0.05, "text": 0.05, "sampling": 1.0, "sound": 0.4}
"""selva-nano on one core of a busy machine, 4 stems of 8 s: 0.6 s for the picture, 30 s for 100 runs of the generator, 4.4 s for
the sound. With the weights of an earlier network the time left of a first job climbed from 3.6 to 31 s."""

REPORT_INTERVAL_S = 10.0
"""Between reports of work within a step or a chunk, which may take minutes where the model is large or the clip long."""


def stage_weights(arithmetic: Arithmetic | None, *, num_prompts: int) -> dict[Stage, float]:
    """By what the costs above are to be multiplied for a model, by its arithmetic; for one without it as for selva-nano."""
    if arithmetic is None:
        return dict(_SMALL_MODEL_WEIGHTS)
    costs: dict[Stage, tuple[float, float]] = {
        "picture": (
            arithmetic.segment + num_prompts * _STEERING_SLOWNESS * arithmetic.steering,
            SEGMENT_COST,
        ),
        "text": (arithmetic.prompt, PROMPT_COST),
        "sampling": (arithmetic.step, STEP_COST),
        "sound": (_SOUND_SLOWNESS * arithmetic.window, AUDIO_COST),
    }
    return {stage: gflop * _COST_PER_GFLOP / cost for stage, (gflop, cost) in costs.items()}


class ProgressTracker:
    """Adds up the work done in each stage. costs: the expected cost of each whole stage, in the units in which it is spent.
    weights: by which the units of a stage are to be multiplied, so that they take about as long in every stage.
    """

    def __init__(
        self,
        costs: Mapping[Stage, float],
        *,
        weights: Mapping[Stage, float] | None = None,
        on_progress: Callable[[RenderProgress], None],
        is_cancelled: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._reported_s = clock()
        self._weights = weights or {}
        self._costs = {stage: self._weighted(stage, cost) for stage, cost in costs.items()}
        self._remaining = dict(self._costs)
        self._total = sum(self._costs.values()) or 1.0
        self._on_progress = on_progress
        self._is_cancelled = is_cancelled

    def skip(self, stage: Stage) -> None:
        """Expect no cost of this stage; must be called before any cost is spent."""
        self._total = self._total - self._remaining[stage] or 1.0
        self._remaining[stage] = 0.0

    def begin(self, stage: Stage, *, num_steps: int = 0) -> None:
        """Report that a stage begins, before the first of its work is done. Raises RenderCancelled."""
        self.check()
        self._report(stage, step=0, num_steps=num_steps)

    def check(self) -> None:
        """Raises RenderCancelled when the render has been cancelled."""
        if self._is_cancelled():
            raise RenderCancelled("the render was cancelled")

    def spend(self, stage: Stage, cost: float, *, step: int = 0, num_steps: int = 0) -> None:
        """Report that `cost` of a stage is done. Raises RenderCancelled."""
        self.check()
        self._remaining[stage] = max(self._remaining[stage] - self._weighted(stage, cost), 0.0)
        self._report(stage, step=step, num_steps=num_steps)

    def work(self, stage: Stage, cost: float, *, step: int = 0, num_steps: int = 0) -> None:
        """Add `cost` of a stage, and report it when nothing was reported for REPORT_INTERVAL_S. Raises RenderCancelled."""
        self.check()
        self._remaining[stage] = max(self._remaining[stage] - self._weighted(stage, cost), 0.0)
        if self._clock() - self._reported_s >= REPORT_INTERVAL_S:
            self._report(stage, step=step, num_steps=num_steps)

    def spend_up_to(self, stage: Stage, share: float) -> None:
        """Report that at least `share` (0..1) of a stage is done. Raises RenderCancelled."""
        self.check()
        self._remaining[stage] = min(self._remaining[stage], self._costs[stage] * max(1.0 - share, 0.0))
        self._report(stage, step=0, num_steps=0)

    def finish(self, stage: Stage) -> None:
        """Report that a stage is done, whatever it cost. Raises RenderCancelled."""
        self.spend_up_to(stage, 1.0)

    def _weighted(self, stage: Stage, cost: float) -> float:
        return cost * self._weights.get(stage, 1.0)

    def _report(self, stage: Stage, *, step: int, num_steps: int) -> None:
        self._reported_s = self._clock()
        fraction = round(1.0 - sum(self._remaining.values()) / self._total, 9)
        self._on_progress(
            RenderProgress(
                stage=stage,
                fraction=fraction,
                step=step,
                num_steps=num_steps,
                work_left={name: cost for name, cost in self._remaining.items() if self._costs[name] > 0},
            )
        )
