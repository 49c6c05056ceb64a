"""Exact numbers: rational seconds and rates, and the one place where they become integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

_HALF = Fraction(1, 2)


def round_half_up(value: Fraction) -> int:
    """The nearest integer; exactly between two, the higher one: floor(value + 1/2). Exact, unlike `round` on floats."""
    return math.floor(value + _HALF)


def to_pair(value: Fraction) -> list[int]:
    """[numerator, denominator], as rationals are written on the wire and in JSON."""
    return [value.numerator, value.denominator]


def from_pair(pair: Sequence[Any]) -> Fraction:
    """The inverse of `to_pair`. Raises ValueError, TypeError, ZeroDivisionError for anything but a pair of integers."""
    numerator, denominator = pair
    if any(isinstance(part, bool) or not isinstance(part, int) for part in (numerator, denominator)):
        raise TypeError(f"a rational is a pair of integers; got {pair!r}")
    return Fraction(numerator, denominator)
