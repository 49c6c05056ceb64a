"""MediaPool.AppendToTimeline, the call that fails without a word in the most ways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.answers import DeadItem

if TYPE_CHECKING:
    from tests.selva_plugins.resolve.double.host import Host

_KEYS = frozenset({"mediaPoolItem", "startFrame", "endFrame", "mediaType", "trackIndex", "recordFrame"})
_FRAME_KEYS = ("startFrame", "endFrame", "recordFrame")


@dataclass(frozen=True)
class _Placement:
    """What came of one clipInfo; `item` is None where nothing is placed."""

    item: model.Item | None
    looks_placed: bool


def append_to_timeline(host: Host, project: model.Project, clip_infos: list[dict[str, Any]]) -> Any:
    """Place clips on the current timeline; the answer says little about whether that worked."""
    timeline = project.current_timeline
    if timeline is None or not _are_clip_infos(host, clip_infos):
        return None
    if host.build.fractions_refused and any(_has_fraction(info) for info in clip_infos):
        return None
    placements = [_place(host, timeline, info) for info in clip_infos]
    if host.build.lose_errored_batches and any(placement.item is None for placement in placements):
        for placement in placements:
            if placement.item is not None:
                placement.item.fragile = True
    return _answer(host, [placement for placement in placements if placement.looks_placed])


def _answer(host: Host, placements: list[_Placement]) -> list[Any]:
    if host.build.append_returns == "none":
        return [None for _ in placements]
    if host.build.append_returns == "dead":
        return [DeadItem() for _ in placements]
    return [placement.item if placement.item is not None else DeadItem() for placement in placements]


def _are_clip_infos(host: Host, clip_infos: list[dict[str, Any]]) -> bool:
    if not isinstance(clip_infos, list) or not all(isinstance(info, dict) for info in clip_infos):
        host.violations.append("AppendToTimeline takes a list of clipInfo")
        return False
    for info in clip_infos:
        unknown = set(info) - _KEYS
        if unknown:
            host.violations.append(f"AppendToTimeline: no key {', '.join(sorted(unknown))} in a clipInfo")
            return False
        if not isinstance(info.get("mediaPoolItem"), model.Media):
            host.violations.append("AppendToTimeline: a clipInfo needs a mediaPoolItem")
            return False
    return True


def _has_fraction(info: dict[str, Any]) -> bool:
    return any(isinstance(info.get(key), float) for key in _FRAME_KEYS)


def _place(host: Host, timeline: model.Timeline, info: dict[str, Any]) -> _Placement:
    media: model.Media = info["mediaPoolItem"]
    kind: model.TrackKind = "audio" if info.get("mediaType") == 2 or not media.has_video else "video"
    track_index = info.get("trackIndex", 1)
    tracks = timeline.tracks[kind]
    if not 1 <= track_index <= len(tracks) or tracks[track_index - 1].locked:
        return _Placement(None, looks_placed=False)
    track = tracks[track_index - 1]
    source_start, duration = _extent(host, timeline, info)
    if duration <= 0:
        return _Placement(None, looks_placed=False)
    record = math.floor(info.get("recordFrame", timeline.end_frame))
    if not host.build.record_frame_supported:
        record = timeline.end_frame
    if any(item.start < record + duration and record < item.end for item in track.items):
        return _Placement(None, looks_placed=host.build.overlap_returns == "items")
    if any(item.media is media for item in track.items):
        return _Placement(None, looks_placed=True)
    item = model.Item(
        name=media.name,
        kind="audio" if kind == "audio" else "video",
        start=record,
        duration=duration,
        media=media,
        source_start=source_start,
        rendered=record >= timeline.start_frame,
    )
    track.items.append(item)
    track.items.sort(key=lambda placed: placed.start)
    return _Placement(item, looks_placed=True)


def _extent(host: Host, timeline: model.Timeline, info: dict[str, Any]) -> tuple[Fraction, int]:
    """First source frame and length on the timeline; the clip's own rate counts, the length is floored."""
    media: model.Media = info["mediaPoolItem"]
    if "startFrame" not in info or "endFrame" not in info:
        return Fraction(0), math.floor(media.duration_s * timeline.rate)
    first, last = info["startFrame"], info["endFrame"]
    if first == last:
        return Fraction(first), 0
    num_frames = Fraction(last) - Fraction(first) + (1 if host.build.end_inclusive else 0)
    return Fraction(first), math.floor(num_frames / media.fps * timeline.rate)
