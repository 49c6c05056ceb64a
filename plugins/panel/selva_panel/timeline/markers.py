"""The markers of a timeline on its record clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_otio import TimelineClock
from selva_otio.cues.markers import parse_marker_cue
from selva_otio.picture.visible_shots import iter_picture_tracks
from selva_otio.time.clock import exact_seconds, frame_index


@dataclass(frozen=True, kw_only=True)
class CutMarker:
    """A marker at a frame after the timeline's start. is_cue: it reads "Dog: small dog barking"."""

    frame: int
    name: str
    is_cue: bool


def find_markers(timeline: otio.schema.Timeline, clock: TimelineClock) -> tuple[CutMarker, ...]:
    """The markers of the timeline, of its picture tracks and of their clips, in the order of their frames."""
    found = [
        CutMarker(
            frame=frame_index(record_s, clock.frame_rate_hz),
            name=marker.name or marker.comment or "",
            is_cue=parse_marker_cue(marker) is not None,
        )
        for marker, record_s in _iter_markers(timeline)
    ]
    return tuple(sorted(found, key=lambda marker: marker.frame))


def _iter_markers(timeline: otio.schema.Timeline) -> Iterator[tuple[otio.schema.Marker, Fraction]]:
    """Each marker with its record time."""
    for item in (timeline.tracks, *iter_picture_tracks(timeline)):
        origin = item.source_range.start_time if item.source_range is not None else None
        for marker in item.markers:
            start_s = exact_seconds(marker.marked_range.start_time)
            yield marker, start_s - (Fraction(0) if origin is None else exact_seconds(origin))
    for track in iter_picture_tracks(timeline):
        for clip in track.find_clips():
            for marker in clip.markers:
                moment = clip.transformed_time(marker.marked_range.start_time, timeline.tracks)
                yield marker, exact_seconds(moment)
