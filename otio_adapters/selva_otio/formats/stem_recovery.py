"""Stems in a timeline that came back from a host: recognized by their files, given their metadata again.

What was changed for the host is undone (takes on tracks of their own, marker labels, ranges that count from a file's timecode),
so that any difference that is left was made by an editor.
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

from selva_otio.formats.sidecars import KnownStem, load_known_stems, may_be_stem
from selva_otio.formats.stem_metadata import build_stem_label, iter_plain_stems, iter_stems, iter_takes
from selva_otio.metadata import (
    SELVA_NAMESPACE,
    STEM_SCHEMA,
    TAKE_TRACK_SCHEMA,
    TRACK_SCHEMA,
    read_selva_metadata,
    set_metadata,
)
from selva_otio.picture.media import file_name_in_url
from selva_otio.time.clock import exact_seconds
from selva_otio.time.item_times import item_duration_s

_GAIN_TOLERANCE_DB = 0.05
"""A host may write a level back with fewer digits than it read; nobody sets a difference this small on purpose."""


@dataclass(frozen=True, kw_only=True)
class _StemClip:
    """A clip whose file is a take of a stem, and its start on its track."""

    clip: otio.schema.Clip
    known: KnownStem
    start_s: Fraction

    @property
    def is_active(self) -> bool:
        """Whether its file is the take that was placed as the audible one."""
        return bool(self.known.take == self.known.stem.get("active_take"))

    @property
    def key(self) -> tuple[str, Fraction]:
        """The same for all takes of one stem: its cue and its start."""
        return str(self.known.stem.get("cue")), self.start_s


def restore_stems(timeline: otio.schema.Timeline, path: Path, base_folder: Path) -> None:
    """Give stems and stem tracks the metadata that a sidecar has of them, and undo what was changed for a host, in place.

    Other items, and timelines that were not written for a host, are not changed. path: the file the timeline was read
    from. base_folder: where its relative media URLs start.
    """
    unknown = [clip for clip in _find_audio_clips(timeline) if not read_selva_metadata(clip, STEM_SCHEMA)]
    urls = [url for clip in unknown if may_be_stem(url := _media_url(clip))]
    known = load_known_stems(path, urls, base_folder) if urls else {}
    known |= _find_stems_with_metadata(timeline)
    if not known:
        return
    stems_of_tracks = [(track, _find_stems(track, known)) for track in timeline.audio_tracks()]
    active = {stem.key: stem for _, stems in stems_of_tracks for stem in stems if stem.is_active}
    for track, stems in stems_of_tracks:
        if stems and _is_take_track(track, stems, active):
            for stem in stems:
                _add_take(active[stem.key].clip, stem)
            index = next(number for number, child in enumerate(timeline.tracks) if child is track)
            del timeline.tracks[index]
    for track, stems in stems_of_tracks:
        placed = [stem for stem in stems if stem.is_active]
        for stem in placed:
            _restore_stem(stem)
        if placed and not read_selva_metadata(track, TRACK_SCHEMA):
            track.metadata[SELVA_NAMESPACE] = copy.deepcopy(placed[0].known.track)


def _find_stems_with_metadata(timeline: otio.schema.Timeline) -> dict[str, KnownStem]:
    """The stems of a timeline that was written for a host and kept its metadata, by file name; else none."""
    stems = list(iter_stems(timeline))
    was_spread = any(read_selva_metadata(track, TAKE_TRACK_SCHEMA) for track in timeline.audio_tracks())
    was_labelled = any(
        marker.name == build_stem_label(stem) for clip, stem in stems for marker in clip.markers
    )
    if not was_spread and not was_labelled:
        return {}
    return {
        file_name_in_url(url): KnownStem(stem=stem, take=take, track=track)
        for _, stem, track in iter_plain_stems(timeline)
        for take, url in iter_takes(stem)
    }


def _find_audio_clips(timeline: otio.schema.Timeline) -> list[otio.schema.Clip]:
    return [
        child for track in timeline.audio_tracks() for child in track if isinstance(child, otio.schema.Clip)
    ]


def _media_url(clip: otio.schema.Clip) -> str:
    return getattr(clip.media_reference, "target_url", None) or ""


def _find_stems(track: otio.schema.Track, known: Mapping[str, KnownStem]) -> list[_StemClip]:
    stems: list[_StemClip] = []
    cursor_s = Fraction(0)
    for child in track:
        if not isinstance(child, otio.core.Item):
            continue
        stem = known.get(file_name_in_url(_media_url(child))) if isinstance(child, otio.schema.Clip) else None
        if stem is not None:
            stems.append(_StemClip(clip=child, known=stem, start_s=cursor_s))
        cursor_s += item_duration_s(child)
    return stems


def _is_take_track(
    track: otio.schema.Track, stems: list[_StemClip], active: Mapping[tuple[str, Fraction], _StemClip]
) -> bool:
    """Whether a track holds nothing but disabled silent takes of stems that start at the same times on other tracks."""
    num_items = sum(not isinstance(child, otio.schema.Gap) for child in track)
    return num_items == len(stems) and all(
        not stem.is_active and not stem.clip.enabled and stem.key in active for stem in stems
    )


def _add_take(clip: otio.schema.Clip, take: _StemClip) -> None:
    """Make a take a media reference of its stem again."""
    references = {key: reference.clone() for key, reference in clip.media_references().items()}
    active_key = clip.active_media_reference_key
    if active_key == otio.schema.Clip.DEFAULT_MEDIA_KEY:
        active_key = f"take_{take.known.stem.get('active_take', 1)}"
        references = {active_key: references[otio.schema.Clip.DEFAULT_MEDIA_KEY]}
    references[f"take_{take.known.take}"] = _count_from_first_sample(take.clip)[1]
    clip.set_media_references(references, active_key)


def _restore_stem(stem: _StemClip) -> None:
    clip, metadata = stem.clip, dict(stem.known.stem)
    used, reference = _count_from_first_sample(clip)
    clip.source_range = used
    references = {key: old.clone() for key, old in clip.media_references().items()}
    references[clip.active_media_reference_key] = reference
    clip.set_media_references(references, clip.active_media_reference_key)
    urls = [url for old in references.values() if (url := getattr(old, "target_url", None))]
    url_by_name = {file_name_in_url(url): url for url in urls}
    metadata["takes"] = [
        {**take, "url": url_by_name.get(file_name_in_url(str(take.get("url"))), take.get("url"))}
        for take in metadata["takes"]
        if isinstance(take, Mapping)
    ]
    _remove_label_and_gain(clip, metadata)
    set_metadata(clip, SELVA_NAMESPACE, metadata)


def _count_from_first_sample(
    clip: otio.schema.Clip,
) -> tuple[otio.opentime.TimeRange, otio.core.MediaReference]:
    """The used range and the media reference, both counted from the file's first sample.

    Stems are placed so; Resolve exports the ranges of a file with a time reference on the file's timecode.
    """
    reference = clip.media_reference.clone()
    used = clip.trimmed_range()
    available = reference.available_range
    if available is None or not available.start_time.value:
        return used, reference
    rate_hz = used.start_time.rate
    offset_s = exact_seconds(used.start_time) - exact_seconds(available.start_time)
    reference.available_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, available.duration.rate), available.duration
    )
    start = otio.opentime.RationalTime(float(offset_s * Fraction(rate_hz)), rate_hz)
    return otio.opentime.TimeRange(start, used.duration), reference


def _remove_label_and_gain(clip: otio.schema.Clip, stem: Mapping[str, Any]) -> None:
    """Remove the marker that labels the stem, and its gain effect if it still has the stem's own gain."""
    label = build_stem_label(stem)
    clip.markers[:] = [marker for marker in clip.markers if marker.name != label]
    clip.effects[:] = [effect for effect in clip.effects if not _has_gain(effect, stem.get("gain_db"))]


def _has_gain(effect: otio.schema.Effect, gain_db: Any) -> bool:
    level = effect.metadata.get("level")
    if not isinstance(level, float) or level <= 0 or not isinstance(gain_db, int | float):
        return False
    return abs(20 * math.log10(level) - gain_db) < _GAIN_TOLERANCE_DB
