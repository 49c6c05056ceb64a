"""Times as FCPXML writes them, rational seconds ("1001/24000s"), and the time map of a retimed clip."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from selva_otio.errors import DamagedItemError

_TIME = re.compile(r"\s*([+-]?\d{1,20})(?:/(\d{1,12})|(\.\d{1,12}))?\s*s?\s*")
_MAX_DENOMINATOR = 2**31 - 1
_MAX_SECONDS = 10**9


def parse_time(text: str, *, what: str) -> Fraction:
    """Seconds of a time attribute. what: its name, for the message. Raises TimelineReadError."""
    seconds = _parse(text) if len(text) < 64 else None
    if seconds is None:
        raise DamagedItemError(f"{what} is not a time: {text[:60]!r}; a time reads 1001/24000s")
    if abs(seconds) > _MAX_SECONDS:
        raise DamagedItemError(f"{what} is {text[:60]!r}; no timeline is longer than {_MAX_SECONDS} s")
    return seconds


@lru_cache(maxsize=4096)  # a file repeats its few lengths thousands of times
def _parse(text: str) -> Fraction | None:
    match = _TIME.fullmatch(text)
    if match is None or (match[2] is not None and int(match[2]) == 0):
        return None
    return Fraction(match[1] + (match[3] or "")) / int(match[2] or 1)


def format_time(seconds: Fraction) -> str:
    """A time attribute: a 64-bit numerator over a 32-bit denominator, as the FCPXML reference asks; "5s" for whole seconds."""
    bounded = seconds.limit_denominator(_MAX_DENOMINATOR)
    return (
        f"{bounded.numerator}s" if bounded.denominator == 1 else f"{bounded.numerator}/{bounded.denominator}s"
    )


@dataclass(frozen=True, kw_only=True)
class Retiming:
    """What a clip plays: its media from `media_start_s` on, `speed` media seconds per second of its local time.

    speed: None where it changes inside the clip.
    """

    media_start_s: Fraction
    speed: Fraction | None


def follow_time_map(
    points: Sequence[tuple[Fraction, Fraction]], start_s: Fraction, end_s: Fraction
) -> Retiming:
    """The part of a time map that a clip plays from `start_s` to `end_s` of its local time.

    points: (local seconds, media seconds). Before the first and after the last point the map goes on at the speed it has
    there.
    """
    ordered = sorted(set(points))
    segments = [(left, right) for left, right in pairwise(ordered) if right[0] > left[0]]
    if not segments:
        held_s = ordered[0][1] if ordered else start_s
        return Retiming(media_start_s=held_s, speed=Fraction(0) if ordered else Fraction(1))
    first = next(
        (number for number, (_, right) in enumerate(segments) if start_s < right[0]), len(segments) - 1
    )
    played = [segments[first], *(segment for segment in segments[first + 1 :] if segment[0][0] < end_s)]
    speeds = {(right[1] - left[1]) / (right[0] - left[0]) for left, right in played}
    (left_s, left_media_s), (right_s, right_media_s) = segments[first]
    slope = (right_media_s - left_media_s) / (right_s - left_s)
    return Retiming(
        media_start_s=left_media_s + slope * (start_s - left_s),
        speed=slope if len(speeds) == 1 else None,
    )
