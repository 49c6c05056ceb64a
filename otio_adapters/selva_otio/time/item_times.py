"""How long an item of a timeline lasts, where its used range starts and how fast it plays, in exact numbers."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.time.clock import exact_seconds

MAX_SPEED = 100


def item_duration_s(item: otio.core.Item) -> Fraction:
    """How long an item lasts in its parent, exact seconds."""
    if item.source_range is not None:
        duration_s = _seconds_of(item, item.source_range.duration)
    elif isinstance(item, otio.schema.Track):
        duration_s = sum((item_duration_s(child) for child in _items(item)), Fraction(0))
    elif isinstance(item, otio.schema.Stack):
        duration_s = max((item_duration_s(child) for child in _items(item)), default=Fraction(0))
    else:
        duration_s = _seconds_of(item, _available_range(item).duration)
    if duration_s < 0:
        raise TimelineReadError(f"{describe_item(item)} has a negative duration ({float(duration_s):g} s)")
    return duration_s


def trimmed_start_s(item: otio.core.Item) -> Fraction:
    """Where an item's used range begins on its own clock, exact seconds."""
    if item.source_range is not None:
        return _seconds_of(item, item.source_range.start_time)
    if isinstance(item, otio.core.Composition):
        return Fraction(0)
    return _seconds_of(item, _available_range(item).start_time)


def warp_speed(item: otio.core.Item) -> Fraction:
    """The product of an item's linear time warps. Raises ClockError for time effects we cannot follow."""
    speed = Fraction(1)
    for effect in item.effects:
        if isinstance(effect, otio.schema.LinearTimeWarp):  # a freeze frame is one, with scalar 0
            scalar = float(effect.time_scalar)
            if not abs(scalar) <= MAX_SPEED:
                raise ClockError(f"a speed of {scalar:g}; at most {MAX_SPEED} is followed")
            speed *= Fraction(scalar).limit_denominator(100_000)
        elif isinstance(effect, otio.schema.TimeEffect):
            raise ClockError("a speed ramp; bake it to media first")
    return speed


def describe_item(item: otio.core.Item) -> str:
    return f"{item.schema_name().lower()} {item.name!r}"


def _seconds_of(item: otio.core.Item, moment: otio.opentime.RationalTime) -> Fraction:
    try:
        return exact_seconds(moment)
    except ClockError as error:
        raise TimelineReadError(f"{describe_item(item)}: {error.message}") from error


def _available_range(item: otio.core.Item) -> otio.opentime.TimeRange:
    reference = getattr(item, "media_reference", None)
    if reference is None or reference.available_range is None:
        raise TimelineReadError(
            f"{describe_item(item)} has neither a source range nor an available range, so where the items "
            "after it lie is not known; write one of them into the timeline"
        )
    return reference.available_range


def _items(composition: otio.core.Composition) -> Iterator[otio.core.Item]:
    return (child for child in composition if isinstance(child, otio.core.Item))
