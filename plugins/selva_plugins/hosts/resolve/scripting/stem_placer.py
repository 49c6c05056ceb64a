"""Puts one file at a time on a named audio track of the current timeline, and moves nothing of the user's.

The same as plugins/resolve/agent/stem_placer.lua, call for call.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from selva_plugins.hosts.resolve.plan_schema import PlanStem
from selva_plugins.hosts.resolve.scripting.media_pool import (
    BinClip,
    import_file,
    index_clips,
    is_tagged,
    tag_clip,
)
from selva_plugins.hosts.resolve.scripting.pictures import PictureChangedError, Pictures, StemPlace
from selva_plugins.hosts.resolve.scripting.resolve_api import (
    OpenProject,
    call,
    get_properties,
    get_setting,
    is_at_least,
    items_of,
    parse_true_rate,
    round_frames,
)

MAX_TRACKS_OF_ONE_NAME = 9
_RATE_TOLERANCE_HZ = 0.001
_FRAME_TOLERANCE = 0.0001
# What a version that does not tell the type answers, or a track whose type is mono.
_MONO_TYPES = frozenset({None, "", "mono", "adaptive1"})


@dataclass(frozen=True)
class _Span:
    """Frames that are taken on a track. is_new: by a stem of the plan that is being placed."""

    first: int
    last: int
    item: Any
    is_new: bool = False


@dataclass(frozen=True)
class PlacedClip:
    """Where a stem was placed: track index and name, its pool item, its first frame, and how many frames the item takes.
    note, change, remark: as in StemResult.
    """

    index: int
    name: str
    media: Any
    record_frame: int
    duration_frames: int
    note: str = ""
    change: str = ""
    remark: str = ""


class PlacementError(Exception):
    """One stem cannot be placed; the message says why."""


@dataclass
class StemPlacer:
    """Places stems on one timeline. replaceable: tagged clips (see `find_tagged_clips`) that may be replaced by a stem of the
    same place and length. is_end_inclusive: how AppendToTimeline counts endFrame; the first stem verifies it.
    """

    opened: OpenProject
    is_end_inclusive: bool
    rate: float | None
    clips: dict[str, BinClip]
    imports_dicts: bool
    replaceable: Mapping[str, str] = field(default_factory=dict)
    tracks_made: set[str] = field(default_factory=set)
    _is_calibrated: bool = False
    _page_before: str | None = None
    _spans_by_track: dict[int, list[_Span]] = field(default_factory=dict)
    _pictures: Pictures = field(init=False)

    def __post_init__(self) -> None:
        self._pictures = Pictures(self.opened.timeline)

    @classmethod
    def open(
        cls, opened: OpenProject, bin_folder: Any, replaceable: Mapping[str, str] | None = None
    ) -> StemPlacer:
        """A placer for the current timeline."""
        return cls(
            opened=opened,
            is_end_inclusive=not is_at_least(opened.resolve, (19, 0)),
            rate=parse_true_rate(get_setting(opened.timeline, "timelineFrameRate")),
            clips=index_clips(bin_folder),
            imports_dicts=is_at_least(opened.resolve, (21, 1)),
            replaceable=replaceable or {},
        )

    @property
    def timeline(self) -> Any:
        return self.opened.timeline

    # -- tracks -----------------------------------------------------------------------------------------

    def num_tracks(self) -> int:
        return round_frames(call(self.timeline, "GetTrackCount", "audio")) or 0

    def forget_spans(self, index: int) -> None:
        """Read a track again the next time it is asked about."""
        self._spans_by_track.pop(index, None)

    def _spans(self, index: int) -> list[_Span]:
        """What is taken on an audio track; read once, kept up to date with what is placed."""
        if index not in self._spans_by_track:
            items = items_of(call(self.timeline, "GetItemListInTrack", "audio", index))
            self._spans_by_track[index] = [
                _Span(
                    round_frames(call(item, "GetStart")) or 0, round_frames(call(item, "GetEnd")) or 0, item
                )
                for item in items
            ]
        return self._spans_by_track[index]

    def _find_overlap(self, index: int, first: int, last: int) -> _Span | None:
        return next((span for span in self._spans(index) if span.first < last and first < span.last), None)

    def _find_misfit(self, index: int, stem: PlanStem) -> str | None:
        """Why a track of the right name is not the place for a stem; None where it is.

        A mono stem on a stereo or 5.1 track may come out of the left speaker alone, and a disabled track is not heard. Takes
        lie on disabled tracks by design, which the user may have enabled.
        """
        if call(self.timeline, "GetIsTrackLocked", "audio", index):
            return "was locked or occupied"
        if self._is_own_track(index, stem):
            return None
        if not stem.is_muted and call(self.timeline, "GetIsTrackEnabled", "audio", index) is False:
            return "is disabled"
        # Read from 19.0.1 on.
        sub_type = call(self.timeline, "GetTrackSubType", "audio", index)
        return f"is {sub_type} and stems are mono" if sub_type not in _MONO_TYPES else None

    def _is_own_track(self, index: int, stem: PlanStem) -> bool:
        """Whether a stem that moves lay on a track, which an editor may have disabled: there it stays."""
        is_there = bool(stem.replaces_item) and index == stem.track_index
        return is_there and call(self.timeline, "GetTrackName", "audio", index) == stem.track

    def _describe_unknown_type(self, index: int) -> str:
        """What to say of a track that an earlier version does not tell the channels of, and that no stem of ours lies on yet."""
        if call(self.timeline, "GetTrackSubType", "audio", index) is not None:
            return ""
        ours = {call(clip.media, "GetUniqueId") for clip in self.clips.values()}
        if any(_clip_id(span.item) in ours for span in self._spans(index)):
            return ""
        return "this version of Resolve does not tell whether that track is mono, as stems are"

    def _find_track(self, name: str) -> int | None:
        for index in range(1, self.num_tracks() + 1):
            if call(self.timeline, "GetTrackName", "audio", index) == name:
                return index
        return None

    def _append_track(self, name: str, *, is_muted: bool) -> int | None:
        """A new mono track after all others; never with an index, which would push the user's tracks down."""
        before = self.num_tracks()
        call(self.timeline, "AddTrack", "audio", "mono")
        index = self.num_tracks()
        if index != before + 1:
            return None
        call(self.timeline, "SetTrackName", "audio", index, name)
        if is_muted:
            call(self.timeline, "SetTrackEnable", "audio", index, False)
        self.tracks_made.add(name)
        return index

    def _choose_track(self, stem: PlanStem, media: Any, last: int) -> tuple[int, str, _Span | None, str]:
        """The track of the stem's name, or the next of that name when it is locked, taken or of another kind; the span when
        this very stem already lies there; and why it is not the first of that name. Raises PlacementError.
        """
        first, note = stem.record_frame, ""
        for number in range(1, MAX_TRACKS_OF_ONE_NAME + 1):
            name = stem.track if number == 1 else f"{stem.track} {number}"
            index = self._find_track(name)
            if number == 1 and self._is_own_track(stem.track_index, stem):  # several tracks may have the name
                index = stem.track_index
            if index is None:
                index = self._append_track(name, is_muted=stem.is_muted)
                if index is None:
                    break
                return index, name, None, note
            span = self._find_overlap(index, first, last)
            if span is not None and span.first == first:
                present = _clip_id(span.item)
                if present is not None and present == call(media, "GetUniqueId"):
                    return index, name, span, note
            misfit = self._find_misfit(index, stem)
            if misfit is None and span is not None and self._replace_if_ours(index, span, first, last):
                span = self._find_overlap(index, first, last)
            if misfit is None and span is None:
                return index, name, None, note
            note = note or f"'{name}' {misfit or 'was locked or occupied'}"
        raise PlacementError(
            f"no audio track is free at this place: all named '{stem.track}' are locked or occupied, disabled or not mono"
        )

    def _replace_if_ours(self, index: int, span: _Span, first: int, last: int) -> bool:
        """Delete the earlier stem in this place, if it is one of ours, may be replaced and has not been touched since."""
        track_made = self.replaceable.get(_clip_id(span.item))
        is_same_place = (span.first, span.last) == (first, last)
        if not is_same_place or span.is_new or track_made is None or not self.delete(span.item):
            return False
        self.forget_spans(index)
        self.tracks_made |= {track_made} - {""}
        return True

    # -- items ------------------------------------------------------------------------------------------

    def place_stem(self, stem: PlanStem) -> PlacedClip:
        """Raises PlacementError."""
        if not self._is_timeline_open():
            raise PlacementError("the timeline was left while stems were placed; run Selva again on it")
        problem = self.explain_no_file(stem)
        if problem is not None:
            raise PlacementError(problem)
        media = import_file(self.opened.pool, self.clips, stem.file, dicts_first=self.imports_dicts)
        place = self._follow_picture(stem)
        stem = self._cut_to(stem, place, media)
        _, length = self._clip_frames(media, stem.duration_frames)
        index, name, present, note = self._choose_track(stem, media, stem.record_frame + length)
        remark = "" if name in self.tracks_made else self._describe_unknown_type(index)
        texts = {"note": note, "change": place.change, "remark": remark}
        if present is not None:
            return PlacedClip(index, name, media, stem.record_frame, present.last - present.first, **texts)
        # One that only moves has its tag, with the track that was made for it.
        if not (stem.replaces_item and is_tagged(media)):
            tag_clip(media, stem.comment, track_made=name if name in self.tracks_made else None)
        item, duration = self._append_calibrated(media, stem, index)
        if item is None or duration is None:
            raise PlacementError(f"Resolve placed nothing on track '{name}'")
        _apply_fades_and_gain(item, stem)
        span = _Span(stem.record_frame, stem.record_frame + duration, item, is_new=True)
        self._spans(index).append(span)
        return PlacedClip(index, name, media, stem.record_frame, duration, **texts)

    def explain_no_file(self, stem: PlanStem) -> str | None:
        """Why Resolve cannot have the file of a stem; None where it has it, in our bin."""
        if import_file(self.opened.pool, self.clips, stem.file, dicts_first=self.imports_dicts) is not None:
            return None
        is_there = os.path.exists(stem.file)
        return ("Resolve did not import " if is_there else "the file is not there: ") + stem.file

    def _follow_picture(self, stem: PlanStem) -> StemPlace:
        """Raises PlacementError."""
        try:
            return self._pictures.follow(stem)
        except PictureChangedError as error:
            raise PlacementError(str(error)) from error

    def _cut_to(self, stem: PlanStem, place: StemPlace, media: Any) -> PlanStem:
        """The stem as it goes to its place now. Raises PlacementError where its cut is not a whole frame of its file."""
        if not place.change:
            return stem
        clip_rate = parse_true_rate(get_properties(media).get("FPS")) or self.rate
        cut = place.cut_frames * clip_rate / self.rate if clip_rate and self.rate else place.cut_frames
        if abs(cut - round(cut)) > _FRAME_TOLERANCE:
            raise PlacementError(
                f"{place.change}; at the project's frame rate it cannot be cut there: choose 'Generate stems' again"
            )
        is_tail_cut = place.cut_frames + place.duration_frames < stem.duration_frames
        return replace(
            stem,
            record_frame=place.record_frame,
            duration_frames=place.duration_frames,
            source_start_frame=stem.source_start_frame + round(cut),
            fade_in_frames=0 if place.cut_frames else stem.fade_in_frames,
            fade_out_frames=0 if is_tail_cut else stem.fade_out_frames,
        )

    def delete(self, item: Any) -> bool:
        """DeleteClips does nothing unless the Edit page is shown; `restore_page` shows the user's page again."""
        page = call(self.opened.resolve, "GetCurrentPage")
        if page != "edit":
            self._page_before = self._page_before or page
            call(self.opened.resolve, "OpenPage", "edit")
        return call(self.timeline, "DeleteClips", [item], False) is True

    def restore_page(self) -> None:
        """Show the page that the user had open."""
        if self._page_before is not None:
            call(self.opened.resolve, "OpenPage", self._page_before)

    def save(self) -> bool:
        """SaveProject answers None on some builds although it saved; only False is a failure."""
        return call(self.opened.manager, "SaveProject") is not False

    def find_missing(self, placed: Mapping[int, PlacedClip]) -> list[int]:
        """Numbers of the stems that were placed and are not on their track; each track is read once."""
        tracks = {index: self._read_track(index) for index in {clip.index for clip in placed.values()}}
        return [
            number
            for number, clip in placed.items()
            if (call(clip.media, "GetUniqueId"), clip.record_frame) not in tracks[clip.index]
        ]

    def _read_track(self, index: int) -> set[tuple[Any, int | None]]:
        """What really lies on an audio track: clip and first frame of each item."""
        return {
            (_clip_id(item), round_frames(call(item, "GetStart")))
            for item in items_of(call(self.timeline, "GetItemListInTrack", "audio", index))
        }

    def _is_timeline_open(self) -> bool:
        """AppendToTimeline acts on whatever timeline is current, and users switch between them."""
        uid = call(self.timeline, "GetUniqueId")
        return uid is not None and call(call(self.opened.project, "GetCurrentTimeline"), "GetUniqueId") == uid

    def _clip_frames(self, media: Any, frames: int) -> tuple[int, int]:
        """Frames of the clip that make `frames` on the timeline, and how many they make.

        A WAV counts at the rate the project had when it was imported; Resolve rounds down, so this rounds up, but never
        into the place of the next stem.
        """
        clip_rate = parse_true_rate(get_properties(media).get("FPS"))
        if clip_rate is None or self.rate is None or abs(clip_rate - self.rate) < _RATE_TOLERANCE_HZ:
            return frames, frames
        frames_each = self.rate / clip_rate
        count = math.ceil(frames / frames_each - _FRAME_TOLERANCE)
        if count > 1 and math.floor(count * frames_each + _FRAME_TOLERANCE) > frames:
            count -= 1
        return count, math.floor(count * frames_each + _FRAME_TOLERANCE)

    def _append_calibrated(self, media: Any, stem: PlanStem, index: int) -> tuple[Any, int | None]:
        """Place a stem; when the length shows that ends are counted the other way (inclusive in 18, exclusive from 19 on),
        delete it and place it once more.
        """
        count, expected = self._clip_frames(media, stem.duration_frames)
        item = self._append(media, stem, index, count)
        length = round_frames(call(item, "GetDuration"))
        if length is not None and length != expected and not self._is_calibrated and self.delete(item):
            self.is_end_inclusive = not self.is_end_inclusive
            item = self._append(media, stem, index, count)
            length = round_frames(call(item, "GetDuration"))
            if length != expected:
                self.is_end_inclusive = not self.is_end_inclusive
        self._is_calibrated = self._is_calibrated or length == expected
        return item, length

    def _append(self, media: Any, stem: PlanStem, index: int, count: int) -> Any:
        """One call per stem, in whole frames: 21 refuses a whole batch for one fraction, and batches over several tracks were
        seen to lose clips. recordFrame is absolute; a relative one lands before the timeline's start, where nothing is heard.
        """
        first = stem.source_start_frame
        clip_info = {
            "mediaPoolItem": media,
            "mediaType": 2,
            "trackIndex": index,
            "recordFrame": stem.record_frame,
            "startFrame": first,
            "endFrame": first + count - (1 if self.is_end_inclusive else 0),
        }
        placed = items_of(call(self.opened.pool, "AppendToTimeline", [clip_info]))
        if placed and round_frames(call(placed[0], "GetStart")) == stem.record_frame:
            return placed[0]
        return self._find_item(media, stem.record_frame, index)

    def _find_item(self, media: Any, record_frame: int, index: int) -> Any:
        """The item as the track has it: what AppendToTimeline returns may be a dead object."""
        uid = call(media, "GetUniqueId")
        for item in items_of(call(self.timeline, "GetItemListInTrack", "audio", index)):
            if round_frames(call(item, "GetStart")) == record_frame and _clip_id(item) == uid:
                return item
        return None


def _clip_id(item: Any) -> Any:
    return call(call(item, "GetMediaPoolItem"), "GetUniqueId")


def _apply_fades_and_gain(item: Any, stem: PlanStem) -> None:
    """From 21.1 on there are calls for fades and volume; before, there are none."""
    fades = {"FadeIn": stem.fade_in_frames, "FadeOut": stem.fade_out_frames}
    if any(fades.values()):
        call(item, "SetFades", fades)
    properties = {"AudioVolume": stem.gain_db, "AudioPan": stem.pan}
    if any(properties.values()):
        call(item, "SetProperties", {name: value for name, value in properties.items() if value})
    if stem.is_disabled:
        call(item, "SetClipEnabled", False)
