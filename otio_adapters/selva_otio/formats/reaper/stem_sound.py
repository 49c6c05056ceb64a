"""How a stem sounds as it is placed, and what of that was changed in REAPER since."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from selva_core.base.pan import Curve
from selva_otio.errors import TimelineReadError
from selva_otio.formats.reaper.items import Item
from selva_otio.formats.reaper.tokens import parse_number
from selva_otio.formats.stem_metadata import read_fade_s, read_gain_db, read_pan

_TOLERANCE = 1e-4
"""REAPER may write a level or a fade back with fewer decimals; 1e-4 of a level is under 0.001 dB."""
_PAN_TOLERANCE = 0.002
Points: TypeAlias = tuple[tuple[float, float], ...]
"""Seconds after the item's start, and pan: -1 left, 1 right."""
_MAX_GAIN_DB = 150.0
"""REAPER's faders end at -150 dB, which it shows as -inf."""


def stem_volume(stem: Mapping[str, Any]) -> float:
    """The item volume, a factor, of a stem's gain."""
    gain_db = max(-_MAX_GAIN_DB, min(_MAX_GAIN_DB, read_gain_db(stem)))
    return float(10 ** (gain_db / 20))


def describe_changes(item: Item, stem: Mapping[str, Any]) -> list[str]:
    """What differs from how a stem was placed; an item with any such change belongs to the editor."""
    take = item.active_take
    if take is None:
        return ["its take"]
    found = {
        "volume": (item.text("VOLPAN", 0, "1"), stem_volume(stem)),
        "take volume": (item.text("VOLPAN", 2, "1"), 1.0),
        "pan": (item.text("VOLPAN", 1, "0"), 0.0),
        "fade in": (item.text("FADEIN", 1, "0"), float(read_fade_s(stem, "fade_in_s"))),
        "fade out": (item.text("FADEOUT", 1, "0"), float(read_fade_s(stem, "fade_out_s"))),
        "pitch": (take.text("PLAYRATE", 2, "0"), 0.0),
    }
    changes = [name for name, (text, placed) in found.items() if not _is_same(text, placed)]
    if not _is_same_pan(take.pan_points, stem_pan_points(item, stem)):
        changes.append("pan envelope")
    if any(each.has_effects for each in item.takes):
        changes.append("effects")
    return changes


def stem_pan_points(item: Item, stem: Mapping[str, Any]) -> Points:
    """The pan envelope with which the active take of a stem was placed; empty for one that is not panned."""
    takes = [take for take in stem.get("takes", ()) if isinstance(take, Mapping)]
    active = next((take for take in takes if take.get("take") == stem.get("active_take")), {})
    curve = read_pan(active)
    offset_s = read_fade_s(stem, "offset_s")
    return () if curve is None else curve.span(float(offset_s), float(item.end_s - item.start_s))


def _is_same_pan(found: Points, placed: Points) -> bool:
    """Whether two envelopes pan alike at all their points; REAPER may write them with fewer decimals, or leave out one
    that lies on the line between its neighbours.
    """
    if not found or not placed:
        return not found and not placed
    try:
        one, other = Curve(found), Curve(placed)
    except ValueError:  # points of an editor that lie on one another
        return False
    times_s = [time_s for time_s, _ in (*found, *placed)]
    return all(abs(one.at(time_s) - other.at(time_s)) <= _PAN_TOLERANCE for time_s in times_s)


def _is_same(text: str, placed: float) -> bool:
    try:
        number = float(parse_number(text, what="a level"))
    except TimelineReadError:
        return False
    return math.isclose(number, placed, abs_tol=_TOLERANCE, rel_tol=_TOLERANCE)
