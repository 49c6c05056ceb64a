"""Snapshots of REAPER projects, as values and as the scripts write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from selva_plugins.hosts.reaper.item_spans import ItemSpan, ItemSpanReader
from selva_plugins.hosts.reaper.snapshot import (
    SCHEMA,
    ReaperItem,
    ReaperMarker,
    ReaperProject,
    ReaperSnapshot,
    ReaperSource,
    ReaperTake,
    ReaperTrack,
)
from selva_plugins.hosts.reaper.timeline import build_clock, choose_sample_rate_hz
from selva_plugins.request_folder import HostRequest

PROJECT = ReaperProject(
    id="{P}", name="film.rpp", path="/film.rpp", frame_rate_hz=25.0, start_offset_s=0.0, sample_rate_hz=0.0
)
TRACK = ReaperTrack(guid="{T}", name="Video", number=1, is_muted=False)


def snapshot_of(*items: ReaperItem, markers: tuple[ReaperMarker, ...] = (), **project: Any) -> ReaperSnapshot:
    """A snapshot; `project` changes fields of the project."""
    return ReaperSnapshot(
        schema=SCHEMA,
        host="reaper",
        host_version="7.78/x64",
        project=msgspec.structs.replace(PROJECT, **project),
        items=items,
        markers=markers,
    )


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
        num_takes=1,
        active_take=(take,),
        recipes=(),
    )


def read_spans(*items: ReaperItem, **project: Any) -> tuple[list[ItemSpan], ItemSpanReader]:
    snapshot = snapshot_of(**project)
    reader = ItemSpanReader(build_clock(snapshot), choose_sample_rate_hz(snapshot))
    return reader.read(items), reader


def snapshot_text(*items: ReaperItem, markers: tuple[ReaperMarker, ...] = (), **changed: Any) -> str:
    """snapshot.json; `changed` replaces its fields."""
    values = msgspec.to_builtins(snapshot_of(*items, markers=markers))
    return json.dumps({**values, **changed})


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
