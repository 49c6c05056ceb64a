"""The stems of a plan on the stem tracks of the new cut: clones of the old items, each on its frames, with all that an editor
has set on them and on their tracks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.conform.cut_reading import OldStem, iter_cross_fades, list_stem_tracks
from selva_otio.conform.plan import ConformPlan, LongerTakes, StemMove
from selva_otio.cues.cue_sheet import Cue
from selva_otio.formats.reaper.metadata import REAPER_NAMESPACE, REPLACED_ITEMS, read_reaper_metadata
from selva_otio.formats.stem_metadata import iter_takes, to_plain_value
from selva_otio.metadata import (
    SELVA_NAMESPACE,
    STEM_SCHEMA,
    TAKE_SCHEMA,
    TAKE_TRACK_SCHEMA,
    TRACK_SCHEMA,
    read_plain_stem,
    read_selva_metadata,
    set_metadata,
)
from selva_otio.picture.media import build_media_url, file_name_in_url, is_relative_url, resolve_media_path
from selva_otio.placement.place_stems import StemSpan, describe_cue, describe_take
from selva_otio.placement.stem_tracks import PlacedItem, StemSubtrack, read_subtracks
from selva_otio.time.clock import TimelineClock, exact_seconds, sample_index


@dataclass(frozen=True, kw_only=True)
class ConformedTimeline:
    """A new cut with its stems. num_cross_fades_lost: of transitions between stems that are no neighbours any more."""

    timeline: otio.schema.Timeline
    num_cross_fades_lost: int = 0


def place_moves(plan: ConformPlan) -> ConformedTimeline:
    """A clone of the new cut with the stems that are moved. Stems of the old cut that lie in it already are taken off first."""
    timeline = plan.new.timeline.clone()
    _take_off(timeline, _stem_files(plan))
    num_lost = 0
    for name in list_stem_tracks(plan.old.timeline):
        track = _StemTrackBuilder(plan, timeline, name)
        for move in plan.moves:
            if move.stem.track.casefold() == name.casefold():
                track.put(move)
        num_lost += track.write()
    return ConformedTimeline(timeline=timeline, num_cross_fades_lost=num_lost)


@dataclass(kw_only=True)
class _FilledSubtrack:
    """A subtrack of the new cut while it is filled. cross_fades: transitions to be written, by the item before them."""

    subtrack: StemSubtrack
    cross_fades: dict[int, otio.schema.Transition] = field(default_factory=dict)


class _StemTrackBuilder:
    """One stem track of the new cut."""

    def __init__(self, plan: ConformPlan, timeline: otio.schema.Timeline, name: str) -> None:
        self._clock = plan.new.clock
        self._plan = plan
        self._timeline = timeline
        self._name = name
        self._old = read_subtracks(plan.old.timeline, name)
        self._subtracks = [_FilledSubtrack(subtrack=subtrack) for subtrack in read_subtracks(timeline, name)]
        self._prompts: list[str] = []
        self._placed: dict[int, list[tuple[PlacedItem, _FilledSubtrack]]] = {}

    def put(self, move: StemMove) -> None:
        """Add a stem: on the subtrack of the number that it was on, where that is free."""
        item = _build_item(move, self._plan)
        placed = PlacedItem(item=item, start_s=move.heard_s[0], end_s=move.heard_s[1])
        while len(self._subtracks) <= move.stem.subtrack_number:
            self._add_subtrack()
        candidates = [self._subtracks[move.stem.subtrack_number], *self._subtracks]
        free = (filled for filled in candidates if filled.subtrack.is_free(placed.start_s, placed.end_s))
        filled = next(free, None) or self._add_subtrack()
        filled.subtrack.put(placed)
        self._placed.setdefault(id(move.stem.placed.item), []).append((placed, filled))
        self._prompts.append(str(move.stem.placed.stem.get("prompt", "")))

    def write(self) -> int:
        """Write the tracks; returns how many cross-fades of the old cut could not be kept."""
        num_lost = self._keep_cross_fades()
        for filled in self._subtracks:
            filled.subtrack.write(self._clock)
            if not filled.cross_fades:
                continue
            for index in range(len(filled.subtrack.track) - 1, -1, -1):
                transition = filled.cross_fades.get(id(filled.subtrack.track[index]))
                if transition is not None:
                    filled.subtrack.track.insert(index + 1, transition)
        return num_lost

    def _keep_cross_fades(self) -> int:
        """Note the transitions whose two stems still meet on one subtrack."""
        num_lost = 0
        for subtrack in self._old:
            for before, transition, after in iter_cross_fades(subtrack):
                pairs = self._meeting(before, after)
                for placed, filled in pairs:
                    filled.cross_fades[id(placed.item)] = transition.clone()
                num_lost += not pairs
        return num_lost

    def _meeting(self, before: Any, after: Any) -> list[tuple[PlacedItem, _FilledSubtrack]]:
        return [
            (placed, filled)
            for placed, filled in self._placed.get(id(before), ())
            for other, other_subtrack in self._placed.get(id(after), ())
            if filled is other_subtrack and placed.end_s == other.start_s
        ]

    def _add_subtrack(self) -> _FilledSubtrack:
        """A new subtrack, with the settings of the old one of its number: mute, effects, colour."""
        number = len(self._subtracks)
        source = self._old[min(number, len(self._old) - 1)].track
        track = otio.schema.Track(name=source.name, kind=otio.schema.TrackKind.Audio)
        track.enabled = source.enabled
        track.color = source.color
        track.effects.extend(effect.clone() for effect in source.effects)
        for key, value in source.metadata.items():
            track.metadata[key] = to_plain_value(value)
        noted = to_plain_value(read_selva_metadata(source, TRACK_SCHEMA))
        track.metadata[SELVA_NAMESPACE] = {**noted, "lane": number}
        tracks = self._timeline.tracks
        if self._subtracks:
            last = self._subtracks[-1].subtrack.track
            tracks.insert(next(index for index, child in enumerate(tracks) if child is last) + 1, track)
        else:
            tracks.append(track)
        filled = _FilledSubtrack(subtrack=StemSubtrack(track=track))
        self._subtracks.append(filled)
        return filled


def _build_item(move: StemMove, plan: ConformPlan) -> otio.core.Item:
    """A clone of the old item at its new place."""
    clock, old_clock = plan.new.clock, plan.old.clock
    item = move.stem.placed.item.clone()
    if isinstance(item, otio.schema.Clip):
        _make_absolute(item, plan.old.spotter.media.base_folder)
        if move.longer is not None:
            _play_longer(item, move.longer, clock)
    start_s, end_s = move.heard_s
    if move.stem.rate is not None:
        into_file_s = (start_s - move.file_start_s) * move.stem.rate
        item.source_range = clock.time_range(_origin_s(item) + into_file_s, end_s - start_s)
    known = read_reaper_metadata(item)
    if known and move.stem.placed.is_as_placed(old_clock):
        del item.metadata[
            REAPER_NAMESPACE
        ]  # its fades are those of its dissolve, which may be another one now
    elif known:
        item.metadata[REAPER_NAMESPACE] = {
            key: to_plain_value(value) for key, value in known.items() if key != "guid"
        }
    if move.cue is not None:
        noted = read_plain_stem(item) or to_plain_value(item.metadata[SELVA_NAMESPACE])
        if move.longer is not None:
            noted["takes"] = [describe_take(take) for take in move.longer.takes]
        set_metadata(item, SELVA_NAMESPACE, {**noted, **_describe_place(move, move.cue, noted)})
    return item


def _play_longer(clip: otio.schema.Clip, longer: LongerTakes, clock: TimelineClock) -> None:
    """Put longer takes in place of those that a clip has; the one that plays stays the same."""
    active, key = clip.media_reference, clip.active_media_reference_key
    references: dict[str, otio.core.MediaReference] = {}
    for take in longer.takes:
        reference = otio.schema.ExternalReference(
            target_url=build_media_url(take.file),
            available_range=clock.time_range(
                Fraction(0), clock.cover_frames(Fraction(take.num_samples, take.sample_rate_hz))
            ),
        )
        for namespace, value in active.metadata.items():
            reference.metadata[namespace] = to_plain_value(value)
        reference.name = take.file.stem
        reference.metadata[SELVA_NAMESPACE] = {"schema": TAKE_SCHEMA, **describe_take(take)}
        references[f"take_{take.take}" if len(longer.takes) > 1 else key] = reference
    clip.set_media_references(references, key if key in references else next(iter(references)))


def _make_absolute(clip: otio.schema.Clip, base_folder: Path) -> None:
    """The new cut may lie in another folder than the old one."""
    known = clip.media_references()
    if not any(is_relative_url(getattr(each, "target_url", None) or "file:") for each in known.values()):
        return
    references = {key: reference.clone() for key, reference in known.items()}
    relative = [
        reference
        for reference in references.values()
        if isinstance(reference, otio.schema.ExternalReference)
        and reference.target_url
        and is_relative_url(reference.target_url)
    ]
    for reference in relative:
        reference.target_url = build_media_url(resolve_media_path(reference.target_url, base_folder))
    if relative:
        clip.set_media_references(references, clip.active_media_reference_key)


def _origin_s(item: otio.core.Item) -> Fraction:
    """Where the item's file begins on the clock of its media reference."""
    reference = getattr(item, "media_reference", None)
    available = None if reference is None else reference.available_range
    return Fraction(0) if available is None else exact_seconds(available.start_time)


def _describe_place(move: StemMove, cue: Cue, noted: Mapping[str, Any]) -> dict[str, Any]:
    """What is noted of the cue and the place of a moved stem, as if it had been placed so by a render."""
    takes = [take for take in noted.get("takes") or () if isinstance(take, Mapping)]
    rate_hz = next(
        (take["sample_rate_hz"] for take in takes if isinstance(take.get("sample_rate_hz"), int)), 48000
    )
    heard_s = move.as_placed_s or move.heard_s
    as_placed_start_s = move.file_start_s + _noted_slip_s(move.stem)
    start_sample = sample_index(heard_s[0], rate_hz)
    span = StemSpan(
        start_s=heard_s[0],
        duration_s=heard_s[1] - heard_s[0],
        offset_s=heard_s[0] - as_placed_start_s,
        file_duration_s=move.stem.spot.file_end_s - move.stem.spot.file_start_s,
        start_sample=start_sample,
        offset_samples=start_sample - sample_index(as_placed_start_s, rate_hz),
        num_samples=0,
    )
    place = describe_cue(cue, span)
    del place["track"], place["gain_db"]
    return place


def _noted_slip_s(stem: OldStem) -> Fraction:
    """How much earlier the file would begin if an editor had not moved the stem against its picture."""
    noted = stem.placed.stem
    try:
        start, offset = noted["record_start_s"], noted["offset_s"]
        as_placed_s = Fraction(*start) - Fraction(*offset)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return Fraction(0)
    return as_placed_s - stem.spot.file_start_s


def _stem_files(plan: ConformPlan) -> set[str]:
    """The file names of all takes of the old cut's stems."""
    return {
        file_name_in_url(url)
        for track in plan.old.timeline.audio_tracks()
        for item in track
        for _, url in iter_takes(read_selva_metadata(item, STEM_SCHEMA))
        if isinstance(item, otio.schema.Clip)
    }


def _take_off(timeline: otio.schema.Timeline, files: set[str]) -> None:
    """Put gaps in place of the items that play one of these files, and note those that a REAPER project has."""
    replaced: list[str] = []
    for track in timeline.audio_tracks():
        if not _may_hold_stems(track):
            continue
        for index, item in enumerate(track):
            if isinstance(item, otio.schema.Clip) and _plays(item) & files:
                if guid := read_reaper_metadata(item).get("guid"):
                    replaced.append(str(guid))
                track[index] = otio.schema.Gap(source_range=item.trimmed_range())
    if replaced:
        known = to_plain_value(read_reaper_metadata(timeline))
        timeline.metadata[REAPER_NAMESPACE] = {**known, REPLACED_ITEMS: replaced}


def _may_hold_stems(track: otio.schema.Track) -> bool:
    return bool(read_selva_metadata(track, TRACK_SCHEMA) or read_selva_metadata(track, TAKE_TRACK_SCHEMA))


def _plays(clip: otio.schema.Clip) -> set[str]:
    return set(_iter_names(clip.media_references().values()))


def _iter_names(references: Iterable[otio.core.MediaReference]) -> Iterator[str]:
    for reference in references:
        url = getattr(reference, "target_url", None)
        if url:
            yield file_name_in_url(url)
