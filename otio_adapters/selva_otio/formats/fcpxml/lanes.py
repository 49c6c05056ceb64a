"""Items on lanes as tracks: one video track per lane, one audio track per stem track, role or lane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import ClockError
from selva_otio.metadata import STEM_SCHEMA, read_selva_metadata
from selva_otio.placement.stem_tracks import PlacedItem, StemSubtrack, note_stem_track
from selva_otio.time.clock import TimelineClock, exact_seconds
from selva_otio.time.item_times import warp_speed


@dataclass(frozen=True, kw_only=True)
class CutDissolve:
    """A transition around the cut between two elements of a storyline: how far it reaches on each side, in seconds."""

    before_s: Fraction
    after_s: Fraction


@dataclass(frozen=True, kw_only=True)
class LaneItem:
    """An item on a lane (0 is the storyline), at its place on the clock of its sequence.

    role: of sound. dissolve: from the element before it in its storyline.
    """

    item: otio.core.Item
    lane: int
    start_s: Fraction
    duration_s: Fraction
    is_picture: bool
    role: str = ""
    dissolve: CutDissolve | None = None

    @property
    def end_s(self) -> Fraction:
        return self.start_s + self.duration_s


def build_tracks(items: Iterable[LaneItem], clock: TimelineClock) -> list[otio.schema.Track]:
    """Video tracks from the lowest lane up, then audio tracks from the lane nearest to the storyline down."""
    ordered = sorted(
        (trimmed for item in items if (trimmed := _trim_to_start(item, clock))), key=lambda item: item.start_s
    )
    picture = [item for item in ordered if item.is_picture]
    tracks: list[otio.schema.Track] = []
    for lane in sorted({item.lane for item in picture}):
        on_lane = [item for item in picture if item.lane == lane]
        tracks_of_lane = _build_tracks_without_overlaps(on_lane, clock, otio.schema.TrackKind.Video, name="")
        for track in tracks_of_lane:
            _insert_dissolves(track, on_lane, clock)
        tracks += tracks_of_lane
    for group in _group_sound([item for item in ordered if not item.is_picture]):
        tracks += _build_tracks_without_overlaps(
            group, clock, otio.schema.TrackKind.Audio, name=_name_group(group)
        )
    return tracks


def _trim_to_start(item: LaneItem, clock: TimelineClock) -> LaneItem | None:
    """The item without what is before the start of the timeline, where the sound of a split edit may begin; None when
    nothing is left.
    """
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
    """Items by stem track, else by role, else by lane. Lanes come last: Final Cut Pro assigns them anew at each export."""
    groups: dict[tuple[str, str], list[LaneItem]] = {}
    for item in items:
        stem_track = str(read_selva_metadata(item.item, STEM_SCHEMA).get("track", ""))
        key = ("stems", stem_track.casefold()) if stem_track else ("lane", item.role or str(item.lane))
        groups.setdefault(key, []).append(item)
    return sorted(groups.values(), key=lambda group: -max(item.lane for item in group))


def _name_group(group: list[LaneItem]) -> str:
    stem = read_selva_metadata(group[0].item, STEM_SCHEMA)
    return str(stem["track"]) if "track" in stem else group[0].role


def _build_tracks_without_overlaps(
    items: list[LaneItem], clock: TimelineClock, kind: str, *, name: str
) -> list[otio.schema.Track]:
    """As few tracks as hold the items without overlap; elements of one role or lane may overlap, items of a track may not."""
    subtracks: list[StemSubtrack] = []
    for item in items:
        subtrack = next((found for found in subtracks if found.is_free(item.start_s, item.end_s)), None)
        if subtrack is None:
            subtrack = StemSubtrack(track=otio.schema.Track(name=name, kind=kind))
            subtracks.append(subtrack)
        subtrack.put(PlacedItem(item=item.item, start_s=item.start_s, end_s=item.end_s))
    stems = [stem for item in items if (stem := read_selva_metadata(item.item, STEM_SCHEMA))]
    prompts = list(dict.fromkeys(str(stem.get("prompt", "")) for stem in stems))
    for number, subtrack in enumerate(subtracks):
        subtrack.write(clock)
        if prompts:
            note_stem_track(subtrack.track, name=name, prompts=prompts, number=number)
    return [subtrack.track for subtrack in subtracks]


def _insert_dissolves(track: otio.schema.Track, items: list[LaneItem], clock: TimelineClock) -> None:
    """Put dissolves between neighbours that meet at the cut. One to or from a gap is a fade, on which no cue
    depends; it is left out.
    """
    dissolves = {id(item.item): item.dissolve for item in items if item.dissolve is not None}
    for index in range(len(track) - 1, 0, -1):
        dissolve = dissolves.get(id(track[index]))
        if dissolve is None or isinstance(track[index - 1], otio.schema.Gap):
            continue
        transition = otio.schema.Transition(
            transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
            in_offset=clock.rational_time(dissolve.before_s),
            out_offset=clock.rational_time(dissolve.after_s),
        )
        track.insert(index, transition)
