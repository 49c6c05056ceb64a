"""From a project to a timeline.

One REAPER track becomes a video track where it has items with picture and an audio track where it has others (an
empty one becomes an empty audio track). OpenTimelineIO knows no overlap: items that overlap go to further tracks of
the same name. Upper REAPER tracks are on top, so video tracks come in the reverse of the project's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.reaper.chunks import Chunk, ProjectText
from selva_otio.formats.reaper.extension_data import FOLDER_MARK, TRACK_MARK, read_facts
from selva_otio.formats.reaper.item_clips import ItemReader
from selva_otio.formats.reaper.items import Item, iter_items, read_extension
from selva_otio.formats.reaper.project_markers import NAMESPACE, read_markers
from selva_otio.formats.reaper.project_time import ProjectClock, read_project_clock
from selva_otio.formats.reaper.tokens import parse_flags
from selva_otio.metadata import SELVA_NAMESPACE, TRACK_SCHEMA
from selva_otio.time.clock import exact_seconds

SCHEMA = "reaper.project/1"


@dataclass(kw_only=True)
class _Folders:
    """The folders open at a track, and how many levels each track closes."""

    names: list[str] = field(default_factory=list)

    def enter(self, name: str, depth_change: int) -> list[str]:
        """The folders around a track that changes the depth so."""
        around = list(self.names)
        if depth_change > 0:
            self.names.append(name)
        elif depth_change < 0:
            del self.names[depth_change:]
        return around


def read_clock(project: ProjectText) -> ProjectClock:
    """The clock of a project. Raises TimelineReadError."""
    root = project.root
    return read_project_clock(
        root.find_field("TIMEMODE"), root.find_field("PROJOFFS"), root.find_field("SAMPLERATE")
    )


def build_timeline(project: ProjectText, *, name: str, folder: Path | None) -> otio.schema.Timeline:
    """The timeline of a project. `folder`: where relative media paths start; None leaves them relative.

    Raises TimelineReadError.
    """
    clock = read_clock(project)
    start_s = clock.record.start_frame / clock.record.frame_rate_hz
    timeline = otio.schema.Timeline(name=name, global_start_time=clock.record.rational_time(start_s))
    timeline.metadata[NAMESPACE] = _describe_project(project.root, clock)
    timeline.tracks.markers.extend(read_markers(project.root, clock))
    reader = ItemReader(clock=clock, folder=folder)
    video: list[list[otio.schema.Track]] = []
    audio: list[otio.schema.Track] = []
    folders = _Folders()
    for number, chunk in enumerate(project.root.iter_chunks("TRACK"), start=1):
        facts = _describe_track(chunk, number, folders)
        pictures, sounds = _split_kinds(iter_items(chunk, clock), reader)
        if pictures:
            video.append(_build_lanes(chunk, pictures, otio.schema.TrackKind.Video, facts, reader))
        if sounds or not pictures:
            audio += _build_lanes(chunk, sounds, otio.schema.TrackKind.Audio, facts, reader)
    timeline.tracks.extend(track for lanes in reversed(video) for track in lanes)
    timeline.tracks.extend(audio)
    return timeline


def _describe_project(root: Chunk, clock: ProjectClock) -> dict[str, object]:
    arguments = root.arguments
    tempo = root.find_field("TEMPO")
    offset = root.find_field("PROJOFFS")
    return {
        "schema": SCHEMA,
        "version": arguments[1] if len(arguments) > 1 else "",
        "frame_rate": [clock.record.frame_rate_hz.numerator, clock.record.frame_rate_hz.denominator],
        "drop_frame": clock.record.drop_frame,
        "start_offset_s": offset[0] if offset else "0",
        "sample_rate_hz": clock.sample_rate_hz,
        "tempo": tempo,
    }


def _describe_track(chunk: Chunk, number: int, folders: _Folders) -> dict[str, object]:
    name = next(iter(chunk.find_field("NAME")), "")
    folder_fields = chunk.find_field("ISBUS")
    depth_change = parse_flags(folder_fields[1]) if len(folder_fields) > 1 else 0
    mute_fields = chunk.find_field("MUTESOLO")
    arguments = chunk.arguments
    volume = chunk.find_field("VOLPAN")
    return {
        "guid": arguments[0] if arguments else "",
        "number": number,
        "folders": folders.enter(name, depth_change),
        "folder_depth_change": depth_change,
        "is_muted": bool(mute_fields and parse_flags(mute_fields[0])),
        "is_soloed": bool(len(mute_fields) > 1 and parse_flags(mute_fields[1])),
        "volume": volume[0] if volume else "1",
        "pan": volume[1] if len(volume) > 1 else "0",
    }


def _split_kinds(items: Iterable[Item], reader: ItemReader) -> tuple[list[Item], list[Item]]:
    """(items with picture, other items), in record order."""
    pictures: list[Item] = []
    sounds: list[Item] = []
    for item in sorted(items, key=lambda item: item.start_s):
        (pictures if reader.has_picture(item) else sounds).append(item)
    return pictures, sounds


def _build_lanes(
    chunk: Chunk, items: list[Item], kind: str, facts: dict[str, object], reader: ItemReader
) -> list[otio.schema.Track]:
    """The tracks that hold the items of a REAPER track, lowest first: one, and more where items overlap."""
    lanes: list[_Lane] = [_Lane()]
    for item in items:
        lane = next((lane for lane in lanes if lane.end_s <= item.start_s), None)
        if lane is None:
            lane = _Lane()
            lanes.append(lane)
        lane.put(item)
    return [
        _build_track(chunk, lane.items, kind, {**facts, "lane": number}, reader)
        for number, lane in enumerate(lanes)
    ]


@dataclass(kw_only=True)
class _Lane:
    items: list[Item] = field(default_factory=list)
    end_s: Fraction = Fraction(-(10**9))

    def put(self, item: Item) -> None:
        self.items.append(item)
        self.end_s = item.end_s


def _build_track(
    chunk: Chunk, items: list[Item], kind: str, facts: dict[str, object], reader: ItemReader
) -> otio.schema.Track:
    track = otio.schema.Track(name=next(iter(chunk.find_field("NAME")), ""), kind=kind)
    track.enabled = not facts["is_muted"]
    track.metadata[NAMESPACE] = facts
    marks = read_extension(chunk)
    if marks.get(TRACK_MARK):
        ours = read_facts(marks)
        track.metadata[SELVA_NAMESPACE] = ours or {
            "schema": TRACK_SCHEMA,
            "track": marks[TRACK_MARK],
            "prompts": [],
            "lane": 0,
        }
    elif marks.get(FOLDER_MARK):
        facts_of_folder = {**facts, "is_selva_folder": True}
        track.metadata[NAMESPACE] = facts_of_folder
    track.extend(_iter_children(items, reader))
    return track


def _iter_children(items: list[Item], reader: ItemReader) -> Iterator[otio.core.Item]:
    """Items with gaps between them. What a reader of the timeline adds up is what is measured, so that the
    rounding of floats does not pile up."""
    record = reader.clock.record
    cursor_s = Fraction(0)
    for item in items:
        for flat_clip in reader.build_pieces(item):
            if flat_clip.start_s > cursor_s:
                gap = otio.schema.Gap(
                    source_range=record.time_range(Fraction(0), flat_clip.start_s - cursor_s)
                )
                yield gap
                cursor_s += exact_seconds(gap.source_range.duration)
            yield flat_clip.child
            cursor_s += exact_seconds(flat_clip.child.source_range.duration)
