"""How long an item of a timeline lasts, where its used range starts and how fast it plays, in exact numbers.

OpenTimelineIO's own `duration()` and `trimmed_range()` add floats, and raise its own errors where a range is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.time.clock import (
    FALLBACK_FRAME_RATE_HZ,
    TimelineClock,
    build_timeline_clock,
    exact_seconds,
)

MAX_SPEED = 100
NORMAL_SPEED = Fraction(1)


def item_duration_s(item: otio.core.Item) -> Fraction:
    """Seconds that an item lasts in its parent. Raises TimelineReadError where that is unknown or negative."""
    if item.source_range is not None:
        duration_s = _read_seconds(item, item.source_range.duration)
    elif isinstance(item, otio.core.Composition):
        duration_s = content_duration_s(item)
    else:
        duration_s = _read_seconds(item, _find_available_range(item).duration)
    if duration_s < 0:
        raise TimelineReadError(f"{describe_item(item)} has a negative duration ({float(duration_s):g} s)")
    return duration_s


def content_duration_s(nest: otio.core.Composition) -> Fraction:
    """Seconds that all that is in a track or stack lasts, whatever its used range. Raises TimelineReadError."""
    durations = (item_duration_s(child) for child in _iter_items(nest))
    return (
        sum(durations, Fraction(0))
        if isinstance(nest, otio.schema.Track)
        else max(durations, default=Fraction(0))
    )


def trimmed_start_s(item: otio.core.Item) -> Fraction:
    """Seconds on an item's own clock at which its used range starts. Raises TimelineReadError where that is unknown."""
    if item.source_range is not None:
        return _read_seconds(item, item.source_range.start_time)
    if isinstance(item, otio.core.Composition):
        return Fraction(0)
    return _read_seconds(item, _find_available_range(item).start_time)


def warp_speed(item: otio.core.Item) -> Fraction:
    """The product of an item's linear time warps; 0 for a freeze frame, negative in reverse.

    Raises ClockError for speed ramps and speeds above MAX_SPEED.
    """
    speed = NORMAL_SPEED
    for effect in item.effects:
        if isinstance(effect, otio.schema.LinearTimeWarp):  # FreezeFrame is a subclass, with scalar 0
            scalar = float(effect.time_scalar)
            if not abs(scalar) <= MAX_SPEED:  # NaN too
                raise ClockError(f"a speed of {scalar:g}; at most {MAX_SPEED} is followed")
            speed *= Fraction(scalar).limit_denominator(100_000)
        elif isinstance(effect, otio.schema.TimeEffect):
            raise ClockError("a speed ramp; bake it to media first")
    return speed


def read_item_rates_hz(tracks: Iterable[otio.core.Composable]) -> list[float]:
    """The rates that items of some tracks write their durations in, in order, as a timeline's clock is chosen from them."""
    rates_hz: list[float] = []
    for track in tracks:
        if not isinstance(track, otio.core.Composition):
            continue
        for item in _iter_items(track):
            if item.source_range is not None:
                rates_hz.append(float(item.source_range.duration.rate))
            elif isinstance(item, otio.schema.Clip) and item.media_reference.available_range is not None:
                rates_hz.append(float(item.media_reference.available_range.duration.rate))
    return rates_hz


def find_record_clock(timeline: otio.schema.Timeline) -> TimelineClock:
    """The record clock of any timeline: the rate of picture items, else of whatever items there are, else 25."""
    rates_hz = read_item_rates_hz(timeline.video_tracks()) or read_item_rates_hz(timeline.tracks)
    try:
        return build_timeline_clock(timeline, rates_hz)
    except ClockError:
        return TimelineClock(
            frame_rate_hz=FALLBACK_FRAME_RATE_HZ,
            otio_rate_hz=float(FALLBACK_FRAME_RATE_HZ),
            start_frame=0,
            drop_frame=False,
        )


def describe_item(item: otio.core.Item) -> str:
    """Kind and name of an item, for messages: clip 'A001'."""
    return f"{item.schema_name().lower()} {item.name!r}"


def _read_seconds(item: otio.core.Item, moment: otio.opentime.RationalTime) -> Fraction:
    try:
        return exact_seconds(moment)
    except ClockError as error:
        raise TimelineReadError(f"{describe_item(item)}: {error.message}") from error


def _find_available_range(item: otio.core.Item) -> otio.opentime.TimeRange:
    reference = getattr(item, "media_reference", None)
    if reference is None or reference.available_range is None:
        raise TimelineReadError(
            f"{describe_item(item)} has neither a source range nor an available range, so where the items "
            "after it lie is not known; write one of them into the timeline"
        )
    return reference.available_range


def _iter_items(composition: otio.core.Composition) -> Iterator[otio.core.Item]:
    return (child for child in composition if isinstance(child, otio.core.Item))
