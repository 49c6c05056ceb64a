"""Folders of tracks: each ISBUS line says by how much the depth changes after its track, so a change moves all that follow."""

from __future__ import annotations

from collections.abc import Sequence

from selva_otio.formats.reaper.chunks import Chunk, indent_of, line_end_of, line_key
from selva_otio.formats.reaper.extension_data import FOLDER_KEY
from selva_otio.formats.reaper.items import read_extension
from selva_otio.formats.reaper.tokens import parse_flags
from selva_otio.formats.reaper.track_chunks import INDENT, folder_line


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
