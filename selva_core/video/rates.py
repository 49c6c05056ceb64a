"""Frame rates: which one is meant by what a container states, and which one a variable rate is counted in.

A container's average is a quotient of rounded times (a 59.94 Hz movie in ticks of 1/600 s averages 72000/1201), and FFmpeg
gives the rate of the ticks where it finds no other (90000 for MPEG-TS, 60000 for DV). Neither is the rate of a timecode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median

MAX_PLAUSIBLE_RATE_HZ = 1000
"""The fastest phones and action cameras record 960; a higher rate is that of the ticks."""

MPEG_SLACK_S = Fraction(32, 90_000)
"""A program stream states the time of one frame per packet, and FFmpeg counts those between in whole ticks: at 59.94 frames a
second of 1501.5 ticks it is up to half a tick off with every frame."""

_SNAP_RATIO = Fraction(1, 10_000)
_SAME_RATE_RATIO = Fraction(1, 500)
"""Twice the 0.1 % between a whole and an NTSC rate."""
_NOMINAL_RATES_HZ = (
    *(Fraction(n) for n in (24, 25, 30, 48, 50, 60, 100, 120, 240)),
    *(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120, 240)),
)
_MAX_GAP_RATIO = Fraction(1, 10)
_NEAR_RATIO = Fraction(1, 20)
_LOWEST_NOMINAL_HZ = 20
"""Below it a variable rate is one of still pictures, such as a screen recording, which is counted in 30 per second."""
_NOMINAL_OF_SLOW_HZ = Fraction(30)


@dataclass(frozen=True, kw_only=True)
class FrameRate:
    """rate_hz: of the frames, or, where `is_variable`, the one that their timecode is counted in."""

    rate_hz: Fraction
    is_variable: bool = False


def snap_rate(
    rate_hz: Fraction, *, tick_s: Fraction = Fraction(0), duration_s: Fraction = Fraction(0)
) -> Fraction:
    """The whole or NTSC (n * 1000 / 1001) rate nearest to `rate_hz`, else `rate_hz` itself.

    Nearest means within 0.01 %, or within one tick over the duration: a sum of rounded times is no more exact.
    """
    whole = Fraction(max(1, round(rate_hz)))
    ntsc = Fraction(max(1, round(rate_hz * 1001 / 1000)) * 1000, 1001)
    nearest = min(whole, ntsc, key=lambda candidate: abs(candidate - rate_hz))
    in_ticks = min(tick_s / duration_s, _SAME_RATE_RATIO) if duration_s > 0 else Fraction(0)
    return nearest if abs(nearest - rate_hz) <= rate_hz * max(_SNAP_RATIO, in_ticks) else rate_hz


def is_standard_rate(rate_hz: Fraction) -> bool:
    """Whether a rate is whole or NTSC; the averages of variable rates are neither."""
    return rate_hz.denominator == 1 or (rate_hz * Fraction(1001, 1000)).denominator == 1


def is_plausible_rate(rate_hz: Fraction | None) -> bool:
    """Whether frames can come at this rate."""
    return rate_hz is not None and 0 < rate_hz <= MAX_PLAUSIBLE_RATE_HZ


def fits_rate(times_s: Sequence[Fraction], rate_hz: Fraction, within_s: Fraction) -> bool:
    """Whether ascending frame times are those of a constant rate, each within so many seconds."""
    return all(abs(at_s - times_s[0] - k / rate_hz) <= within_s for k, at_s in enumerate(times_s))


def _fits_with_gaps(times_s: Sequence[Fraction], rate_hz: Fraction, within_s: Fraction) -> bool:
    """Whether all times are those of frames of a constant rate, few of which are missing."""
    places = [round((at_s - times_s[0]) * rate_hz) for at_s in times_s]
    num_gaps = sum(later - earlier > 1 for earlier, later in pairwise(places))
    is_on_grid = all(
        abs(at_s - times_s[0] - place / rate_hz) <= within_s
        for at_s, place in zip(times_s, places, strict=True)
    )
    return is_on_grid and num_gaps <= _MAX_GAP_RATIO * len(places)


def measure_rate(
    times_s: Sequence[Fraction],
    tick_s: Fraction,
    *,
    stated_hz: Fraction | None = None,
    guessed_hz: Fraction | None = None,
    slack_s: Fraction = Fraction(0),
    has_gaps: bool = False,
) -> FrameRate | None:
    """The rate of the first frames of a file from their ascending times; None for fewer than two times.

    stated_hz: what the container states, if that is plausible. It is believed where the times agree with it. guessed_hz:
    FFmpeg's guess, which names a variable rate if it is near that of the usual frame. slack_s: how far times may be off
    where no rate fits them to the tick. has_gaps: whether frames that are missing here and there were lost, as in formats
    of constant rate.
    """
    steps_s = [later - earlier for earlier, later in pairwise(times_s) if later > earlier]
    if not steps_s:
        return None
    span_s = times_s[-1] - times_s[0]
    mean_hz = (len(times_s) - 1) / span_s
    snapped_hz = snap_rate(mean_hz, tick_s=2 * tick_s, duration_s=span_s)
    for within_s in (tick_s, slack_s):
        for candidate_hz in (stated_hz, snapped_hz, mean_hz):
            if candidate_hz is not None and fits_rate(times_s, candidate_hz, within_s):
                return FrameRate(rate_hz=candidate_hz)
    nominal_hz = nominal_rate_of(steps_s, guessed_hz)
    for candidate_hz in (stated_hz, nominal_hz) if has_gaps else ():
        if candidate_hz is not None and _fits_with_gaps(times_s, candidate_hz, max(tick_s, slack_s)):
            return FrameRate(rate_hz=candidate_hz)
    return FrameRate(rate_hz=nominal_hz, is_variable=True)


def nominal_rate_of(steps_s: Sequence[Fraction], guessed_hz: Fraction | None = None) -> Fraction:
    """The rate in which frames of varying lengths are counted: the standard one nearest to that of the usual frame."""
    usual_hz = 1 / Fraction(median(steps_s))
    if usual_hz < _LOWEST_NOMINAL_HZ:
        return _NOMINAL_OF_SLOW_HZ
    if guessed_hz in _NOMINAL_RATES_HZ and abs(guessed_hz - usual_hz) <= usual_hz * _NEAR_RATIO:
        return guessed_hz
    return min(
        _NOMINAL_RATES_HZ, key=lambda rate_hz: (abs(rate_hz - usual_hz) / rate_hz, rate_hz.denominator)
    )
