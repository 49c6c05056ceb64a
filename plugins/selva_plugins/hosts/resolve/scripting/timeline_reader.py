"""The snapshot primitive over external scripting: what is on the timeline, in Resolve's own units, as JSON.

Writes the same fields as plugins/resolve/agent/timeline_reader.lua; a test compares the two. Frames are absolute and ends
exclusive; frame rates stay as Resolve writes them; what a version cannot tell is left out. `hosts.resolve.snapshot` reads it.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from selva_plugins.hosts.resolve.scripting.media_pool import find_bin, find_tagged_clips
from selva_plugins.hosts.resolve.scripting.pictures import read_range
from selva_plugins.hosts.resolve.scripting.resolve_api import (
    call,
    get_properties,
    get_setting,
    get_version,
    is_studio,
    items_of,
    open_project,
    round_frames,
)

SNAPSHOT_SCHEMA = "selva.resolve.snapshot/1"
# A timeline may lie in itself through others; deeper nests than this are named as compounds and left out.
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

Json = dict[str, Any]


def take_snapshot(resolve: Any, otio_file: Path | None = None) -> Json:
    """What is on the current timeline, as JSON of SNAPSHOT_SCHEMA; `timeline` has no `id` when none is open.

    otio_file: where an export may be written that tells what compound clips hold.
    """
    opened = open_project(resolve)
    media: dict[str, Json] = {}
    timeline = opened.timeline
    stems = find_tagged_clips(find_bin(opened.pool))
    snapshot: Json = {
        "schema": SNAPSHOT_SCHEMA,
        "application": describe_application(resolve),
        "project": _without_missing(
            id=call(opened.project, "GetUniqueId"),
            name=call(opened.project, "GetName"),
            settings=_describe_settings(opened.project),
        ),
        "timeline": _without_missing(
            id=call(timeline, "GetUniqueId"),
            name=call(timeline, "GetName"),
            start_frame=round_frames(call(timeline, "GetStartFrame")),
            end_frame=round_frames(call(timeline, "GetEndFrame")),
            start_timecode=call(timeline, "GetStartTimecode"),
            settings=_describe_settings(timeline),
            marks=_describe_marks(timeline),
            markers=_describe_markers(timeline),
            selected=_describe_selection(timeline),
            video_tracks=_describe_tracks(timeline, "video", media, 0),
            audio_tracks=_describe_tracks(timeline, "audio", media, 0, stems),
        ),
        "media": media,
    }
    exported = None if otio_file is None else _export_compounds(resolve, timeline, media, otio_file)
    if exported is not None:
        snapshot["timeline"]["otio_file"] = str(exported)
    return snapshot


def describe_application(resolve: Any) -> Json:
    """Which Resolve this is."""
    return {
        "product": call(resolve, "GetProductName"),
        "version": get_version(resolve),
        "studio": is_studio(resolve),
        "sandboxed": False,
    }


def _export_compounds(resolve: Any, timeline: Any, media: Json, otio_file: Path) -> Path | None:
    """No call looks into a compound clip; the timeline's own OpenTimelineIO export says what is in it.

    The type of an export is a constant of the running Resolve; its name as text is refused silently.
    """
    if all(entry["properties"].get("File Path") or "timeline" in entry for entry in media.values()):
        return None
    kind, subtype = getattr(resolve, "EXPORT_OTIO", None), getattr(resolve, "EXPORT_NONE", None)
    if kind is None or subtype is None:
        return None
    return otio_file if call(timeline, "Export", str(otio_file), kind, subtype) else None


def _without_missing(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _describe_settings(owner: Any) -> Json:
    return _without_missing(
        frame_rate=get_setting(owner, "timelineFrameRate"),
        drop_frame=get_setting(owner, "timelineDropFrameTimecode"),
        sample_rate=get_setting(owner, "timelineSampleRate"),
        media_folder=get_setting(owner, "projectMediaLocation"),
    )


def _describe_marks(timeline: Any) -> Json | None:
    """The in and out marks, in frames after the timeline's start; a mark that is not set has no key."""
    marks = call(timeline, "GetMarkInOut")
    if not isinstance(marks, dict):
        return None
    spans = {kind: marks[kind] for kind in ("video", "audio") if isinstance(marks.get(kind), dict)}
    return {
        kind: _without_missing(**{edge: span.get(edge) for edge in ("in", "out")})
        for kind, span in spans.items()
    }


def _describe_markers(owner: Any) -> list[Json]:
    markers = call(owner, "GetMarkers")
    if not isinstance(markers, dict):
        return []
    return [
        _without_missing(
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
    selected = call(timeline, "GetSelectedClips")
    return None if selected is None else [call(item, "GetUniqueId") for item in items_of(selected)]


def _describe_tracks(
    timeline: Any, kind: str, media: dict[str, Json], depth: int, stems: Container[str] = ()
) -> list[Json]:
    tracks = []
    for index in range(1, (round_frames(call(timeline, "GetTrackCount", kind)) or 0) + 1):
        items = items_of(call(timeline, "GetItemListInTrack", kind, index))
        described = [
            _describe_picture(item, media, depth) if kind == "video" else _describe_sound(item, media, stems)
            for item in items
        ]
        tracks.append(
            _without_missing(
                index=index,
                name=call(timeline, "GetTrackName", kind, index),
                items=described,
                enabled=call(timeline, "GetIsTrackEnabled", kind, index),
                locked=call(timeline, "GetIsTrackLocked", kind, index),
                sub_type=call(timeline, "GetTrackSubType", kind, index) if kind == "audio" else None,
            )
        )
    return tracks


def _describe_sound(item: Any, media: dict[str, Json], stems: Container[str]) -> Json:
    """Its position only, as stems are made from picture; of a stem of ours, what a conform needs to place it anew."""
    described = _without_missing(
        name=call(item, "GetName"),
        start=round_frames(call(item, "GetStart")),
        duration=round_frames(call(item, "GetDuration")),
    )
    clip = call(item, "GetMediaPoolItem")
    if clip is None or call(clip, "GetUniqueId") not in stems:
        return described
    fades, properties = call(item, "GetFades"), call(item, "GetProperties")
    return {
        **described,
        **_without_missing(
            id=call(item, "GetUniqueId"),
            media=_describe_media(clip, media, 0),
            left_offset=call(item, "GetLeftOffset"),
            enabled=call(item, "GetClipEnabled"),
            fade_in=fades.get("FadeIn") if isinstance(fades, dict) else None,
            fade_out=fades.get("FadeOut") if isinstance(fades, dict) else None,
            volume_db=properties.get("AudioVolume") if isinstance(properties, dict) else None,
            pan=properties.get("AudioPan") if isinstance(properties, dict) else None,
        ),
    }


def _describe_picture(item: Any, media: dict[str, Json], depth: int) -> Json:
    clip = call(item, "GetMediaPoolItem")
    return _without_missing(
        **read_range(item),
        id=call(item, "GetUniqueId"),
        name=call(item, "GetName"),
        type=call(item, "GetType"),
        source_end_frame=call(item, "GetSourceEndFrame"),
        source_start_s=call(item, "GetSourceStartTime"),
        source_end_s=call(item, "GetSourceEndTime"),
        enabled=call(item, "GetClipEnabled"),
        markers=_describe_markers(item),
        media=None if clip is None else _describe_media(clip, media, depth),
    )


def _describe_media(clip: Any, media: dict[str, Json], depth: int) -> str | None:
    """The id of a pool item. Each is described once, in `media`; a timeline used as a clip with its tracks."""
    uid = call(clip, "GetUniqueId")
    if not isinstance(uid, str) or uid in media:
        return uid if isinstance(uid, str) else None
    properties = get_properties(clip)
    chosen = _without_missing(**{name: properties.get(name) for name in CLIP_PROPERTIES})
    media[uid] = _without_missing(id=uid, name=call(clip, "GetName"), properties=chosen)
    nested = call(clip, "GetTimeline") if depth < MAX_NESTING else None
    if nested is not None:
        media[uid]["timeline"] = _without_missing(
            id=call(nested, "GetUniqueId"),
            name=call(nested, "GetName"),
            start_frame=round_frames(call(nested, "GetStartFrame")),
            frame_rate=get_setting(nested, "timelineFrameRate"),
            video_tracks=_describe_tracks(nested, "video", media, depth + 1),
        )
    return uid
