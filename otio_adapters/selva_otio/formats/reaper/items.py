"""The items of a track: their record range, their takes, and what each take plays of its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from selva_otio.errors import DamagedItemError
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
    """A part of a source, or (reversed) a source that plays from its end. length_s: 0 where the project does not say it."""

    start_s: Fraction
    length_s: Fraction
    mode: int

    @property
    def is_reversed(self) -> bool:
        return bool(self.mode & _REVERSED)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a take plays.

    kind: WAVE, VIDEO, MIDI ... of the innermost source. file: as written; empty for what REAPER generates (MIDI, click ...).
    sections: those around it, the outermost first.
    """

    kind: str
    file: str
    sections: tuple[Section, ...]
    is_offline: bool
    has_picture: bool
    chunk: Chunk

    @property
    def is_reversed(self) -> bool:
        """Whether it plays backwards: a reversed section in a reversed section plays forwards."""
        return sum(section.is_reversed for section in self.sections) % 2 == 1

    def to_file_s(self, offset_s: Fraction) -> Fraction | None:
        """The file time of an offset into the take's source; None when that needs a length that the project does not say."""
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
    """One take. fields: its lines by their first token. source: None for an empty take. effects_text: its TAKEFX chunk.
    pan_points: of its pan envelope, seconds after the item's start and pan, -1 left and 1 right.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    markers: list[list[str]] = field(default_factory=list)
    num_stretch_markers: int = 0
    effects_text: str = ""
    pan_points: tuple[tuple[float, float], ...] = ()
    is_active: bool = False
    source: Source | None = None
    offset_s: Fraction = Fraction(0)
    play_rate: Fraction = Fraction(1)

    @property
    def has_effects(self) -> bool:
        return bool(self.effects_text)

    def text(self, key: str, position: int = 0, default: str = "") -> str:
        """A token of the line that begins with `key`."""
        return _token(self.fields, key, position, default)


@dataclass(kw_only=True)
class Item:
    """One item. start_s, end_s: record seconds, on a frame or sample where the project means one. damage: why what it plays is
    not known.
    """

    chunk: Chunk
    fields: dict[str, list[str]]
    extension: dict[str, str]
    notes: str
    takes: list[Take]
    start_s: Fraction
    end_s: Fraction
    damage: DamagedItemError | None = None

    @property
    def active_take(self) -> Take | None:
        """The take that plays; None for an empty item or an empty take."""
        marked = next((take for take in self.takes if take.is_active), None)
        take = marked or (self.takes[0] if self.takes else None)
        return None if take is None or take.source is None else take

    def text(self, key: str, position: int = 0, default: str = "") -> str:
        """A token of the line that begins with `key`."""
        return _token(self.fields, key, position, default)


def iter_items(track: Chunk, clock: ProjectClock) -> Iterator[Item]:
    """The items of a track in the order of the file. Raises TimelineReadError."""
    for chunk in track.iter_chunks("ITEM"):
        try:
            yield read_item(chunk, clock)
        except DamagedItemError as error:
            yield _build_damaged_item(chunk, clock, error)


def _build_damaged_item(chunk: Chunk, clock: ProjectClock, error: DamagedItemError) -> Item:
    """An item without takes, at its place; of one frame at zero where that is not known, since items may overlap."""
    fields = {
        line_key(child): split_tokens(child)[1:]
        for child in reversed(chunk.children)
        if isinstance(child, str)
    }
    try:
        start_s, length_s = (
            clock.parse_seconds(_token(fields, key, 0, "0"), what=key) for key in ("POSITION", "LENGTH")
        )
    except DamagedItemError:
        start_s = length_s = Fraction(0)
    return Item(
        chunk=chunk,
        fields=fields,
        extension=read_extension(chunk),
        notes="",
        takes=[],
        start_s=max(start_s, Fraction(0)),
        end_s=max(start_s, Fraction(0)) + (length_s if length_s > 0 else 1 / clock.record.frame_rate_hz),
        damage=error,
    )


def read_item(chunk: Chunk, clock: ProjectClock) -> Item:
    """Read an ITEM chunk. Raises DamagedItemError with the line of the item."""
    where = f"the item at line {chunk.line_number}"
    item_fields, takes, notes, extension = _split_takes(chunk, clock, where)
    position = _token(item_fields, "POSITION", 0, "0")
    length = _token(item_fields, "LENGTH", 0, "0")
    start_s = clock.parse_seconds(position, what=f"POSITION of {where}")
    length_s = clock.parse_seconds(length, what=f"LENGTH of {where}")
    if length_s < 0:
        raise DamagedItemError(f"LENGTH of {where} is not negative; got {length!r}")
    for take in takes:
        _read_take_times(take, clock, where)
    end_s = start_s + length_s
    # The end stands for a grid point when the more exact of the two texts does.
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
    """The values in the EXT chunk of a track or item, by key: where REAPER saves what scripts set as P_EXT."""
    values: dict[str, str] = {}
    for extension in chunk.iter_chunks("EXT"):
        for line in extension.children:
            tokens = split_tokens(line) if isinstance(line, str) else []
            if len(tokens) >= 2:
                values[tokens[0]] = tokens[1]
    return values


def read_notes(chunk: Chunk) -> str:
    """The text of a NOTES chunk: its lines begin with a bar."""
    lines = [line.strip() for line in chunk.children if isinstance(line, str)]
    return "\n".join(line[1:] for line in lines if line.startswith("|"))


def _split_takes(
    chunk: Chunk, clock: ProjectClock, where: str
) -> tuple[dict[str, list[str]], list[Take], str, dict[str, str]]:
    """(fields of the item, takes, notes, extension).

    The lines of the item and of its first take are mixed in one chunk; a line TAKE begins each further take.
    """
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
                take.effects_text = child.to_text()
            elif child.name == "PANENV":
                take.pan_points = _read_pan_points(child, where)
            continue
        key = line_key(child)
        if key == "TAKE":
            takes.append(take)
            take = Take(is_active="SEL" in split_tokens(child)[1:])
        else:
            _put_line(child, key, take, item_fields if not takes else None)
    takes.append(take)
    if len(takes) == 1 and takes[0].source is None:
        takes = []
    return item_fields, takes, notes, read_extension(chunk)


def _read_pan_points(chunk: Chunk, where: str) -> tuple[tuple[float, float], ...]:
    """The points of an envelope that is active. Its values run the other way than the pan of a take: 1 is left."""
    if _first(chunk.find_field("ACT"), "1") == "0":
        return ()
    what = f"a point of the pan envelope of {where}"
    return tuple(
        (
            float(parse_number(_first(point, "0"), what=what)),
            -float(parse_number(_first(point[1:], "0"), what=what)),
        )
        for point in chunk.iter_fields("PT")
    )


def _put_line(line: str, key: str, take: Take, item_fields: dict[str, list[str]] | None) -> None:
    tokens = split_tokens(line)[1:]
    if key == "TKM":
        take.markers.append(tokens)
    elif key == "SM":
        take.num_stretch_markers += tokens.count("+") + 1  # one line, markers with a plus between them
    else:
        take.fields.setdefault(key, tokens)
        if item_fields is not None:
            item_fields.setdefault(key, tokens)


def _read_take_times(take: Take, clock: ProjectClock, where: str) -> None:
    take.offset_s = clock.parse_seconds(take.text("SOFFS", 0, "0"), what=f"SOFFS of {where}")
    take.play_rate = parse_number(take.text("PLAYRATE", 0, "1"), what=f"PLAYRATE of {where}")
    if not 0 < take.play_rate <= MAX_PLAY_RATE:
        raise DamagedItemError(
            f"PLAYRATE of {where} is between 0 and {MAX_PLAY_RATE}; got {take.text('PLAYRATE')!r}"
        )


def _read_source(chunk: Chunk, clock: ProjectClock, where: str) -> Source:
    """The innermost source, and the sections around it."""
    sections: list[Section] = []
    inner = chunk
    while _kind(inner) == _SECTION:
        sections.append(_read_section(inner, clock, where))
        if len(sections) > MAX_NESTED_SOURCES:
            raise DamagedItemError(f"{where} has more than {MAX_NESTED_SOURCES} sections inside one another")
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


def _first(tokens: Sequence[str], default: str) -> str:
    return tokens[0] if tokens else default


def _token(fields: dict[str, list[str]], key: str, position: int, default: str) -> str:
    tokens = fields.get(key, [])
    return tokens[position] if len(tokens) > position else default
