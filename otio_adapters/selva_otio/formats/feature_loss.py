"""Features that a format or a host drops, and how often a timeline uses them: reported when it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_otio.formats.stem_metadata import iter_stems, read_fade_s, read_gain_db, read_pan, read_take
from selva_otio.metadata import TRACK_SCHEMA, read_selva_metadata
from selva_otio.time.clock import exact_rate, exact_seconds


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Something a timeline may have.

    consequence: what happens to it in a file that cannot hold it, as the second half of a sentence. count: how often a
    timeline has it.
    """

    name: str
    consequence: str
    count: Callable[[otio.schema.Timeline], int]


def describe_feature_loss(
    timeline: otio.schema.Timeline, unsupported: Mapping[str, Iterable[Feature]]
) -> tuple[str, ...]:
    """A sentence for each feature that this timeline uses and the format or the host drops.

    unsupported: the label of a format or host to what it cannot hold. A feature that both drop is reported once.
    """
    sentences: list[str] = []
    reported: set[str] = set()
    for label, features in unsupported.items():
        for feature in features:
            number = feature.count(timeline) if feature.name not in reported else 0
            if number:
                reported.add(feature.name)
                sentences.append(f"{label} has no {feature.name}: {feature.consequence} ({number})")
    return tuple(sentences)


def only_stem_tracks(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """A timeline with clones of the stem tracks alone: what a render adds."""
    stems_only = otio.schema.Timeline(name=timeline.name)
    stems_only.tracks.extend(
        track.clone() for track in timeline.tracks if read_selva_metadata(track, TRACK_SCHEMA)
    )
    return stems_only


def _count_fades(timeline: otio.schema.Timeline) -> int:
    keys = ("fade_in_s", "fade_out_s")
    return sum(any(read_fade_s(stem, key) > 0 for key in keys) for _, stem in iter_stems(timeline))


def _count_gains(timeline: otio.schema.Timeline) -> int:
    return sum(read_gain_db(stem) != 0 for _, stem in iter_stems(timeline))


def _count_pans(timeline: otio.schema.Timeline) -> int:
    return sum(
        read_pan(read_take(stem, clip.media_reference)) is not None for clip, stem in iter_stems(timeline)
    )


def _count_takes(timeline: otio.schema.Timeline) -> int:
    return sum(len(clip.media_references()) > 1 for clip, _ in iter_stems(timeline))


def _count_instances(kind: type[otio.core.Composable]) -> Callable[[otio.schema.Timeline], int]:
    def count(timeline: otio.schema.Timeline) -> int:
        return len(timeline.find_children(descended_from_type=kind))

    return count


def _count_nests(timeline: otio.schema.Timeline) -> int:
    return sum(
        isinstance(child, otio.core.Composition)
        for track in timeline.find_children(descended_from_type=otio.schema.Track)
        for child in track
    )


def _count_clip_markers(timeline: otio.schema.Timeline) -> int:
    return sum(len(clip.markers) for clip in timeline.find_clips())


def _count_timeline_markers(timeline: otio.schema.Timeline) -> int:
    return len(timeline.tracks.markers) + sum(len(track.markers) for track in timeline.tracks)


def _count_retimes(timeline: otio.schema.Timeline) -> int:
    return sum(
        any(isinstance(effect, otio.schema.TimeEffect) for effect in item.effects)
        for item in timeline.find_children(descended_from_type=otio.core.Item)
    )


def _count_image_sequences(timeline: otio.schema.Timeline) -> int:
    return sum(
        isinstance(clip.media_reference, otio.schema.ImageSequenceReference) for clip in timeline.find_clips()
    )


def _count_effects(timeline: otio.schema.Timeline) -> int:
    return sum(
        not isinstance(effect, otio.schema.TimeEffect)
        for item in timeline.find_children(descended_from_type=otio.core.Item)
        for effect in item.effects
    )


def _count_disabled(timeline: otio.schema.Timeline) -> int:
    return sum(not item.enabled for item in timeline.find_children(descended_from_type=otio.core.Item))


def _count_video_tracks(timeline: otio.schema.Timeline) -> int:
    return len(timeline.video_tracks())


def _count_other_sound(timeline: otio.schema.Timeline) -> int:
    stems = {id(clip) for clip, _ in iter_stems(timeline)}
    clips = [clip for track in timeline.audio_tracks() for clip in track.find_clips()]
    return sum(id(clip) not in stems for clip in clips)


def _count_off_frame(timeline: otio.schema.Timeline) -> int:
    number = 0
    for track in timeline.tracks:
        cursor_s = Fraction(0)
        for item in track if isinstance(track, otio.schema.Track) else ():
            if not isinstance(item, otio.core.Item):
                continue
            rate = exact_rate(item.duration().rate)
            number += isinstance(item, otio.schema.Clip) and (cursor_s * rate).denominator != 1
            cursor_s += exact_seconds(item.duration())
    return number


FADES = Feature(
    name="fades", consequence="stems that overlap are not faded, draw the cross-fades", count=_count_fades
)
GAINS = Feature(name="gain", consequence="stems play at the level they were made at", count=_count_gains)
PANS = Feature(
    name="pan over time",
    consequence="stems are heard from the middle; --pan stereo puts it into their files",
    count=_count_pans,
)
TAKES = Feature(
    name="takes", consequence="only the active take is on the track, the others are files", count=_count_takes
)
TRANSITIONS = Feature(
    name="transitions", consequence="they become cuts", count=_count_instances(otio.schema.Transition)
)
NESTS = Feature(name="nested sequences", consequence="they are left out", count=_count_nests)
CLIP_MARKERS = Feature(name="markers on clips", consequence="they are left out", count=_count_clip_markers)
TIMELINE_MARKERS = Feature(
    name="markers on the timeline", consequence="they are left out", count=_count_timeline_markers
)
RETIMES = Feature(name="speed changes", consequence="those clips run at normal speed", count=_count_retimes)
EFFECTS = Feature(name="effects", consequence="they are left out", count=_count_effects)
DISABLED = Feature(name="disabled items", consequence="they are left out", count=_count_disabled)
PICTURE = Feature(name="picture tracks", consequence="only sound is written", count=_count_video_tracks)
OTHER_SOUND = Feature(name="other sound", consequence="only stems are written", count=_count_other_sound)
OFF_FRAME = Feature(
    name="time between frames", consequence="those clips start on the nearest frame", count=_count_off_frame
)
IMAGE_SEQUENCES = Feature(
    name="image sequences", consequence="those clips are offline, relink them", count=_count_image_sequences
)
