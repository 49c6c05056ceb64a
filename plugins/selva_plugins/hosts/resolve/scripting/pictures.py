"""Where the picture of a stem is now: clips are moved, trimmed, split, slipped and deleted while stems are made, and plans may
wait for days. A stem follows its picture, cut to what is still seen of it, or is held; the report says which.

The same as plugins/resolve/agent/pictures.lua; tests hold both to the same reports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from selva_plugins.hosts.resolve.plan_schema import PlanAnchor, PlanStem
from selva_plugins.hosts.resolve.scripting.resolve_api import call, items_of, round_frames

# Offsets are whole frames on some versions and parts of frames on others.
_SAME_FRAMES = 0.5
_SAME_TOTAL_FRAMES = 1.5
_SAME_PERCENT = 0.01

Json = dict[str, Any]


class PictureChangedError(Exception):
    """A stem has no place any more; the message says what became of its picture."""


@dataclass(frozen=True, kw_only=True)
class StemPlace:
    """Where a stem belongs now. cut_frames: how many frames come off its beginning. change: what is said of it, or ""."""

    record_frame: int
    duration_frames: int
    cut_frames: int = 0
    change: str = ""


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """An item of a video track as it is now; `origin` is where its media's first frame would lie."""

    track: int
    media_id: Any
    start: int
    duration: int
    left_offset: float
    right_offset: float | None
    source_start_frame: float | None
    speed_percent: float | None
    is_seen: bool

    @property
    def last(self) -> int:
        return self.start + self.duration

    @property
    def origin(self) -> float:
        return self.start - self.left_offset

    def is_run_with(self, other: _Picture) -> bool:
        """Whether both show one range of one media, as the parts of a split clip do."""
        is_same = (self.track, self.media_id, self.is_seen) == (other.track, other.media_id, True)
        return is_same and _is_near(self.origin, other.origin, _SAME_FRAMES)


def read_range(item: Any) -> Json:
    """What a version tells about the range that an item shows; the snapshot describes items by the same values."""
    speed = call(item, "GetSpeed")
    source_start_frame = call(item, "GetSourceStartFrame")
    # Parts of frames are told from 19.0.2 on, as source frames are.
    right_offset = None if source_start_frame is None else call(item, "GetRightOffset", True)
    return {
        "start": round_frames(call(item, "GetStart")),
        "duration": round_frames(call(item, "GetDuration")),
        "left_offset": call(item, "GetLeftOffset"),
        "right_offset": call(item, "GetRightOffset") if right_offset is None else right_offset,
        "source_start_frame": source_start_frame,
        "speed_percent": speed.get("Percentage") if isinstance(speed, dict) else None,
    }


class Pictures:
    """The items of a timeline's video tracks, read when the first stem asks."""

    def __init__(self, timeline: Any) -> None:
        self._timeline = timeline
        self._all: list[_Picture] | None = None
        self._by_id: dict[Any, _Picture] = {}

    def follow(self, stem: PlanStem) -> StemPlace:
        """Where a stem belongs now. Raises PictureChangedError."""
        planned = StemPlace(record_frame=stem.record_frame, duration_frames=stem.duration_frames)
        anchor = stem.anchor
        if anchor is None:
            return planned
        now, shift = self._find_now(stem, anchor)
        if now.start == anchor.start_frame and _shows_same_range(anchor, now):
            return planned
        run_first, run_last = self._find_run(now)
        moved = stem.record_frame + shift
        first, last = max(moved, run_first), min(moved + stem.duration_frames, run_last)
        if first >= last:
            raise PictureChangedError(
                f"'{anchor.name}' was changed since the request: the picture that the stem was made for is not seen any more; "
                "choose 'Generate stems' again"
            )
        anchor_first = anchor.start_frame + shift
        has_new = now.start < anchor_first or now.last > anchor_first + anchor.duration_frames
        return StemPlace(
            record_frame=first,
            duration_frames=last - first,
            cut_frames=first - moved,
            change=_describe_change(anchor, shift, last - first, stem.duration_frames, has_new=has_new),
        )

    def _read(self) -> list[_Picture]:
        if self._all is None:
            self._all = []
            for index in range(1, (round_frames(call(self._timeline, "GetTrackCount", "video")) or 0) + 1):
                is_enabled = call(self._timeline, "GetIsTrackEnabled", "video", index) is not False
                for item in items_of(call(self._timeline, "GetItemListInTrack", "video", index)):
                    picture = _describe(item, index, is_track_enabled=is_enabled)
                    self._all.append(picture)
                    self._by_id[call(item, "GetUniqueId")] = picture
        return self._all

    def _find_now(self, stem: PlanStem, anchor: PlanAnchor) -> tuple[_Picture, int]:
        """The item that a stem goes with now, and by how many frames its picture has moved. Raises PictureChangedError."""
        pictures = self._read()
        now = self._by_id.get(anchor.item_id)
        if now is None:
            now = _find_same_place(pictures, stem, anchor) if anchor.is_linear else None
            if now is None:
                raise _held(anchor, "it is not on the timeline any more")
            return now, 0
        if not now.is_seen:
            raise _held(anchor, "it is disabled")
        if now.media_id != anchor.media_id:
            raise _held(anchor, "it shows other media")
        if not anchor.is_linear:
            if not _shows_same_range(anchor, now):
                raise _held(anchor, "its range or speed is another")
            return now, now.start - anchor.start_frame
        if not _has_same_speed(anchor, now):
            raise _held(anchor, "its speed is another")
        return now, math.floor(now.origin - (anchor.start_frame - anchor.left_offset_frames) + 0.5)

    def _find_run(self, now: _Picture) -> tuple[int, int]:
        """From where to where an item and its neighbours show one range of the media: a split clip goes on as one."""
        parts = [picture for picture in self._read() if picture.duration and picture.is_run_with(now)]
        first, last = now.start, now.last
        has_grown = True
        while has_grown:
            has_grown = False
            for part in parts:
                if part.last == first:
                    first, has_grown = part.start, True
                if part.start == last:
                    last, has_grown = part.last, True
        return first, last


def _describe(item: Any, track: int, *, is_track_enabled: bool) -> _Picture:
    values = read_range(item)
    return _Picture(
        track=track,
        media_id=call(call(item, "GetMediaPoolItem"), "GetUniqueId"),
        start=values["start"] or 0,
        duration=values["duration"] or 0,
        left_offset=values["left_offset"] or 0,
        right_offset=values["right_offset"],
        source_start_frame=values["source_start_frame"],
        speed_percent=values["speed_percent"],
        is_seen=is_track_enabled and call(item, "GetClipEnabled") is not False,
    )


def _find_same_place(pictures: list[_Picture], stem: PlanStem, anchor: PlanAnchor) -> _Picture | None:
    """The item that shows the same frames of the same media in the same place, after a split or a paste: the one that shows
    most of what the stem is for.
    """
    best, best_frames = None, 0
    for picture in pictures:
        is_same = picture.media_id == anchor.media_id and picture.is_seen
        is_same = is_same and _is_near(
            picture.origin, anchor.start_frame - anchor.left_offset_frames, _SAME_FRAMES
        )
        end = stem.record_frame + stem.duration_frames
        shown = min(picture.last, end) - max(picture.start, stem.record_frame)
        if is_same and shown > best_frames and _has_same_speed(anchor, picture):
            best, best_frames = picture, shown
    return best


def _is_near(one: float | None, other: float | None, tolerance: float) -> bool:
    """What a version does not tell is taken for the same."""
    return one is None or other is None or abs(one - other) < tolerance


def _shows_same_range(anchor: PlanAnchor, now: _Picture) -> bool:
    return (
        now.duration == anchor.duration_frames
        and _is_near(now.left_offset, anchor.left_offset_frames, _SAME_FRAMES)
        and _is_near(now.right_offset, anchor.right_offset_frames, _SAME_TOTAL_FRAMES)
        and _is_near(now.source_start_frame, anchor.source_start_frame, _SAME_FRAMES)
        and _is_near(now.speed_percent, anchor.speed_percent, _SAME_PERCENT)
    )


def _has_same_speed(anchor: PlanAnchor, now: _Picture) -> bool:
    """By all of the media at the clip's speed: trimming and slipping keep it, a new speed does not."""
    if not _is_near(now.speed_percent, anchor.speed_percent, _SAME_PERCENT):
        return False
    if now.right_offset is None or anchor.right_offset_frames is None:
        return True
    then_total = anchor.left_offset_frames + anchor.duration_frames + anchor.right_offset_frames
    return abs(now.left_offset + now.duration + now.right_offset - then_total) < _SAME_TOTAL_FRAMES


def _held(anchor: PlanAnchor, reason: str) -> PictureChangedError:
    return PictureChangedError(
        f"'{anchor.name}' was changed since the request: {reason}; choose 'Generate stems' again where it is needed"
    )


def _describe_change(anchor: PlanAnchor, shift: int, cut_to: int, planned: int, *, has_new: bool) -> str:
    parts = []
    if shift:
        parts.append(f"moved by {shift:+d} frame(s) with its picture")
    if cut_to < planned:
        parts.append(f"cut to the {cut_to} of {planned} frame(s) that are still seen")
    sentences = [f"the stem was {' and '.join(parts)}"] if parts else []
    if has_new:
        sentences.append("the picture that was added has no sound; choose 'Generate stems' again for it")
    text = "; ".join(sentences)
    return f"'{anchor.name}' was changed since the request: {text}" if text else ""
