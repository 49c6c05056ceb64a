"""From a timeline to a new project: frame rate, start, markers, tracks, items with takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.reaper.guids import GuidRegister
from selva_otio.formats.reaper.item_chunks import ItemWriter
from selva_otio.formats.reaper.project_markers import NAMESPACE, iter_marker_lines
from selva_otio.formats.reaper.project_time import DEFAULT_SAMPLE_RATE_HZ, format_time_mode
from selva_otio.formats.reaper.stem_tracks_merge import build_stem_folder_lines
from selva_otio.formats.reaper.tokens import format_decimal
from selva_otio.formats.reaper.track_chunks import (
    INDENT,
    build_track_lines,
    known_track,
    stem_track_facts,
)
from selva_otio.time.item_times import find_record_clock, trimmed_start_s


def build_project(timeline: otio.schema.Timeline, *, folder: Path | None) -> str:
    """The text of a new project. `folder`: where it will lie; media in it is named relative to it.

    Raises TimelineError for what a project cannot hold.
    """
    writer = ItemWriter(guids=GuidRegister(), folder=folder)
    clock = find_record_clock(timeline)
    known = timeline.metadata.get(NAMESPACE) or {}
    rate_hz = known.get("sample_rate_hz")
    origin_s = trimmed_start_s(timeline.tracks)
    groups = list(_group_tracks(timeline))
    plain = [group for group in groups if not _is_new_stem_track(group[0])]
    stems = [group[0] for group in groups if _is_new_stem_track(group[0])]
    body = [
        f"PROJOFFS {format_decimal(clock.start_frame / clock.frame_rate_hz)} 0 0",
        format_time_mode(clock.frame_rate_hz, drop_frame=clock.drop_frame),
        f"SAMPLERATE {rate_hz if isinstance(rate_hz, int) else DEFAULT_SAMPLE_RATE_HZ} 0 0",
        "TEMPO 120 4 4",
        *iter_marker_lines(timeline.tracks.markers, origin_s),
        *_plain_track_lines(plain, writer),
    ]
    if stems:
        body += build_stem_folder_lines(stems, writer)
    lines = ['<REAPER_PROJECT 0.1 "7.0" 0', *(f"{INDENT}{line}" for line in body), ">"]
    return "".join(f"{line}\n" for line in lines)


def _group_tracks(timeline: otio.schema.Timeline) -> Iterator[list[otio.schema.Track]]:
    """The tracks of a timeline as REAPER orders them, top picture first; those that were one REAPER track (by
    GUID) together."""
    tracks = [_as_track(child) for child in timeline.tracks]
    pictures = [track for track in tracks if track.kind == otio.schema.TrackKind.Video]
    others = [track for track in tracks if track.kind != otio.schema.TrackKind.Video]
    groups: dict[str, list[otio.schema.Track]] = {}
    for number, track in enumerate([*reversed(pictures), *others]):
        guid = str(known_track(track).get("guid", ""))
        groups.setdefault(guid or f"#{number}", []).append(track)

    def place(group: list[otio.schema.Track]) -> float:
        number = known_track(group[0]).get("number")
        return number if isinstance(number, int) else float("inf")

    yield from sorted(groups.values(), key=place)


def _as_track(child: otio.core.Composable) -> otio.schema.Track:
    """A stack or clip that lies directly on the timeline's stack, as a track of its own."""
    if isinstance(child, otio.schema.Track):
        return child
    shell = otio.schema.Track(name=child.name)
    shell.append(child.clone())
    return shell


def _is_new_stem_track(track: otio.schema.Track) -> bool:
    return bool(stem_track_facts(track)) and not known_track(track).get("guid")


def _plain_track_lines(groups: list[list[otio.schema.Track]], writer: ItemWriter) -> Iterator[str]:
    """Track chunks; folders that stay open at the end are closed there."""
    depth = 0
    for number, group in enumerate(groups, start=1):
        told = known_track(group[0]).get("folder_depth_change")
        change = max(told if isinstance(told, int) else 0, -depth)
        if number == len(groups):
            change = -depth
        depth += change
        lanes = sorted(group, key=_lane_number)
        yield from build_track_lines(
            lanes, identity=f"{number}\n{group[0].name}", depth_change=change, writer=writer
        )


def _lane_number(track: otio.schema.Track) -> int:
    lane = known_track(track).get("lane")
    return lane if isinstance(lane, int) else 0
