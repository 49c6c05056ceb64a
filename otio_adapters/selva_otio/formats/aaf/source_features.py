"""Features of an AAF file that OpenTimelineIO's adapter drops or keeps in its own metadata only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opentimelineio as otio

FORMAT_NAME = "AAF"
_MAX_OBJECTS = 200_000
_MAX_DEPTH = 64


def count_aaf_features(path: Path, timeline: otio.schema.Timeline) -> dict[str, int]:
    """How often the compositions of a file have features that the timeline read from it does not; empty where the file
    cannot be walked.
    """
    import aaf2  # noqa: PLC0415 - an optional package, which the adapter needs too

    counts = {"keyframes": 0, "alternatives of selectors": 0, "markers": 0, "comments on clips": 0}
    try:
        with aaf2.open(str(path), "r") as file:
            for mob in file.content.compositionmobs():
                counts["comments on clips"] += len(list(mob.comments.items()))
                for item in _iter_components(mob):
                    counts["keyframes"] += sum(map(_count_keyframes, _values_of(item, "Parameters")))
                    counts["alternatives of selectors"] += len(_values_of(item, "Alternates"))
                    counts["markers"] += isinstance(item, aaf2.components.DescriptiveMarker)
    except Exception:  # whatever pyaaf2 meets in an unusual file; what it has is not counted then
        return {}
    items = [timeline.tracks, *timeline.find_children(descended_from_type=otio.core.Item)]
    counts["markers"] = max(0, counts["markers"] - sum(len(item.markers) for item in items))
    return counts


def _iter_components(mob: Any) -> Iterator[Any]:
    """All components of a mob, however deep."""
    waiting = [(slot.segment, 0) for slot in mob.slots]
    num_seen = 0
    while waiting and num_seen < _MAX_OBJECTS:
        item, depth = waiting.pop()
        num_seen += 1
        yield item
        if depth < _MAX_DEPTH:
            for name in ("Components", "InputSegments", "Slots", "Alternates", "Selected"):
                waiting += [(inner, depth + 1) for inner in _values_of(item, name)]


def _values_of(item: Any, name: str) -> list[Any]:
    value = item.getvalue(name, None) if hasattr(item, "getvalue") else None
    if value is None:
        return []
    try:
        return list(value)
    except TypeError:
        return [value]


def _count_keyframes(parameter: Any) -> int:
    """Of a parameter that changes; programs write a constant one with two equal points."""
    points = _values_of(parameter, "PointList")
    return len(points) if len({str(point.value) for point in points}) > 1 else 0
