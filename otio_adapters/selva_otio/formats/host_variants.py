"""A timeline adapted to a format or a host: one media reference per clip, prompts as markers, the host's own metadata.

The timeline that goes in is not changed. `stem_recovery` undoes these changes when the timeline comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import opentimelineio as otio

from selva_otio.formats.profiles import PREMIERE, RESOLVE, HostProfile
from selva_otio.formats.stem_metadata import (
    build_stem_label,
    build_stem_note,
    iter_stems,
    iter_takes,
    read_num_channels,
    read_take,
)
from selva_otio.metadata import (
    SELVA_NAMESPACE,
    STEM_SCHEMA,
    TAKE_TRACK_SCHEMA,
    TRACK_SCHEMA,
    is_selva_track,
    read_selva_metadata,
)

LABEL_COLOUR = "PURPLE"


def build_host_variant(
    timeline: otio.schema.Timeline, profile: HostProfile, *, keeps_metadata: bool, spreads_takes: bool
) -> otio.schema.Timeline:
    """A clone for a format and a host.

    keeps_metadata: whether both keep metadata under "selva"; if not, each stem gets a marker with its prompt.
    spreads_takes: whether silent takes get tracks of their own.
    """
    variant = timeline.clone()
    if spreads_takes:
        _spread_takes(variant)
    if not keeps_metadata:
        _label_stems(variant)
    if profile.audio_namespace == RESOLVE:
        _add_resolve_audio(variant)
    elif profile.audio_namespace == PREMIERE:
        _add_premiere_audio(variant)
    return variant


def build_take_track_name(name: str, take: int) -> str:
    return f"{name} (take {take})"


def _spread_takes(timeline: otio.schema.Timeline) -> None:
    """Move each silent take to a track of its own below its stem track, as a disabled clip at the same record time."""
    for track in list(timeline.audio_tracks()):
        if not read_selva_metadata(track, TRACK_SCHEMA):
            continue
        index = next(number for number, child in enumerate(timeline.tracks) if child is track)
        for number, extra in enumerate(_build_take_tracks(track), start=1):
            timeline.tracks.insert(index + number, extra)
        for clip in track.find_clips():
            _keep_only(clip, clip.active_media_reference_key)


def _build_take_tracks(track: otio.schema.Track) -> list[otio.schema.Track]:
    """A track for each take number that is silent in some stem, in order."""
    by_take: dict[int, dict[int, str]] = {}
    for position, item in enumerate(track):
        stem = read_selva_metadata(item, STEM_SCHEMA)
        if isinstance(item, otio.schema.Clip) and stem:
            for take, key in _find_silent_takes(item, stem):
                by_take.setdefault(take, {})[position] = key
    return [_build_take_track(track, take, keys) for take, keys in sorted(by_take.items())]


def _find_silent_takes(clip: otio.schema.Clip, stem: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Take number and media key of each reference that is not active."""
    numbers = {url: take for take, url in iter_takes(stem)}
    return [
        (numbers[reference.target_url], key)
        for key, reference in clip.media_references().items()
        if key != clip.active_media_reference_key and getattr(reference, "target_url", None) in numbers
    ]


def _build_take_track(track: otio.schema.Track, take: int, keys: dict[int, str]) -> otio.schema.Track:
    extra = otio.schema.Track(name=build_take_track_name(track.name, take), kind=track.kind)
    extra.metadata[SELVA_NAMESPACE] = {"schema": TAKE_TRACK_SCHEMA, "track": track.name, "take": take}
    for position, item in enumerate(track):
        if not isinstance(item, otio.core.Item):
            continue
        if position not in keys:
            extra.append(otio.schema.Gap(source_range=otio.opentime.TimeRange(duration=item.duration())))
            continue
        clip = item.clone()
        clip.enabled = False
        _keep_only(clip, keys[position])
        extra.append(clip)
    return extra


def _keep_only(clip: otio.schema.Clip, key: str) -> None:
    reference = clip.media_references()[key].clone()
    clip.set_media_references(
        {otio.schema.Clip.DEFAULT_MEDIA_KEY: reference}, otio.schema.Clip.DEFAULT_MEDIA_KEY
    )


def _label_stems(timeline: otio.schema.Timeline) -> None:
    """Put a marker with the prompt at the start of each stem."""
    for clip, stem in iter_stems(timeline):
        start = clip.trimmed_range().start_time
        marker = otio.schema.Marker(
            name=build_stem_label(stem),
            marked_range=otio.opentime.TimeRange(start, otio.opentime.RationalTime(1, start.rate)),
            color=LABEL_COLOUR,
        )
        marker.comment = build_stem_note(stem)
        marker.metadata[RESOLVE] = {"Note": marker.comment}  # Resolve shows this note and not the comment
        clip.markers.append(marker)


def _add_resolve_audio(timeline: otio.schema.Timeline) -> None:
    """Name the channels of our tracks and clips in Resolve's metadata; without it a mono track turns stereo."""
    timeline.metadata.setdefault(RESOLVE, {}).setdefault("Resolve OTIO Meta Version", "1.0")
    for track in filter(is_selva_track, timeline.audio_tracks()):
        num_channels = _count_channels(track)
        layout = "Mono" if num_channels == 1 else "Stereo"
        track.metadata[RESOLVE] = {"Audio Type": layout, "Locked": False, "SoloOn": False}
        for clip in track.find_clips():
            channels = [{"Source Channel ID": each, "Source Track ID": 0} for each in range(num_channels)]
            clip.metadata[RESOLVE] = {"Channels": channels}


def _count_channels(track: otio.schema.Track) -> int:
    """Of the stems on a track: 2 where one is a panned file."""
    takes = (
        read_take(read_selva_metadata(clip, STEM_SCHEMA), clip.media_reference) for clip in track.find_clips()
    )
    return max(map(read_num_channels, takes), default=1)


def _add_premiere_audio(timeline: otio.schema.Timeline) -> None:
    """Name the channels of our tracks and clips in Premiere's metadata.

    Each stem gets a LinkID that no other clip has: Premiere links the clips that share one.
    """
    timeline.metadata.setdefault(PREMIERE, {}).setdefault("MetadataVersion", "1.0")
    links = [str(clip.metadata.get(PREMIERE, {}).get("LinkID", "")) for clip in timeline.find_clips()]
    link_id = max((int(link) for link in links if link.isdecimal()), default=0)
    for track in filter(is_selva_track, timeline.audio_tracks()):
        num_channels = _count_channels(track)
        layout = "Mono" if num_channels == 1 else "Stereo"
        track.metadata[PREMIERE] = {
            "AudioChannels": {"ChannelType": layout, "NumberOfChannels": num_channels}
        }
        for clip in track.find_clips():
            link_id += 1
            clip.metadata[PREMIERE] = {
                "AudioChannels": {
                    "ChannelType": layout,
                    "SecondaryAssignments": [{"SecondaryChannelIndex": each} for each in range(num_channels)],
                },
                "LinkID": str(link_id),
                "OriginalChannelGroupIndex": 0,
                "SourceClipIndex": 0,
            }
