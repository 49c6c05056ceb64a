"""Speeds that change within a clip of an AAF file, which OpenTimelineIO's adapter reads as one constant speed.

Avid draws a retime as a graph of speed (`PARAM_SPEED_MAP_U`), of position (`PARAM_OFFSET_MAP_U`), or both
(`PARAM_SPEED_OFFSET_MAP_U` then has the positions). The adapter reads the last alone, and `SpeedRatio` where it is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import opentimelineio as otio

_POSITION_MAPS = ("PARAM_SPEED_OFFSET_MAP_U", "PARAM_OFFSET_MAP_U")
"""Frames of the media after its first one, over frames of the record."""
_SPEED_MAP = "PARAM_SPEED_MAP_U"
_SAME_FRAMES = Fraction(1, 100)
_SAME_SPEED = Fraction(1, 10_000)

Point = tuple[Fraction, Fraction]


def settle_speeds(timeline: otio.schema.Timeline) -> None:
    """Give each item whose graph of positions is a straight line that line's speed, and each whose speed changes a time effect
    without a speed, which is refused for its clip alone.
    """
    for item in timeline.tracks.find_children(descended_from_type=otio.core.Item):
        for number, effect in enumerate(item.effects):
            if isinstance(effect, otio.schema.TimeEffect):
                item.effects[number] = _settle(effect)


def _settle(effect: otio.schema.TimeEffect) -> otio.schema.TimeEffect:
    parameters = effect.metadata.get("AAF", {}).get("Parameters", {})
    positions = next((points for name in _POSITION_MAPS if (points := _read_points(parameters, name))), [])
    speeds = {round(value / _SAME_SPEED) for _, value in _read_points(parameters, _SPEED_MAP)}
    speed = _slope(positions)
    if len(speeds) > 1 or (len(positions) > 1 and speed is None):
        settled = otio.schema.TimeEffect(name=effect.name, effect_name="Speed ramp")
    elif speed is None:
        return effect
    elif speed == 0:
        settled = otio.schema.FreezeFrame(name=effect.name)
    else:
        settled = otio.schema.LinearTimeWarp(name=effect.name, time_scalar=float(speed))
    settled.metadata.update(effect.metadata)
    return settled


def _read_points(parameters: Any, name: str) -> list[Point]:
    """The points of a graph in the order of their times; none where there is none, or it cannot be read."""
    graph = parameters.get(name)
    values = graph.get("keyframe_values") if hasattr(graph, "get") else None
    try:
        return sorted((Fraction(time), Fraction(value)) for time, value in values or ())
    except (TypeError, ValueError, OverflowError):
        return []


def _slope(points: Sequence[Point]) -> Fraction | None:
    """The slope of the line that all points lie on; None where there is no such line, or there are fewer than two points."""
    if len(points) < 2 or points[-1][0] == points[0][0]:
        return None
    (first_time, first_value), (last_time, last_value) = points[0], points[-1]
    slope = (last_value - first_value) / (last_time - first_time)
    off = (abs(first_value + (time - first_time) * slope - value) for time, value in points)
    return slope if max(off) <= _SAME_FRAMES else None
