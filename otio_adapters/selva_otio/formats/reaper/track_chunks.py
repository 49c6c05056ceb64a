"""TRACK chunks: the lines of a track, its place in folders, and its items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import opentimelineio as otio

from selva_otio.formats.reaper.extension_data import FOLDER_KEY, TRACK_KEY, build_metadata_fields
from selva_otio.formats.reaper.item_chunks import ItemWriter
from selva_otio.formats.reaper.project_metadata import read_reaper_metadata
from selva_otio.formats.reaper.tokens import quote_token
from selva_otio.formats.reaper.track_items import iter_placed_clips
from selva_otio.metadata import TRACK_SCHEMA, read_selva_metadata

FOLDER_NAME = "Selva"
INDENT = "  "


def build_track_lines(
    tracks: Iterable[otio.schema.Track], *, identity: str, depth_change: int, writer: ItemWriter
) -> list[str]:
    """The TRACK chunk for the clips of `tracks`, those that one REAPER track was read as. Without line ends.

    identity: what its GUID is derived from. depth_change: 1 where it opens a folder, -n where it closes n.
    """
    first, *_ = same_track = list(tracks)
    known = read_reaper_metadata(first)
    guid = writer.guids.claim(f"track {identity}", preferred=str(known.get("guid", "")))
    metadata = read_selva_metadata(first, TRACK_SCHEMA)
    extension: list[str] = []
    if metadata:
        fields = {TRACK_KEY: str(metadata.get("track", "")), **build_metadata_fields(metadata)}
        extension = extension_lines(fields)
    elif known.get("is_selva_folder") is True:
        extension = extension_lines({FOLDER_KEY: FOLDER_NAME})
    body = [
        *track_lines(first.name, guid, depth_change=depth_change, is_muted=not first.enabled),
        *extension,
    ]
    for track in same_track:
        for placed in iter_placed_clips(track):
            body += writer.build_lines(placed, track_identity=identity)
    return [f"<TRACK {guid}", *(f"{INDENT}{line}" for line in body), ">"]


def build_stem_folder_lines(tracks: Sequence[otio.schema.Track], writer: ItemWriter) -> list[str]:
    """The TRACK chunks of the folder "Selva" and of the stem tracks in it. Without line ends."""
    guid = writer.guids.claim("folder")
    body = [
        *track_lines(FOLDER_NAME, guid, depth_change=1, is_muted=False),
        *extension_lines({FOLDER_KEY: FOLDER_NAME}),
    ]
    lines = [f"<TRACK {guid}", *(f"{INDENT}{line}" for line in body), ">"]
    for number, track in enumerate(tracks, start=1):
        depth_change = -1 if number == len(tracks) else 0
        lines += build_track_lines(
            [track], identity=stem_track_identity(track), depth_change=depth_change, writer=writer
        )
    return lines


def stem_track_identity(track: otio.schema.Track) -> str:
    """What the GUIDs of a stem track and its items are derived from."""
    metadata = read_selva_metadata(track, TRACK_SCHEMA)
    return f"stem track {metadata.get('track', track.name)}\n{metadata.get('lane', 0)}"


def track_lines(name: str, guid: str, *, depth_change: int, is_muted: bool) -> list[str]:
    """The lines of a track, as REAPER writes them for a new one."""
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
    """The ISBUS line: a track opens a folder (1), or is the last of n folders (-n)."""
    if depth_change > 0:
        return "ISBUS 1 1"
    return f"ISBUS 2 {depth_change}" if depth_change < 0 else "ISBUS 0 0"


def extension_lines(fields: Mapping[str, str]) -> list[str]:
    """The EXT chunk with these keys and values."""
    return ["<EXT", *(f"{INDENT}{key} {quote_token(value)}" for key, value in fields.items()), ">"]
