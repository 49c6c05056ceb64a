"""MARKER lines: a marker is one line, a region two lines with the same number, the second without a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

import opentimelineio as otio

from selva_otio.formats.reaper.chunks import Chunk
from selva_otio.formats.reaper.project_time import ProjectClock
from selva_otio.formats.reaper.tokens import format_decimal, parse_flags, quote_token
from selva_otio.time.clock import exact_seconds

NAMESPACE = "REAPER"
_IS_REGION = 1
_HAS_COLOUR = 0x1000000
_BLUE_FIRST = "B"
_RED_FIRST = "R"
_COLOURS: dict[str, tuple[int, int, int]] = {
    "PINK": (255, 128, 192),
    "RED": (255, 0, 0),
    "ORANGE": (255, 128, 0),
    "YELLOW": (255, 255, 0),
    "GREEN": (0, 255, 0),
    "CYAN": (0, 255, 255),
    "BLUE": (0, 0, 255),
    "PURPLE": (128, 0, 255),
    "MAGENTA": (255, 0, 255),
    "BLACK": (0, 0, 0),
    "WHITE": (255, 255, 255),
}


def read_markers(root: Chunk, clock: ProjectClock) -> Iterator[otio.schema.Marker]:
    """The markers and regions of a project, in the order in which they stand. Raises TimelineReadError."""
    started: dict[str, list[str]] = {}
    for words in root.iter_fields("MARKER"):
        number = words[0] if words else "0"
        if not parse_flags(_word(words, 3)) & _IS_REGION:
            yield _build_marker(words, words, clock)
        elif number in started and not _word(words, 2):
            yield _build_marker(started.pop(number), words, clock)
        else:
            started[number] = words
    for words in started.values():  # a region whose end is missing
        yield _build_marker(words, words, clock)


def read_take_marker(
    words: Sequence[str], clock: ProjectClock, source_start_s: Fraction
) -> otio.schema.Marker:
    """A take marker (TKM: seconds in the source, name, colour, length), on the clock of the media."""
    start_s = clock.parse_seconds(_word(words, 0) or "0", what="a take marker (TKM)")
    length_s = clock.parse_seconds(_word(words, 3) or "0", what="the length of a take marker (TKM)")
    return otio.schema.Marker(
        name=_word(words, 1),
        marked_range=clock.record.time_range(source_start_s + start_s, max(length_s, Fraction(0))),
        color=_name_colour(parse_flags(_word(words, 2)), _BLUE_FIRST),
    )


def iter_marker_lines(markers: Iterable[otio.schema.Marker], origin_s: Fraction) -> Iterator[str]:
    """MARKER lines of timeline markers; `origin_s` is the time on the markers' clock at which the record starts."""
    for number, marker in enumerate(markers, start=1):
        start_s = exact_seconds(marker.marked_range.start_time) - origin_s
        length_s = exact_seconds(marker.marked_range.duration)
        flags = _IS_REGION if length_s > 0 else 0
        told = marker.metadata.get(NAMESPACE)
        known = told if isinstance(told, Mapping) else {}
        colour = parse_flags(str(known.get("colour", ""))) or _native_colour(marker.color)
        order = str(known.get("colour_order", _RED_FIRST))
        name = quote_token(marker.name or marker.comment or "")
        tail = f"{flags} {colour} 1 {order if order in (_RED_FIRST, _BLUE_FIRST) else _RED_FIRST}"
        yield f"MARKER {number} {format_decimal(start_s)} {name} {tail}"
        if flags:
            yield f'MARKER {number} {format_decimal(start_s + length_s)} "" {tail}'


def _build_marker(first: Sequence[str], last: Sequence[str], clock: ProjectClock) -> otio.schema.Marker:
    start_s = clock.parse_seconds(_word(first, 1) or "0", what="a marker (MARKER)")
    end_s = clock.parse_seconds(_word(last, 1) or "0", what="the end of a region (MARKER)")
    colour, order = parse_flags(_word(first, 4)), _word(first, 6)
    facts: dict[str, str | int | bool] = {
        "number": parse_flags(_word(first, 0)),
        "is_region": first is not last,
    }
    if colour & _HAS_COLOUR:
        facts |= {"colour": colour, "colour_order": order}
    guid = next((word for word in first[5:] if word.startswith("{")), "")
    if guid:
        facts["guid"] = guid
    return otio.schema.Marker(
        name=_word(first, 2),
        marked_range=clock.record.time_range(start_s, max(end_s - start_s, Fraction(0))),
        color=_name_colour(colour, order),
        metadata={NAMESPACE: facts},
    )


def _name_colour(native: int, order: str) -> str:
    """The nearest colour that OpenTimelineIO names; none for a marker in REAPER's default colour."""
    if not native & _HAS_COLOUR:
        return ""
    high, green, low = (native >> 16) & 255, (native >> 8) & 255, native & 255
    red, blue = (high, low) if order == _RED_FIRST else (low, high)

    def distance(name: str) -> int:
        return sum(
            (ours - theirs) ** 2 for ours, theirs in zip((red, green, blue), _COLOURS[name], strict=True)
        )

    return min(_COLOURS, key=distance)


def _native_colour(name: str) -> int:
    if name not in _COLOURS:
        return 0
    red, green, blue = _COLOURS[name]
    return _HAS_COLOUR | red << 16 | green << 8 | blue


def _word(words: Sequence[str], position: int) -> str:
    return words[position] if len(words) > position else ""
