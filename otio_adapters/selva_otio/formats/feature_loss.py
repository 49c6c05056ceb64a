"""What a kind of file, or a host, cannot hold, and how much of it a timeline has: said when it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from selva_otio.metadata import STEM_SCHEMA, TRACK_SCHEMA, read_selva_metadata
from selva_otio.time.clock import exact_rate, exact_seconds


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Something a timeline may have. words: what is lost, for a sentence; count: how many times it is there."""

    name: str
    words: str
    count: Callable[[otio.schema.Timeline], int]


def describe_feature_loss(
    timeline: otio.schema.Timeline, lost: Mapping[str, Iterable[Feature]]
) -> tuple[str, ...]:
    """A sentence for each feature that this timeline has and something on its way loses.

    lost: what loses it, a format's or host's name, to the features.
    """
    sentences: list[str] = []
    told: set[str] = set()
    for label, features in lost.items():
        for feature in features:
            number = feature.count(timeline) if feature.name not in told else 0
            if number:
                told.add(feature.name)
                sentences.append(f"{label} has no {feature.name}: {feature.words} ({number})")
    return tuple(sentences)


def only_stem_tracks(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """What a render adds to a timeline."""
    added = otio.schema.Timeline(name=timeline.name)
    added.tracks.extend(
        track.clone() for track in timeline.tracks if read_selva_metadata(track, TRACK_SCHEMA)
    )
    return added


def iter_stems(timeline: otio.schema.Timeline) -> Iterator[tuple[otio.schema.Clip, Mapping[str, Any]]]:
    """The stems on a timeline's audio tracks with what we wrote about them."""
    for track in timeline.audio_tracks():
        for item in track:
            facts = read_selva_metadata(item, STEM_SCHEMA)
            if isinstance(item, otio.schema.Clip) and facts:
                yield item, facts


def _count_fades(timeline: otio.schema.Timeline) -> int:
    keys = ("fade_in_s", "fade_out_s")
    return sum(any(_is_positive(facts.get(key)) for key in keys) for _, facts in iter_stems(timeline))


def _count_gains(timeline: otio.schema.Timeline) -> int:
    return sum(facts.get("gain_db") not in (None, 0, 0.0) for _, facts in iter_stems(timeline))


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


def _is_positive(pair: Any) -> bool:
    try:
        return Fraction(int(pair[0]), int(pair[1])) > 0
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return False


FADES = Feature(
    name="fades", words="stems that overlap are not faded, draw the cross-fades", count=_count_fades
)
GAINS = Feature(name="gain", words="stems lie at the level they were made at", count=_count_gains)
TAKES = Feature(
    name="takes", words="only the chosen take lies on the track, the others are files", count=_count_takes
)
TRANSITIONS = Feature(
    name="transitions", words="they become cuts", count=_count_instances(otio.schema.Transition)
)
NESTS = Feature(name="nested sequences", words="they are left out", count=_count_nests)
CLIP_MARKERS = Feature(name="markers on clips", words="they are left out", count=_count_clip_markers)
TIMELINE_MARKERS = Feature(
    name="markers on the timeline", words="they are left out", count=_count_timeline_markers
)
RETIMES = Feature(name="speed changes", words="those clips run at normal speed", count=_count_retimes)
EFFECTS = Feature(name="effects", words="they are left out", count=_count_effects)
DISABLED = Feature(name="disabled items", words="they are left out", count=_count_disabled)
PICTURE = Feature(name="picture tracks", words="only sound is written", count=_count_video_tracks)
OTHER_SOUND = Feature(name="other sound", words="only stems are written", count=_count_other_sound)
OFF_FRAME = Feature(
    name="time between frames", words="those clips lie on the nearest frame", count=_count_off_frame
)
IMAGE_SEQUENCES = Feature(
    name="image sequences", words="those clips are offline, relink them", count=_count_image_sequences
)
