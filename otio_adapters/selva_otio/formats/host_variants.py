"""A timeline as a kind of file, or a host, wants it: one media per clip, labels that survive, its own metadata.

Pure: what goes in is not changed. `restoring` does the way back.
"""

from __future__ import annotations

from typing import Any

import opentimelineio as otio

from selva_otio.formats.feature_loss import iter_stems
from selva_otio.formats.profiles import PREMIERE, RESOLVE, HostProfile
from selva_otio.formats.sidecars import iter_takes
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
    """A clone for a file and a host that keep our metadata or not. spreads_takes: lay takes beside one another."""
    conformed = timeline.clone()
    if spreads_takes:
        _spread_takes(conformed)
    if not keeps_metadata:
        _label_stems(conformed)
    if profile.dialect == RESOLVE:
        _speak_resolve(conformed)
    elif profile.dialect == PREMIERE:
        _speak_premiere(conformed)
    return conformed


def label_of(facts: Any) -> str:
    """What a stem's marker says: a cue as markers are read."""
    return f"{facts.get('track', '')}: {facts.get('prompt', '')}"


def take_track_name(name: str, take: int) -> str:
    return f"{name} (take {take})"


def _spread_takes(timeline: otio.schema.Timeline) -> None:
    """Each take that does not sound goes to a track of its own below, as a disabled clip at the same place."""
    for track in list(timeline.audio_tracks()):
        if not read_selva_metadata(track, TRACK_SCHEMA):
            continue
        index = next(number for number, child in enumerate(timeline.tracks) if child is track)
        for number, extra in enumerate(_build_take_tracks(track), start=1):
            timeline.tracks.insert(index + number, extra)
        for clip in track.find_clips():
            _keep_only(clip, clip.active_media_reference_key)


def _build_take_tracks(track: otio.schema.Track) -> list[otio.schema.Track]:
    """A track for each take number that some stem has and does not play, in order."""
    by_take: dict[int, dict[int, str]] = {}
    for position, item in enumerate(track):
        facts = read_selva_metadata(item, STEM_SCHEMA)
        if isinstance(item, otio.schema.Clip) and facts:
            for take, key in _silent_takes(item, facts):
                by_take.setdefault(take, {})[position] = key
    return [_build_take_track(track, take, keys) for take, keys in sorted(by_take.items())]


def _silent_takes(clip: otio.schema.Clip, facts: Any) -> list[tuple[int, str]]:
    """Take numbers and media keys of the references that do not sound."""
    numbers = {url: take for take, url in iter_takes(facts)}
    return [
        (numbers[reference.target_url], key)
        for key, reference in clip.media_references().items()
        if key != clip.active_media_reference_key and getattr(reference, "target_url", None) in numbers
    ]


def _build_take_track(track: otio.schema.Track, take: int, keys: dict[int, str]) -> otio.schema.Track:
    extra = otio.schema.Track(name=take_track_name(track.name, take), kind=track.kind)
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
    """A marker at the start of each stem: its prompt, and what made it."""
    for clip, facts in iter_stems(timeline):
        start = clip.trimmed_range().start_time
        marker = otio.schema.Marker(
            name=label_of(facts),
            marked_range=otio.opentime.TimeRange(start, otio.opentime.RationalTime(1, start.rate)),
            color=LABEL_COLOUR,
        )
        marker.comment = f"Selva cue {facts.get('cue', '')}, take {facts.get('active_take', 1)}"
        marker.metadata[RESOLVE] = {"Note": marker.comment}
        clip.markers.append(marker)


def _speak_resolve(timeline: otio.schema.Timeline) -> None:
    """What Resolve takes a track's and a clip's channels from; without it a mono track turns stereo."""
    timeline.metadata.setdefault(RESOLVE, {}).setdefault("Resolve OTIO Meta Version", "1.0")
    for track in filter(is_selva_track, timeline.audio_tracks()):
        track.metadata[RESOLVE] = {"Audio Type": "Mono", "Locked": False, "SoloOn": False}
        for clip in track.find_clips():
            clip.metadata[RESOLVE] = {"Channels": [{"Source Channel ID": 0, "Source Track ID": 0}]}


def _speak_premiere(timeline: otio.schema.Timeline) -> None:
    """Premiere's channel layout; each stem its own link, or clips of one number would be joined."""
    timeline.metadata.setdefault(PREMIERE, {}).setdefault("MetadataVersion", "1.0")
    links = [str(clip.metadata.get(PREMIERE, {}).get("LinkID", "")) for clip in timeline.find_clips()]
    number = max((int(link) for link in links if link.isdecimal()), default=0)
    for track in filter(is_selva_track, timeline.audio_tracks()):
        track.metadata[PREMIERE] = {"AudioChannels": {"ChannelType": "Mono", "NumberOfChannels": 1}}
        for clip in track.find_clips():
            number += 1
            clip.metadata[PREMIERE] = {
                "AudioChannels": {
                    "ChannelType": "Mono",
                    "SecondaryAssignments": [{"SecondaryChannelIndex": 0}],
                },
                "LinkID": str(number),
                "OriginalChannelGroupIndex": 0,
                "SourceClipIndex": 0,
            }
