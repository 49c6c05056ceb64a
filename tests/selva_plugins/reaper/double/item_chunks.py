"""The chunk of an item: what a script may add is read, and everything else must come back as it was.

Most of an item is one opaque line here. Its takes are lines and SOURCE chunks as REAPER writes them, behind whose end an
envelope of the take may stand.
"""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator

from .state import Item

_HEAD, _END = "<ITEM", ">"
_STATE = "SELVA_DOUBLE "
_ENVELOPE_KEYS = ("EGUID", "ACT", "VIS", "LANEHEIGHT", "ARM", "DEFSHAPE", "PT")


def build_chunk(item: Item) -> str:
    state = base64.b64encode(pickle.dumps(item)).decode()
    identity = f"IGUID {item.guid}"
    return "".join(f"{line}\n" for line in (_HEAD, _STATE + state, identity, *_take_lines(item), _END))


def parse_chunk(text: str) -> Item:
    """The item of a chunk that `build_chunk` wrote, with the pan envelopes that were added, and the identities that were changed.
    Raises ValueError.
    """
    lines = [line.strip() for line in text.splitlines()]
    state = next((line.removeprefix(_STATE) for line in lines if line.startswith(_STATE)), None)
    if state is None:
        raise ValueError("the state of the item is gone")
    item: Item = pickle.loads(base64.b64decode(state))  # noqa: S301 - written by build_chunk
    for take in item.takes:
        if take is not None:
            take.pan_points = []
    _take_identities(lines, item)
    others = list(_take_envelopes(lines, item))
    expected = [line.strip() for line in build_chunk(item).splitlines() if not line.startswith(_STATE)]
    if [line for line in others if not line.startswith(_STATE)] != [*_without_envelopes(expected)]:
        raise ValueError("something other than an envelope was changed")
    return item


def _take_identities(lines: list[str], item: Item) -> None:
    """Items and takes have the identities that the lines say. Raises ValueError."""
    takes = [take for take in item.takes if take is not None]
    found = [line.removeprefix("GUID ") for line in lines if line.startswith("GUID ")]
    own = [line.removeprefix("IGUID ") for line in lines if line.startswith("IGUID ")]
    if len(own) != 1 or len(found) != len(takes):
        raise ValueError("identities of the item or its takes are gone")
    item.guid = own[0]
    for take, guid in zip(takes, found, strict=True):
        take.guid = guid


def _take_lines(item: Item) -> Iterator[str]:
    for number, take in enumerate(item.takes):
        if number:
            yield "TAKE NULL" if take is None else f"TAKE{' SEL' if item.active == number else ''}"
        if take is None:
            continue
        yield f"NAME {take.name!r}"
        yield f"GUID {take.guid}"
        if take.source is not None:
            yield f"<SOURCE {take.source.kind}"
            yield f"FILE {take.source.innermost.file!r}"
            yield ">"
        if take.pan_points:
            yield "<PANENV"
            yield from ("ACT 1 -1", "VIS 1 1 1")
            yield from (f"PT {time_s!r} {value!r} 0" for time_s, value in take.pan_points)
            yield ">"


def _take_envelopes(lines: list[str], item: Item) -> Iterator[str]:
    """Move the points of envelopes into the takes they stand in; yields the other lines. Raises ValueError."""
    index, is_in_envelope, may_follow = 0, False, False
    for line in lines:
        if line.startswith("<PANENV"):
            if not may_follow:
                raise ValueError("an envelope stands behind the source of its take")
            is_in_envelope = True
        elif not is_in_envelope:
            index += line.split()[:1] == ["TAKE"]
            may_follow = line == ">"
            yield line
        elif line == ">":
            is_in_envelope = may_follow = False
        else:
            _add_point(line, item, index)


def _add_point(line: str, item: Item, index: int) -> None:
    key, *numbers = line.split()
    if key not in _ENVELOPE_KEYS:
        raise ValueError(f"an envelope has no line {line!r}")
    if key == "PT":
        time_s, value, shape = (float(number) for number in numbers)
        take = item.takes[index]
        assert take is not None
        if not -1 <= value <= 1 or shape != 0 or (take.pan_points and time_s <= take.pan_points[-1][0]):
            raise ValueError(f"the point {line!r} is out of range or of order")
        take.pan_points = [*take.pan_points, (time_s, value)]


def _without_envelopes(lines: list[str]) -> Iterator[str]:
    is_in_envelope = False
    for line in lines:
        if line == "<PANENV":
            is_in_envelope = True
        elif not is_in_envelope:
            yield line
        elif line == ">":
            is_in_envelope = False
