"""Shots on the record clock, and how one layer of them covers another."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate

import opentimelineio as otio


@dataclass(frozen=True, kw_only=True)
class NestSpan:
    """Where a nest around a shot is: at record time t it shows its own time `local_start_s + speed * (t - record_start_s)`."""

    item: otio.core.Composition
    record_start_s: Fraction
    local_start_s: Fraction
    speed: Fraction

    def record_range(self, start_s: Fraction, end_s: Fraction) -> tuple[Fraction, Fraction] | None:
        """The record range of a range on its own clock; None in a freeze frame."""
        if self.speed == 0:
            return None
        edges = (self.record_start_s + (edge - self.local_start_s) / self.speed for edge in (start_s, end_s))
        first_s, last_s = sorted(edges)
        return first_s, last_s


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A visible part of a clip.

    At record time t, from `record_start_s` to `record_end_s`, it shows its media at `media_start_s + speed *
    (t - record_start_s)`, on the clock of the media reference (embedded timecode included). cut_start_s, cut_end_s: the
    record range without the overlap that transitions add. fade_in_s, fade_out_s: how long those transitions last. nests: those
    that it is in, the outermost first.
    """

    clip: otio.schema.Clip
    track: otio.schema.Track
    record_start_s: Fraction
    record_end_s: Fraction
    cut_start_s: Fraction
    cut_end_s: Fraction
    media_start_s: Fraction
    speed: Fraction
    fade_in_s: Fraction = Fraction(0)
    fade_out_s: Fraction = Fraction(0)
    nests: tuple[NestSpan, ...] = ()

    @property
    def track_name(self) -> str:
        return str(self.track.name)

    @cached_property
    def media_end_s(self) -> Fraction:
        """Media time at its end; before `media_start_s` in reverse."""
        duration_s = self.record_end_s - self.record_start_s
        return self.media_start_s + (duration_s if self.speed == 1 else self.speed * duration_s)

    @property
    def lead_s(self) -> Fraction:
        """Seconds that it is visible before its cut."""
        return self.cut_start_s - self.record_start_s

    @property
    def tail_s(self) -> Fraction:
        """Seconds that it is visible after its cut."""
        return self.record_end_s - self.cut_end_s

    def trim(self, start_s: Fraction, end_s: Fraction) -> Shot:
        """The part of the shot between two record times inside it; no fade is longer than that part."""
        duration_s = end_s - start_s
        return replace(
            self,
            record_start_s=start_s,
            record_end_s=end_s,
            cut_start_s=min(max(self.cut_start_s, start_s), end_s),
            cut_end_s=max(min(self.cut_end_s, end_s), start_s),
            media_start_s=self.media_start_s + self.speed * (start_s - self.record_start_s),
            fade_in_s=min(max(self.fade_in_s - (start_s - self.record_start_s), Fraction(0)), duration_s),
            fade_out_s=min(max(self.fade_out_s - (self.record_end_s - end_s), Fraction(0)), duration_s),
        )


@dataclass(frozen=True, kw_only=True)
class SkippedItem:
    """An item of the timeline that no sound is made for, and why.

    reason: completes a sentence about the item. is_fault: whether it should have had sound (offline media), as opposed to
    an item that has none by nature (a title, a disabled clip).
    """

    name: str
    track_name: str
    reason: str
    record_start_s: Fraction
    is_fault: bool = False

    def as_note(self) -> SkippedItem:
        """The same item, not counted as a fault: no cue was meant for it."""
        return replace(self, is_fault=False)


@dataclass(kw_only=True)
class Picture:
    """The visible shots in record order, and the items that were skipped."""

    shots: list[Shot] = field(default_factory=list)
    skipped: list[SkippedItem] = field(default_factory=list)


class ShotIndex:
    """Finds the shots that are visible in a record range without looking at all of them: the timeline of a film has
    thousands of shots and may have as many cue rules.

    shots: in record order; they may overlap, as in a dissolve.
    """

    def __init__(self, shots: Sequence[Shot]) -> None:
        self._shots = shots
        self._starts_s = [shot.record_start_s for shot in shots]
        self._latest_ends_s = list(accumulate((shot.record_end_s for shot in shots), max))

    def __iter__(self) -> Iterator[Shot]:
        return iter(self._shots)

    def iter_overlapping(self, start_s: Fraction | None, end_s: Fraction | None) -> Iterator[Shot]:
        """Shots that begin before `end_s` and end after `start_s`; None is the start or end of the timeline."""
        first = 0 if start_s is None else bisect_right(self._latest_ends_s, start_s)
        stop = len(self._shots) if end_s is None else bisect_left(self._starts_s, end_s)
        for shot in self._shots[first:stop]:
            if start_s is None or shot.record_end_s > start_s:
                yield shot

    def iter_at(self, moment_s: Fraction) -> Iterator[Shot]:
        """Shots that are visible at one instant."""
        first = bisect_right(self._latest_ends_s, moment_s)
        stop = bisect_right(self._starts_s, moment_s)
        return (shot for shot in self._shots[first:stop] if shot.record_end_s > moment_s)


def overlay_picture(picture: Picture, layer: Picture) -> None:
    """Lay `layer` over `picture`, in place: its shots hide what lies below them."""
    if not picture.shots:  # the bottom track, in most cuts the one with all the shots
        picture.shots.extend(layer.shots)
        picture.skipped.extend(layer.skipped)
        return
    covers = _merge_ranges([(shot.record_start_s, shot.record_end_s) for shot in layer.shots])
    starts = [start_s for start_s, _ in covers]
    below: list[Shot] = []
    for shot in picture.shots:
        first = max(0, bisect_right(starts, shot.record_start_s) - 1)
        visible = list(_iter_uncovered(shot, covers[first : bisect_left(starts, shot.record_end_s)]))
        below.extend(visible)
        if not visible:
            picture.skipped.append(
                SkippedItem(
                    name=shot.clip.name,
                    track_name=shot.track_name,
                    reason="hidden by the picture of a track above it",
                    record_start_s=shot.record_start_s,
                )
            )
    picture.shots[:] = below + layer.shots
    picture.skipped.extend(layer.skipped)


def _merge_ranges(ranges: list[tuple[Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    merged: list[tuple[Fraction, Fraction]] = []
    for start_s, end_s in sorted(ranges):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _iter_uncovered(shot: Shot, covers: list[tuple[Fraction, Fraction]]) -> Iterator[Shot]:
    start_s = shot.record_start_s
    for cover_start_s, cover_end_s in covers:
        if start_s < cover_start_s:
            yield shot.trim(start_s, cover_start_s)
        start_s = max(start_s, cover_end_s)
    if start_s < shot.record_end_s:
        yield shot.trim(start_s, shot.record_end_s)
