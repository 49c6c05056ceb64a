"""A pan that follows a curve, as keyframes on whole frames: for formats that count time in frames or edit units."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from selva_core.base.rational import round_half_up


def build_keyframes(points: Iterable[tuple[float, float]], rate_hz: Fraction) -> list[tuple[int, float]]:
    """Frame and value of each point, which moves by half a frame at most; of several on one frame, the last."""
    by_frame = {round_half_up(Fraction(time_s) * rate_hz): value for time_s, value in points}
    return sorted(by_frame.items())
