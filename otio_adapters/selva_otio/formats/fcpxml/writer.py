"""A timeline as FCPXML 1.10: one storyline, everything else connected to it, one audio role per stem track."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.formats.fcpxml.clip_elements import ClipElements, PlacedElement, build_marker
from selva_otio.formats.fcpxml.resources import (
    DEFAULT_SIZE,
    FCPXML_NAMESPACE,
    MediaFile,
    build_asset,
    build_format,
)
from selva_otio.formats.fcpxml.times import format_time
from selva_otio.formats.flat_layout import FlatClip, FlatTrack, find_media_file, flatten_timeline
from selva_otio.formats.xml import clean_text
from selva_otio.metadata import has_markers_on_media_clock
from selva_otio.picture.media import SOUND_SUFFIXES
from selva_otio.time.clock import exact_seconds
from selva_otio.time.item_times import trimmed_start_s

VERSION = "1.10"  # the newest that Resolve exports (EXPORT_FCPXML_1_10); Final Cut Pro reads it since 10.6


def build_document(timeline: otio.schema.Timeline, base_folder: Path) -> ET.Element:
    """The root of a new FCPXML document. Raises TimelineWriteError, TimelineReadError."""
    return _Document(timeline, base_folder).build()


class _Document:
    """One FCPXML file while it is built."""

    def __init__(self, timeline: otio.schema.Timeline, base_folder: Path) -> None:
        self._timeline = timeline
        self._flat_timeline = flatten_timeline(timeline)
        self._clock = self._flat_timeline.clock
        self._base_folder = base_folder
        self._media: dict[Path, MediaFile] = {}
        self._clips = ClipElements(
            clock=self._clock,
            base_folder=base_folder,
            media=self._media,
            on_media_clock=has_markers_on_media_clock(timeline),
        )
        self._start_s = self._clock.start_frame / self._clock.frame_rate_hz
        metadata = timeline.metadata.get(FCPXML_NAMESPACE)
        self._project_metadata: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}

    def build(self) -> ET.Element:
        self._register_media()
        name = clean_text(self._timeline.name or "Selva")
        root = ET.Element("fcpxml", {"version": VERSION})
        root.append(self._build_resources())
        event = ET.SubElement(ET.SubElement(root, "library"), "event", {"name": name})
        attributes = {
            "format": "r1",
            "duration": format_time(self._flat_timeline.duration_s),
            "tcStart": format_time(self._start_s),
            "tcFormat": "DF" if self._clock.drop_frame else "NDF",
            "audioLayout": "stereo",
            "audioRate": "48k",
        }
        sequence = ET.SubElement(ET.SubElement(event, "project", {"name": name}), "sequence", attributes)
        ET.SubElement(sequence, "spine").extend(self._iter_storyline())
        return root

    def _register_media(self) -> None:
        """Make one asset of each file, takes included, that knows all clips that use it."""
        for track in self._flat_timeline.tracks:
            for flat_clip in track.clips:
                for reference in flat_clip.clip.media_references().values():
                    path = find_media_file(reference, self._base_folder)
                    if path is not None:
                        self._register(path, reference, flat_clip, track)
        for media in self._media.values():
            media.measure()

    def _register(
        self, path: Path, reference: otio.core.MediaReference, flat_clip: FlatClip, track: FlatTrack
    ) -> None:
        media = self._media.get(path)
        if media is None:
            ref = f"r{len(self._media) + 2}"
            media = self._media[path] = MediaFile(path=path, reference=reference, ref=ref)
        media.clips.append(flat_clip)
        media.has_picture |= track.is_picture and path.suffix.lower() not in SOUND_SUFFIXES
        media.has_sound |= not track.is_picture

    def _build_resources(self) -> ET.Element:
        found = self._project_metadata.get("format")
        video_format = found if isinstance(found, Mapping) else {}
        width, height = video_format.get("width"), video_format.get("height")
        size = (width, height) if isinstance(width, int) and isinstance(height, int) else DEFAULT_SIZE
        resources = ET.Element("resources")
        resources.append(
            build_format("r1", self._clock.frame_rate_hz, size=size, name=video_format.get("name"))
        )
        resources.extend(build_asset(media, format_ref="r1") for media in self._media.values())
        return resources

    def _iter_storyline(self) -> Iterator[ET.Element]:
        """The lowest video track as the primary storyline; each other track on a lane connected to it."""
        main = next((track for track in self._flat_timeline.picture_tracks if track.clips), None)
        stories = list(self._iter_stories(main))
        starts = [story.start_s for story in stories]
        above = [track for track in self._flat_timeline.picture_tracks if track is not main]
        for lane, track in enumerate(above, start=1):
            self._connect(track, lane, stories, starts)
        for lane, track in enumerate(self._flat_timeline.sound_tracks, start=1):
            self._connect(track, -lane, stories, starts)
        self._place_markers(stories, starts)
        dissolves = {dissolve.cut_s: dissolve for dissolve in main.dissolves} if main is not None else {}
        for number, story in enumerate(stories):
            dissolve = dissolves.get(story.start_s)
            if dissolve is not None and number:
                offset_s = self._start_s + dissolve.start_s
                times = {"offset": format_time(offset_s), "duration": format_time(dissolve.duration_s)}
                yield ET.Element("transition", {"name": "Cross Dissolve", **times})
            yield story.finish()

    def _iter_stories(self, main: FlatTrack | None) -> Iterator[PlacedElement]:
        """The elements of the storyline, with gaps between the clips and up to the end of the timeline."""
        cursor_s = Fraction(0)
        if main is None:
            yield self._build_gap(
                cursor_s, max(self._flat_timeline.duration_s, 1 / self._clock.frame_rate_hz)
            )
            return
        for flat_clip in main.clips:
            placed = self._clips.build(
                flat_clip, main, {"offset": format_time(self._start_s + flat_clip.start_s)}
            )
            if placed is None:
                continue
            if flat_clip.start_s > cursor_s:
                yield self._build_gap(cursor_s, flat_clip.start_s)
            yield placed
            cursor_s = flat_clip.end_s
        if cursor_s < self._flat_timeline.duration_s or not cursor_s:
            yield self._build_gap(
                cursor_s, max(self._flat_timeline.duration_s, 1 / self._clock.frame_rate_hz)
            )

    def _build_gap(self, start_s: Fraction, end_s: Fraction) -> PlacedElement:
        attributes = {"name": "Gap", "offset": format_time(self._start_s + start_s), "start": "0s"}
        gap = ET.Element("gap", {**attributes, "duration": format_time(end_s - start_s)})
        return PlacedElement(element=gap, start_s=start_s, local_start_s=Fraction(0))

    def _connect(
        self, track: FlatTrack, lane: int, stories: list[PlacedElement], starts: list[Fraction]
    ) -> None:
        """Connect each clip of a track to the storyline element at its first frame."""
        for flat_clip in track.clips:
            story = _find_story(stories, starts, flat_clip.start_s)
            place = {"lane": str(lane), "offset": format_time(story.to_local_s(flat_clip.start_s))}
            placed = self._clips.build(flat_clip, track, place)
            if placed is not None:
                story.connected.append(placed.finish())

    def _place_markers(self, stories: list[PlacedElement], starts: list[Fraction]) -> None:
        """Put the timeline's markers on the storyline elements at their time: FCPXML has no markers on a sequence."""
        origin_s = trimmed_start_s(self._timeline.tracks)
        for marker in self._timeline.tracks.markers:
            record_s = exact_seconds(marker.marked_range.start_time) - origin_s
            story = _find_story(stories, starts, record_s)
            story.markers.append(build_marker(marker, story.to_local_s(record_s), self._clock))


def _find_story(stories: list[PlacedElement], starts: list[Fraction], record_s: Fraction) -> PlacedElement:
    return stories[max(0, bisect_right(starts, record_s) - 1)]
