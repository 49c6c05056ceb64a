"""What Timeline and TimelineItem answer."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.answers import Refused
from tests.selva_plugins.resolve.double.export import export_timeline
from tests.selva_plugins.resolve.double.markers import marker_calls
from tests.selva_plugins.resolve.double.project_calls import Calls, setting_of

if TYPE_CHECKING:
    from tests.selva_plugins.resolve.double.host import Host

_SUB_TYPES = frozenset(
    [
        "mono",
        "stereo",
        "lrc",
        "lcr",
        "lrcs",
        "lcrs",
        "quad",
        "5.0",
        "5.0film",
        "5.1",
        "5.1film",
        "7.0",
        "7.0film",
        "7.1",
        "7.1film",
    ]
) | {f"adaptive{count}" for count in range(1, 37)}
_TRACK_WORDS = {"video": "Video", "audio": "Audio", "subtitle": "Subtitle"}


def _track(timeline: model.Timeline, kind: model.TrackKind, index: int, otherwise: Any) -> model.Track:
    tracks = timeline.tracks.get(kind, [])
    if not isinstance(index, int) or not 1 <= index <= len(tracks):
        raise Refused(otherwise)
    return tracks[index - 1]


# -- timeline --------------------------------------------------------------------------------------------


def _add_track(_host: Host, timeline: model.Timeline, kind: model.TrackKind, options: Any = "") -> bool:
    if kind not in timeline.tracks:
        return False
    wanted = options.get("audioType", "") if isinstance(options, dict) else options
    place = options.get("index", 0) if isinstance(options, dict) else 0
    if wanted and (kind != "audio" or wanted not in _SUB_TYPES):
        return False
    tracks = timeline.tracks[kind]
    sub_type = (wanted or "mono") if kind == "audio" else ""
    track = model.Track(kind, f"{_TRACK_WORDS[kind]} {len(tracks) + 1}", sub_type=sub_type)
    tracks.insert(place - 1 if 1 <= place <= len(tracks) else len(tracks), track)
    return True


def _delete_track(_host: Host, timeline: model.Timeline, kind: model.TrackKind, index: int) -> bool:
    timeline.tracks[kind].remove(_track(timeline, kind, index, False))
    return True


def _set_track(field: str) -> Any:
    def assign(_host: Host, timeline: model.Timeline, kind: model.TrackKind, index: int, value: Any) -> bool:
        setattr(_track(timeline, kind, index, False), field, value)
        return True

    return assign


def _get_track(field: str, otherwise: Any) -> Any:
    def read(_host: Host, timeline: model.Timeline, kind: model.TrackKind, index: int) -> Any:
        return getattr(_track(timeline, kind, index, otherwise), field)

    return read


def _items_in_track(host: Host, timeline: model.Timeline, kind: model.TrackKind, index: int) -> Any:
    items = list(_track(timeline, kind, index, None).items)
    return None if not items and host.build.empty_track_is_none else items


def _delete_items(
    host: Host, timeline: model.Timeline, items: list[model.Item], ripple: bool = False
) -> bool:
    if host.build.delete_needs_edit_page and host.page != "edit":
        return False
    if ripple:
        host.violations.append("Timeline.DeleteClips with ripple moves what the user has cut")
    for item in items:
        found = timeline.track_of(item)
        if found is None or found[2].locked:
            return False
        found[2].items.remove(item)
    return True


def _marks(_host: Host, timeline: model.Timeline) -> dict[str, dict[str, int]]:
    return {kind: dict(values) for kind, values in timeline.marks.items()}


def _timeline_settings(host: Host, timeline: model.Timeline) -> dict[str, Any]:
    return setting_of(host, timeline.rate, timeline.drop_frame, timeline.settings)


def _timeline_setting(host: Host, timeline: model.Timeline, name: str = "") -> Any:
    settings = _timeline_settings(host, timeline)
    return settings.get(name, "") if name else settings


def _current_timecode(_host: Host, timeline: model.Timeline) -> str:
    frame = timeline.playhead or timeline.start_frame
    return model.timecode_of_frames(frame, timeline.rate, drop_frame=timeline.drop_frame)


def _current_video_item(_host: Host, timeline: model.Timeline) -> model.Item | None:
    frame = timeline.playhead or timeline.start_frame
    for track in reversed(timeline.tracks["video"]):
        for item in track.items:
            if item.start <= frame < item.end:
                return item
    return None


_TIMELINE: Calls = {
    "GetName": lambda _host, timeline: timeline.name,
    "GetUniqueId": lambda _host, timeline: timeline.uid,
    "GetStartFrame": lambda _host, timeline: timeline.start_frame,
    "GetEndFrame": lambda _host, timeline: timeline.end_frame,
    "GetStartTimecode": lambda _host, timeline: timeline.start_timecode,
    "GetCurrentTimecode": _current_timecode,
    "GetCurrentVideoItem": _current_video_item,
    "GetTrackCount": lambda _host, timeline, kind: len(timeline.tracks.get(kind, [])),
    "AddTrack": _add_track,
    "DeleteTrack": _delete_track,
    "GetTrackSubType": _get_track("sub_type", ""),
    "SetTrackEnable": _set_track("enabled"),
    "GetIsTrackEnabled": _get_track("enabled", False),
    "SetTrackLock": _set_track("locked"),
    "GetIsTrackLocked": _get_track("locked", False),
    "GetTrackName": _get_track("name", ""),
    "SetTrackName": _set_track("name"),
    "GetItemListInTrack": _items_in_track,
    "DeleteClips": _delete_items,
    "GetMarkInOut": _marks,
    "GetSelectedClips": lambda _host, timeline: list(timeline.selected),
    "GetSetting": _timeline_setting,
    "GetSettings": _timeline_settings,
    "Export": export_timeline,
    "DetectSceneCuts": lambda _host, _timeline: True,
    **marker_calls(),
}


# -- timeline item ---------------------------------------------------------------------------------------


def _position(host: Host, frames: int, sub_frame: bool) -> int | float:
    return float(frames) if sub_frame or host.build.positions == "float" else frames


def _media_frames(host: Host, item: model.Item) -> Fraction:
    """How many frames of its media an item goes through; negative in reverse."""
    assert item.media is not None
    return Fraction(item.duration) / host.timeline_of(item).rate * item.speed * item.media.fps


def _source_span(host: Host, item: model.Item) -> tuple[Fraction, Fraction]:
    """Exact first and one-past-last source frame, at the media's rate; reversed items run downwards, and begin at the edge of
    their range or at the first frame that is seen.
    """
    is_first_frame = item.speed < 0 and host.build.reversed_source == "first_frame"
    start = item.source_start - (1 if is_first_frame else 0)
    return start, start + _media_frames(host, item)


def _source_start_frame(host: Host, item: model.Item) -> int | None:
    if item.media is None:
        return None
    return 0 if item.source_unknown else math.floor(_source_span(host, item)[0])


def _source_end_frame(host: Host, item: model.Item) -> int | None:
    """Exclusive where the rates match, inclusive where they differ."""
    if item.media is None:
        return None
    if item.source_unknown:
        return 0
    end = math.floor(_source_span(host, item)[1])
    if item.media.fps == host.timeline_of(item).rate:
        return end
    return end - 1 if item.speed >= 0 else end + 1


def _source_time(host: Host, item: model.Item, which: int) -> float | None:
    """Seconds on the media's timecode axis, embedded start timecode included."""
    media = item.media
    if media is None:
        return None
    first = model.frames_of_timecode(media.start_timecode, media.fps)
    return float((first + _source_span(host, item)[which]) / media.fps)


def _left_offset(host: Host, item: model.Item, sub_frame: bool = False) -> int | float:
    """Warped by speed; audio items count it at the timeline's rate."""
    if item.media is None:
        return 0
    frames = item.source_start
    if item.speed < 0 and host.build.reversed_offsets == "handles":
        frames = item.media.duration_s * item.media.fps - item.source_start
    if item.kind == "audio":
        frames = frames / item.media.fps * host.timeline_of(item).rate
    if item.speed:
        frames /= abs(item.speed)
    return float(frames) if sub_frame else _position(host, math.floor(frames), False)


def _right_offset(host: Host, item: model.Item, sub_frame: bool = False) -> int | float:
    if item.media is None:
        return 0
    if item.speed < 0 and host.build.reversed_offsets == "handles":
        frames = (item.source_start + _media_frames(host, item)) / -item.speed
        return float(frames) if sub_frame else _position(host, math.floor(frames), False)
    rate = host.timeline_of(item).rate if item.kind == "audio" else item.media.fps
    rest = item.media.duration_s * rate / (abs(item.speed) or 1) - Fraction(_left_offset(host, item, True))
    frames = Fraction(rest) - Fraction(item.duration) / host.timeline_of(item).rate * rate
    return _position(host, max(0, math.floor(frames)), sub_frame)


def _set_enabled(_host: Host, item: model.Item, enabled: bool) -> bool:
    item.enabled = enabled
    return True


def _rename(_host: Host, item: model.Item, name: str) -> bool:
    item.name = name
    return True


def _type(_host: Host, item: model.Item) -> str:
    return item.kind


def _speed(_host: Host, item: model.Item) -> dict[str, Any]:
    return {"Percentage": float(item.speed * 100), "PitchCorrection": False}


def _set_fades(host: Host, item: model.Item, fades: dict[str, Any]) -> bool:
    if not set(fades) <= {"FadeIn", "FadeOut"} or not all(isinstance(value, int) for value in fades.values()):
        host.violations.append(f"SetFades takes whole frames as FadeIn and FadeOut; got {fades}")
        return False
    item.fades.update(fades)
    return True


def _set_properties(host: Host, item: model.Item, properties: dict[str, Any]) -> bool:
    volume = properties.get("AudioVolume", 0)
    if set(properties) - {"AudioVolume", "AudioPan"} or not -100 <= volume <= 30:
        host.violations.append(f"SetProperties of an audio item: {properties}")
        return False
    item.properties.update(properties)
    return True


def _track_and_index(host: Host, item: model.Item) -> list[Any]:
    found = host.timeline_of(item).track_of(item)
    return [found[0], found[1]] if found else []


_TIMELINE_ITEM: Calls = {
    "GetName": lambda _host, item: item.name,
    "SetName": _rename,
    "GetUniqueId": lambda _host, item: item.uid,
    "GetStart": lambda host, item, sub=False: _position(host, item.start, sub),
    "GetEnd": lambda host, item, sub=False: _position(host, item.end, sub),
    "GetDuration": lambda host, item, sub=False: _position(host, item.duration, sub),
    "GetLeftOffset": _left_offset,
    "GetRightOffset": _right_offset,
    "GetSourceStartFrame": _source_start_frame,
    "GetSourceEndFrame": _source_end_frame,
    "GetSourceStartTime": lambda host, item: _source_time(host, item, 0),
    "GetSourceEndTime": lambda host, item: _source_time(host, item, 1),
    "GetMediaPoolItem": lambda _host, item: item.media,
    "GetTrackTypeAndIndex": _track_and_index,
    "GetLinkedItems": lambda _host, item: list(item.linked),
    "GetClipEnabled": lambda _host, item: item.enabled,
    "SetClipEnabled": _set_enabled,
    "GetType": _type,
    "GetSpeed": _speed,
    "GetFades": lambda _host, item: dict(item.fades),
    "SetFades": _set_fades,
    "GetProperties": lambda _host, item: dict(item.properties),
    "SetProperties": _set_properties,
    **marker_calls(),
}

TIMELINE_CALLS: dict[str, Calls] = {"Timeline": _TIMELINE, "TimelineItem": _TIMELINE_ITEM}
