"""A timeline as a new project: frame rate, start, markers, tracks, items with takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.reaper.guids import GuidRegister
from selva_otio.formats.reaper.item_chunks import ItemWriter
from selva_otio.formats.reaper.metadata import read_reaper_metadata
from selva_otio.formats.reaper.project_markers import iter_marker_lines
from selva_otio.formats.reaper.project_time import DEFAULT_SAMPLE_RATE_HZ, format_time_mode
from selva_otio.formats.reaper.tokens import format_decimal
from selva_otio.formats.reaper.track_chunks import INDENT, build_stem_folder_lines, build_track_lines
from selva_otio.metadata import TRACK_SCHEMA, read_selva_metadata
from selva_otio.time.item_times import find_record_clock, trimmed_start_s


def build_project(timeline: otio.schema.Timeline, *, folder: Path | None) -> str:
    """The text of a new project. folder: where it will be; paths of media in it are relative. None keeps relative URLs.

    Raises TimelineError for what a project cannot hold.
    """
    writer = ItemWriter(guids=GuidRegister(), folder=folder)
    clock = find_record_clock(timeline)
    rate_hz = read_reaper_metadata(timeline).get("sample_rate_hz")
    origin_s = trimmed_start_s(timeline.tracks)
    groups = list(_group_tracks(timeline))
    old_tracks = [group for group in groups if not _is_new_stem_track(group[0])]
    new_stem_tracks = [group[0] for group in groups if _is_new_stem_track(group[0])]
    body = [
        f"PROJOFFS {format_decimal(clock.start_frame / clock.frame_rate_hz)} 0 0",
        format_time_mode(clock.frame_rate_hz, drop_frame=clock.drop_frame),
        f"SAMPLERATE {rate_hz if isinstance(rate_hz, int) else DEFAULT_SAMPLE_RATE_HZ} 0 0",
        "TEMPO 120 4 4",
        *iter_marker_lines(timeline.tracks.markers, origin_s),
        *_build_old_track_lines(old_tracks, writer),
    ]
    if new_stem_tracks:
        body += build_stem_folder_lines(new_stem_tracks, writer)
    lines = ['<REAPER_PROJECT 0.1 "7.0" 0', *(f"{INDENT}{line}" for line in body), ">"]
    return "".join(f"{line}\n" for line in lines)


def _group_tracks(timeline: otio.schema.Timeline) -> Iterator[list[otio.schema.Track]]:
    """The tracks of a timeline in REAPER's order, the front video track first, those with one GUID together.

    A REAPER track with picture and sound, or with items that overlap, is read as several tracks of its GUID.
    """
    tracks = [_as_track(child) for child in timeline.tracks]
    pictures = [track for track in tracks if track.kind == otio.schema.TrackKind.Video]
    others = [track for track in tracks if track.kind != otio.schema.TrackKind.Video]
    groups: dict[str, list[otio.schema.Track]] = {}
    for number, track in enumerate([*reversed(pictures), *others]):
        guid = str(read_reaper_metadata(track).get("guid", ""))
        groups.setdefault(guid or f"#{number}", []).append(track)

    def old_number(group: list[otio.schema.Track]) -> float:
        number = read_reaper_metadata(group[0]).get("number")
        return number if isinstance(number, int) else float("inf")

    yield from sorted(groups.values(), key=old_number)


def _as_track(child: otio.core.Composable) -> otio.schema.Track:
    """A child of the timeline's stack as a track; a clip or stack directly in it becomes the one item of a track."""
    if isinstance(child, otio.schema.Track):
        return child
    shell = otio.schema.Track(name=child.name)
    shell.append(child.clone())
    return shell


def _is_new_stem_track(track: otio.schema.Track) -> bool:
    return bool(read_selva_metadata(track, TRACK_SCHEMA)) and not read_reaper_metadata(track).get("guid")


def _build_old_track_lines(groups: list[list[otio.schema.Track]], writer: ItemWriter) -> Iterator[str]:
    """The TRACK chunks of tracks that are not new stem tracks, in the folders they were read in.

    A folder still open at the end is closed there: stem tracks that follow would fall into it.
    """
    depth = 0
    for number, group in enumerate(groups, start=1):
        old_change = read_reaper_metadata(group[0]).get("folder_depth_change")
        change = max(old_change if isinstance(old_change, int) else 0, -depth)
        if number == len(groups):
            change = -depth
        depth += change
        yield from build_track_lines(
            sorted(group, key=_subtrack_number),
            identity=f"{number}\n{group[0].name}",
            depth_change=change,
            writer=writer,
        )


def _subtrack_number(track: otio.schema.Track) -> int:
    number = read_reaper_metadata(track).get("lane")
    return number if isinstance(number, int) else 0
