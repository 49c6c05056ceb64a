"""The filters of a clip item: its speed, and the names of the others."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import DamagedItemError
from selva_otio.formats.fcp_xml.values import child_text, is_true, read_frames

_RETIME = "timeremap"
_LEVEL, _PAN = "audiolevels", "audiopan"
_MAX_VALUE = 1_000_000
"""Per cent of speed, or a level: far above what programs write."""


@dataclass(frozen=True, kw_only=True)
class MediaUse:
    """What an item uses of its media: from `low_s` after the first frame, `speed` media seconds per record second.

    low_s: the earliest time used, also of a reversed item. is_ramp: whether the speed changes on the way.
    """

    low_s: Fraction
    speed: Fraction = Fraction(1)
    is_ramp: bool = False


def read_media_use(
    element: ET.Element, rate: Fraction, record_s: Fraction, media_duration_s: Fraction | None
) -> MediaUse:
    """What an item uses of its media, whose timecode is left out.

    rate: of the item. record_s: how long it is on its track. media_duration_s: None where that is not known. Raises
    TimelineReadError.
    """
    first = Fraction(read_frames(element, "in") or 0)
    if is_true(element, "stillframe", default=False):
        still = read_frames(element, "stillframeoffset")
        return MediaUse(low_s=(first if still is None else still) / rate, speed=Fraction(0))
    retime = next(
        (effect for effect in _find_effects(element) if child_text(effect, "effectid") == _RETIME), None
    )
    if retime is None:
        return MediaUse(low_s=first / rate)
    speed = _read_number(retime, "speed", default=Fraction(100)) / 100
    if _read_parameter(retime, "reverse").upper() == "TRUE":
        speed = -abs(speed)  # the value may have the sign already
    is_ramp = _read_number(retime, "variablespeed", default=Fraction(0)) != 0
    last = read_frames(element, "out")
    # The format counts `in` and `out` of a retimed item in retimed frames, so that they are as far apart as `start` and
    # `end`. Exporters that count frames of the file are recognized by that distance.
    counts_retimed_frames = last is None or abs((last - first) / rate - record_s) * rate <= Fraction(1, 2)
    if speed == 0 or not counts_retimed_frames:
        return MediaUse(low_s=first / rate, speed=speed, is_ramp=is_ramp)
    if speed > 0:
        return MediaUse(low_s=first / rate * speed, speed=speed, is_ramp=is_ramp)
    # Retimed frame 0 of a reversed item is the last frame of its file. `duration` counts the retimed frames of all of it.
    if media_duration_s is None:
        retimed = read_frames(element, "duration")
        media_duration_s = (first / rate + record_s if retimed is None else retimed / rate) * -speed
    return MediaUse(low_s=media_duration_s + (first / rate + record_s) * speed, speed=speed, is_ramp=is_ramp)


def iter_effects(element: ET.Element, use: MediaUse) -> Iterator[otio.schema.Effect]:
    """The effects of an item: its retime, and the other filters by name. A level of 1 and a pan are left out."""
    if use.is_ramp:
        yield otio.schema.TimeEffect(name="Time Remap", effect_name="TimeEffect")
    elif use.speed == 0:
        yield otio.schema.FreezeFrame()
    elif use.speed != 1:
        yield otio.schema.LinearTimeWarp(time_scalar=float(use.speed))
    for effect in _find_effects(element):
        kind = child_text(effect, "effectid")
        if kind in (_RETIME, _PAN, "") or (kind == _LEVEL and _is_unity_level(effect)):
            continue  # Resolve writes a level and a pan on every audio clip
        level = {"level": float(_read_number(effect, "level", default=Fraction(1)))} if kind == _LEVEL else {}
        yield otio.schema.Effect(name=child_text(effect, "name"), effect_name=kind, metadata=level)


def _is_unity_level(effect: ET.Element) -> bool:
    return _read_number(effect, "level", default=Fraction(1)) == 1 and effect.find(".//keyframe") is None


def _find_effects(element: ET.Element) -> list[ET.Element]:
    return element.findall("filter/effect")


def _read_parameter(effect: ET.Element, name: str) -> str:
    for parameter in effect.findall("parameter"):
        if child_text(parameter, "parameterid") == name:
            return child_text(parameter, "value")
    return ""


def _read_number(effect: ET.Element, name: str, *, default: Fraction) -> Fraction:
    text = _read_parameter(effect, name)
    try:
        # With a point, as programs write it where the decimal sign is a comma.
        number = Fraction(text[:40].replace(",", ".")) if text else default
        if abs(number) > _MAX_VALUE:
            raise ValueError(text)
        return number.limit_denominator(1_000_000)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise DamagedItemError(
            f"the parameter {name!r} of a filter is a number; got {text[:40]!r}"
        ) from error
