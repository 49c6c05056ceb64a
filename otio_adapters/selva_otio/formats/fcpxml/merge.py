"""Stems connected to the storyline of the document a timeline was read from; everything else in it stays as it was.

Final Cut Pro has no tracks: a stem is a clip connected to the element of the primary storyline at its first frame, on a lane
below everything that is connected there already.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_otio.formats.fcpxml.clip_attributes import read_conform_speed
from selva_otio.formats.fcpxml.clip_elements import ClipElements
from selva_otio.formats.fcpxml.element_times import (
    CLIP_TAGS,
    Resources,
    read_lane,
    read_local_start,
    read_time,
)
from selva_otio.formats.fcpxml.resources import MediaFile, build_asset
from selva_otio.formats.fcpxml.story_elements import StoryElement, iter_story_elements
from selva_otio.formats.fcpxml.times import format_time
from selva_otio.formats.flat_layout import FlatClip, FlatTrack, find_media_file
from selva_otio.time.clock import TimelineClock

_MEDIA_REP_VERSION = (1, 9)
_BEHIND_CONNECTED = frozenset(
    [
        *("marker", "chapter-marker", "rating", "keyword", "analysis-marker", "hidden-clip-marker"),
        *("audio-channel-source", "audio-role-source", "sync-source"),
        *("filter-video", "filter-video-mask", "filter-audio", "metadata", "reserved"),
    ]
)
"""What comes after connected clips in the document type, against which Final Cut Pro validates before it imports."""


def read_version(root: ET.Element) -> tuple[int, int]:
    """The version of a document; (0, 0) where it is not two numbers."""
    major, _, minor = root.get("version", "").partition(".")
    is_number = all(part.isascii() and part.isdigit() and len(part) < 4 for part in (major, minor))
    return (int(major), int(minor)) if is_number else (0, 0)


@dataclass(frozen=True, kw_only=True)
class ProjectDocument:
    """A document and what of it a merge needs. resources: by id."""

    root: ET.Element
    sequence: ET.Element
    spine: ET.Element
    resources: Resources
    clock: TimelineClock

    def find_sound_elements(self, numbers: Iterable[int]) -> list[ET.Element]:
        """The elements with these numbers, each with the audition around it where there is one."""
        wanted = set(numbers)
        parents = self._find_parents()
        found = [element for number, element in enumerate(self.sequence.iter()) if number in wanted]
        return [parent if (parent := parents[element]).tag == "audition" else element for element in found]

    def remove(self, elements: list[ET.Element]) -> None:
        """Remove elements that are sound alone, and the assets that nothing else refers to.

        A gap takes the place of one in a storyline, where what follows would move up.
        """
        parents = self._find_parents()
        refs = {found.get("ref", "") for element in elements for found in element.iter()}
        for element in elements:
            parent = parents[element]
            position = list(parent).index(element)
            parent.remove(element)
            if parent.tag == "spine":
                parent.insert(position, _build_gap_in_place_of(element, self.resources))
        still_used = {element.get("ref") for element in self.root.iter()}
        for resources in self.root.iter("resources"):
            for asset in resources.findall("asset"):
                if asset.get("id") in refs and asset.get("id") not in still_used:
                    resources.remove(asset)

    def connect(self, tracks: list[tuple[FlatTrack, list[FlatClip]]], base_folder: Path) -> None:
        """Connect the given clips of each track to the storyline, each track on a lane of its own."""
        media = self._add_assets([flat_clip for _, clips in tracks for flat_clip in clips], base_folder)
        elements = ClipElements(clock=self.clock, base_folder=base_folder, media=media)
        end_s = max((flat_clip.end_s for _, clips in tracks for flat_clip in clips), default=Fraction(0))
        self._extend(end_s)
        stories = list(self._iter_stories())
        starts = [story.start_s for story in stories]
        lowest = min([0, *_iter_lanes(self.spine)])
        for lane, (track, clips) in enumerate(tracks, start=1):
            for flat_clip in clips:
                story = stories[max(0, bisect_right(starts, flat_clip.start_s) - 1)]
                owner = _find_owner(story.element)
                lead_s = read_conform_speed(owner, self.clock.frame_rate_hz) * (
                    flat_clip.start_s - story.start_s
                )
                local_s = read_local_start(owner, self.resources) + lead_s
                place = {"lane": str(lowest - lane), "offset": format_time(local_s)}
                placed = elements.build(flat_clip, track, place)
                if placed is not None:
                    _insert_connected(owner, placed.finish())

    def _find_parents(self) -> dict[ET.Element, ET.Element]:
        return {child: parent for parent in self.sequence.iter() for child in parent}

    def _iter_stories(self) -> Iterator[StoryElement]:
        return iter_story_elements(
            self.spine,
            self.resources,
            origin_s=read_time(self.sequence, "tcStart") or Fraction(0),
            start_s=Fraction(0),
            half_frame_s=1 / (2 * self.clock.frame_rate_hz),
        )

    def _extend(self, end_s: Fraction) -> None:
        """Let the storyline last at least to `end_s`: a clip is connected to an element that is there at its first frame."""
        stories = list(self._iter_stories())
        last_s = stories[-1].end_s if stories else Fraction(0)
        end_s = self.clock.cover_frames(end_s)
        if last_s >= end_s:
            return
        first_s = read_time(stories[0].element, "offset") if stories else None
        origin_s = read_time(self.sequence, "tcStart") or Fraction(0)
        origin_s = origin_s if first_s is None else min(origin_s, first_s)
        attributes = {"name": "Gap", "offset": format_time(origin_s + last_s), "start": "0s"}
        gap = ET.Element("gap", {**attributes, "duration": format_time(end_s - last_s)})
        gap.tail = "\n"
        self.spine.append(gap)
        length_s = read_time(self.sequence, "duration")
        if length_s is not None and length_s < end_s:
            self.sequence.set("duration", format_time(end_s))

    def _add_assets(self, clips: list[FlatClip], base_folder: Path) -> dict[Path, MediaFile]:
        """An asset for each file of the clips, takes included, under ids that the document does not have."""
        taken = {element.get("id", "") for element in self.root.iter()}
        media: dict[Path, MediaFile] = {}
        number = 1
        for flat_clip in clips:
            for reference in flat_clip.clip.media_references().values():
                path = find_media_file(reference, base_folder)
                if path is None:
                    continue
                if path not in media:
                    while f"r{number}" in taken:
                        number += 1
                    taken.add(f"r{number}")
                    media[path] = MediaFile(path=path, reference=reference, ref=f"r{number}", has_sound=True)
                media[path].clips.append(flat_clip)
        resources = self.root.find("resources")
        if resources is None:
            resources = ET.Element("resources")
            self.root.insert(1 if self.root.find("import-options") is not None else 0, resources)
        for file in media.values():
            file.measure()
            resources.append(self._build_asset(file))
        return media

    def _build_asset(self, media: MediaFile) -> ET.Element:
        asset = build_asset(media, format_ref="")
        if read_version(self.root) < _MEDIA_REP_VERSION:  # the file was an attribute then
            for rep in asset.findall("media-rep"):
                asset.set("src", rep.get("src", ""))
                asset.remove(rep)
        ET.indent(asset, level=1)
        asset.tail = "\n"
        return asset


def has_connected_clips(element: ET.Element) -> bool:
    """Whether something is connected to an element, which would be lost with it."""
    clips = [element] if element.tag != "audition" else list(element)
    return any(
        child.tag in CLIP_TAGS or child.tag in ("spine", "caption") for clip in clips for child in clip
    )


def _build_gap_in_place_of(element: ET.Element, resources: Resources) -> ET.Element:
    owner = _find_owner(element)
    duration = owner.get("duration") or format_time(_asset_duration(owner, resources))
    gap = ET.Element("gap", {"name": "Gap", "start": "0s", "duration": duration})
    if element.get("offset") is not None:
        gap.set("offset", element.get("offset", ""))
    gap.tail = element.tail
    return gap


def _asset_duration(element: ET.Element, resources: Resources) -> Fraction:
    asset = resources.get(element.get("ref", ""))
    return (read_time(asset, "duration") if asset is not None else None) or Fraction(0)


def _find_owner(element: ET.Element) -> ET.Element:
    """The element that connected clips are children of: an audition has none of its own, its first clip has them."""
    if element.tag != "audition":
        return element
    return next((child for child in element if child.tag in CLIP_TAGS), element)


def _insert_connected(owner: ET.Element, element: ET.Element) -> None:
    children = list(owner)
    position = next(
        (number for number, child in enumerate(children) if child.tag in _BEHIND_CONNECTED), len(children)
    )
    ET.indent(element, level=4)
    element.tail = "\n"
    owner.insert(position, element)


def _iter_lanes(element: ET.Element, lane: int = 0) -> Iterator[int]:
    """The lane of everything inside an element, counted from the primary storyline."""
    for child in element:
        child_lane = lane + read_lane(child) if "lane" in child.attrib else lane
        yield child_lane
        yield from _iter_lanes(child, child_lane)
