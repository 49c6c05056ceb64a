"""How a stem of ours sounds as we place it, and what of that has been changed in REAPER since."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from selva_otio.errors import TimelineReadError
from selva_otio.formats.reaper.items import Item
from selva_otio.formats.reaper.tokens import parse_number

_SAME = 1e-4


def stem_volume(facts: Mapping[str, Any]) -> float:
    """The item volume, as a factor, that a stem's gain asks for."""
    return float(10 ** (_number(facts.get("gain_db")) / 20))


def stem_fade_s(facts: Mapping[str, Any], key: str) -> Fraction:
    """The length of a fade ("fade_in_s" or "fade_out_s") in a stem's facts."""
    pair = facts.get(key)
    if isinstance(pair, Sequence) and len(pair) == 2:
        try:
            return max(Fraction(int(pair[0]), int(pair[1])), Fraction(0))
        except (TypeError, ValueError, ZeroDivisionError):
            return Fraction(0)
    return Fraction(0)


def describe_changes(item: Item, facts: Mapping[str, Any]) -> list[str]:
    """What differs from how the stem was placed: such an item is the editor's now."""
    take = item.active_take
    if take is None:
        return ["its take"]
    found = {
        "volume": (item.text("VOLPAN", 0, "1"), stem_volume(facts)),
        "take volume": (item.text("VOLPAN", 2, "1"), 1.0),
        "pan": (item.text("VOLPAN", 1, "0"), 0.0),
        "fade in": (item.text("FADEIN", 1, "0"), float(stem_fade_s(facts, "fade_in_s"))),
        "fade out": (item.text("FADEOUT", 1, "0"), float(stem_fade_s(facts, "fade_out_s"))),
        "pitch": (take.text("PLAYRATE", 2, "0"), 0.0),
    }
    changes = [name for name, (text, placed) in found.items() if not _is_same(text, placed)]
    if any(each.has_effects for each in item.takes):
        changes.append("effects")
    return changes


def _is_same(text: str, placed: float) -> bool:
    try:
        return math.isclose(float(parse_number(text, what="a level")), placed, abs_tol=_SAME, rel_tol=_SAME)
    except TimelineReadError:
        return False


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return max(-150.0, min(150.0, float(value))) if is_number else 0.0
