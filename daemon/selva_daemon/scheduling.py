"""Whose turn it is: interactive before batch, clients in turn, nobody for ever last. Pure of disk and
clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Head:
    """The oldest waiting job of one client session in one priority class (0 goes before 1)."""

    session: str
    priority: int
    number: int


class Turns:
    """Remembers who was served, so that a client with a thousand jobs does not hold up one with a single job.

    interactive_in_a_row: after so many picks of the first class while others wait, one of the others is
    picked.
    """

    def __init__(self, *, interactive_in_a_row: int) -> None:
        self._limit = interactive_in_a_row
        self._in_a_row = 0
        self._turn = 0
        self._last_turn_of: dict[str, int] = {}

    def choose(self, heads: Sequence[Head]) -> Head | None:
        """The head to run now; None when nothing waits. The choice is remembered."""
        if not heads:
            return None
        first = [head for head in heads if head.priority == 0]
        others = [head for head in heads if head.priority != 0]
        others_turn = bool(others) and self._in_a_row >= self._limit
        candidates = others if others_turn else first or others
        chosen = min(candidates, key=lambda head: (self._last_turn_of.get(head.session, 0), head.number))
        self._in_a_row = self._in_a_row + 1 if chosen.priority == 0 and others else 0
        self._turn += 1
        self._last_turn_of[chosen.session] = self._turn
        self._forget_absent(heads)
        return chosen

    def _forget_absent(self, heads: Sequence[Head]) -> None:
        waiting = {head.session for head in heads}
        self._last_turn_of = {name: turn for name, turn in self._last_turn_of.items() if name in waiting}
