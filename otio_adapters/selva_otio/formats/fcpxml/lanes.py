"""Placed items as tracks: one track per lane of picture, one per stem track, role or lane of sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from selva_otio.errors import ClockError
from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA, TRACK_SCHEMA
from selva_otio.placement.stem_tracks import PlacedItem, StemSubtrack
from selva_otio.time.clock import TimelineClock, exact_seconds
from selva_otio.time.item_times import warp_speed


@dataclass(frozen=True, kw_only=True)
class LaneItem:
    """An item on a lane (0 is the storyline), at its place on the clock of the sequence it lies in."""

    item: otio.core.Item
    lane: int
    start_s: Fraction
    duration_s: Fraction
    is_picture: bool
    role: str = ""

    @property
    def end_s(self) -> Fraction:
        return self.start_s + self.duration_s


@dataclass(frozen=True, kw_only=True)
class CutDissolve:
    """A transition on the storyline, around the cut between two of its elements."""

    cut_s: Fraction
    before_s: Fraction
    after_s: Fraction


def build_tracks(
    items: Iterable[LaneItem], clock: TimelineClock, dissolves: Iterable[CutDissolve] = ()
) -> list[otio.schema.Track]:
    """Picture tracks from the lowest lane up, then sound tracks from the lane nearest to the storyline."""
    ordered = sorted((cut for item in items if (cut := _cut_to_start(item, clock))), key=_place)
    picture = [item for item in ordered if item.is_picture]
    tracks: list[otio.schema.Track] = []
    for lane in sorted({item.lane for item in picture}):
        on_lane = [item for item in picture if item.lane == lane]
        laid = _lay_out(on_lane, clock, kind=otio.schema.TrackKind.Video, name="")
        if lane == 0:
            _insert_dissolves(laid[0], on_lane, clock, dissolves)
        tracks += laid
    for group in _group_sound([item for item in ordered if not item.is_picture]):
        tracks += _lay_out(group, clock, kind=otio.schema.TrackKind.Audio, name=_name_group(group))
    return tracks


def _place(item: LaneItem) -> Fraction:
    return item.start_s


def _cut_to_start(item: LaneItem, clock: TimelineClock) -> LaneItem | None:
    """The item without what lies before the start, where sound may lead its picture; None when nothing is left."""
    if item.start_s >= 0:
        return item
    if item.end_s <= 0 or item.item.source_range is None:
        return None
    try:
        speed = warp_speed(item.item)
    except ClockError:
        speed = Fraction(1)
    used_s = exact_seconds(item.item.source_range.start_time) - max(speed, Fraction(0)) * item.start_s
    item.item.source_range = clock.time_range(used_s, item.end_s)
    return replace(item, start_s=Fraction(0), duration_s=item.end_s)


def _group_sound(items: list[LaneItem]) -> list[list[LaneItem]]:
    """By stem track, else by role, else by lane; lanes are laid out anew by Final Cut whenever it writes."""
    groups: dict[tuple[str, str], list[LaneItem]] = {}
    for item in items:
        stem_track = str(_stem_facts(item).get("track", ""))
        key = ("stems", stem_track.casefold()) if stem_track else ("lane", item.role or str(item.lane))
        groups.setdefault(key, []).append(item)
    return sorted(groups.values(), key=lambda group: -max(item.lane for item in group))


def _name_group(group: list[LaneItem]) -> str:
    facts = _stem_facts(group[0])
    return str(facts["track"]) if "track" in facts else group[0].role


def _lay_out(items: list[LaneItem], clock: TimelineClock, *, kind: str, name: str) -> list[otio.schema.Track]:
    """Tracks that hold the items without overlap."""
    lanes: list[StemSubtrack] = []
    for item in items:
        lane = next((lane for lane in lanes if lane.is_free(item.start_s, item.end_s)), None)
        if lane is None:
            lane = StemSubtrack(track=otio.schema.Track(name=name, kind=kind))
            lanes.append(lane)
        lane.put(PlacedItem(item=item.item, start_s=item.start_s, end_s=item.end_s))
    prompts = list(dict.fromkeys(str(facts["prompt"]) for item in items if (facts := _stem_facts(item))))
    for number, lane in enumerate(lanes):
        lane.write(clock)
        if prompts:
            facts = {"schema": TRACK_SCHEMA, "track": name, "prompts": prompts, "lane": number}
            lane.track.metadata[SELVA_NAMESPACE] = facts
    return [lane.track for lane in lanes]


def _insert_dissolves(
    track: otio.schema.Track,
    items: list[LaneItem],
    clock: TimelineClock,
    dissolves: Iterable[CutDissolve],
) -> None:
    """Between neighbours that meet at the cut; a dissolve to or from nothing is a fade, which is not kept."""
    wanted = {dissolve.cut_s: dissolve for dissolve in dissolves}
    ends = {item.end_s for item in items}
    for item in reversed(items):
        dissolve = wanted.get(item.start_s)
        if dissolve is None or item.start_s not in ends:
            continue
        index = next(number for number, child in enumerate(track) if child is item.item)
        transition = otio.schema.Transition(
            transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
            in_offset=clock.rational_time(dissolve.before_s),
            out_offset=clock.rational_time(dissolve.after_s),
        )
        track.insert(index, transition)


def _stem_facts(item: LaneItem) -> Mapping[str, Any]:
    facts = item.item.metadata.get(SELVA_NAMESPACE)
    return facts if isinstance(facts, Mapping) and facts.get("schema") == STEM_SCHEMA else {}
