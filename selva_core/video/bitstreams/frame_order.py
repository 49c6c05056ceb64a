"""Holes in the numbers that a codec gives its frames in the order of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

_MAX_FRAMES = 4096
_KEPT_FRAMES = 64
"""More than any decoder holds back to bring frames into order."""
_MAX_HOLE_RATIO = 10
"""Where more than one in so many steps is longer than others, the encoder left out numbers, as for pulldown."""


class FrameOrder:
    """Collects the numbers of a stream and finds the steps between them that are longer than others.

    usual_step: between frames that follow one another; None for the one that most of them have.
    """

    def __init__(self, *, usual_step: int | None = None) -> None:
        self._usual_step = usual_step
        self._packets: dict[int, int] = {}
        self._holes: list[int] = []
        self._repeated: list[int] = []
        self._num_steps = 0

    def add(self, number: int, packet: int, *, may_repeat: bool = False) -> None:
        """A frame of this number is in a packet. may_repeat: as the second field of a frame does."""
        if number in self._packets:
            if not may_repeat:
                self._repeated.append(packet)
            return
        self._packets[number] = packet
        if len(self._packets) >= _MAX_FRAMES:
            self._close(keeps=_KEPT_FRAMES)

    def begin(self) -> None:
        """Numbers begin anew: a new group of frames."""
        self._close(keeps=0)

    def missing(self) -> Sequence[int]:
        """The packets at or before which frames are missing, after the last one."""
        self.begin()
        is_usual = len(self._holes) * _MAX_HOLE_RATIO > max(self._num_steps, _MAX_HOLE_RATIO)
        return self._repeated if is_usual else sorted({*self._holes, *self._repeated})

    def _close(self, *, keeps: int) -> None:
        numbers = sorted(self._packets)
        whole = numbers[: len(numbers) - max(keeps - 1, 0)]
        steps = [later - number for number, later in pairwise(whole)]
        usual_step = self._usual_step or (median_low(steps) if steps else 1)
        self._num_steps += len(steps)
        self._holes += [
            self._packets[later] for number, later in pairwise(whole) if later - number >= 2 * usual_step
        ]
        self._packets = {n: self._packets[n] for n in (numbers[-keeps:] if keeps else ())}
