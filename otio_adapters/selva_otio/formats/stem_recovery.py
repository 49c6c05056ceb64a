"""Stems that a host gave back without our words about them: known again by their files.

What a host changes on the way is undone (takes spread over tracks, our labels, ranges on the sound file's own
timecode), so that what is left different is what an editor did.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.formats.host_variants import label_of
from selva_otio.formats.sidecars import KnownStem, find_known_stems, iter_takes, may_be_stem, plain_values
from selva_otio.metadata import (
    SELVA_NAMESPACE,
    STEM_SCHEMA,
    TAKE_TRACK_SCHEMA,
    TRACK_SCHEMA,
    read_selva_metadata,
)
from selva_otio.picture.media import file_name_in_url
from selva_otio.time.clock import exact_seconds
from selva_otio.time.item_times import item_duration_s

_GAIN_TOLERANCE_DB = 0.05


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A clip whose file is a take of a stem we placed, and where it lies."""

    clip: otio.schema.Clip
    known: KnownStem
    start_s: Fraction

    @property
    def sounds(self) -> bool:
        """Whether it is the take that was placed to be heard."""
        return self.known.take == self.known.facts.get("active_take")

    @property
    def key(self) -> tuple[str, Fraction]:
        return str(self.known.facts.get("cue")), self.start_s


def restore_stems(timeline: otio.schema.Timeline, path: Path, base_folder: Path) -> None:
    """Give stems and stem tracks what a sidecar knows about them, and undo what was done for a host, in place.

    Nothing is done to other items, nor to a timeline that was not written for a host.
    """
    bare = [clip for clip in _iter_audio_clips(timeline) if not read_selva_metadata(clip, STEM_SCHEMA)]
    urls = [url for clip in bare if may_be_stem(url := _url_of(clip))]
    known = find_known_stems(path, urls, base_folder) if urls else {}
    known |= _read_own_words(timeline)
    if not known:
        return
    by_track = [(track, _find_stems(track, known)) for track in timeline.audio_tracks()]
    heard = {found.key: found for _, founds in by_track for found in founds if found.sounds}
    for track, founds in by_track:
        if not founds:
            continue
        if _is_take_track(track, founds, heard):
            for found in founds:
                _fold_take(heard[found.key].clip, found)
            index = next(number for number, child in enumerate(timeline.tracks) if child is track)
            del timeline.tracks[index]
    for track, founds in by_track:
        placed = [found for found in founds if found.sounds]
        for found in placed:
            _restore_stem(found)
        if placed and not read_selva_metadata(track, TRACK_SCHEMA):
            track.metadata[SELVA_NAMESPACE] = copy.deepcopy(placed[0].known.track)


def _read_own_words(timeline: otio.schema.Timeline) -> dict[str, KnownStem]:
    """What our metadata tells of the stems of a timeline that was written for a host, by file name."""
    stems = [
        (clip, facts)
        for clip in _iter_audio_clips(timeline)
        if (facts := read_selva_metadata(clip, STEM_SCHEMA))
    ]
    was_spread = any(read_selva_metadata(track, TAKE_TRACK_SCHEMA) for track in timeline.audio_tracks())
    was_labelled = any(marker.name == label_of(facts) for clip, facts in stems for marker in clip.markers)
    if not was_spread and not was_labelled:
        return {}
    return {
        file_name_in_url(url): KnownStem(
            facts=plain_values(facts),
            take=take,
            track=plain_values(read_selva_metadata(clip.parent(), TRACK_SCHEMA)),
        )
        for clip, facts in stems
        for take, url in iter_takes(facts)
    }


def _iter_audio_clips(timeline: otio.schema.Timeline) -> list[otio.schema.Clip]:
    return [
        child for track in timeline.audio_tracks() for child in track if isinstance(child, otio.schema.Clip)
    ]


def _url_of(clip: otio.schema.Clip) -> str:
    return getattr(clip.media_reference, "target_url", None) or ""


def _find_stems(track: otio.schema.Track, known: Mapping[str, KnownStem]) -> list[_Found]:
    found: list[_Found] = []
    cursor_s = Fraction(0)
    for child in track:
        if not isinstance(child, otio.core.Item):
            continue
        stem = known.get(file_name_in_url(_url_of(child))) if isinstance(child, otio.schema.Clip) else None
        if stem is not None:
            found.append(_Found(clip=child, known=stem, start_s=cursor_s))
        cursor_s += item_duration_s(child)
    return found


def _is_take_track(
    track: otio.schema.Track, founds: list[_Found], heard: Mapping[tuple[str, Fraction], _Found]
) -> bool:
    """Whether all that lies on a track is silent takes of stems that lie elsewhere at the same place."""
    num_items = sum(not isinstance(child, otio.schema.Gap) for child in track)
    return num_items == len(founds) and all(
        not found.sounds and not found.clip.enabled and found.key in heard for found in founds
    )


def _fold_take(clip: otio.schema.Clip, found: _Found) -> None:
    """Make a take a media reference of its stem again."""
    references = {key: reference.clone() for key, reference in clip.media_references().items()}
    active = clip.active_media_reference_key
    if active == otio.schema.Clip.DEFAULT_MEDIA_KEY:
        active = f"take_{found.known.facts.get('active_take', 1)}"
        references = {active: references[otio.schema.Clip.DEFAULT_MEDIA_KEY]}
    references[f"take_{found.known.take}"] = _from_start(found.clip)[1]
    clip.set_media_references(references, active)


def _restore_stem(found: _Found) -> None:
    clip, facts = found.clip, copy.deepcopy(found.known.facts)
    used, reference = _from_start(clip)
    clip.source_range = used
    references = {key: old.clone() for key, old in clip.media_references().items()}
    references[clip.active_media_reference_key] = reference
    clip.set_media_references(references, clip.active_media_reference_key)
    by_name = {
        file_name_in_url(old.target_url): old.target_url for old in references.values() if _has_url(old)
    }
    facts["takes"] = [
        {**take, "url": by_name.get(file_name_in_url(str(take.get("url"))), take.get("url"))}
        for take in facts["takes"]
        if isinstance(take, Mapping)
    ]
    _drop_own_marks(clip, facts)
    clip.metadata[SELVA_NAMESPACE] = facts


def _from_start(clip: otio.schema.Clip) -> tuple[otio.opentime.TimeRange, otio.core.MediaReference]:
    """The used range and the reference, counted from the file's first sample: a host may count from its timecode."""
    reference = clip.media_reference.clone()
    used = clip.trimmed_range()
    available = reference.available_range
    if available is None or not available.start_time.value:
        return used, reference
    rate = used.start_time.rate
    offset_s = exact_seconds(used.start_time) - exact_seconds(available.start_time)
    reference.available_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, available.duration.rate), available.duration
    )
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(float(offset_s * Fraction(rate)), rate), used.duration
    ), reference


def _has_url(reference: otio.core.MediaReference) -> bool:
    return bool(getattr(reference, "target_url", None))


def _drop_own_marks(clip: otio.schema.Clip, facts: Mapping[str, Any]) -> None:
    """Take off our label, and the gain if it is the one we asked for."""
    label = label_of(facts)
    clip.markers[:] = [marker for marker in clip.markers if marker.name != label]
    clip.effects[:] = [effect for effect in clip.effects if not _is_own_gain(effect, facts.get("gain_db"))]


def _is_own_gain(effect: otio.schema.Effect, gain_db: Any) -> bool:
    level = effect.metadata.get("level")
    if not isinstance(level, float) or level <= 0 or not isinstance(gain_db, int | float):
        return False
    return abs(20 * math.log10(level) - gain_db) < _GAIN_TOLERANCE_DB
