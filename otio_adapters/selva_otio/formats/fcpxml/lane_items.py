"""Items on lanes: clips and nests with their used range, speed, state and markers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import DamagedItemError
from selva_otio.formats.fcpxml.clip_attributes import (
    read_clip_markers,
    read_retiming,
    read_role,
)
from selva_otio.formats.fcpxml.element_times import ElementSpan, read_audio_span
from selva_otio.formats.fcpxml.lanes import LaneItem, build_tracks
from selva_otio.formats.fcpxml.times import Retiming
from selva_otio.picture.media import build_missing_reference
from selva_otio.time.clock import TimelineClock, exact_seconds


def build_lane_item(
    element: ET.Element,
    span: ElementSpan,
    item: otio.core.Item,
    clock: TimelineClock,
    *,
    is_picture: bool,
    with_markers: bool = True,
    shift_s: Fraction = Fraction(0),
) -> LaneItem:
    """An item at its place, with the range, speed, state and markers of its element.

    shift_s: what is added to the element's media time to get that of the item.
    """
    played = read_retiming(element, span.local_start_s, span.local_start_s + span.duration_s)
    retiming = Retiming(
        media_start_s=played.media_start_s + shift_s,
        speed=None if played.speed is None else played.speed * span.conform_speed,
    )
    _set_used_range(item, retiming, span.duration_s, clock)
    item.enabled = item.enabled and element.get("enabled", "1") != "0"
    if with_markers:
        item.markers.extend(read_clip_markers(element, span, retiming, clock))
    return LaneItem(
        item=item,
        lane=span.lane,
        start_s=span.start_s,
        duration_s=span.duration_s,
        is_picture=is_picture,
        role="" if is_picture else read_role(element),
    )


def build_damaged_item(
    element: ET.Element, span: ElementSpan, clock: TimelineClock, error: DamagedItemError
) -> LaneItem:
    """A clip without media, with the reason; of one frame where its length is not known."""
    duration_s = span.duration_s or 1 / clock.frame_rate_hz
    clip = otio.schema.Clip(
        name=element.get("name", ""),
        media_reference=build_missing_reference(error.message),
        source_range=clock.time_range(Fraction(0), duration_s),
    )
    return LaneItem(
        item=clip,
        lane=span.lane,
        start_s=span.start_s,
        duration_s=duration_s,
        is_picture=element.tag != "audio",
    )


def build_generator(element: ET.Element, span: ElementSpan, clock: TimelineClock, *, kind: str) -> LaneItem:
    """A title or generator."""
    clip = otio.schema.Clip(
        name=element.get("name", ""), media_reference=otio.schema.GeneratorReference(generator_kind=kind)
    )
    return build_lane_item(element, span, clip, clock, is_picture=True)


def nest_items(
    element: ET.Element, span: ElementSpan, parts: list[LaneItem], clock: TimelineClock, *, is_picture: bool
) -> LaneItem:
    """The parts of a clip as one item: a single plain clip that is there from the first frame to the last as itself,
    anything else, gaps included, as a stack of tracks.

    Final Cut Pro writes many plain clips as a <clip> around a single <video>, which is no nested sequence.
    """
    nest_span = span if is_picture else read_audio_span(element, span)
    low_s, high_s = _find_used_range(element, nest_span)
    single = parts[0].item if len(parts) == 1 else None
    is_plain = isinstance(single, otio.schema.Clip) and not single.effects
    half_frame_s = 1 / (
        2 * clock.frame_rate_hz
    )  # exporters round the ends of media that is not on the frame grid
    is_whole = parts[0].start_s - half_frame_s < low_s and high_s < parts[0].end_s + half_frame_s
    if isinstance(single, otio.schema.Clip) and is_plain and is_whole and single.source_range is not None:
        single.name = element.get("name") or single.name
        shift_s = exact_seconds(single.source_range.start_time) - parts[0].start_s
        return build_lane_item(element, nest_span, single, clock, is_picture=is_picture, shift_s=shift_s)
    # A stack counts from its first frame, the parts from the clock of their sequence, as a rule its timecode.
    origin_s = min(low_s, *(part.start_s for part in parts))
    moved = [replace(part, start_s=part.start_s - origin_s) for part in parts]
    stack = otio.schema.Stack(name=element.get("name", ""))
    stack.extend(build_tracks(moved, clock))
    return build_lane_item(element, nest_span, stack, clock, is_picture=is_picture, shift_s=-origin_s)


def _find_used_range(element: ET.Element, span: ElementSpan) -> tuple[Fraction, Fraction]:
    """The time that a clip plays of its parts, on their clock; of a speed ramp, whose end is unknown, the start alone."""
    played = read_retiming(element, span.local_start_s, span.local_start_s + span.duration_s)
    length_s = (played.speed or Fraction(0)) * span.conform_speed * span.duration_s
    edges = played.media_start_s, played.media_start_s + length_s
    return min(edges), max(edges)


def _set_used_range(
    item: otio.core.Item, retiming: Retiming, duration_s: Fraction, clock: TimelineClock
) -> None:
    """Set the used range and the retime effect of an item."""
    speed, start_s = retiming.speed, retiming.media_start_s
    if speed is None:
        item.effects.append(otio.schema.TimeEffect(name="Speed ramp", effect_name="TimeMap"))
    elif speed == 0:
        item.effects.append(otio.schema.FreezeFrame())
    elif speed != 1:
        item.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
    if speed is not None and speed < 0:
        start_s += speed * duration_s  # a reversed item plays its range from the end
    item.source_range = clock.time_range(start_s, duration_s)
