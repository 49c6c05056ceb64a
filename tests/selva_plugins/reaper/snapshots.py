"""Snapshots of REAPER projects, as values and as the scripts write them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from selva_plugins.hosts.reaper.item_spans import ItemSpan, ItemSpanReader
from selva_plugins.hosts.reaper.snapshot import (
    ReaperItem,
    ReaperMarker,
    ReaperSnapshot,
    ReaperSource,
    ReaperTake,
    ReaperTrack,
)
from selva_plugins.hosts.reaper.timeline import build_clock, choose_sample_rate_hz
from selva_plugins.request_folder import HostRequest

SNAPSHOT = ReaperSnapshot(
    project_name="film.rpp",
    frame_rate_hz=25.0,
    is_drop_frame=False,
    start_offset_s=0.0,
    sample_rate_hz=None,
    items=(),
    markers=(),
)
TRACK = ReaperTrack(guid="{T}", name="Video", number=1, is_muted=False)


def file_source(length_s: float = 10.0, kind: str = "VIDEO", file: str = "/media/a.mov") -> ReaperSource:
    return ReaperSource(
        kind=kind,
        file=file,
        length_s=length_s,
        length_is_quarter_notes=False,
        is_section=False,
        section_offset_s=0.0,
        section_length_s=0.0,
        is_reversed=False,
    )


def section(offset_s: float, length_s: float, *, is_reversed: bool = False) -> ReaperSource:
    return ReaperSource(
        kind="SECTION",
        file="",
        length_s=length_s,
        length_is_quarter_notes=False,
        is_section=True,
        section_offset_s=offset_s,
        section_length_s=length_s,
        is_reversed=is_reversed,
    )


def item_of(
    *sources: ReaperSource,
    position_s: float = 0.0,
    length_s: float = 4.0,
    start_offset_s: float = 0.0,
    play_rate: float = 1.0,
    loops: bool = False,
    track: ReaperTrack = TRACK,
    num_stretch_markers: int = 0,
    name: str = "a.mov",
) -> ReaperItem:
    take = ReaperTake(
        guid="{K}",
        name=name,
        recipe="",
        start_offset_s=start_offset_s,
        play_rate=play_rate,
        num_stretch_markers=num_stretch_markers,
        sources=sources or (file_source(),),
        picture_key="",
    )
    return ReaperItem(
        guid="{I}",
        track=track,
        position_s=position_s,
        length_s=length_s,
        loops=loops,
        is_muted=False,
        take=take,
        recipes=(),
    )


def read_spans(*items: ReaperItem, **project: Any) -> tuple[list[ItemSpan], ItemSpanReader]:
    snapshot = replace(SNAPSHOT, **project)
    reader = ItemSpanReader(build_clock(snapshot), choose_sample_rate_hz(snapshot))
    return reader.read(items), reader


def describe_item(item: ReaperItem) -> dict[str, Any]:
    """An item as the script writes it."""
    take = item.take
    assert take is not None
    return {
        "guid": item.guid,
        "track": {
            "guid": item.track.guid,
            "name": item.track.name,
            "number": item.track.number,
            "muted": False,
        },
        "position_s": item.position_s,
        "length_s": item.length_s,
        "loops": item.loops,
        "muted": item.is_muted,
        "num_takes": 1,
        "recipes": list(item.recipes),
        "active_take": [
            {
                "guid": take.guid,
                "name": take.name,
                "recipe": take.recipe,
                "start_offset_s": take.start_offset_s,
                "play_rate": take.play_rate,
                "stretch_markers": take.num_stretch_markers,
                "picture_key": take.picture_key,
                "sources": [
                    {
                        "type": source.kind,
                        "file": source.file,
                        "length_s": source.length_s,
                        "length_is_quarter_notes": False,
                        "is_section": source.is_section,
                        "section_offset_s": source.section_offset_s,
                        "section_length_s": source.section_length_s,
                        "is_reversed": source.is_reversed,
                    }
                    for source in take.sources
                ],
            }
        ],
    }


def snapshot_text(*items: ReaperItem, markers: tuple[ReaperMarker, ...] = (), **changed: Any) -> str:
    return json.dumps(
        {
            "schema": "selva.snapshot/1",
            "host": "reaper",
            "host_version": "7.78/x64",
            "project": {
                "id": "{P}",
                "path": "/film.rpp",
                "name": "film.rpp",
                "frame_rate_hz": 25.0,
                "is_drop_frame": False,
                "start_offset_s": 0.0,
                "sample_rate_hz": 0,
            },
            "items": [describe_item(item) for item in items],
            "regions": [
                {
                    "name": marker.name,
                    "is_region": marker.is_region,
                    "number": 1,
                    "start_s": marker.start_s,
                    "end_s": marker.end_s,
                }
                for marker in markers
            ],
            **changed,
        }
    )


def request_of(action: str, text: str, folder: Path, **form_values: object) -> HostRequest:
    return HostRequest(
        id="x",
        host="reaper",
        action=action,
        label="",
        script_version="0.1.0",
        script_folder="",
        form_values=form_values,
        stems_folder=folder,
        project_name="film.rpp",
        snapshot=text,
    )
