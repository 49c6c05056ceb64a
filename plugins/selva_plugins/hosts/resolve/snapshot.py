"""The snapshot primitive over external scripting: what is on the timeline, in Resolve's own units.

Says the same as `take_snapshot` in plugins/resolve/Selva.lua, field for field; a test compares the two.
Absolute frames, end-exclusive lengths, frame rates as Resolve writes them; what is missing in a version
is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selva_plugins.hosts.resolve.objects import (
    ask,
    is_studio,
    items_of,
    open_project,
    properties_of,
    setting_of,
    version_fields,
    whole,
)

SNAPSHOT_SCHEMA = "selva.resolve.snapshot/1"
MAX_NESTING = 3
CLIP_PROPERTIES = (
    "File Path",
    "FPS",
    "Frames",
    "Duration",
    "Start TC",
    "Drop frame",
    "Start",
    "Type",
    "Usage",
    "Online Status",
    "Audio Ch",
    "Sample Rate",
)

Facts = dict[str, Any]


def take_snapshot(resolve: Any, otio_file: Path | None = None) -> Facts:
    """What is on the current timeline; `timeline` has no `id` when none is open.

    otio_file: where an export may be written that tells what compound clips hold.
    """
    opened = open_project(resolve)
    media: dict[str, Facts] = {}
    timeline = opened.timeline
    snapshot: Facts = {
        "schema": SNAPSHOT_SCHEMA,
        "application": describe_application(resolve),
        "project": _filled(
            id=ask(opened.project, "GetUniqueId"),
            name=ask(opened.project, "GetName"),
            settings=_describe_settings(opened.project),
        ),
        "timeline": _filled(
            id=ask(timeline, "GetUniqueId"),
            name=ask(timeline, "GetName"),
            start_frame=whole(ask(timeline, "GetStartFrame")),
            end_frame=whole(ask(timeline, "GetEndFrame")),
            start_timecode=ask(timeline, "GetStartTimecode"),
            settings=_describe_settings(timeline),
            marks=_describe_marks(timeline),
            markers=_describe_markers(timeline),
            selected=_describe_selection(timeline),
            video_tracks=_describe_tracks(timeline, "video", media, 0),
            audio_tracks=_describe_tracks(timeline, "audio", media, 0),
        ),
        "media": media,
    }
    exported = None if otio_file is None else _export_compounds(resolve, timeline, media, otio_file)
    if exported is not None:
        snapshot["timeline"]["otio_file"] = str(exported)
    return snapshot


def describe_application(resolve: Any) -> Facts:
    """Which Resolve this is."""
    return {
        "product": ask(resolve, "GetProductName"),
        "version": version_fields(resolve),
        "studio": is_studio(resolve),
        "sandboxed": False,
    }


def _export_compounds(resolve: Any, timeline: Any, media: Facts, otio_file: Path) -> Path | None:
    """Compound clips cannot be looked into by calls; the timeline's own OpenTimelineIO export tells what is
    in them.
    """
    if all(told["properties"].get("File Path") or "timeline" in told for told in media.values()):
        return None
    kind, subtype = getattr(resolve, "EXPORT_OTIO", None), getattr(resolve, "EXPORT_NONE", None)
    if kind is None or subtype is None:
        return None
    return otio_file if ask(timeline, "Export", str(otio_file), kind, subtype) else None


def _filled(**facts: Any) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}


def _describe_settings(owner: Any) -> Facts:
    return _filled(
        frame_rate=setting_of(owner, "timelineFrameRate"),
        drop_frame=setting_of(owner, "timelineDropFrameTimecode"),
        sample_rate=setting_of(owner, "timelineSampleRate"),
        media_folder=setting_of(owner, "projectMediaLocation"),
    )


def _describe_marks(timeline: Any) -> Facts | None:
    marks = ask(timeline, "GetMarkInOut")
    if not isinstance(marks, dict):
        return None
    told = {kind: marks[kind] for kind in ("video", "audio") if isinstance(marks.get(kind), dict)}
    return {kind: _filled(**{edge: span.get(edge) for edge in ("in", "out")}) for kind, span in told.items()}


def _describe_markers(owner: Any) -> list[Facts]:
    markers = ask(owner, "GetMarkers")
    if not isinstance(markers, dict):
        return []
    return [
        _filled(
            frame=frame,
            duration=marker.get("duration"),
            name=marker.get("name"),
            note=marker.get("note"),
            color=marker.get("color"),
            custom_data=marker.get("customData"),
        )
        for frame, marker in sorted(markers.items())
    ]


def _describe_selection(timeline: Any) -> list[Any] | None:
    selected = ask(timeline, "GetSelectedClips")
    return None if selected is None else [ask(item, "GetUniqueId") for item in items_of(selected)]


def _describe_tracks(timeline: Any, kind: str, media: dict[str, Facts], depth: int) -> list[Facts]:
    tracks = []
    for index in range(1, (whole(ask(timeline, "GetTrackCount", kind)) or 0) + 1):
        items = items_of(ask(timeline, "GetItemListInTrack", kind, index))
        told = [
            _describe_item(item, media, depth) if kind == "video" else _describe_sound(item) for item in items
        ]
        tracks.append(
            _filled(
                index=index,
                name=ask(timeline, "GetTrackName", kind, index),
                items=told,
                enabled=ask(timeline, "GetIsTrackEnabled", kind, index),
                locked=ask(timeline, "GetIsTrackLocked", kind, index),
                sub_type=ask(timeline, "GetTrackSubType", kind, index) if kind == "audio" else None,
            )
        )
    return tracks


def _describe_sound(item: Any) -> Facts:
    return _filled(
        name=ask(item, "GetName"),
        start=whole(ask(item, "GetStart")),
        duration=whole(ask(item, "GetDuration")),
    )


def _describe_item(item: Any, media: dict[str, Facts], depth: int) -> Facts:
    speed = ask(item, "GetSpeed")
    clip = ask(item, "GetMediaPoolItem")
    source_start_frame = ask(item, "GetSourceStartFrame")
    return _filled(
        id=ask(item, "GetUniqueId"),
        name=ask(item, "GetName"),
        type=ask(item, "GetType"),
        start=whole(ask(item, "GetStart")),
        duration=whole(ask(item, "GetDuration")),
        left_offset=ask(item, "GetLeftOffset"),
        right_offset=None if source_start_frame is None else ask(item, "GetRightOffset", True),
        source_start_frame=source_start_frame,
        source_end_frame=ask(item, "GetSourceEndFrame"),
        source_start_s=ask(item, "GetSourceStartTime"),
        source_end_s=ask(item, "GetSourceEndTime"),
        speed_percent=speed.get("Percentage") if isinstance(speed, dict) else None,
        enabled=ask(item, "GetClipEnabled"),
        markers=_describe_markers(item),
        media=None if clip is None else _describe_media(clip, media, depth),
    )


def _describe_media(clip: Any, media: dict[str, Facts], depth: int) -> str | None:
    """Media are told once each; a timeline that is used as a clip is told with its tracks."""
    uid = ask(clip, "GetUniqueId")
    if not isinstance(uid, str) or uid in media:
        return uid if isinstance(uid, str) else None
    every = properties_of(clip)
    properties = {name: every.get(name) for name in CLIP_PROPERTIES}
    media[uid] = _filled(id=uid, name=ask(clip, "GetName"), properties=_filled(**properties))
    nested = ask(clip, "GetTimeline") if depth < MAX_NESTING else None
    if nested is not None:
        media[uid]["timeline"] = _filled(
            id=ask(nested, "GetUniqueId"),
            name=ask(nested, "GetName"),
            start_frame=whole(ask(nested, "GetStartFrame")),
            frame_rate=setting_of(nested, "timelineFrameRate"),
            video_tracks=_describe_tracks(nested, "video", media, depth + 1),
        )
    return uid
