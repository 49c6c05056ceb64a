"""A project as a timeline.

A REAPER track becomes a video track for its items with picture and an audio track for the others; an empty one becomes an empty
audio track. Items of a track may overlap in REAPER and not in OpenTimelineIO, so those that do go to further tracks of the same
name, numbered by `lane` in the metadata. Upper REAPER tracks are in front: video tracks come in the reverse of the project's
order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import DamagedItemError
from selva_otio.formats.reaper.chunks import Chunk, ProjectText
from selva_otio.formats.reaper.item_clips import ItemReader
from selva_otio.formats.reaper.items import Item, iter_items, read_extension
from selva_otio.formats.reaper.metadata import FOLDER_KEY, REAPER_NAMESPACE, TRACK_KEY, parse_stem_metadata
from selva_otio.formats.reaper.project_markers import read_project_markers
from selva_otio.formats.reaper.project_time import ProjectClock, read_project_clock
from selva_otio.formats.reaper.tokens import parse_flags
from selva_otio.formats.source_loss import note_left_out
from selva_otio.metadata import SELVA_NAMESPACE, TRACK_SCHEMA
from selva_otio.time.clock import exact_seconds

SCHEMA = "reaper.project/1"


@dataclass(kw_only=True)
class _Folders:
    """The folders that are open while tracks are read in order. A track opens a folder, or closes some after itself."""

    names: list[str] = field(default_factory=list)

    def read_track(self, name: str, depth_change: int) -> list[str]:
        """The names of the folders around a track. depth_change: 1 where it opens one, -n where it closes n."""
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


def build_project_timeline(project: ProjectText, *, name: str, folder: Path | None) -> otio.schema.Timeline:
    """The timeline of a project. folder: where relative media paths start; None leaves them relative.

    Raises TimelineReadError.
    """
    clock = read_clock(project)
    start_s = clock.record.start_frame / clock.record.frame_rate_hz
    timeline = otio.schema.Timeline(name=name, global_start_time=clock.record.rational_time(start_s))
    timeline.metadata[REAPER_NAMESPACE] = _build_project_metadata(project.root, clock)
    markers, num_damaged_markers = read_project_markers(project.root, clock)
    timeline.tracks.markers.extend(markers)
    note_left_out(timeline, "REAPER project", {"markers whose time is not a number": num_damaged_markers})
    reader = ItemReader(clock=clock, folder=folder)
    video: list[list[otio.schema.Track]] = []
    audio: list[otio.schema.Track] = []
    folders = _Folders()
    damage: list[DamagedItemError] = []
    num_read = 0
    for number, chunk in enumerate(project.root.iter_chunks("TRACK"), start=1):
        metadata = _build_track_metadata(chunk, number, folders)
        items = [item for item in iter_items(chunk, clock) if item.end_s > 0]
        damage += [item.damage for item in items if item.damage is not None]
        num_read += sum(item.damage is None for item in items)
        pictures, sounds = _split_kinds(items, reader)
        if pictures:
            video.append(_build_subtracks(chunk, pictures, otio.schema.TrackKind.Video, metadata, reader))
        if sounds or not pictures:
            audio += _build_subtracks(chunk, sounds, otio.schema.TrackKind.Audio, metadata, reader)
    if damage and not num_read:
        raise damage[0]
    timeline.tracks.extend(track for subtracks in reversed(video) for track in subtracks)
    timeline.tracks.extend(audio)
    return timeline


def _build_project_metadata(root: Chunk, clock: ProjectClock) -> dict[str, object]:
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


def _build_track_metadata(chunk: Chunk, number: int, folders: _Folders) -> dict[str, object]:
    name = next(iter(chunk.find_field("NAME")), "")
    folder_fields = chunk.find_field("ISBUS")
    depth_change = parse_flags(folder_fields[1]) if len(folder_fields) > 1 else 0
    mute_fields = chunk.find_field("MUTESOLO")
    arguments = chunk.arguments
    volume = chunk.find_field("VOLPAN")
    return {
        "guid": arguments[0] if arguments else "",
        "number": number,
        "folders": folders.read_track(name, depth_change),
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


def _build_subtracks(
    chunk: Chunk, items: list[Item], kind: str, metadata: dict[str, object], reader: ItemReader
) -> list[otio.schema.Track]:
    """The tracks for the items of a REAPER track, the lowest first: one, and more where items overlap."""
    subtracks: list[list[Item]] = [[]]
    for item in items:
        free = next((found for found in subtracks if not found or found[-1].end_s <= item.start_s), None)
        if free is None:
            free = []
            subtracks.append(free)
        free.append(item)
    return [
        _build_track(chunk, found, kind, {**metadata, "lane": number}, reader)
        for number, found in enumerate(subtracks)
    ]


def _build_track(
    chunk: Chunk, items: list[Item], kind: str, metadata: dict[str, object], reader: ItemReader
) -> otio.schema.Track:
    track = otio.schema.Track(name=next(iter(chunk.find_field("NAME")), ""), kind=kind)
    track.enabled = not metadata["is_muted"]
    track.metadata[REAPER_NAMESPACE] = metadata
    extension = read_extension(chunk)
    if extension.get(TRACK_KEY):
        # A track that the REAPER script made has its name only; the rest is what a render would note.
        track.metadata[SELVA_NAMESPACE] = parse_stem_metadata(extension) or {
            "schema": TRACK_SCHEMA,
            "track": extension[TRACK_KEY],
            "prompts": [],
            "lane": 0,
        }
    elif extension.get(FOLDER_KEY):
        track.metadata[REAPER_NAMESPACE] = {**metadata, "is_selva_folder": True}
    track.extend(_iter_children(items, reader))
    return track


def _iter_children(items: list[Item], reader: ItemReader) -> Iterator[otio.core.Item]:
    """Items with gaps between them.

    The cursor adds up the durations as they were written, in floats, and not the exact times: each gap then absorbs the rounding
    of what is before it, and no reader that adds the durations up drifts.
    """
    record = reader.clock.record
    cursor_s = Fraction(0)
    for item in items:
        built = reader.build_item(item)
        if built.start_s > cursor_s:
            gap = otio.schema.Gap(source_range=record.time_range(Fraction(0), built.start_s - cursor_s))
            yield gap
            cursor_s += exact_seconds(gap.source_range.duration)
        yield built.child
        cursor_s += exact_seconds(built.child.source_range.duration)
