"""How far a render is, as a share of its expected cost, and whether it should go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from selva_core.base.errors import RenderCancelled
from selva_core.engine import RenderProgress

Stage = Literal["picture", "text", "sampling", "sound"]

# Relative costs, measured with the published small model: only their proportions matter.
SEGMENT_COST = 4.3
PROMPT_COST = 0.5
STEP_COST = 1.8  # one window, one step
SOUND_COST = 18.0  # one window


class ProgressTracker:
    """Adds up what is done of each stage; `costs` says how much each will take in all."""

    def __init__(
        self,
        costs: Mapping[Stage, float],
        *,
        on_progress: Callable[[RenderProgress], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._left = dict(costs)
        self._total = sum(costs.values()) or 1.0
        self._on_progress = on_progress
        self._is_cancelled = is_cancelled

    def forgo(self, stage: Stage) -> None:
        """A stage that will cost nothing this time; to be said before anything is spent."""
        self._total = self._total - self._left[stage] or 1.0
        self._left[stage] = 0.0

    def check(self) -> None:
        """Raise RenderCancelled where somebody asked to stop."""
        if self._is_cancelled():
            raise RenderCancelled("the render was cancelled")

    def spend(self, stage: Stage, cost: float, *, step: int = 0, num_steps: int = 0) -> None:
        """Report that `cost` of a stage is done; stops where somebody asked to."""
        self.check()
        self._left[stage] = max(self._left[stage] - cost, 0.0)
        self._report(stage, step=step, num_steps=num_steps)

    def finish(self, stage: Stage) -> None:
        """Report that a stage is done, whatever it cost."""
        self.spend(stage, self._left[stage])

    def _report(self, stage: Stage, *, step: int, num_steps: int) -> None:
        fraction = round(1.0 - sum(self._left.values()) / self._total, 9)
        self._on_progress(RenderProgress(stage=stage, fraction=fraction, step=step, num_steps=num_steps))
