"""MARKER lines: a marker is one line, a region two lines of the same number, the second without a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import DamagedItemError
from selva_otio.formats.marker_colours import MARKER_COLOURS
from selva_otio.formats.reaper.chunks import Chunk
from selva_otio.formats.reaper.metadata import REAPER_NAMESPACE, read_reaper_metadata
from selva_otio.formats.reaper.project_time import ProjectClock
from selva_otio.formats.reaper.tokens import format_decimal, parse_flags, quote_token
from selva_otio.time.clock import exact_seconds

_IS_REGION = 1
_HAS_COLOUR = 0x1000000
_BLUE_FIRST = "B"
_RED_FIRST = "R"


def read_project_markers(root: Chunk, clock: ProjectClock) -> tuple[list[otio.schema.Marker], int]:
    """The markers and regions of a project, in the order of the file, and how many have no time that can be read."""
    markers: list[otio.schema.Marker] = []
    num_damaged = 0
    for first, last in _pair_marker_lines(root):
        try:
            markers.append(_build_marker(first, last, clock))
        except DamagedItemError:
            num_damaged += 1
    return markers, num_damaged


def _pair_marker_lines(root: Chunk) -> Iterator[tuple[list[str], list[str]]]:
    """The tokens of the line of each marker, twice, or of the two lines of each region."""
    region_starts: dict[str, list[str]] = {}
    for tokens in root.iter_fields("MARKER"):
        number = tokens[0] if tokens else "0"
        if not parse_flags(_token(tokens, 3)) & _IS_REGION:
            yield tokens, tokens
        elif number in region_starts and not _token(tokens, 2):
            yield region_starts.pop(number), tokens
        else:
            region_starts[number] = tokens
    for tokens in region_starts.values():  # a region whose end is missing
        yield tokens, tokens


def read_take_marker(
    tokens: Sequence[str], clock: ProjectClock, source_start_s: Fraction
) -> otio.schema.Marker:
    """A take marker on the clock of its media. tokens: of a TKM line (seconds in the source, name, colour, length)."""
    start_s = clock.parse_seconds(_token(tokens, 0) or "0", what="a take marker (TKM)")
    length_s = clock.parse_seconds(_token(tokens, 3) or "0", what="the length of a take marker (TKM)")
    return otio.schema.Marker(
        name=_token(tokens, 1),
        marked_range=clock.record.time_range(source_start_s + start_s, max(length_s, Fraction(0))),
        color=_name_colour(parse_flags(_token(tokens, 2)), _BLUE_FIRST),
    )


def iter_marker_lines(markers: Iterable[otio.schema.Marker], origin_s: Fraction) -> Iterator[str]:
    """The MARKER lines of timeline markers. origin_s: the time of the timeline's start on the clock of the markers."""
    for number, marker in enumerate(markers, start=1):
        start_s = exact_seconds(marker.marked_range.start_time) - origin_s
        length_s = exact_seconds(marker.marked_range.duration)
        flags = _IS_REGION if length_s > 0 else 0
        known = read_reaper_metadata(marker)
        colour = parse_flags(str(known.get("colour", ""))) or _native_colour(marker.color)
        order = str(known.get("colour_order", _RED_FIRST))
        name = quote_token(marker.name or marker.comment or "")
        tail = f"{flags} {colour} 1 {order if order in (_RED_FIRST, _BLUE_FIRST) else _RED_FIRST}"
        yield f"MARKER {number} {format_decimal(start_s)} {name} {tail}"
        if flags:
            yield f'MARKER {number} {format_decimal(start_s + length_s)} "" {tail}'


def _build_marker(first: Sequence[str], last: Sequence[str], clock: ProjectClock) -> otio.schema.Marker:
    start_s = clock.parse_seconds(_token(first, 1) or "0", what="a marker (MARKER)")
    end_s = clock.parse_seconds(_token(last, 1) or "0", what="the end of a region (MARKER)")
    colour, order = parse_flags(_token(first, 4)), _token(first, 6)
    metadata: dict[str, str | int | bool] = {
        "number": parse_flags(_token(first, 0)),
        "is_region": first is not last,
    }
    if colour & _HAS_COLOUR:
        metadata |= {"colour": colour, "colour_order": order}
    guid = next(
        (token for token in first[5:] if token.startswith("{")), ""
    )  # after a varying number of fields
    if guid:
        metadata["guid"] = guid
    return otio.schema.Marker(
        name=_token(first, 2),
        marked_range=clock.record.time_range(start_s, max(end_s - start_s, Fraction(0))),
        color=_name_colour(colour, order),
        metadata={REAPER_NAMESPACE: metadata},
    )


def _name_colour(native: int, order: str) -> str:
    """The nearest colour that OpenTimelineIO names; none for a marker in REAPER's default colour.

    order: "R" where red is the highest byte of the number, "B" where blue is.
    """
    if not native & _HAS_COLOUR:
        return ""
    high, green, low = (native >> 16) & 255, (native >> 8) & 255, native & 255
    red, blue = (high, low) if order == _RED_FIRST else (low, high)

    def distance(name: str) -> int:
        return sum(
            (channel - named) ** 2
            for channel, named in zip((red, green, blue), MARKER_COLOURS[name], strict=True)
        )

    return min(MARKER_COLOURS, key=distance)


def _native_colour(name: str) -> int:
    if name not in MARKER_COLOURS:
        return 0
    red, green, blue = MARKER_COLOURS[name]
    return _HAS_COLOUR | red << 16 | green << 8 | blue


def _token(tokens: Sequence[str], position: int) -> str:
    return tokens[position] if len(tokens) > position else ""
