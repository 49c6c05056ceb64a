"""An xmeml sequence as a timeline: tracks, gaps, transitions and nested sequences."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_core.base.rational import round_half_up
from selva_otio.errors import DamagedItemError
from selva_otio.formats.fcp_xml.document import ITEM_TAGS, Document, is_later_channel
from selva_otio.formats.fcp_xml.item_reader import ClipReader, TrackItem
from selva_otio.formats.fcp_xml.markers import read_marker_elements
from selva_otio.formats.fcp_xml.values import (
    TICKS_PER_SECOND,
    child_text,
    describe,
    is_true,
    read_drop_frame,
    read_frames,
    read_rate,
    read_timecode,
)
from selva_otio.formats.source_loss import note_left_out
from selva_otio.picture.media import build_missing_reference
from selva_otio.time.clock import note_drop_frame

NAMESPACE = "fcp7_xml"
"""Of our metadata about tracks and items of a document; published, so it keeps the old name of the format."""


def build_sequence_timeline(document: Document) -> otio.schema.Timeline:
    """The timeline of a document's one sequence. Raises TimelineReadError."""
    sequence = document.only_sequence()
    document.check_size(sequence)
    rate = _sequence_rate(sequence)
    start_frame, start_rate = read_timecode(sequence, rate)
    timeline = otio.schema.Timeline(
        name=child_text(sequence, "name"),
        global_start_time=otio.opentime.RationalTime(start_frame, float(start_rate)),
    )
    drop_frame = read_drop_frame(sequence)
    if drop_frame is not None:
        note_drop_frame(timeline, NAMESPACE, rate, drop_frame=drop_frame)
    reader = _SequenceReader(document)
    timeline.tracks.extend(reader.read_tracks(sequence, rate))
    reader.check_damage()
    note_left_out(
        timeline,
        "Final Cut Pro 7 XML",
        {"transitions whose times cannot be read": reader.num_bad_transitions},
        "the clips beside them meet in a cut",
    )
    timeline.tracks.markers.extend(read_marker_elements(sequence, rate, Fraction(0)))
    return timeline


def _sequence_rate(sequence: ET.Element) -> Fraction:
    rate = read_rate(sequence)
    if rate is None:
        raise DamagedItemError(f"{describe(sequence)} does not say its frame rate")
    return rate


@dataclass(kw_only=True)
class _TransitionItem:
    """A transition element: its frames on the track, and the frame of the cut inside them."""

    element: ET.Element
    start: int
    end: int
    cut: int


class _SequenceReader:
    """Reads a sequence and the sequences nested in it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._depth = 0
        self._num_read = 0
        self._damage: list[DamagedItemError] = []
        self.num_bad_transitions = 0

    def read_tracks(
        self, sequence: ET.Element, rate: Fraction, kinds: Sequence[str] = ("video", "audio")
    ) -> list[otio.schema.Track]:
        """The tracks of a sequence: video from the lowest up, then audio."""
        tracks = []
        for kind in kinds:
            for index, element in enumerate(sequence.findall(f"media/{kind}/track")):
                if is_later_channel(element):
                    continue
                track = self._read_track(element, rate, kind)
                track.name = _track_name(element) or f"{kind[0].upper()}{index + 1}"
                if not self._depth:
                    track.metadata[NAMESPACE] = {"index": index}
                tracks.append(track)
        return tracks

    def _read_track(self, element: ET.Element, rate: Fraction, kind: str) -> otio.schema.Track:
        track = otio.schema.Track(
            kind=otio.schema.TrackKind.Video if kind == "video" else otio.schema.TrackKind.Audio
        )
        track.enabled = is_true(element, "enabled", default=True)
        clips = ClipReader(document=self.document, sequence_rate=rate, kind=kind)
        cursor = 0
        for entry in self._read_items(element, rate, clips):
            start = entry.cut if isinstance(entry, _TransitionItem) else entry.start
            if start > cursor:
                track.append(otio.schema.Gap(source_range=_frames_range(0, start - cursor, rate)))
                cursor = start
            if isinstance(entry, _TransitionItem):
                track.append(_build_transition(entry, rate))
                continue
            item = entry.clip
            if item is None:
                try:
                    item = self._build_nest(entry.element, rate, kind, entry)
                except DamagedItemError as error:
                    self._count_damage(-1, [error])
                    item = _build_clip_without_media(entry, error)
            if not self._depth:
                item.metadata[NAMESPACE] = {"item": entry.index}
            track.append(item)
            cursor = entry.end
        return track

    def _read_items(
        self, element: ET.Element, rate: Fraction, clips: ClipReader
    ) -> list[TrackItem | _TransitionItem]:
        """The items of a track with their record frames, without overlaps, and the transitions between them."""
        children, transitions = self._read_transitions(element, rate)
        entries: list[TrackItem | _TransitionItem] = []
        damaged: list[tuple[ET.Element, int, DamagedItemError]] = []
        num_items = 0
        for index, (child, transition) in enumerate(zip(children, transitions, strict=True)):
            if transition is not None:
                entries.append(transition)
                continue
            before = transitions[index - 1] if index else None
            after = transitions[index + 1] if index + 1 < len(transitions) else None
            try:
                entry = clips.read_item(
                    child,
                    into=None if before is None else (before.start, before.cut),
                    out_of=None if after is None else (after.end, after.cut),
                    index=num_items,
                )
            except DamagedItemError as error:
                damaged.append((child, num_items, error))
                entry = None
            num_items += 1
            if entry is not None:
                entries.append(entry)
        self._count_damage(num_items - len(damaged), [damage for _, _, damage in damaged])
        for child, number, damage in damaged:
            ends = [entry.end for entry in entries]
            entries.append(
                clips.build_damaged_item(child, index=number, error=damage, track_end=max(ends, default=0))
            )
        return _remove_overlaps(entries)

    def _read_transitions(
        self, element: ET.Element, rate: Fraction
    ) -> tuple[list[ET.Element], list[_TransitionItem | None]]:
        """The items and transitions of a track, and for each what it is as a transition. Damaged transitions are left out."""
        children: list[ET.Element] = []
        transitions: list[_TransitionItem | None] = []
        for child in map(self.document.resolve, element):
            if child.tag not in (*ITEM_TAGS, "transitionitem"):
                continue
            try:
                transition = _read_transition(child, rate) if child.tag == "transitionitem" else None
            except DamagedItemError:
                self.num_bad_transitions += 1
                continue
            children.append(child)
            transitions.append(transition)
        return children, transitions

    def _count_damage(self, num_read: int, errors: Sequence[DamagedItemError]) -> None:
        self._num_read += num_read
        self._damage.extend(errors)

    def check_damage(self) -> None:
        """Raises DamagedItemError where no item at all can be read: then nothing is left to make sound for."""
        if self._damage and not self._num_read:
            raise self._damage[0]

    def _build_nest(
        self, element: ET.Element, rate: Fraction, kind: str, entry: TrackItem
    ) -> otio.schema.Stack:
        found = element.find("sequence")
        sequence = self.document.resolve(found) if found is not None else element
        name = child_text(element, "name") or child_text(sequence, "name")
        stack = otio.schema.Stack(name=name, source_range=entry.source_range)
        stack.enabled = is_true(element, "enabled", default=True)
        stack.effects.extend(entry.effects)
        own_rate = _sequence_rate(sequence)
        stack.markers.extend(read_marker_elements(element, read_rate(element) or rate, Fraction(0)))
        if sequence is not element:
            stack.markers.extend(read_marker_elements(sequence, own_rate, Fraction(0)))
        self._depth += 1
        try:
            stack.extend(self.read_tracks(sequence, own_rate, (kind,)))
        finally:
            self._depth -= 1
        return stack


def _build_clip_without_media(entry: TrackItem, error: DamagedItemError) -> otio.schema.Clip:
    return otio.schema.Clip(
        name=child_text(entry.element, "name"),
        media_reference=build_missing_reference(error.message),
        source_range=entry.source_range,
    )


def _track_name(element: ET.Element) -> str:
    # The format has no names of tracks: Premiere adds an attribute, others a child.
    return (element.get("MZ.TrackName") or child_text(element, "name")).strip()


def _frames_range(start: int, length: int, rate: Fraction) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, float(rate)), otio.opentime.RationalTime(length, float(rate))
    )


def _read_transition(element: ET.Element, rate: Fraction) -> _TransitionItem:
    start, end = read_frames(element, "start"), read_frames(element, "end")
    if start is None or end is None or not 0 <= start <= end:
        raise DamagedItemError(
            f"a transition runs from frame {start} to {end}; it starts at 0 or later and ends after its start"
        )
    ticks = read_frames(
        element, "cutPointTicks"
    )  # Premiere's, whose cut may be anywhere; the format knows three alignments
    alignment = child_text(element, "alignment")
    if alignment.startswith("start"):
        cut = start
    elif alignment.startswith("end"):
        cut = end
    elif (
        ticks is not None
        and 0 <= (from_start := round_half_up(ticks * rate / TICKS_PER_SECOND)) <= end - start
    ):
        cut = start + from_start
    else:
        cut = (start + end) // 2
    return _TransitionItem(element=element, start=start, end=end, cut=cut)


def _build_transition(item: _TransitionItem, rate: Fraction) -> otio.schema.Transition:
    effect = item.element.find("effect")
    name = "" if effect is None else child_text(effect, "name")
    is_dissolve = "dissolve" in name.casefold() or not name
    return otio.schema.Transition(
        name=name,
        transition_type=(
            otio.schema.TransitionTypes.SMPTE_Dissolve if is_dissolve else otio.schema.TransitionTypes.Custom
        ),
        in_offset=otio.opentime.RationalTime(item.cut - item.start, float(rate)),
        out_offset=otio.opentime.RationalTime(item.end - item.cut, float(rate)),
    )


def _remove_overlaps(entries: list[TrackItem | _TransitionItem]) -> list[TrackItem | _TransitionItem]:
    """Items in record order; one that reaches into the next, as exporters' rounding makes it, ends where that one starts.

    Each transition stays between the items that it joins.
    """
    items = sorted((entry for entry in entries if isinstance(entry, TrackItem)), key=lambda item: item.start)
    separate: list[TrackItem] = []
    for item in items:
        if separate and separate[-1].end > item.start:
            separate[-1].end_at(item.start)
            if separate[-1].end <= separate[-1].start:
                separate.pop()
        separate.append(item)
    transitions = sorted(
        (entry for entry in entries if isinstance(entry, _TransitionItem)), key=lambda item: item.cut
    )
    merged: list[TrackItem | _TransitionItem] = []
    for item in separate:
        while transitions and transitions[0].cut <= item.start:
            merged.append(transitions.pop(0))
        merged.append(item)
    merged.extend(transitions[:1])
    return [entry for number, entry in enumerate(merged) if not _follows_transition(merged, number)]


def _follows_transition(entries: list[TrackItem | _TransitionItem], number: int) -> bool:
    """Whether an entry is a transition right after another; OpenTimelineIO allows no two in a row."""
    return (
        number > 0
        and isinstance(entries[number], _TransitionItem)
        and isinstance(entries[number - 1], _TransitionItem)
    )
