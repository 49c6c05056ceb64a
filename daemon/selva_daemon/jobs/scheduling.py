"""Which job is run next and which jobs share batches: interactive before batch, clients in turn, no client starves.

Pure: knows neither disk nor clock.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from selva_daemon.jobs.stored_job import StoredJob

BATCH_GAP_S = 0.03
MAX_BATCH_STEMS = 64


@dataclass(frozen=True, kw_only=True)
class QueueHead:
    """The oldest waiting job of one client session in one priority class (0 goes before 1)."""

    session: str
    priority: int
    number: int


class FairScheduler:
    """Remembers which sessions were served, so that a client with a thousand jobs does not hold up one with a single job.

    interactive_in_a_row: after so many picks of the first class while others wait, one of the others is picked.
    """

    def __init__(self, *, interactive_in_a_row: int) -> None:
        self._limit = interactive_in_a_row
        self._in_a_row = 0
        self._turn = 0
        self._last_turn_of: dict[str, int] = {}

    def choose(self, heads: Sequence[QueueHead]) -> QueueHead | None:
        """The head to run next; None when nothing waits."""
        if not heads:
            return None
        first = [head for head in heads if head.priority == 0]
        others = [head for head in heads if head.priority != 0]
        others_turn = bool(others) and self._in_a_row >= self._limit
        candidates = others if others_turn else first or others
        return min(candidates, key=lambda head: (self._last_turn_of.get(head.session, 0), head.number))

    def record(self, chosen: QueueHead, heads: Sequence[QueueHead]) -> None:
        """Remember that `chosen` of `heads` was served; sessions of which nothing waits are forgotten."""
        others_wait = any(head.priority != 0 for head in heads)
        self._in_a_row = self._in_a_row + 1 if chosen.priority == 0 and others_wait else 0
        self._turn += 1
        self._last_turn_of[chosen.session] = self._turn
        waiting = {head.session for head in heads}
        self._last_turn_of = {name: turn for name, turn in self._last_turn_of.items() if name in waiting}


def can_batch(taken: Sequence[StoredJob], job: StoredJob) -> bool:
    """Whether `job` can be rendered in the same batches as `taken`.

    Not more stems than fill a batch: more would make all of them wait. A job that had a crash runs alone, so that the next
    crash has one suspect.
    """
    return sum(each.num_stems for each in (*taken, job)) <= MAX_BATCH_STEMS and all(
        each.shape == job.shape and not each.had_a_crash for each in (*taken, job)
    )


class BatchWindow:
    """Whether to hold an idle worker for a moment, because jobs of the shape of the next one are still arriving.

    The window opens when two jobs of one shape arrive within `gap_s`, and closes when `gap_s` has passed without another:
    a single job is never held.
    """

    def __init__(self, *, gap_s: float = BATCH_GAP_S) -> None:
        self._gap_s = gap_s
        self._shape: Hashable = None
        self._last_s = -math.inf
        self._are_several = False

    def record_arrival(self, shape: Hashable, now_s: float) -> None:
        self._are_several = shape == self._shape and now_s - self._last_s < self._gap_s
        self._shape, self._last_s = shape, now_s

    def waits_until_s(self, shape: Hashable, now_s: float) -> float | None:
        """When to begin with jobs of this shape; None for now."""
        until_s = self._last_s + self._gap_s
        return until_s if self._are_several and shape == self._shape and now_s < until_s else None
