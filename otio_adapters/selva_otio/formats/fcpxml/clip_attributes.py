"""What a story element says besides its place: retiming, markers, role, and the metadata of a stem."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from selva_otio.errors import ClockError, DamagedItemError
from selva_otio.formats.fcpxml.element_times import ElementSpan
from selva_otio.formats.fcpxml.times import Retiming, follow_time_map, parse_time
from selva_otio.formats.stem_metadata import read_gain_db
from selva_otio.metadata import STEM_SCHEMA
from selva_otio.time.clock import TimelineClock, exact_rate

STEM_KEY = "org.selva-bridge.stem"
"""The key of the stem metadata among the <md> of a clip; keys are reverse domain names, so that they never collide."""

ADJUST_VOLUME = "adjust_volume"
"""Noted on an effect of a clip: the text of its <adjust-volume>."""
_SURELY_FLAT = 100
"""Brackets in the metadata of a stem; with so few of them it cannot be nested too deeply."""
_SAME_DB = 0.005
_MAX_DB = 60.0

_MAX_CONFORM_CHANGE = Fraction(6, 100)
"""Above 25 in 24 (4.2 %), below 30 in 25 (17 %)."""
_NTSC = Fraction(1000, 1001)


def read_retiming(element: ET.Element, start_s: Fraction, end_s: Fraction) -> Retiming:
    """What a clip plays from `start_s` to `end_s` of its local time, by its <timeMap>. Raises TimelineReadError."""
    time_map = element.find("timeMap")
    points = [] if time_map is None else time_map.findall("timept")
    if not points:
        return Retiming(media_start_s=start_s, speed=Fraction(1))
    return follow_time_map(
        [
            (
                parse_time(point.get("time", ""), what="a point of a retimed clip"),
                parse_time(point.get("value", ""), what="a point of a retimed clip"),
            )
            for point in points
        ],
        start_s,
        end_s,
    )


def read_conform_speed(element: ET.Element, rate: Fraction) -> Fraction:
    """Media seconds per record second of a clip that is conformed (<conform-rate>) to the frame rate of its sequence.

    Final Cut Pro plays media of nearly the same rate frame by frame (23.98 in 24, 25 in 24), which changes its speed. Where
    the rates are further apart it drops or repeats frames, at a speed that makes up for the 1000/1001 of NTSC alone: in its own
    exports media at 23.98 in a project at 50 or 60 runs at 1.001. What is not scaled at all has scaleEnabled="0".
    """
    conform = element.find("conform-rate")
    source_rate = conform.get("srcFrameRate") if conform is not None else None
    if conform is None or source_rate is None or conform.get("scaleEnabled", "1") == "0":
        return Fraction(1)
    try:
        own = exact_rate(float(source_rate))
    except (ValueError, ClockError):
        return Fraction(1)
    return rate / own if abs(rate / own - 1) < _MAX_CONFORM_CHANGE else _ntsc_part(rate) / _ntsc_part(own)


def _ntsc_part(rate: Fraction) -> Fraction:
    return _NTSC if rate.denominator == _NTSC.denominator else Fraction(1)


def read_clip_markers(
    element: ET.Element, span: ElementSpan, retiming: Retiming, clock: TimelineClock
) -> Iterator[otio.schema.Marker]:
    """The markers of a clip, on its media's clock. Raises TimelineReadError.

    retiming: of the clip. A marker counts in the clip's local time, of which a conformed clip has more or less than one second
    in a second of its sequence.
    """
    speed = Fraction(1) if retiming.speed is None else retiming.speed / span.conform_speed
    for marker, local_edges in _iter_markers(element):
        edges = [retiming.media_start_s + speed * (edge_s - span.local_start_s) for edge_s in local_edges]
        yield _build_marker(marker, min(edges), max(edges), clock)


def read_sequence_markers(
    element: ET.Element, span: ElementSpan, clock: TimelineClock
) -> Iterator[otio.schema.Marker]:
    """The markers of an element, as far as it is there, on the clock of its sequence. Raises TimelineReadError."""
    for marker, local_edges in _iter_markers(element):
        start_s, end_s = map(span.to_sequence_s, local_edges)
        if span.start_s <= start_s < span.start_s + span.duration_s:
            yield _build_marker(marker, start_s, end_s, clock)


def _iter_markers(element: ET.Element) -> Iterator[tuple[ET.Element, tuple[Fraction, Fraction]]]:
    """Each marker of an element, with its start and end in the element's local time.

    One whose start cannot be read is left out, one whose length cannot has none: neither costs its clip.
    """
    for marker in element:
        if marker.tag not in ("marker", "chapter-marker"):
            continue
        try:
            local_s = parse_time(marker.get("start", "0s"), what="the start of a marker")
        except DamagedItemError:
            continue
        try:
            length_s = parse_time(marker.get("duration", "0s"), what="the length of a marker")
        except DamagedItemError:
            length_s = Fraction(0)
        yield marker, (local_s, local_s + length_s)


def _build_marker(
    marker: ET.Element, start_s: Fraction, end_s: Fraction, clock: TimelineClock
) -> otio.schema.Marker:
    found = otio.schema.Marker(
        name=marker.get("value", ""), marked_range=clock.time_range(start_s, end_s - start_s), color=""
    )
    found.comment = marker.get("note", "")
    return found


def read_role(element: ET.Element) -> str:
    """The role of a clip's sound, without its subrole."""
    return (element.get("audioRole") or element.get("role") or "").split(".")[0]


def read_stem_metadata(element: ET.Element) -> dict[str, Any]:
    """The metadata of a stem; empty for other clips, and where an editor or host has damaged it."""
    text = next(
        (md.get("value", "") for md in element.iterfind("metadata/md") if md.get("key") == STEM_KEY), ""
    )
    try:
        # OpenTimelineIO refuses integers above 64 bits, which JSON allows; better here than in the clip.
        stem = json.loads(text, parse_constant=_refuse_constant, parse_int=_parse_int64) if text else {}
        # It refuses halves of surrogate pairs and what is nested hundreds deep too; asking it takes longer than all the rest.
        if "\\u" in text or text.count("[") + text.count("{") > _SURELY_FLAT:
            otio.core.SerializableObjectWithMetadata(metadata={"stem": stem})
    except (ValueError, TypeError, OverflowError, RecursionError):
        return {}
    return stem if isinstance(stem, dict) and stem.get("schema") == STEM_SCHEMA else {}


def read_volume_change(element: ET.Element, stem: Mapping[str, Any]) -> otio.schema.Effect | None:
    """The volume of a stem where an editor has set it, with its fades and keyframes; None where it is as it was placed.

    level: as a factor; adjust_volume: the element itself, whose times are the clip's own, so that it holds wherever that goes.
    """
    volume = element.find("adjust-volume")
    amount = "0dB" if volume is None else volume.get("amount", "0dB")
    try:
        gain_db = float(amount.removesuffix("dB"))
    except ValueError:
        return None
    is_plain = volume is None or len(volume) == 0
    if math.isnan(gain_db) or (is_plain and abs(gain_db - read_gain_db(stem)) < _SAME_DB):
        return None
    effect = otio.schema.Effect(name="volume", effect_name="adjust-volume")
    effect.metadata["level"] = 10 ** (min(gain_db, _MAX_DB) / 20)
    if volume is not None:
        effect.metadata[ADJUST_VOLUME] = ET.tostring(volume, encoding="unicode").strip()
    return effect


def build_volume(clip: otio.schema.Clip) -> ET.Element | None:
    """The element that `read_volume_change` noted; None where there is none, or it is damaged."""
    for effect in clip.effects:
        text = effect.metadata.get(ADJUST_VOLUME)
        if isinstance(text, str) and "<!" not in text:  # a document type could define entities without end
            try:
                element = ET.fromstring(text)  # noqa: S314 - no entities
            except ET.ParseError:
                return None
            return element if element.tag == "adjust-volume" else None
    return None


def _parse_int64(digits: str) -> int:
    value = int(digits)
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{digits} has more than 64 bits")
    return value


def _refuse_constant(name: str) -> float:
    # Python reads NaN and Infinity, which OpenTimelineIO would write as JSON that no other program reads.
    raise ValueError(f"{name} is not a number that a file can hold")
