"""From clip items to clips: where they lie, what they show of their file, and at which speed.

`in` and `out` count in the item's own rate from the file's first frame, its timecode left out. Of a retimed item they
count retimed frames (`out - in` is then as long as the item lies on the track), or, in what some exporters write,
frames of the file.
"""

from __future__ import annotations

import colorsys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import TimelineReadError
from selva_otio.formats.fcp_xml.document import Document
from selva_otio.formats.fcp_xml.values import (
    child_text,
    describe,
    is_true,
    read_frames,
    read_rate,
    read_timecode,
)

_RETIME = "timeremap"
_LEVEL, _PAN = "audiolevels", "audiopan"
_HUES = (
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


@dataclass(kw_only=True)
class Placed:
    """An item and its record frames. item: None for a nest, which the sequence reader builds from source_range and
    effects. index: which item of its track it is."""

    element: ET.Element
    index: int
    start: int
    end: int
    rate: Fraction
    source_range: otio.opentime.TimeRange
    item: otio.schema.Clip | None = None
    effects: list[otio.schema.Effect] = field(default_factory=list)

    def shorten(self, end: int) -> None:
        """End earlier."""
        self.end = end
        duration = otio.opentime.RationalTime(max(end - self.start, 0), float(self.rate))
        self.source_range = otio.opentime.TimeRange(self.source_range.start_time, duration)
        if self.item is not None:
            self.item.source_range = self.source_range


@dataclass(frozen=True, kw_only=True)
class _Media:
    """What an item's file says. start_s: its timecode. duration_s: None when it is not told."""

    reference: otio.core.MediaReference
    rate: Fraction
    start_s: Fraction = Fraction(0)
    duration_s: Fraction | None = None


@dataclass(frozen=True, kw_only=True)
class _Used:
    """What an item uses of its media, at the media's own pace: from low_s, `speed` media seconds per record second."""

    low_s: Fraction
    speed: Fraction = Fraction(1)
    is_ramp: bool = False


@dataclass(frozen=True, kw_only=True)
class ClipReader:
    """Reads the items of one track. kind: "video" or "audio"."""

    document: Document
    sequence_rate: Fraction
    kind: str

    def place(
        self, element: ET.Element, *, into: tuple[int, int] | None, out_of: tuple[int, int] | None, index: int
    ) -> Placed | None:
        """An item on its track; None when nothing of it lies there.

        into: start and cut of the transition before it; out_of: end and cut of the one after it.
        """
        start, end = read_frames(element, "start"), read_frames(element, "end")
        if start is None or end is None:
            raise TimelineReadError(f"{describe(element)} does not say where it lies on its track")
        if start == -1 and into is not None:
            start = into[0]
        if end == -1 and out_of is not None:
            end = out_of[0]
        start, end = self._find_open_edges(element, start, end)
        cut_start = max(start, into[1]) if into is not None else start
        cut_end = min(end, out_of[1]) if out_of is not None else end
        if start < 0 or end < start:
            raise TimelineReadError(
                f"{describe(element)} runs from frame {start} to {end}; that is no range on a track"
            )
        if cut_end <= cut_start:
            return None
        return self._read_item(element, index, (start, end), (cut_start, cut_end))

    def _find_open_edges(self, element: ET.Element, start: int, end: int) -> tuple[int, int]:
        """An edge of -1 without a transition is as far from the other as `in` is from `out`."""
        if start != -1 and end != -1:
            return start, end
        first, last = read_frames(element, "in"), read_frames(element, "out")
        if first is None or last is None or start == end:
            raise TimelineReadError(f"{describe(element)} does not say where it lies on its track")
        rate = read_rate(element) or self.sequence_rate
        length = round((last - first) * self.sequence_rate / rate)
        return (end - length, end) if start == -1 else (start, start + length)

    def _read_item(
        self, element: ET.Element, index: int, whole: tuple[int, int], cut: tuple[int, int]
    ) -> Placed:
        rate = read_rate(element) or self.sequence_rate
        media = self._read_media(element, rate)
        length_s = (whole[1] - whole[0]) / self.sequence_rate
        used = _read_used(element, rate, length_s, media)
        lead_s, cut_s = (cut[0] - whole[0]) / self.sequence_rate, (cut[1] - cut[0]) / self.sequence_rate
        skipped_s = (
            lead_s if used.speed >= 0 else length_s - lead_s - cut_s
        )  # in reverse it plays from the end
        low_s = used.low_s + abs(used.speed) * skipped_s
        placed = Placed(
            element=element,
            index=index,
            start=cut[0],
            end=cut[1],
            rate=self.sequence_rate,
            source_range=otio.opentime.TimeRange(
                self._moment(media.start_s + low_s, media.rate),
                otio.opentime.RationalTime(cut[1] - cut[0], float(self.sequence_rate)),
            ),
            effects=[*_build_retime(used), *_iter_effects(element)],
        )
        if element.find("sequence") is None:
            placed.item = self._build_clip(element, placed, media, rate)
        return placed

    def _moment(self, seconds: Fraction, media_rate: Fraction) -> otio.opentime.RationalTime:
        """A media time on whichever frame grid it lies on, the sequence's first."""
        for rate in (self.sequence_rate, media_rate):
            if (seconds * rate).denominator == 1:
                return otio.opentime.RationalTime(int(seconds * rate), float(rate))
        return otio.opentime.RationalTime(float(seconds * media_rate), float(media_rate))

    def _build_clip(
        self, element: ET.Element, placed: Placed, media: _Media, rate: Fraction
    ) -> otio.schema.Clip:
        reference = media.reference
        if media.duration_s is not None or media.start_s:
            last_s = media.duration_s
            if last_s is None:  # a timecode without a length: as long as what is used
                used = placed.source_range
                last_s = (
                    Fraction(used.end_time_exclusive().to_seconds()) - media.start_s if used else Fraction(0)
                )
            reference.available_range = otio.opentime.TimeRange(
                *(
                    otio.opentime.RationalTime(float(seconds * media.rate), float(media.rate))
                    for seconds in (media.start_s, last_s)
                )
            )
        clip = otio.schema.Clip(
            name=child_text(element, "name"), media_reference=reference, source_range=placed.source_range
        )
        clip.enabled = is_true(element, "enabled", default=True)
        clip.effects.extend(placed.effects)
        clip.markers.extend(read_markers(element, rate, media.start_s))
        return clip

    def _read_media(self, element: ET.Element, rate: Fraction) -> _Media:
        """The file of an item: its own, or that of the chosen angle of a multiclip."""
        if element.tag == "generatoritem":
            effect = element.find("effect")
            name = child_text(element if effect is None else effect, "name")
            return _Media(reference=otio.schema.GeneratorReference(generator_kind=name), rate=rate)
        found = element.find("file")
        if found is None:
            found = self._find_angle_file(element)
        if found is None:
            return _Media(reference=otio.schema.MissingReference(), rate=rate)
        file = self.document.resolve(found)
        file_rate = read_rate(file) or rate
        start, start_rate = read_timecode(file, file_rate)
        duration = read_frames(file, "duration")
        has_length = duration is not None and duration > 0
        return _Media(
            reference=_build_reference(file),
            rate=file_rate,
            start_s=start / start_rate,
            duration_s=duration / file_rate if has_length and duration is not None else None,
        )

    def _find_angle_file(self, element: ET.Element) -> ET.Element | None:
        multiclip = element.find("multiclip")
        if multiclip is None:
            return None
        flag = f"active{self.kind}angle"
        angles = self.document.resolve(multiclip).findall("angle")
        chosen = next((angle for angle in angles if is_true(angle, flag, default=False)), None)
        clip = None if chosen is None else chosen.find("clip")
        return None if clip is None else next(self.document.resolve(clip).iter("file"), None)


def read_markers(owner: ET.Element, rate: Fraction, media_start_s: Fraction) -> list[otio.schema.Marker]:
    """The markers of an item, on its media's clock, or of a sequence, on its own."""
    markers = []
    for element in owner.findall("marker"):
        first, last = read_frames(element, "in"), read_frames(element, "out")
        if first is None:
            continue
        length = max(last - first, 0) if last is not None and last != -1 else 0
        start = media_start_s * rate + first
        marker = otio.schema.Marker(
            name=child_text(element, "name"),
            marked_range=otio.opentime.TimeRange(
                otio.opentime.RationalTime(float(start), float(rate)),
                otio.opentime.RationalTime(length, float(rate)),
            ),
            color=_read_colour(element),
        )
        marker.comment = child_text(element, "comment")
        markers.append(marker)
    return markers


def _build_reference(file: ET.Element) -> otio.core.MediaReference:
    url, name = child_text(file, "pathurl"), child_text(file, "name")
    if url:
        reference = otio.schema.ExternalReference(target_url=url)
        reference.name = name
        return reference
    kind = child_text(file, "mediaSource")
    if kind:
        return otio.schema.GeneratorReference(name=name, generator_kind=kind)
    return otio.schema.MissingReference(name=name)


def _read_used(element: ET.Element, rate: Fraction, length_s: Fraction, media: _Media) -> _Used:
    """What an item uses of its file, the timecode left out."""
    first = Fraction(read_frames(element, "in") or 0)
    retime = next((effect for effect in _effects(element) if child_text(effect, "effectid") == _RETIME), None)
    if is_true(element, "stillframe", default=False):
        still = read_frames(element, "stillframeoffset")
        return _Used(low_s=(first if still is None else still) / rate, speed=Fraction(0))
    if retime is None:
        return _Used(low_s=first / rate)
    speed = _read_number(retime, "speed", default=Fraction(100)) / 100
    if _read_parameter(retime, "reverse").upper() == "TRUE":
        speed = -abs(speed)
    is_ramp = _read_number(retime, "variablespeed", default=Fraction(0)) != 0
    last = read_frames(element, "out")
    spans_record = last is None or abs((last - first) / rate - length_s) * rate <= Fraction(1, 2)
    if speed == 0 or not spans_record:  # frames of the file
        return _Used(low_s=first / rate, speed=speed, is_ramp=is_ramp)
    if speed > 0:
        return _Used(low_s=first / rate * speed, speed=speed, is_ramp=is_ramp)
    duration_s = media.duration_s
    if duration_s is None:
        retimed = read_frames(element, "duration")
        duration_s = (first / rate + length_s if retimed is None else retimed / rate) * -speed
    return _Used(low_s=duration_s + (first / rate + length_s) * speed, speed=speed, is_ramp=is_ramp)


def _build_retime(used: _Used) -> Iterator[otio.schema.Effect]:
    if used.is_ramp:
        yield otio.schema.TimeEffect(name="Time Remap", effect_name="TimeEffect")
    elif used.speed == 0:
        yield otio.schema.FreezeFrame()
    elif used.speed != 1:
        yield otio.schema.LinearTimeWarp(time_scalar=float(used.speed))


def _iter_effects(element: ET.Element) -> Iterator[otio.schema.Effect]:
    """What else is done to an item, by name only; a level of 1 and a pan do nothing to it."""
    for effect in _effects(element):
        kind = child_text(effect, "effectid")
        if kind in (_RETIME, _PAN, "") or (kind == _LEVEL and _is_plain_level(effect)):
            continue
        level = {"level": float(_read_number(effect, "level", default=Fraction(1)))} if kind == _LEVEL else {}
        yield otio.schema.Effect(name=child_text(effect, "name"), effect_name=kind, metadata=level)


def _is_plain_level(effect: ET.Element) -> bool:
    return _read_number(effect, "level", default=Fraction(1)) == 1 and effect.find(".//keyframe") is None


def _effects(element: ET.Element) -> list[ET.Element]:
    return element.findall("filter/effect")


def _read_parameter(effect: ET.Element, name: str) -> str:
    for parameter in effect.findall("parameter"):
        if child_text(parameter, "parameterid") == name:
            return child_text(parameter, "value")
    return ""


def _read_number(effect: ET.Element, name: str, *, default: Fraction) -> Fraction:
    text = _read_parameter(effect, name)
    try:
        return Fraction(text[:40]).limit_denominator(1_000_000) if text else default
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise TimelineReadError(f"the filter {name!r} says {text[:40]!r}, which is no number") from error


def _read_colour(marker: ET.Element) -> str:
    """The nearest colour that OpenTimelineIO has a name for. Premiere packs blue, green and red into one number."""
    packed = read_frames(marker, "pproColor")
    colour = marker.find("color")
    if packed is not None:
        channels = [packed >> shift & 0xFF for shift in (0, 8, 16)]
    elif colour is not None:
        channels = [min(max(read_frames(colour, tag) or 0, 0), 255) for tag in ("red", "green", "blue")]
    else:
        return str(otio.schema.MarkerColor.RED)
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in channels))
    if value < 0.15:
        return "BLACK"
    if saturation < 0.2:
        return "WHITE"
    return min(_HUES, key=lambda known: abs(known[0] - hue * 360))[1]
