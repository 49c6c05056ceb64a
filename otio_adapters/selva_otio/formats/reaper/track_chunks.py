"""TRACK chunks: the lines of a track, its items, and its place in folders.

An ISBUS line says by how much the depth of folders changes after its track, so changing one moves all tracks that follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import opentimelineio as otio

from selva_otio.formats.reaper.chunks import Chunk, indent_of, line_end_of, line_key
from selva_otio.formats.reaper.item_chunks import ItemWriter
from selva_otio.formats.reaper.items import read_extension
from selva_otio.formats.reaper.metadata import (
    FOLDER_KEY,
    TRACK_KEY,
    build_metadata_fields,
    read_reaper_metadata,
)
from selva_otio.formats.reaper.tokens import parse_flags, quote_token
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


def find_last_stem_folder(tracks: Sequence[Chunk]) -> Chunk | None:
    """The folder "Selva" when it ends the project, so that tracks can join it without coming between others."""
    for number, track in enumerate(tracks):
        if read_extension(track).get(FOLDER_KEY) and _depth_change(track) == 1:
            level = 1
            for inner in tracks[number + 1 :]:
                if level <= 0:
                    break
                level += _depth_change(inner)
            else:
                return track
    return None


def reopen_folder(tracks: Sequence[Chunk], folder: Chunk) -> int:
    """Keep the folder that ends the project open after its last track. Returns the depth change that ends it later."""
    first = next(number for number, track in enumerate(tracks) if track is folder)
    inner = tracks[first + 1 :]
    if not inner:
        return -1
    level = 1 + sum(_depth_change(track) for track in inner[:-1])
    old_change = _depth_change(inner[-1])
    _set_depth_change(inner[-1], 1 - level)
    return min(old_change + level - 1, -1)


def close_folders(tracks: Sequence[Chunk]) -> None:
    """Close the folders that a project leaves open at its end, which REAPER allows; new tracks would fall into them."""
    level = sum(_depth_change(track) for track in tracks)
    if level > 0:
        _set_depth_change(tracks[-1], _depth_change(tracks[-1]) - level)


def _depth_change(track: Chunk) -> int:
    fields = track.find_field("ISBUS")
    return parse_flags(fields[1]) if len(fields) > 1 else 0


def _set_depth_change(track: Chunk, change: int) -> None:
    """Rewrite the ISBUS line of a track where its depth change is another."""
    if _depth_change(track) == change:
        return
    for number, child in enumerate(track.children):
        if isinstance(child, str) and line_key(child) == "ISBUS":
            track.children[number] = f"{indent_of(child)}{folder_line(change)}{line_end_of(child)}"
            return
    end = line_end_of(track.opening)
    track.children.insert(0, f"{indent_of(track.opening)}{INDENT}{folder_line(change)}{end}")
