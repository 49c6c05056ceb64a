"""The place primitive over external scripting: finished files onto named audio tracks, with a report on
each.

Does what `place` in plugins/resolve/Selva.lua does, in the same order, and tests hold both to the same
reports. Recipe: own bin, track by name or a new mono one at the end, lock and occupancy first, one
AppendToTimeline per stem with whole frames, read back, calibrate the end once, save, read back again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selva_plugins.hosts.resolve.errors import TimelineNotOpenError
from selva_plugins.hosts.resolve.media_pool import (
    STEM_TAG,
    BinClip,
    enter_bin,
    import_file,
    index_clips,
    tagged_clips,
)
from selva_plugins.hosts.resolve.objects import (
    OpenProject,
    ask,
    is_at_least,
    items_of,
    open_project,
    properties_of,
    setting_of,
    true_rate,
    whole,
)

REPORT_SCHEMA = "selva.resolve.report/1"
MAX_TRACKS_OF_ONE_NAME = 9

Facts = dict[str, Any]
Stem = Mapping[str, Any]


@dataclass
class _Span:
    first: int
    last: int
    item: Any
    is_new: bool = False


@dataclass
class PlacedItem:
    index: int
    name: str
    media: Any
    duration: int


class PlacementError(Exception):
    """One stem cannot be placed."""


@dataclass
class StemPlacer:
    opened: OpenProject
    inclusive: bool
    rate: float | None
    clips: dict[str, BinClip]
    imports_dicts: bool
    calibrated: bool = False
    replaced: Mapping[str, str] = field(default_factory=dict)
    page: str | None = None
    made: set[str] = field(default_factory=set)
    spans_by_track: dict[int, list[_Span]] = field(default_factory=dict)

    @property
    def timeline(self) -> Any:
        return self.opened.timeline

    def spans(self, index: int) -> list[_Span]:
        """What is taken on an audio track; read once, kept up to date with what is placed."""
        if index not in self.spans_by_track:
            items = items_of(ask(self.timeline, "GetItemListInTrack", "audio", index))
            self.spans_by_track[index] = [
                _Span(whole(ask(item, "GetStart")) or 0, whole(ask(item, "GetEnd")) or 0, item)
                for item in items
            ]
        return self.spans_by_track[index]

    def num_tracks(self) -> int:
        return whole(ask(self.timeline, "GetTrackCount", "audio")) or 0

    def find_track(self, name: str) -> int | None:
        for index in range(1, self.num_tracks() + 1):
            if ask(self.timeline, "GetTrackName", "audio", index) == name:
                return index
        return None

    def append_track(self, name: str, *, muted: bool) -> int | None:
        """A new mono track after all others; never with an index, which would push the user's tracks
        down.
        """
        before = self.num_tracks()
        ask(self.timeline, "AddTrack", "audio", "mono")
        index = self.num_tracks()
        if index != before + 1:
            return None
        ask(self.timeline, "SetTrackName", "audio", index, name)
        if muted:
            ask(self.timeline, "SetTrackEnable", "audio", index, False)
        self.made.add(name)
        return index

    def overlapping(self, index: int, first: int, last: int) -> _Span | None:
        return next((span for span in self.spans(index) if span.first < last and first < span.last), None)

    def replace_if_ours(self, index: int, taken: _Span, first: int, last: int) -> bool:
        """Take away the earlier stem in this place, if it is one of ours, was asked to go and was not touched
        since.
        """
        lying = ask(ask(taken.item, "GetMediaPoolItem"), "GetUniqueId")
        track_made = self.replaced.get(lying)
        is_same_place = (taken.first, taken.last) == (first, last)
        if not is_same_place or taken.is_new or track_made is None or not self.delete(taken.item):
            return False
        del self.spans_by_track[index]
        self.made |= {track_made} - {""}
        return True

    def choose_track(self, stem: Stem, media: Any, last: int) -> tuple[int, str, _Span | None]:
        """The track of the stem's name, or the next of that name when it is locked or taken; the span
        when the stem already lies there. Raises PlacementError.
        """
        first = stem["record_frame"]
        for number in range(1, MAX_TRACKS_OF_ONE_NAME + 1):
            name = stem["track"] if number == 1 else f"{stem['track']} {number}"
            index = self.find_track(name)
            if index is None:
                index = self.append_track(name, muted=bool(stem.get("muted")))
                if index is None:
                    break
                return index, name, None
            taken = self.overlapping(index, first, last)
            if taken is not None and taken.first == first:
                lying = ask(ask(taken.item, "GetMediaPoolItem"), "GetUniqueId")
                if lying is not None and lying == ask(media, "GetUniqueId"):
                    return index, name, taken
            if taken is not None and self.replace_if_ours(index, taken, first, last):
                taken = self.overlapping(index, first, last)
            if taken is None and not ask(self.timeline, "GetIsTrackLocked", "audio", index):
                return index, name, None
        raise PlacementError(
            f"no audio track is free at this place: all named '{stem['track']}' are locked or occupied"
        )

    def clip_frames(self, media: Any, frames: int) -> tuple[int, int]:
        """Frames of the clip that make `frames` on the timeline, and how many they make.

        A WAV counts at the rate the project had when it came in; Resolve rounds down, so this rounds up, but never
        into the place of the next stem.
        """
        clip_rate = true_rate(properties_of(media).get("FPS"))
        if clip_rate is None or self.rate is None or abs(clip_rate - self.rate) < 0.001:
            return frames, frames
        frames_each = self.rate / clip_rate
        count = math.ceil(frames / frames_each - 0.0001)
        if count > 1 and math.floor(count * frames_each + 0.0001) > frames:
            count -= 1
        return count, math.floor(count * frames_each + 0.0001)

    def append(self, media: Any, stem: Stem, index: int, count: int) -> Any:
        first = stem.get("start_frame", 0)
        clip_info = {
            "mediaPoolItem": media,
            "mediaType": 2,
            "trackIndex": index,
            "recordFrame": stem["record_frame"],
            "startFrame": first,
            "endFrame": first + count - (1 if self.inclusive else 0),
        }
        placed = items_of(ask(self.opened.pool, "AppendToTimeline", [clip_info]))
        if placed and whole(ask(placed[0], "GetStart")) == stem["record_frame"]:
            return placed[0]
        return self.find_item(media, stem["record_frame"], index)

    def find_item(self, media: Any, record_frame: int, index: int) -> Any:
        """The item as the track has it; what AppendToTimeline returns may be dead."""
        uid = ask(media, "GetUniqueId")
        for item in items_of(ask(self.timeline, "GetItemListInTrack", "audio", index)):
            if (
                whole(ask(item, "GetStart")) == record_frame
                and ask(ask(item, "GetMediaPoolItem"), "GetUniqueId") == uid
            ):
                return item
        return None

    def delete(self, item: Any) -> bool:
        """Deleting needs the Edit page; the page is given back at the end."""
        page = ask(self.opened.resolve, "GetCurrentPage")
        if page != "edit":
            self.page = self.page or page
            ask(self.opened.resolve, "OpenPage", "edit")
        return ask(self.timeline, "DeleteClips", [item], False) is True

    def append_calibrated(self, media: Any, stem: Stem, index: int) -> tuple[Any, int | None]:
        """Ends are inclusive in 18 and exclusive from 19 on: the first stem tells which, and is placed
        again if it was the other.
        """
        count, expected = self.clip_frames(media, stem["duration_frames"])
        item = self.append(media, stem, index, count)
        length = whole(ask(item, "GetDuration"))
        if length is not None and length != expected and not self.calibrated and self.delete(item):
            self.inclusive = not self.inclusive
            item = self.append(media, stem, index, count)
            length = whole(ask(item, "GetDuration"))
            if length != expected:
                self.inclusive = not self.inclusive
        self.calibrated = self.calibrated or length == expected
        return item, length

    def apply_fades_and_gain(self, item: Any, stem: Stem) -> None:
        """Fades and volume: from 21.1 on there are calls for them, before there are none."""
        fades = {"FadeIn": stem.get("fade_in_frames", 0), "FadeOut": stem.get("fade_out_frames", 0)}
        if any(fades.values()):
            ask(item, "SetFades", fades)
        if stem.get("gain_db"):
            ask(item, "SetProperties", {"AudioVolume": stem["gain_db"]})

    def is_open(self) -> bool:
        """Resolve appends to whatever timeline is current, and users switch between them."""
        uid = ask(self.timeline, "GetUniqueId")
        return uid is not None and ask(ask(self.opened.project, "GetCurrentTimeline"), "GetUniqueId") == uid

    def place_stem(self, stem: Stem) -> PlacedItem:
        """Raises PlacementError."""
        if not self.is_open():
            raise PlacementError("the timeline was left while stems were placed; run Selva again on it")
        media = import_file(self.opened.pool, self.clips, stem["file"], dicts_first=self.imports_dicts)
        if media is None:
            is_there = os.path.exists(stem["file"])
            raise PlacementError(
                ("Resolve did not import " if is_there else "the file is not there: ") + stem["file"]
            )
        _, length = self.clip_frames(media, stem["duration_frames"])
        index, name, already = self.choose_track(stem, media, stem["record_frame"] + length)
        if already is not None:
            return PlacedItem(index, name, media, already.last - already.first)
        made = f"; track made: {name}" if name in self.made else ""
        ask(media, "SetMetadata", "Comments", f"{stem['comment']} {STEM_TAG}{made}]")
        item, duration = self.append_calibrated(media, stem, index)
        if item is None or duration is None:
            raise PlacementError(f"Resolve placed nothing on track '{name}'")
        self.apply_fades_and_gain(item, stem)
        span = _Span(stem["record_frame"], stem["record_frame"] + duration, item, is_new=True)
        self.spans(index).append(span)
        return PlacedItem(index, name, media, duration)

    def find_missing(self, stems: Sequence[Stem], landed: Mapping[int, PlacedItem]) -> list[int]:
        """Numbers of the stems that were placed and are not on their track; each track is read once."""
        tracks = {
            index: self._read_track(index) for index in {place_of.index for place_of in landed.values()}
        }
        return [
            number
            for number, place_of in landed.items()
            if (ask(place_of.media, "GetUniqueId"), stems[number]["record_frame"])
            not in tracks[place_of.index]
        ]

    def _read_track(self, index: int) -> set[tuple[Any, int | None]]:
        """What really lies on an audio track: clip and first frame of each item."""
        return {
            (ask(ask(item, "GetMediaPoolItem"), "GetUniqueId"), whole(ask(item, "GetStart")))
            for item in items_of(ask(self.timeline, "GetItemListInTrack", "audio", index))
        }

    def save(self) -> bool:
        return ask(self.opened.manager, "SaveProject") is not False

    def give_page_back(self) -> None:
        if self.page is not None:
            ask(self.opened.resolve, "OpenPage", self.page)


def place(
    resolve: Any, plan: Mapping[str, Any], on_progress: Callable[[str], None] = lambda _text: None
) -> Facts:
    """Place the stems of a plan on the current timeline; the report says of each where it lies, or why not.

    Raises TimelineNotOpenError.
    """
    opened = open_project(resolve)
    if ask(opened.timeline, "GetUniqueId") != plan["timeline_id"]:
        raise TimelineNotOpenError(f"the timeline '{plan['timeline_name']}' is not open")
    folder_before = ask(opened.pool, "GetCurrentFolder")
    bin_folder = enter_bin(opened)
    placing = start_placing(opened, bin_folder)
    if plan.get("replaces"):
        placing.replaced = tagged_clips(bin_folder)
    landed: dict[int, PlacedItem] = {}
    problems: dict[int, str] = {}
    stems = list(plan["stems"])
    for number, stem in enumerate(stems):
        on_progress(f"placing stem {number + 1} of {len(stems)}")
        _try_to_place(placing, number, stem, landed, problems)
    num_markers = sum(_add_marker(opened.timeline, marker) for marker in plan.get("markers", []))
    ask(opened.pool, "SetCurrentFolder", folder_before)
    on_progress("saving the project")
    saved = placing.save()
    lost = placing.find_missing(stems, landed)
    for number in lost:
        placing.spans_by_track.pop(landed.pop(number).index, None)
        _try_to_place(placing, number, stems[number], landed, problems)
    if lost:
        saved = placing.save()
        for number in placing.find_missing(stems, landed):
            del landed[number]
            problems[number] = "Resolve accepted it and did not keep it"
    placing.give_page_back()
    return {
        "schema": REPORT_SCHEMA,
        "timeline_id": plan["timeline_id"],
        "saved": saved,
        "stems": [
            _describe_result(stem, landed.get(number), problems.get(number, ""))
            for number, stem in enumerate(stems)
        ],
        "end_frames": "inclusive" if placing.inclusive else "exclusive",
        "num_markers": num_markers,
    }


def start_placing(opened: OpenProject, bin_folder: Any) -> StemPlacer:
    return StemPlacer(
        opened=opened,
        inclusive=not is_at_least(opened.resolve, (19, 0)),
        rate=true_rate(setting_of(opened.timeline, "timelineFrameRate")),
        clips=index_clips(bin_folder),
        imports_dicts=is_at_least(opened.resolve, (21, 1)),
    )


def _try_to_place(
    placing: StemPlacer, number: int, stem: Stem, landed: dict[int, PlacedItem], problems: dict[int, str]
) -> None:
    try:
        landed[number] = placing.place_stem(stem)
    except PlacementError as held:
        problems[number] = str(held)


def _describe_result(stem: Stem, landed: PlacedItem | None, problem: str) -> Facts:
    if landed is None:
        return {"id": stem["id"], "status": "held", "reason": problem}
    result = {
        "id": stem["id"],
        "status": "placed",
        "track_index": landed.index,
        "track_name": landed.name,
        "record_frame": stem["record_frame"],
        "duration_frames": landed.duration,
    }
    if landed.name != stem["track"]:
        result["note"] = f"'{stem['track']}' was locked or occupied"
    return result


def _add_marker(timeline: Any, marker: Mapping[str, Any]) -> bool:
    arguments = [marker[key] for key in ("frame", "color", "name", "note", "duration", "custom_data")]
    return ask(timeline, "AddMarker", *arguments) is True
