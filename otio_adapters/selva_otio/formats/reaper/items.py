"""The items of a track: where they lie, their takes, and what of its source each take shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from selva_otio.errors import TimelineReadError
from selva_otio.formats.reaper.chunks import Chunk, line_key
from selva_otio.formats.reaper.project_time import ProjectClock
from selva_otio.formats.reaper.tokens import parse_flags, parse_number, split_tokens

MAX_NESTED_SOURCES = 8
MAX_PLAY_RATE = 1000
_SECTION = "SECTION"
_OFFLINE = "_OFFLINE_"
_REVERSED = 2
_PICTURE_KINDS = ("VIDEO", "VIDEOEFFECT")


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a source, or (reversed) a source that plays from its end. `length_s` is zero where it is not told."""

    start_s: Fraction
    length_s: Fraction
    mode: int

    @property
    def is_reversed(self) -> bool:
        return bool(self.mode & _REVERSED)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a take plays. `file` is as written; empty for what REAPER makes itself (MIDI, click ...).

    kind: WAVE, VIDEO, MIDI ... of the innermost source; sections: those around it, outermost first.
    """

    kind: str
    file: str
    sections: tuple[Section, ...]
    is_offline: bool
    has_picture: bool
    chunk: Chunk

    @property
    def is_reversed(self) -> bool:
        return sum(section.is_reversed for section in self.sections) % 2 == 1

    def locate(self, offset_s: Fraction) -> Fraction | None:
        """File time of an offset into the take's source; None when a length that is needed is not told."""
        for section in self.sections:
            if not section.is_reversed:
                offset_s += section.start_s
            elif section.length_s > 0:
                offset_s = section.start_s + section.length_s - offset_s
            else:
                return None
        return offset_s


@dataclass(kw_only=True)
class Take:
    """One take; `fields` are its lines by their first word, `source` is None for an empty take."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    markers: list[list[str]] = field(default_factory=list)
    num_stretch_markers: int = 0
    has_effects: bool = False
    is_active: bool = False
    source: Source | None = None
    offset_s: Fraction = Fraction(0)
    play_rate: Fraction = Fraction(1)

    def text(self, key: str, position: int = 0, default: str = "") -> str:
        return _word(self.fields, key, position, default)


@dataclass(kw_only=True)
class Item:
    """One item. start_s, end_s: record seconds on the grid where they are meant to be."""

    chunk: Chunk
    fields: dict[str, list[str]]
    extension: dict[str, str]
    notes: str
    takes: list[Take]
    start_s: Fraction
    end_s: Fraction

    @property
    def active_take(self) -> Take | None:
        """The take that sounds; None for an empty item or an empty take."""
        marked = next((take for take in self.takes if take.is_active), None)
        take = marked or (self.takes[0] if self.takes else None)
        return None if take is None or take.source is None else take

    def text(self, key: str, position: int = 0, default: str = "") -> str:
        return _word(self.fields, key, position, default)


def iter_items(track: Chunk, clock: ProjectClock) -> Iterator[Item]:
    """The items of a track as they stand in the file. Raises TimelineReadError."""
    for chunk in track.iter_chunks("ITEM"):
        yield read_item(chunk, clock)


def read_item(chunk: Chunk, clock: ProjectClock) -> Item:
    """Raises TimelineReadError that names the line of the item."""
    where = f"the item at line {chunk.line_number}"
    item_fields, takes, notes, extension = _split_takes(chunk, clock, where)
    position = _word(item_fields, "POSITION", 0, "0")
    length = _word(item_fields, "LENGTH", 0, "0")
    start_s = clock.parse_seconds(position, what=f"POSITION of {where}")
    length_s = clock.parse_seconds(length, what=f"LENGTH of {where}")
    if start_s < 0 or length_s < 0:
        raise TimelineReadError(
            f"POSITION and LENGTH of {where} are not negative; got {position!r} and {length!r}"
        )
    for take in takes:
        _read_take_times(take, clock, where)
    end_s = start_s + length_s
    more_decimals = max(position, length, key=lambda text: len(text.partition(".")[2]))
    return Item(
        chunk=chunk,
        fields=item_fields,
        extension=extension,
        notes=notes,
        takes=takes,
        start_s=start_s,
        end_s=clock.snap(more_decimals, end_s),
    )


def read_extension(chunk: Chunk) -> dict[str, str]:
    """What scripts and programs left in the EXT chunk of a track or item, by its key."""
    values: dict[str, str] = {}
    for extension in chunk.iter_chunks("EXT"):
        for line in extension.children:
            words = split_tokens(line) if isinstance(line, str) else []
            if len(words) >= 2:
                values[words[0]] = words[1]
    return values


def read_notes(chunk: Chunk) -> str:
    """The text of a NOTES chunk: its lines begin with a bar."""
    lines = [line.strip() for line in chunk.children if isinstance(line, str)]
    return "\n".join(line[1:] for line in lines if line.startswith("|"))


def _split_takes(
    chunk: Chunk, clock: ProjectClock, where: str
) -> tuple[dict[str, list[str]], list[Take], str, dict[str, str]]:
    """(fields of the item, takes, notes, extension): a line TAKE begins the next take."""
    item_fields: dict[str, list[str]] = {}
    takes: list[Take] = []
    notes = ""
    take = Take()
    for child in chunk.children:
        if isinstance(child, Chunk):
            if child.name == "SOURCE":
                take.source = _read_source(child, clock, where)
            elif child.name == "NOTES":
                notes = read_notes(child)
            elif child.name == "TAKEFX":
                take.has_effects = True
            continue
        key = line_key(child)
        if key == "TAKE":
            takes.append(take)
            words = split_tokens(child)[1:]
            take = Take(is_active="SEL" in words)
        else:
            _put_line(child, key, take, item_fields if not takes else None)
    takes.append(take)
    if len(takes) == 1 and takes[0].source is None:
        takes = []
    return item_fields, takes, notes, read_extension(chunk)


def _put_line(line: str, key: str, take: Take, item_fields: dict[str, list[str]] | None) -> None:
    words = split_tokens(line)[1:]
    if key == "TKM":
        take.markers.append(words)
    elif key == "SM":
        take.num_stretch_markers += words.count("+") + 1
    else:
        take.fields.setdefault(key, words)
        if item_fields is not None:
            item_fields.setdefault(key, words)


def _read_take_times(take: Take, clock: ProjectClock, where: str) -> None:
    take.offset_s = clock.parse_seconds(take.text("SOFFS", 0, "0"), what=f"SOFFS of {where}")
    take.play_rate = parse_number(take.text("PLAYRATE", 0, "1"), what=f"PLAYRATE of {where}")
    if not 0 < take.play_rate <= MAX_PLAY_RATE:
        raise TimelineReadError(
            f"PLAYRATE of {where} lies between 0 and {MAX_PLAY_RATE}; got {take.text('PLAYRATE')!r}"
        )


def _read_source(chunk: Chunk, clock: ProjectClock, where: str) -> Source:
    """The innermost source, and the sections around it."""
    sections: list[Section] = []
    inner = chunk
    while _kind(inner) == _SECTION:
        sections.append(_read_section(inner, clock, where))
        if len(sections) > MAX_NESTED_SOURCES:
            raise TimelineReadError(f"{where} has more than {MAX_NESTED_SOURCES} sections within each other")
        nested = next(inner.iter_chunks("SOURCE"), None)
        if nested is None:
            break
        inner = nested
    kind = _kind(inner)
    hides_picture = any(True for _ in inner.iter_fields("VIDEO_DISABLED"))
    return Source(
        kind=kind.removeprefix(_OFFLINE),
        file=_first(inner.find_field("FILE"), ""),
        sections=tuple(sections),
        is_offline=kind.startswith(_OFFLINE),
        has_picture=kind.removeprefix(_OFFLINE) in _PICTURE_KINDS and not hides_picture,
        chunk=chunk,
    )


def _read_section(chunk: Chunk, clock: ProjectClock, where: str) -> Section:
    start = _first(chunk.find_field("STARTPOS"), "0")
    length = _first(chunk.find_field("LENGTH"), "0")
    return Section(
        start_s=clock.parse_seconds(start, what=f"STARTPOS of {where}"),
        length_s=clock.parse_seconds(length, what=f"LENGTH of the section of {where}"),
        mode=parse_flags(_first(chunk.find_field("MODE"), "0")),
    )


def _kind(source: Chunk) -> str:
    return _first(source.arguments, "EMPTY")


def _first(words: Sequence[str], default: str) -> str:
    return words[0] if words else default


def _word(fields: dict[str, list[str]], key: str, position: int, default: str) -> str:
    words = fields.get(key, [])
    return words[position] if len(words) > position else default
