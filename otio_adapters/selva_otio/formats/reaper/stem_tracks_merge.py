"""Stem tracks merged into a project; everything else in it stays byte for byte.

New tracks go to the folder "Selva" at the end of the project, never between others: sends name tracks by their number. On
tracks of an earlier render, stems that are still as they were placed are replaced by the new ones; what an editor has changed,
added or moved there keeps its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.errors import TimelineWriteError
from selva_otio.formats.reaper.chunks import (
    Chunk,
    ProjectText,
    indent_of,
    line_key,
    parse_chunk,
    parse_project_text,
)
from selva_otio.formats.reaper.guids import GuidRegister
from selva_otio.formats.reaper.item_chunks import ItemWriter
from selva_otio.formats.reaper.items import read_extension
from selva_otio.formats.reaper.media_files import is_relative
from selva_otio.formats.reaper.metadata import (
    METADATA_KEY,
    REPLACED_ITEMS,
    TRACK_KEY,
    build_metadata_fields,
    is_metadata_key,
    parse_stem_metadata,
    read_reaper_metadata,
)
from selva_otio.formats.reaper.reader import read_clock
from selva_otio.formats.reaper.track_chunks import (
    INDENT,
    build_stem_folder_lines,
    build_track_lines,
    close_folders,
    extension_lines,
    find_last_stem_folder,
    reopen_folder,
    stem_track_identity,
)
from selva_otio.formats.reaper.track_items import iter_placed_clips
from selva_otio.formats.stem_metadata import to_plain_value
from selva_otio.metadata import STEM_SCHEMA, TRACK_SCHEMA, read_selva_metadata
from selva_otio.placement.stem_tracks import PlacedItem


def merge_stem_tracks(
    project: ProjectText,
    timeline: otio.schema.Timeline,
    *,
    source: otio.schema.Timeline,
    source_folder: Path,
    target_folder: Path,
) -> bytes:
    """The bytes of the project with the stem tracks of `timeline`, for a file in `target_folder`.

    source: the project as a timeline.

    Raises TimelineWriteError when the project has relative media paths and the target is in another folder, or when
    its encoding cannot hold a name.
    """
    check_media_stays_found(project, source_folder, target_folder)
    text = project.to_text()
    merged = parse_project_text(text, encoding=project.encoding)
    writer = ItemWriter(guids=GuidRegister(text), folder=target_folder)
    replaced = set(read_reaper_metadata(timeline).get(REPLACED_ITEMS, ()))
    untouched = _find_untouched_stems(project, source) | replaced
    merge = _Merge(project=merged, writer=writer, untouched=untouched)
    merge.put([track for track in timeline.tracks if read_selva_metadata(track, TRACK_SCHEMA)])
    try:
        return merged.to_bytes()
    except UnicodeEncodeError as error:
        raise TimelineWriteError(
            "the project is not UTF-8 and cannot hold every name of the stems; save it in REAPER once"
        ) from error


def check_media_stays_found(project: ProjectText, source_folder: Path, target_folder: Path) -> None:
    """Raises TimelineWriteError when a project written to another folder would lose its media."""
    if source_folder.absolute() == target_folder.absolute():
        return
    relative = next((file for file in _iter_files(project.root) if is_relative(file)), None)
    if relative is not None:
        raise TimelineWriteError(
            f"the project names media relative to its own folder ({relative!r}); write the new project into "
            f"{source_folder}, beside the old one"
        )


@dataclass(kw_only=True)
class _Merge:
    """A project while stem tracks are put into it. untouched: GUIDs of its stems that give way: those that are
    still as they were placed, and those that the timeline says it replaces."""

    project: ProjectText
    writer: ItemWriter
    untouched: Set[str]
    _new_tracks: list[otio.schema.Track] = field(default_factory=list)

    def put(self, tracks: Sequence[otio.schema.Track]) -> None:
        """Put all stem tracks into the project."""
        tracks_of_chunk: dict[int, list[otio.schema.Track]] = {}
        chunks = list(self.project.root.iter_chunks("TRACK"))
        for track in tracks:
            number = _find_chunk(track, chunks)
            if number is None:
                self._new_tracks.append(track)
            else:
                tracks_of_chunk.setdefault(number, []).append(track)
        for number, group in tracks_of_chunk.items():
            self._update_chunk(chunks[number], group)
        if self._new_tracks:
            self._append_tracks(chunks)

    def _update_chunk(self, chunk: Chunk, tracks: Sequence[otio.schema.Track]) -> None:
        """Remove the stems that are replaced and append the new ones; the other lines of the chunk are not changed."""
        clips = [placed for track in tracks for placed in iter_placed_clips(track)]
        guids = {_guid(placed.child) for placed in clips}
        children = [child for child in chunk.children if self._stays(child, guids)]
        items = [child for child in children if isinstance(child, Chunk) and child.name == "ITEM"]
        old_cues = {str(parse_stem_metadata(read_extension(item)).get("cue", "")) for item in items} - {""}
        old_guids = {_item_guid(item) for item in items}
        indent = indent_of(chunk.opening) + INDENT
        identity = stem_track_identity(tracks[0])
        for placed in clips:
            cue = str(read_selva_metadata(placed.child, STEM_SCHEMA).get("cue", ""))
            if _guid(placed.child) not in old_guids and cue not in old_cues:
                lines = self.writer.build_lines(placed, track_identity=identity)
                children.append(self._parse_lines(lines, indent))
        chunk.children = children
        metadata = read_selva_metadata(tracks[0], TRACK_SCHEMA)
        _update_track_metadata(chunk, metadata, indent, self.project.newline)

    def _stays(self, child: str | Chunk, guids: set[str]) -> bool:
        """Whether a child of a TRACK chunk stays: all do but untouched stems that the timeline no longer has."""
        if not isinstance(child, Chunk) or child.name != "ITEM":
            return True
        guid = _item_guid(child)
        return guid not in self.untouched or guid in guids

    def _append_tracks(self, chunks: Sequence[Chunk]) -> None:
        """Append the new tracks to the folder "Selva" where it ends the project, else with a new folder at the end."""
        folder = find_last_stem_folder(chunks)
        if folder is None:
            close_folders(chunks)
            lines = build_stem_folder_lines(self._new_tracks, self.writer)
        else:
            closing_change = reopen_folder(chunks, folder)
            lines = []
            for number, track in enumerate(self._new_tracks, start=1):
                change = closing_change if number == len(self._new_tracks) else 0
                lines += build_track_lines(
                    [track], identity=stem_track_identity(track), depth_change=change, writer=self.writer
                )
        indent = indent_of(chunks[-1].opening) if chunks else INDENT
        self._insert_after_tracks(self._parse_chunks(lines, indent))

    def _insert_after_tracks(self, new_chunks: list[Chunk]) -> None:
        children = self.project.root.children
        last = max(
            (
                number
                for number, child in enumerate(children)
                if isinstance(child, Chunk) and child.name == "TRACK"
            ),
            default=len(children) - 1,
        )
        children[last + 1 : last + 1] = new_chunks

    def _parse_lines(self, lines: Sequence[str], indent: str) -> Chunk:
        newline = self.project.newline
        return parse_chunk("".join(f"{indent}{line}{newline}" for line in lines))

    def _parse_chunks(self, lines: Sequence[str], indent: str) -> list[Chunk]:
        """The chunks in lines of which each chunk ends with an unindented ">"."""
        chunks: list[Chunk] = []
        start = 0
        for number, line in enumerate(lines):
            if line == ">":
                chunks.append(self._parse_lines(lines[start : number + 1], indent))
                start = number + 1
        return chunks


def _find_chunk(track: otio.schema.Track, chunks: Sequence[Chunk]) -> int | None:
    """The TRACK chunk of a stem track: by GUID when it was read from the project, else by its name and number."""
    guid = str(read_reaper_metadata(track).get("guid", ""))
    metadata = read_selva_metadata(track, TRACK_SCHEMA)
    name = str(metadata["track"]).casefold()
    for number, chunk in enumerate(chunks):
        extension = read_extension(chunk)
        if not extension.get(TRACK_KEY):
            continue
        if guid:
            if chunk.arguments[:1] == [guid]:
                return number
            continue
        old = parse_stem_metadata(extension) or {"track": extension[TRACK_KEY], "lane": 0}
        if str(old.get("track", "")).casefold() == name and old.get("lane") == metadata.get("lane"):
            return number
    return None


def _find_untouched_stems(project: ProjectText, source: otio.schema.Timeline) -> set[str]:
    """GUIDs of the stems on a project's stem tracks that are still as they were placed."""
    clock = read_clock(project).record
    return {
        _guid(placed.child)
        for track in source.tracks
        if read_selva_metadata(track, TRACK_SCHEMA)
        for placed in iter_placed_clips(track)
        if PlacedItem(item=placed.child, start_s=placed.start_s, end_s=placed.end_s).is_as_placed(clock)
    }


def _iter_files(root: Chunk) -> Iterator[str]:
    """The media files that the items of a project play."""
    for track in root.iter_chunks("TRACK"):
        for item in track.iter_chunks("ITEM"):
            ahead = list(item.iter_chunks("SOURCE"))
            while ahead:
                source = ahead.pop()
                yield from source.find_field("FILE")[:1]
                ahead += source.iter_chunks("SOURCE")


def _update_track_metadata(track: Chunk, metadata: Mapping[str, Any], indent: str, newline: str) -> None:
    """Write the metadata of a stem track into its EXT chunk, where it is not the same already."""
    plain = to_plain_value(metadata)
    fields = read_extension(track)
    # A track that the REAPER script made has no metadata; without prompts there is nothing to add to its name.
    has_name_only = not fields.get(METADATA_KEY) and not plain.get("prompts")
    if parse_stem_metadata(fields) == plain or has_name_only:
        return
    new_fields = build_metadata_fields(plain)
    extension = next(track.iter_chunks("EXT"), None)
    if extension is None:
        lines = extension_lines({TRACK_KEY: str(plain["track"]), **new_fields})
        track.children.append(parse_chunk("".join(f"{indent}{line}{newline}" for line in lines)))
        return
    other_lines = [
        child
        for child in extension.children
        if not (isinstance(child, str) and is_metadata_key(line_key(child)))
    ]
    new_lines = [f"{indent}{INDENT}{key} {value}{newline}" for key, value in new_fields.items()]
    extension.children = [*other_lines, *new_lines]


def _item_guid(item: Chunk) -> str:
    return next(iter(item.find_field("IGUID")), "")


def _guid(child: otio.core.Item) -> str:
    return str(read_reaper_metadata(child).get("guid", ""))
