"""Timeline.Export as OpenTimelineIO: compounds as stacks, source ranges on the media's timecode, no timeline
markers.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import opentimelineio as otio

from tests.selva_plugins.resolve.double import model

if TYPE_CHECKING:
    from tests.selva_plugins.resolve.double.host import Host


def export_timeline(host: Host, timeline: model.Timeline, path: str, kind: object, _subtype: object) -> bool:
    """Only the constant itself is understood; its name as text is silently refused."""
    if kind != host.constant("EXPORT_OTIO"):
        return False
    exported = otio.schema.Timeline(
        timeline.name, global_start_time=_moment(timeline.start_frame, timeline.rate)
    )
    exported.tracks[:] = _tracks(timeline)
    Path(path).write_text(exported.to_json_string(), encoding="utf-8")
    return True


def _tracks(timeline: model.Timeline) -> list[otio.schema.Track]:
    return [_track(track, timeline) for track in timeline.tracks["video"]]


def _track(track: model.Track, timeline: model.Timeline) -> otio.schema.Track:
    written = otio.schema.Track(track.name, kind=otio.schema.TrackKind.Video)
    cursor = timeline.start_frame
    for item in sorted(track.items, key=lambda item: item.start):
        if item.kind == "transition":
            continue
        if item.start > cursor:
            written.append(otio.schema.Gap(source_range=_range(0, item.start - cursor, timeline.rate)))
        written.append(_item(item, timeline))
        cursor = item.end
    return written


def _item(item: model.Item, timeline: model.Timeline) -> otio.core.Item:
    media = item.media
    if media is None:
        return otio.schema.Clip(item.name, source_range=_range(0, item.duration, timeline.rate))
    first = model.frames_of_timecode(media.start_timecode, media.fps)
    used = _range(first + item.source_start, Fraction(item.duration), media.fps)
    if media.nested is not None:
        stack = otio.schema.Stack(item.name, source_range=used, effects=_effects(item))
        stack.extend(_tracks(media.nested))
        return stack
    reference = otio.schema.ExternalReference(media.path, _range(first, media.num_frames, media.fps))
    return otio.schema.Clip(item.name, reference, used, effects=_effects(item))


def _effects(item: model.Item) -> list[otio.schema.TimeEffect]:
    return [] if item.speed == 1 else [otio.schema.LinearTimeWarp(time_scalar=float(item.speed))]


def _moment(frames: Fraction | int, rate: Fraction) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(float(frames), float(rate))


def _range(start: Fraction | int, frames: Fraction | int, rate: Fraction) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(_moment(start, rate), _moment(frames, rate))
