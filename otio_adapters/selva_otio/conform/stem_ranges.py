"""Ranges of stems: how far they reach, how they had been placed, where a retimed shot shows them. Pure and exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from selva_core.base.rational import from_pair
from selva_otio.conform.cut_reading import OldStem
from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.stem_fitting import StemSpot, floor_frame

_Range = tuple[Fraction, Fraction]


def measure_reach(stems: Iterable[OldStem], frame_rate_hz: Fraction) -> dict[int, _Range]:
    """How far the stems of each old shot reach beyond it, where they begin and end with it."""
    reach: dict[int, _Range] = {}
    tolerance_s = 1 / (2 * frame_rate_hz)
    for stem in stems:
        if stem.shot is None or not stem.is_stem:
            continue
        shot, spot = stem.shot.cut, stem.spot
        before_s, after_s = reach.get(shot.number, (Fraction(0), Fraction(0)))
        if abs(spot.start_s - shot.record_start_s) < tolerance_s:
            before_s = max(before_s, floor_frame(shot.record_start_s - spot.file_start_s, frame_rate_hz))
        if abs(spot.end_s - shot.record_end_s) < tolerance_s:
            after_s = max(after_s, floor_frame(spot.file_end_s - shot.record_end_s, frame_rate_hz))
        reach[shot.number] = before_s, after_s
    return reach


def read_as_placed(stem: OldStem) -> StemSpot | None:
    """Where a stem lay when it was placed; None where that is not noted."""
    noted = stem.placed.stem
    try:
        start_s, duration_s, offset_s = (
            from_pair(noted[key]) for key in ("record_start_s", "duration_s", "offset_s")
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    file_s = stem.spot.file_end_s - stem.spot.file_start_s
    file_start_s = start_s - offset_s
    return StemSpot(
        start_s=start_s,
        end_s=start_s + duration_s,
        file_start_s=file_start_s,
        file_end_s=max(file_start_s + file_s, start_s + duration_s),
    )


def retime(spot: StemSpot, old: CutShot, new: CutShot, tolerance_s: Fraction) -> _Range | None:
    """The record range in which a retimed shot shows the frames under a stem; all of it for freeze frames."""
    whole = new.record_start_s, new.record_end_s
    if not old.speed or not new.speed:
        return whole

    def find(record_s: Fraction, edge_s: Fraction, new_edge_s: Fraction) -> Fraction:
        if abs(record_s - edge_s) < tolerance_s:
            return new_edge_s
        media_s = old.media_start_s + old.speed * (record_s - old.record_start_s)
        return new.record_start_s + (media_s - new.media_start_s) / new.speed

    edges = sorted(
        (
            find(spot.start_s, old.record_start_s, whole[0]),
            find(spot.end_s, old.record_end_s, whole[1]),
        )
    )
    start_s, end_s = max(edges[0], whole[0]), min(edges[1], whole[1])
    return (start_s, end_s) if start_s < end_s else None


def merge(ranges: Iterable[_Range]) -> list[_Range]:
    """The same ranges without overlaps, in order."""
    merged: list[_Range] = []
    for start_s, end_s in sorted(ranges):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def subtract(ranges: Sequence[_Range], taken: Sequence[_Range]) -> list[_Range]:
    """What is left of merged ranges outside of other merged ranges."""
    left: list[_Range] = []
    for first_s, end_s in ranges:
        start_s = first_s
        for taken_start_s, taken_end_s in taken:
            if taken_end_s <= start_s or taken_start_s >= end_s:
                continue
            if start_s < taken_start_s:
                left.append((start_s, taken_start_s))
            start_s = taken_end_s
        if start_s < end_s:
            left.append((start_s, end_s))
    return left
