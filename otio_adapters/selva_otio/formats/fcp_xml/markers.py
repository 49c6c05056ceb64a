"""<marker> elements of items and sequences, in both directions."""

from __future__ import annotations

import colorsys
import xml.etree.ElementTree as ET
from fractions import Fraction

import opentimelineio as otio

from selva_core.base.rational import round_half_up
from selva_otio.errors import DamagedItemError
from selva_otio.formats.fcp_xml.values import add, child_text, read_frames
from selva_otio.formats.marker_colours import MARKER_COLOURS
from selva_otio.time.clock import exact_seconds

# Hue in degrees to a name. Hosts pack shades of their own, of which the hue is what a person recognizes.
_HUES_DEG = (
    (0, "RED"),
    (30, "ORANGE"),
    (60, "YELLOW"),
    (120, "GREEN"),
    (180, "CYAN"),
    (220, "BLUE"),
    (275, "PURPLE"),
    (310, "MAGENTA"),
    (360, "RED"),
)


def read_marker_elements(
    owner: ET.Element, rate: Fraction, media_start_s: Fraction
) -> list[otio.schema.Marker]:
    """The markers of an item, on the clock of its media, or of a sequence, on its own.

    rate: frames per second in which they count. media_start_s: timecode of the media's first frame, which xmeml leaves out.
    A marker without a place is left out; one without a length or a colour that can be read has none.
    """
    markers = []
    for element in owner.findall("marker"):
        first, last = _frames_or_none(element, "in"), _frames_or_none(element, "out")
        if first is None:
            continue
        num_frames = (
            max(last - first, 0) if last is not None and last != -1 else 0
        )  # -1: a marker without length
        start = media_start_s * rate + first
        marker = otio.schema.Marker(
            name=child_text(element, "name"),
            marked_range=otio.opentime.TimeRange(
                otio.opentime.RationalTime(float(start), float(rate)),
                otio.opentime.RationalTime(num_frames, float(rate)),
            ),
            color=_read_colour(element),
        )
        marker.comment = child_text(element, "comment")
        markers.append(marker)
    return markers


def _frames_or_none(element: ET.Element, tag: str) -> int | None:
    """A damaged number of a marker costs no more than the marker."""
    try:
        return read_frames(element, tag)
    except DamagedItemError:
        return None


def write_marker(parent: ET.Element, marker: otio.schema.Marker, origin_s: Fraction, rate: Fraction) -> None:
    """Add a <marker>. origin_s: the time of its owner's first frame, on the clock of the marker's range."""
    start = round_half_up((exact_seconds(marker.marked_range.start_time) - origin_s) * rate)
    num_frames = round_half_up(exact_seconds(marker.marked_range.duration) * rate)
    element = add(parent, "marker")
    add(element, "name", marker.name)
    add(element, "comment", marker.comment)
    add(element, "in", start)
    add(element, "out", start + num_frames if num_frames > 1 else -1)
    red, green, blue = MARKER_COLOURS.get(str(marker.color or "").upper(), MARKER_COLOURS["GREEN"])
    add(element, "pproColor", 0xFF << 24 | blue << 16 | green << 8 | red)


def _read_colour(marker: ET.Element) -> str:
    """The nearest colour that OpenTimelineIO names. Premiere packs blue, green and red into one number, red lowest."""
    packed = _frames_or_none(marker, "pproColor")
    colour = marker.find("color")
    if packed is not None:
        channels = [packed >> shift & 0xFF for shift in (0, 8, 16)]
    elif colour is not None:
        channels = [min(max(_frames_or_none(colour, tag) or 0, 0), 255) for tag in ("red", "green", "blue")]
    else:
        return str(otio.schema.MarkerColor.RED)
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in channels))
    if value < 0.15:
        return "BLACK"
    if saturation < 0.2:
        return "WHITE"
    return min(_HUES_DEG, key=lambda known: abs(known[0] - hue * 360))[1]
