"""Stem tracks into a project that is there: all else stays byte for byte.

New tracks go to the folder "Selva" at the end of the project, never between others: sends name tracks by their number.
On tracks of an earlier render, items that are still as they were placed give way to new ones; whatever an editor has
changed, added or moved there stays as it stands in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.errors import TimelineWriteError
from selva_otio.formats.reaper.chunks import Chunk, ProjectText, line_key, parse_chunk, parse_project_text
from selva_otio.formats.reaper.extension_data import (
    FACTS_KEY,
    FOLDER_MARK,
    TRACK_MARK,
    build_fact_marks,
    is_fact_key,
    plain_value,
    read_facts,
)
from selva_otio.formats.reaper.guids import GuidRegister
from selva_otio.formats.reaper.item_chunks import ItemWriter
from selva_otio.formats.reaper.items import read_extension
from selva_otio.formats.reaper.media_files import is_relative
from selva_otio.formats.reaper.reader import build_timeline, read_clock
from selva_otio.formats.reaper.tokens import parse_flags
from selva_otio.formats.reaper.track_chunks import (
    INDENT,
    build_folder_lines,
    build_track_lines,
    folder_line,
    known_track,
    mark_lines,
    stem_track_facts,
)
from selva_otio.formats.reaper.track_items import iter_placed_clips
from selva_otio.metadata import SELVA_NAMESPACE
from selva_otio.placement.stem_tracks import PlacedItem


def merge_stem_tracks(
    project: ProjectText, timeline: otio.schema.Timeline, *, source_folder: Path, target_folder: Path
) -> bytes:
    """The bytes of the project with the stem tracks of `timeline`, to be written into `target_folder`.

    Raises TimelineWriteError when media is named relative to the folder of the source and the target lies
    elsewhere, or when the project's encoding cannot hold a name.
    """
    check_media_stays_found(project, source_folder, target_folder)
    text = project.to_text()
    copy = parse_project_text(text, encoding=project.encoding)
    writer = ItemWriter(guids=GuidRegister(text), folder=target_folder)
    untouched = _find_untouched_stems(project, source_folder)
    merge = _Merge(project=copy, writer=writer, untouched=untouched)
    merge.put([track for track in timeline.tracks if stem_track_facts(track)])
    try:
        return copy.to_bytes()
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


def build_stem_folder_lines(tracks: Sequence[otio.schema.Track], writer: ItemWriter) -> list[str]:
    """The folder "Selva" with stem tracks, without line ends."""
    lines = build_folder_lines(writer.guids.claim("folder"))
    for number, track in enumerate(tracks, start=1):
        is_last = number == len(tracks)
        lines += build_track_lines(
            [track], identity=_identity(track), depth_change=-1 if is_last else 0, writer=writer
        )
    return lines


@dataclass(kw_only=True)
class _Merge:
    """A project while stem tracks are put into it. `untouched`: GUIDs of its stems that are as we placed them."""

    project: ProjectText
    writer: ItemWriter
    untouched: Set[str]
    _new: list[otio.schema.Track] = field(default_factory=list)

    def put(self, tracks: Sequence[otio.schema.Track]) -> None:
        lanes: dict[int, list[otio.schema.Track]] = {}
        chunks = list(self.project.root.iter_chunks("TRACK"))
        for track in tracks:
            found = self._find_track(track, chunks)
            if found is None:
                self._new.append(track)
            else:
                lanes.setdefault(found, []).append(track)
        for number, group in lanes.items():
            self._update_track(chunks[number], group)
        if self._new:
            self._append_tracks(chunks)

    def _find_track(self, track: otio.schema.Track, chunks: Sequence[Chunk]) -> int | None:
        """The project's track: by GUID when it was read from there, else by what we noted on it."""
        guid = str(known_track(track).get("guid", ""))
        facts = stem_track_facts(track)
        for number, chunk in enumerate(chunks):
            marks = read_extension(chunk)
            if not marks.get(TRACK_MARK):
                continue
            if guid:
                if chunk.arguments[:1] == [guid]:
                    return number
                continue
            told = read_facts(marks) or {"track": marks[TRACK_MARK], "lane": 0}
            if str(told.get("track", "")).casefold() == str(facts["track"]).casefold() and told.get(
                "lane"
            ) == facts.get("lane"):
                return number
        return None

    def _update_track(self, chunk: Chunk, lanes: Sequence[otio.schema.Track]) -> None:
        """Take off what gave way, put on what is new; the rest of the chunk is not touched."""
        wanted = [placed for lane in lanes for placed in iter_placed_clips(lane)]
        guids = {_guid(placed.child) for placed in wanted}
        stays = [child for child in chunk.children if self._stays(child, guids)]
        items = [child for child in stays if isinstance(child, Chunk) and child.name == "ITEM"]
        kept_cues = {_cue(read_extension(item)) for item in items} - {""}
        present = {_item_guid(item) for item in items}
        indent = _indent_of(chunk.opening) + INDENT
        identity = _identity(lanes[0])
        for placed in wanted:
            if _guid(placed.child) in present or _child_cue(placed.child) in kept_cues:
                continue
            stays.append(self._to_chunk(self.writer.build_lines(placed, track_identity=identity), indent))
        chunk.children = stays
        _note_facts(chunk, stem_track_facts(lanes[0]), indent, self.project.newline)

    def _stays(self, child: str | Chunk, wanted_guids: set[str]) -> bool:
        """Everything but our own untouched stems that the timeline has no more."""
        if not isinstance(child, Chunk) or child.name != "ITEM":
            return True
        guid = _item_guid(child)
        return guid not in self.untouched or guid in wanted_guids

    def _append_tracks(self, chunks: Sequence[Chunk]) -> None:
        """Into our folder where it ends the project, else into a new one at the end."""
        folder = _find_last_folder(chunks)
        if folder is None:
            _close_folders(chunks)
            lines = build_stem_folder_lines(self._new, self.writer)
        else:
            closing = _reopen_folder(chunks, folder)
            lines = []
            for number, track in enumerate(self._new, start=1):
                change = closing if number == len(self._new) else 0
                lines += build_track_lines(
                    [track], identity=_identity(track), depth_change=change, writer=self.writer
                )
        indent = _indent_of(chunks[-1].opening) if chunks else INDENT
        self._insert_after_tracks(self._to_chunks(lines, indent))

    def _insert_after_tracks(self, new: list[Chunk]) -> None:
        children = self.project.root.children
        last = max(
            (
                number
                for number, child in enumerate(children)
                if isinstance(child, Chunk) and child.name == "TRACK"
            ),
            default=len(children) - 1,
        )
        children[last + 1 : last + 1] = new

    def _to_chunk(self, lines: Sequence[str], indent: str) -> Chunk:
        newline = self.project.newline
        return parse_chunk("".join(f"{indent}{line}{newline}" for line in lines))

    def _to_chunks(self, lines: Sequence[str], indent: str) -> list[Chunk]:
        """Lines of several chunks one after another."""
        chunks: list[Chunk] = []
        start = 0
        for number, line in enumerate(lines):
            if line == ">":
                chunks.append(self._to_chunk(lines[start : number + 1], indent))
                start = number + 1
        return chunks


def _find_untouched_stems(project: ProjectText, folder: Path) -> set[str]:
    """GUIDs of the stems on a project's stem tracks that are still as we placed them."""
    clock = read_clock(project).record
    before = build_timeline(project, name="", folder=folder)  # held: its children live no longer than it does
    return {
        _guid(placed.child)
        for track in before.tracks
        if stem_track_facts(track)
        for placed in iter_placed_clips(track)
        if PlacedItem(item=placed.child, start_s=placed.start_s, end_s=placed.end_s).is_as_placed(clock)
    }


def _iter_files(root: Chunk) -> Iterator[str]:
    """The media that the items of a project play."""
    for track in root.iter_chunks("TRACK"):
        for item in track.iter_chunks("ITEM"):
            ahead = list(item.iter_chunks("SOURCE"))
            while ahead:
                source = ahead.pop()
                yield from source.find_field("FILE")[:1]
                ahead += source.iter_chunks("SOURCE")


def _find_last_folder(chunks: Sequence[Chunk]) -> Chunk | None:
    """Our folder, when the project ends with it."""
    for number, chunk in enumerate(chunks):
        if read_extension(chunk).get(FOLDER_MARK) and _depth_change(chunk) == 1:
            level = 1
            for inner in chunks[number + 1 :]:
                if level <= 0:
                    break
                level += _depth_change(inner)
            else:
                return chunk
    return None


def _reopen_folder(chunks: Sequence[Chunk], folder: Chunk) -> int:
    """Keep the folder that ends the project open after its last track; the depth change that ends it later."""
    first = next(number for number, chunk in enumerate(chunks) if chunk is folder)
    inner = chunks[first + 1 :]
    if not inner:
        return -1
    level = 1 + sum(_depth_change(chunk) for chunk in inner[:-1])
    ended = _depth_change(inner[-1])
    _set_depth_change(inner[-1], 1 - level)
    return min(ended + level - 1, -1)


def _close_folders(chunks: Sequence[Chunk]) -> None:
    """REAPER may leave folders open at a project's end; what follows would fall into them."""
    level = sum(_depth_change(chunk) for chunk in chunks)
    if level > 0:
        _set_depth_change(chunks[-1], _depth_change(chunks[-1]) - level)


def _depth_change(track: Chunk) -> int:
    fields = track.find_field("ISBUS")
    return parse_flags(fields[1]) if len(fields) > 1 else 0


def _set_depth_change(track: Chunk, change: int) -> None:
    """Rewrite the ISBUS line of a track where it says otherwise."""
    if _depth_change(track) == change:
        return
    for number, child in enumerate(track.children):
        if isinstance(child, str) and line_key(child) == "ISBUS":
            track.children[number] = f"{_indent_of(child)}{folder_line(change)}{_line_end(child)}"
            return
    end = _line_end(track.opening)
    track.children.insert(0, f"{_indent_of(track.opening)}{INDENT}{folder_line(change)}{end}")


def _note_facts(track: Chunk, facts: Mapping[str, Any], indent: str, newline: str) -> None:
    """What we know of a stem track, where it is not what its chunk says already."""
    plain = plain_value(facts)
    if read_facts(read_extension(track)) == plain or _is_noted_by_script_only(track, plain):
        return
    marks = build_fact_marks(plain)
    extension = next(track.iter_chunks("EXT"), None)
    if extension is None:
        lines = mark_lines({TRACK_MARK: str(plain["track"]), **marks})
        text = "".join(f"{indent}{line}{newline}" for line in lines)
        track.children.append(parse_chunk(text))
        return
    others = [
        child for child in extension.children if not (isinstance(child, str) and is_fact_key(line_key(child)))
    ]
    new = [f"{indent}{INDENT}{key} {word}{newline}" for key, word in marks.items()]
    extension.children = [*others, *new]


def _is_noted_by_script_only(track: Chunk, facts: Mapping[str, Any]) -> bool:
    """Whether a track that the REAPER script made has nothing of ours to note yet."""
    return not read_extension(track).get(FACTS_KEY) and not facts.get("prompts")


def _identity(track: otio.schema.Track) -> str:
    facts = stem_track_facts(track)
    return f"stem track {facts.get('track', track.name)}\n{facts.get('lane', 0)}"


def _item_guid(item: Chunk) -> str:
    return next(iter(item.find_field("IGUID")), "")


def _guid(child: otio.core.Item) -> str:
    return str(known_track(child).get("guid", ""))


def _cue(extension: Mapping[str, str]) -> str:
    return str(read_facts(extension).get("cue", ""))


def _child_cue(child: otio.core.Item) -> str:
    facts = child.metadata.get(SELVA_NAMESPACE)
    return str(facts.get("cue", "")) if isinstance(facts, Mapping) else ""


def _indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
