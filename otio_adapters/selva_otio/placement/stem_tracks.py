"""The stem tracks a timeline already has: what on them is ours to replace, and what belongs to the editor.

A stem is ours as long as it lies, lasts and sounds as we placed it. Once an editor has moved, trimmed, muted
or otherwise changed it, it is theirs and stays.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA, TRACK_SCHEMA, read_selva_metadata
from selva_otio.picture.media import file_name_in_url
from selva_otio.time.clock import TimelineClock
from selva_otio.time.item_times import item_duration_s, trimmed_start_s


@dataclass(frozen=True, kw_only=True)
class PlacedItem:
    """Something on a track, and the record range it takes there."""

    item: otio.core.Item
    start_s: Fraction
    end_s: Fraction

    @property
    def facts(self) -> Mapping[str, Any]:
        """What we wrote about it; empty when it is not a stem of ours."""
        return read_selva_metadata(self.item, STEM_SCHEMA)

    @property
    def cue(self) -> str:
        return str(self.facts.get("cue", ""))

    def is_as_placed(self, clock: TimelineClock) -> bool:
        """Whether it is a stem that nobody has touched."""
        facts = self.facts
        if not isinstance(self.item, otio.schema.Clip) or not facts:
            return False
        half_frame_s = 1 / (2 * clock.frame_rate_hz)
        written = (
            (facts.get("record_start_s"), self.start_s),
            (facts.get("duration_s"), self.end_s - self.start_s),
            (facts.get("offset_s"), trimmed_start_s(self.item)),
        )
        if any(abs(_fraction(pair) - now_s) >= half_frame_s for pair, now_s in written):
            return False
        takes = [take for take in facts.get("takes", ()) if isinstance(take, Mapping)]
        active = [take for take in takes if take.get("take") == facts.get("active_take")]
        reference = self.item.media_reference
        return (
            bool(self.item.enabled)
            and not self.item.effects
            and not self.item.markers
            and isinstance(reference, otio.schema.ExternalReference)
            and [file_name_in_url(str(take.get("url"))) for take in active]
            == [file_name_in_url(reference.target_url)]
        )


@dataclass(kw_only=True)
class StemSubtrack:
    """One track of a stem track's name. A frozen lane holds things we cannot lay out anew, such as
    transitions."""

    track: otio.schema.Track
    items: list[PlacedItem] = field(default_factory=list)
    is_frozen: bool = False

    def is_free(self, start_s: Fraction, end_s: Fraction) -> bool:
        """Whether nothing lies between two record times."""
        if self.is_frozen:
            return False
        after = bisect_right(self.items, start_s, key=_start_s)
        starts_inside = after < len(self.items) and self.items[after].start_s < end_s
        reaches_in = after > 0 and self.items[after - 1].end_s > start_s
        return not starts_inside and not reaches_in

    def put(self, placed: PlacedItem) -> None:
        """Lay something where the lane is free."""
        insort(self.items, placed, key=_start_s)

    def write(self, clock: TimelineClock) -> None:
        """Lay the items out on the track, gaps between them."""
        if self.is_frozen:
            return
        del self.track[:]
        cursor_s = Fraction(0)
        for placed in self.items:
            if placed.start_s > cursor_s:
                gap_range = clock.time_range(Fraction(0), placed.start_s - cursor_s)
                self.track.append(otio.schema.Gap(source_range=gap_range))
            self.track.append(placed.item)
            cursor_s = placed.end_s


def _start_s(placed: PlacedItem) -> Fraction:
    return placed.start_s


def read_subtracks(timeline: otio.schema.Timeline, name: str) -> list[StemSubtrack]:
    """The stem tracks of that name that an earlier render made, in their order; a renamed one is found too."""
    return [_read_lane(track) for track in _iter_stem_tracks(timeline) if _is_named(track, name)]


def _iter_stem_tracks(timeline: otio.schema.Timeline) -> Iterator[otio.schema.Track]:
    yield from (track for track in timeline.tracks if read_selva_metadata(track, TRACK_SCHEMA))


def _is_named(track: otio.schema.Track, name: str) -> bool:
    return str(track.metadata[SELVA_NAMESPACE].get("track", "")).casefold() == name.casefold()


def _read_lane(track: otio.schema.Track) -> StemSubtrack:
    is_plain = all(isinstance(child, otio.schema.Clip | otio.schema.Gap) for child in track)
    lane = StemSubtrack(track=track, is_frozen=not is_plain or track.source_range is not None)
    cursor_s = Fraction(0)
    for child in track:
        if not isinstance(child, otio.core.Item):
            continue
        end_s = cursor_s + item_duration_s(child)
        if not isinstance(child, otio.schema.Gap):
            lane.items.append(PlacedItem(item=child, start_s=cursor_s, end_s=end_s))
        cursor_s = end_s
    return lane


def split_items(
    lane: StemSubtrack, clock: TimelineClock, *, unmade: Container[str]
) -> tuple[list[PlacedItem], list[PlacedItem]]:
    """What stays on a lane, and what is taken off: stems as we placed them.

    unmade: ids of cues that are wanted and could not be made this time; their old stems stay.
    """
    stays: list[PlacedItem] = []
    goes: list[PlacedItem] = []
    for placed in lane.items:
        is_ours = not lane.is_frozen and placed.is_as_placed(clock) and placed.cue not in unmade
        (goes if is_ours else stays).append(placed)
    return stays, goes


def _fraction(pair: Any) -> Fraction:
    """A rational as we write it; what cannot be read differs from everything."""
    try:
        return Fraction(int(pair[0]), int(pair[1]))
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return Fraction(-(10**9))
