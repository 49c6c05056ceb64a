"""The stem tracks that a timeline already has: which items on them a new render may replace, and which are the editor's.

A stem may be replaced as long as it lies, lasts and plays as it was placed. Once an editor has moved, trimmed, muted or
otherwise changed it, it stays.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import opentimelineio as otio

from selva_core.base.rational import from_pair
from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA, TRACK_SCHEMA, read_selva_metadata
from selva_otio.picture.media import file_name_in_url
from selva_otio.time.clock import TimelineClock
from selva_otio.time.item_times import item_duration_s, trimmed_start_s


@dataclass(frozen=True, kw_only=True)
class PlacedItem:
    """An item on a track, and its record range."""

    item: otio.core.Item
    start_s: Fraction
    end_s: Fraction

    @cached_property  # each read goes through OpenTimelineIO's binding
    def stem(self) -> Mapping[str, Any]:
        """The metadata that a render noted on it; empty when it is no stem."""
        return read_selva_metadata(self.item, STEM_SCHEMA)

    @cached_property
    def cue_id(self) -> str:
        """Of the cue it is a stem of; empty when it is no stem. Read once: OpenTimelineIO hands out metadata slowly."""
        return str(self.stem.get("cue", ""))

    def is_as_placed(self, clock: TimelineClock) -> bool:
        """Whether it is a stem that no editor has changed: same record range and source offset (to half a frame, as hosts
        round), same active take, enabled, and without effects or markers.
        """
        stem = self.stem
        if not isinstance(self.item, otio.schema.Clip) or not stem:
            return False
        half_frame_s = 1 / (2 * clock.frame_rate_hz)
        noted_and_found = (
            ("record_start_s", self.start_s),
            ("duration_s", self.end_s - self.start_s),
            ("offset_s", trimmed_start_s(self.item)),
        )
        for key, found_s in noted_and_found:
            if not _is_near(stem.get(key), found_s, half_frame_s):
                return False
        is_plain = bool(self.item.enabled) and not self.item.effects and not self.item.markers
        return is_plain and _plays_active_take(stem, self.item.media_reference)


@dataclass(kw_only=True)
class StemSubtrack:
    """One of the tracks that together are a stem track: stems that overlap, as in a dissolve, lie on several.

    is_frozen: it has something that cannot be laid out anew, such as transitions; it is left as it is.
    """

    track: otio.schema.Track
    items: list[PlacedItem] = field(default_factory=list)
    is_frozen: bool = False

    def is_free(self, start_s: Fraction, end_s: Fraction) -> bool:
        """Whether an item may be added between two record times."""
        if self.is_frozen:
            return False
        if not self.items or self.items[-1].end_s <= start_s:  # stems mostly come in record order
            return True
        after = bisect_right(self.items, start_s, key=_start_s)
        starts_inside = after < len(self.items) and self.items[after].start_s < end_s
        reaches_in = after > 0 and self.items[after - 1].end_s > start_s
        return not starts_inside and not reaches_in

    def put(self, placed: PlacedItem) -> None:
        """Add an item where the subtrack is free."""
        if not self.items or self.items[-1].start_s <= placed.start_s:
            self.items.append(placed)
        else:
            insort(self.items, placed, key=_start_s)

    def take_replaceable(self, clock: TimelineClock, *, failed: Container[str]) -> list[PlacedItem]:
        """Remove and return the stems that no editor has changed.

        failed: ids of cues whose stem could not be made this time; their old stems stay.
        """
        if self.is_frozen:
            return []
        replaceable: list[PlacedItem] = []
        remaining: list[PlacedItem] = []
        for placed in self.items:
            is_replaceable = placed.is_as_placed(clock) and placed.cue_id not in failed
            (replaceable if is_replaceable else remaining).append(placed)
        self.items = remaining
        return replaceable

    def write(self, clock: TimelineClock) -> None:
        """Lay the items out on the track, with gaps between them."""
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


def read_subtracks(timeline: otio.schema.Timeline, name: str) -> list[StemSubtrack]:
    """The tracks that an earlier render made for the stem track of that name, in their order.

    They are found by their metadata, so also after an editor has renamed them; case does not count.
    """
    return [
        _read_subtrack(track)
        for track in timeline.tracks
        if (noted := read_selva_metadata(track, TRACK_SCHEMA))
        and str(noted.get("track", "")).casefold() == name.casefold()
    ]


def note_stem_track(track: otio.schema.Track, *, name: str, prompts: Sequence[str], number: int) -> None:
    """Write a subtrack's metadata. number: its place among the subtracks of the stem track `name`, from 0."""
    track.metadata[SELVA_NAMESPACE] = {
        "schema": TRACK_SCHEMA,
        "track": name,
        "prompts": list(prompts),
        "lane": number,
    }


def _read_subtrack(track: otio.schema.Track) -> StemSubtrack:
    is_plain = all(isinstance(child, otio.schema.Clip | otio.schema.Gap) for child in track)
    subtrack = StemSubtrack(track=track, is_frozen=not is_plain or track.source_range is not None)
    cursor_s = Fraction(0)
    for child in track:
        if not isinstance(child, otio.core.Item):
            continue
        end_s = cursor_s + item_duration_s(child)
        if not isinstance(child, otio.schema.Gap):
            subtrack.items.append(PlacedItem(item=child, start_s=cursor_s, end_s=end_s))
        cursor_s = end_s
    return subtrack


def _plays_active_take(stem: Mapping[str, Any], reference: otio.core.MediaReference) -> bool:
    if not isinstance(reference, otio.schema.ExternalReference):
        return False
    active_take, url = stem.get("active_take"), reference.target_url
    takes = [take for take in stem.get("takes", ()) if isinstance(take, Mapping)]
    noted = [str(take.get("url")) for take in takes if take.get("take") == active_take]
    return noted == [url] or [file_name_in_url(each) for each in noted] == [file_name_in_url(url)]


def _start_s(placed: PlacedItem) -> Fraction:
    return placed.start_s


def _is_near(noted: Any, found_s: Fraction, tolerance_s: Fraction) -> bool:
    """Whether a rational as it was noted is less than `tolerance_s` from a time; False for anything else, which hosts and
    editors may write into metadata.
    """
    try:
        # Most are equal, and 10,000 clips have a hundred thousand of them: then no fraction is made, and OpenTimelineIO's list,
        # which is slow to iterate over, is read by index.
        numerator, denominator = noted[0], noted[1]
        is_pair = len(noted) == 2 and type(numerator) is int and type(denominator) is int
        if is_pair and denominator and numerator * found_s.denominator == denominator * found_s.numerator:
            return True
        return abs(from_pair(noted) - found_s) < tolerance_s
    except (LookupError, TypeError, ValueError, ZeroDivisionError):
        return False
