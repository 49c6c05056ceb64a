"""Where a stem lies in a new cut so that it stays on its picture, and which part of it is missing. Pure and exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.shot_matching import Segment

SHORT_S = Fraction(1, 5000)
"""Files are whole samples long: one sample at 8 kHz is 0.125 ms, which nobody hears and no frame is rendered for."""
_Range = tuple[Fraction, Fraction]


@dataclass(frozen=True, kw_only=True)
class StemSpot:
    """A stem as it lies in the old cut, in record seconds.

    start_s, end_s: what is heard. file_start_s, file_end_s: where the first and the last sample of its file would lie if the
    whole file were heard, handles included.
    """

    start_s: Fraction
    end_s: Fraction
    file_start_s: Fraction
    file_end_s: Fraction


@dataclass(frozen=True, kw_only=True)
class FittedStem:
    """A stem in the new cut.

    heard_s: the record range that the file is heard in; None where nothing of it is left. file_start_s: where its first sample
    would lie. missing: record ranges of the picture that should have sound and that the file does not reach.
    """

    heard_s: _Range | None
    file_start_s: Fraction
    missing: tuple[_Range, ...] = ()


def fit_stem(
    stem: StemSpot, old: CutShot, segment: Segment, new: CutShot, *, frame_rate_hz: Fraction
) -> FittedStem:
    """Fit a stem of `old` into a segment of `new`.

    The samples stay on their frames. An edge of the stem that lay at an edge of its shot (to half a frame) goes with that edge,
    also outward: the handles are used first, as far as they hold whole frames. An edge inside of the shot stays on its frame,
    and one beyond the shot, an overlap that an editor made, stays as far beyond it. Missing ranges shorter than half a frame are
    not reported. frame_rate_hz: of the new cut.
    """
    tolerance_s = 1 / (2 * frame_rate_hz)
    file_start_s = stem.file_start_s + segment.shift_s
    file_end_s = stem.file_end_s + segment.shift_s
    left_s = _fit_left(stem, old, segment, new, tolerance_s)
    right_s = _fit_right(stem, old, segment, new, tolerance_s)
    if right_s <= left_s:
        return FittedStem(heard_s=None, file_start_s=file_start_s)
    first_s = left_s if file_start_s <= left_s else ceil_frame(file_start_s, frame_rate_hz)
    last_s = right_s if file_end_s >= right_s else floor_frame(file_end_s, frame_rate_hz)
    wanted = max(left_s, new.record_start_s), min(right_s, new.record_end_s)
    if last_s <= first_s:
        heard_s, gaps = None, [wanted]
    else:
        heard_s, gaps = (first_s, last_s), [(wanted[0], first_s), (last_s, wanted[1])]
    missing = tuple((start_s, end_s) for start_s, end_s in gaps if end_s - start_s > tolerance_s)
    return FittedStem(heard_s=heard_s, file_start_s=file_start_s, missing=missing)


def floor_frame(seconds: Fraction, frame_rate_hz: Fraction) -> Fraction:
    """The last frame border that is not after a time; a file that ends less than `SHORT_S` before one reaches it."""
    return math.floor((seconds + _tolerance_s(frame_rate_hz)) * frame_rate_hz) / frame_rate_hz


def ceil_frame(seconds: Fraction, frame_rate_hz: Fraction) -> Fraction:
    """The first frame border that is not before a time; a file that begins less than `SHORT_S` after one reaches it."""
    return math.ceil((seconds - _tolerance_s(frame_rate_hz)) * frame_rate_hz) / frame_rate_hz


def _tolerance_s(frame_rate_hz: Fraction) -> Fraction:
    """`SHORT_S`, or half a step of a grid as fine as samples, on which hosts compare cuts that need not lie on frames."""
    return min(SHORT_S, 1 / (2 * frame_rate_hz))


def _fit_left(
    stem: StemSpot, old: CutShot, segment: Segment, new: CutShot, tolerance_s: Fraction
) -> Fraction:
    lead_s = stem.start_s - old.record_start_s
    if abs(lead_s) < tolerance_s:
        return segment.start_s
    if lead_s < 0:
        # Beyond an inner border of the shot lies another stem of it.
        return segment.start_s + lead_s if segment.start_s == new.record_start_s else segment.start_s
    return max(stem.start_s + segment.shift_s, segment.start_s)


def _fit_right(
    stem: StemSpot, old: CutShot, segment: Segment, new: CutShot, tolerance_s: Fraction
) -> Fraction:
    tail_s = stem.end_s - old.record_end_s
    if abs(tail_s) < tolerance_s:
        return segment.end_s
    if tail_s > 0:
        return segment.end_s + tail_s if segment.end_s == new.record_end_s else segment.end_s
    return min(stem.end_s + segment.shift_s, segment.end_s)
