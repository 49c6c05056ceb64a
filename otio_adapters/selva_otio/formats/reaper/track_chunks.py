"""TRACK chunks: a track's own lines, its place in folders, and its items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import opentimelineio as otio

from selva_otio.formats.reaper.extension_data import (
    FOLDER_MARK,
    TRACK_MARK,
    build_fact_marks,
)
from selva_otio.formats.reaper.item_chunks import ItemWriter
from selva_otio.formats.reaper.project_markers import NAMESPACE
from selva_otio.formats.reaper.tokens import quote_token
from selva_otio.formats.reaper.track_items import iter_placed_clips
from selva_otio.metadata import SELVA_NAMESPACE, TRACK_SCHEMA

FOLDER_NAME = "Selva"
INDENT = "  "


def stem_track_facts(track: otio.core.Composable) -> Mapping[str, Any]:
    """What we noted about a stem track; empty for other tracks."""
    facts = track.metadata.get(SELVA_NAMESPACE)
    is_stem_track = (
        isinstance(track, otio.schema.Track)
        and isinstance(facts, Mapping)
        and facts.get("schema") == TRACK_SCHEMA
    )
    return facts if is_stem_track else {}


def known_track(track: otio.core.Composable) -> Mapping[str, Any]:
    """What a reading of a project noted about a track."""
    known = track.metadata.get(NAMESPACE)
    return known if isinstance(known, Mapping) else {}


def build_track_lines(
    tracks: Iterable[otio.schema.Track], *, identity: str, depth_change: int, writer: ItemWriter
) -> list[str]:
    """The TRACK chunk that holds all clips of `tracks` (the lanes of one REAPER track), without line ends."""
    lanes = list(tracks)
    known = known_track(lanes[0])
    guid = writer.guids.claim(f"track {identity}", wanted=str(known.get("guid", "")))
    facts = stem_track_facts(lanes[0])
    marks = mark_lines({TRACK_MARK: str(facts.get("track", "")), **build_fact_marks(facts)})
    if not facts:
        marks = mark_lines({FOLDER_MARK: FOLDER_NAME}) if known.get("is_selva_folder") is True else []
    body = [
        *track_lines(lanes[0].name, guid, depth_change=depth_change, is_muted=not lanes[0].enabled),
        *marks,
    ]
    for lane in lanes:
        for placed in iter_placed_clips(lane):
            body += writer.build_lines(placed, track_identity=identity)
    return [f"<TRACK {guid}", *(f"{INDENT}{line}" for line in body), ">"]


def build_folder_lines(guid: str) -> list[str]:
    """The folder track that holds the stem tracks."""
    body = [
        *track_lines(FOLDER_NAME, guid, depth_change=1, is_muted=False),
        *mark_lines({FOLDER_MARK: FOLDER_NAME}),
    ]
    return [f"<TRACK {guid}", *(f"{INDENT}{line}" for line in body), ">"]


def track_lines(name: str, guid: str, *, depth_change: int, is_muted: bool) -> list[str]:
    """The lines of a track apart from marks and items."""
    return [
        f"NAME {quote_token(name)}",
        "PEAKCOL 16576",
        "BEAT -1",
        "AUTOMODE 0",
        "VOLPAN 1 0 -1 -1 1",
        f"MUTESOLO {int(is_muted)} 0 0",
        "IPHASE 0",
        "PLAYOFFS 0 1",
        folder_line(depth_change),
        "BUSCOMP 0 0 0 0 0",
        "SHOWINMIX 1 0.6667 0.5 1 0.5 0 0 0",
        "SEL 0",
        "REC 0 0 1 0 0 0 0 0",
        "TRACKHEIGHT 0 0 0 0 0 0",
        "INQ 0 0 0 0.5 100 0 0 100",
        "NCHAN 2",
        "FX 1",
        f"TRACKID {guid}",
        "PERF 0",
        "MIDIOUT -1",
        "MAINSEND 1 0",
    ]


def folder_line(depth_change: int) -> str:
    """ISBUS: 1 opens a folder, -n ends n of them with this track."""
    if depth_change > 0:
        return "ISBUS 1 1"
    return f"ISBUS 2 {depth_change}" if depth_change < 0 else "ISBUS 0 0"


def mark_lines(marks: Mapping[str, str]) -> list[str]:
    return ["<EXT", *(f"{INDENT}{key} {quote_token(text)}" for key, text in marks.items()), ">"]
