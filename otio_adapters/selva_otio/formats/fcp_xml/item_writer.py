"""Clips as xmeml clip items, and their files: each file is written out once and referred to by its id afterwards."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import opentimelineio as otio

from selva_core.base.rational import round_half_up
from selva_otio.errors import ClockError, UnsupportedUrlError
from selva_otio.formats.fcp_xml.markers import write_marker
from selva_otio.formats.fcp_xml.values import add, add_flag, add_rate, add_timecode, build_path_url
from selva_otio.formats.pan_keyframes import build_keyframes
from selva_otio.formats.stem_metadata import (
    build_stem_label,
    build_stem_note,
    read_pan,
    read_played_gain_db,
    read_take,
)
from selva_otio.formats.wave_headers import WaveHeader, load_wave_header
from selva_otio.metadata import STEM_SCHEMA, read_selva_metadata
from selva_otio.picture.media import SOUND_SUFFIXES, resolve_media_path
from selva_otio.time.clock import TimelineClock, exact_rate, exact_seconds
from selva_otio.time.item_times import item_duration_s, trimmed_start_s, warp_speed

_ASSUMED_SOUND = WaveHeader(num_channels=1, sample_rate_hz=48_000, bits_per_sample=24)


@dataclass(frozen=True, kw_only=True)
class RecordRange:
    """The record range of an item between its cuts, and how far transitions extend it beyond them. Seconds."""

    start_s: Fraction
    end_s: Fraction
    lead_s: Fraction = Fraction(0)
    tail_s: Fraction = Fraction(0)


@dataclass(kw_only=True)
class ItemWriter:
    """Writes the items of one document and gives out its ids.

    prefix: before each id, so that none collides with those of a document that is merged into.
    """

    clock: TimelineClock
    base_folder: Path
    prefix: str = ""
    file_kinds: dict[str, set[str]] = field(default_factory=dict)
    """URL to the kinds of track ("video", "audio") that use the file. Its one definition names the media of all of them."""

    _file_ids: dict[tuple[str, Any], str] = field(default_factory=dict)
    _num_ids: int = 0
    _headers: dict[str, WaveHeader] = field(default_factory=dict)

    def next_id(self, tag: str) -> str:
        """An id that no other element of the document has."""
        self._num_ids += 1
        return f"{self.prefix}{tag}-{self._num_ids}"

    def frame(self, seconds: Fraction) -> int:
        """The frame of the sequence nearest to a time."""
        return round_half_up(seconds * self.clock.frame_rate_hz)

    def num_channels(self, clip: otio.core.Item) -> int:
        """The number of channels of a clip's sound; 1 for a file that is missing or not WAV."""
        url = getattr(getattr(clip, "media_reference", None), "target_url", None)
        return self._header(url).num_channels if url else 1

    def write_clip(
        self,
        track: ET.Element,
        clip: otio.schema.Clip,
        record: RecordRange,
        kind: str,
        *,
        item_id: str,
        channel: int = 1,
    ) -> ET.Element:
        """Add a clip item. channel: of the file, from 1, for audio."""
        reference = clip.media_reference
        if isinstance(reference, otio.schema.GeneratorReference):
            return self._write_generator(track, clip, record, item_id)
        item = ET.SubElement(track, "clipitem", {"id": item_id})
        if kind == "audio":
            layout = "stereo" if self.num_channels(clip) == 2 else "mono"
            item.set("premiereChannelType", layout)
        available = reference.available_range if reference is not None else None
        origin_s = Fraction(0) if available is None else exact_seconds(available.start_time)
        self._write_range(item, clip, record, origin_s)
        self._write_media(item, clip, kind)
        if kind == "audio":
            source = add(item, "sourcetrack")
            add(source, "mediatype", "audio")
            add(source, "trackindex", channel)
        self._write_filters(item, clip, kind)
        for marker in clip.markers:
            write_marker(item, marker, origin_s, self.clock.frame_rate_hz)
        _write_logging_info(item, clip)
        return item

    def write_nest_range(self, item: ET.Element, nest: otio.core.Item, record: RecordRange) -> None:
        """The timing of an item that shows a nested sequence."""
        self._write_range(item, nest, record, Fraction(0))

    def _write_generator(
        self, track: ET.Element, clip: otio.schema.Clip, record: RecordRange, item_id: str
    ) -> ET.Element:
        item = ET.SubElement(track, "generatoritem", {"id": item_id})
        self._write_range(item, clip, record, trimmed_start_s(clip))
        effect = add(item, "effect")
        kind = clip.media_reference.generator_kind or "Slug"
        add(effect, "name", kind)
        add(effect, "effectid", kind)
        add(effect, "effecttype", "generator")
        add(effect, "mediatype", "video")
        return item

    def _write_range(
        self, item: ET.Element, source: otio.core.Item, record: RecordRange, origin_s: Fraction
    ) -> None:
        """Name, state and times.

        `in` and `out` of a retimed item count retimed frames from where it starts to play: its last frame in reverse.
        """
        speed = speed_of(source)
        used_s = record.end_s - record.start_s
        low_s = trimmed_start_s(source) - origin_s
        duration_s = _media_duration_s(source) or low_s + used_s * abs(speed or Fraction(1))
        first_s, whole_s = low_s, duration_s
        if speed not in (0, 1):
            first_s = (low_s if speed > 0 else duration_s - low_s + used_s * speed) / abs(speed)
            whole_s = duration_s / abs(speed)
        rate = self._rate_for(source, first_s) if speed in (0, 1) else self.clock.frame_rate_hz
        first = round_half_up((first_s - record.lead_s) * rate)
        last = first + round_half_up((record.lead_s + used_s + record.tail_s) * rate)
        add(item, "name", source.name)
        add_flag(item, "enabled", bool(source.enabled))
        add(item, "duration", max(math.ceil(whole_s * rate), last))
        add_rate(item, rate)
        # The format writes an edge inside a transition as -1: the transition item has the frames.
        add(item, "start", -1 if record.lead_s else self.frame(record.start_s))
        add(item, "end", -1 if record.tail_s else self.frame(record.end_s))
        add(item, "in", first)
        add(item, "out", last)
        if speed == 0:
            add_flag(item, "stillframe", True)
            add(item, "stillframeoffset", round_half_up(first_s * rate))

    def _rate_for(self, source: otio.core.Item, first_s: Fraction) -> Fraction:
        """The rate at which an in-point is a whole frame: the sequence's, or else the media's."""
        rate = self.clock.frame_rate_hz
        available = getattr(getattr(source, "media_reference", None), "available_range", None)
        if (first_s * rate).denominator != 1 and available is not None:
            media_rate = exact_rate(available.duration.rate)
            return media_rate if (first_s * media_rate).denominator == 1 else rate
        return rate

    def _write_media(self, item: ET.Element, clip: otio.schema.Clip, kind: str) -> None:
        reference = clip.media_reference
        url = getattr(reference, "target_url", None) or ""
        key = (url or f"missing {clip.name}", str(reference.available_range))
        file_id = self._file_ids.get(key)
        number = len(self._file_ids) + 1 if file_id is None else int(file_id.rpartition("-")[2])
        add(item, "masterclipid", f"{self.prefix}masterclip-{number}")
        file = ET.SubElement(item, "file", {"id": file_id or f"{self.prefix}file-{number}"})
        if file_id is not None:
            return
        self._file_ids[key] = file.get("id", "")
        available = reference.available_range
        name = PurePosixPath(unquote(url).replace("\\", "/")).name or reference.name or clip.name
        rate = self.clock.frame_rate_hz if available is None else exact_rate(available.duration.rate)
        add(file, "name", name)
        if url:
            add(file, "pathurl", build_path_url(url, self.base_folder))
        add_rate(file, rate)
        if available is not None:
            add(file, "duration", round_half_up(exact_seconds(available.duration) * rate))
            start = round_half_up(exact_seconds(available.start_time) * rate)
            if start or kind == "video":
                add_timecode(file, start, rate, drop_frame=self.clock.drop_frame)
        self._write_channels(file, url, name, {kind} | self.file_kinds.get(url, set()))

    def _write_channels(self, file: ET.Element, url: str, name: str, kinds: set[str]) -> None:
        media = add(file, "media")
        if "video" in kinds and PurePosixPath(name).suffix.lower() not in SOUND_SUFFIXES:
            add(media, "video")
        if "audio" in kinds:
            header = self._header(url)
            audio = add(media, "audio")
            sample = add(audio, "samplecharacteristics")
            add(sample, "depth", header.bits_per_sample)
            add(sample, "samplerate", header.sample_rate_hz)
            add(audio, "channelcount", header.num_channels)

    def _header(self, url: str) -> WaveHeader:
        if url not in self._headers:
            try:
                found = load_wave_header(resolve_media_path(url, self.base_folder)) if url else None
            except UnsupportedUrlError:
                found = None
            self._headers[url] = found or _ASSUMED_SOUND
        return self._headers[url]

    def _write_filters(self, item: ET.Element, clip: otio.schema.Clip, kind: str) -> None:
        speed = speed_of(clip)
        if speed not in (0, 1):
            effect = _add_effect(item, "Time Remap", "timeremap", "motion", kind)
            _add_parameter(effect, "variablespeed", 0, low=0, high=1)
            _add_parameter(effect, "speed", f"{float(abs(speed) * 100):.10g}", low=-100_000, high=100_000)
            _add_parameter(effect, "reverse", "TRUE" if speed < 0 else "FALSE")
            _add_parameter(effect, "frameblending", "FALSE")
        gain_db = read_played_gain_db(clip)
        if kind == "audio" and gain_db:
            effect = _add_effect(item, "Audio Levels", "audiolevels", "audiolevels", "audio")
            # The range is the one Final Cut Pro 7 itself writes, up to +12 dB.
            _add_parameter(effect, "level", f"{10 ** (gain_db / 20):.6g}", low=0, high=3.98109)
        if kind == "audio":
            self._write_pan(item, clip)

    def _write_pan(self, item: ET.Element, clip: otio.schema.Clip) -> None:
        """The pan of a stem over time. Keyframes count frames of the media, as `in` and `out` do."""
        reference = clip.media_reference
        curve = read_pan(read_take(read_selva_metadata(clip, STEM_SCHEMA), reference))
        if curve is None:
            return
        available = reference.available_range
        origin_s = Fraction(0) if available is None else exact_seconds(available.start_time)
        first_s = trimmed_start_s(clip) - origin_s
        rate_hz = self.clock.frame_rate_hz
        effect = _add_effect(item, "Audio Pan", "audiopan", "audiopan", "audio")
        points = curve.span(float(first_s), float(item_duration_s(clip)))
        keyframes = build_keyframes(points, rate_hz)
        pan = _add_parameter(effect, "pan", f"{keyframes[0][1]:.4f}", low=-1, high=1)
        for frame, value in keyframes:
            keyframe = add(pan, "keyframe")
            add(keyframe, "when", round_half_up(first_s * rate_hz) + frame)
            add(keyframe, "value", f"{value:.4f}")


def _write_logging_info(item: ET.Element, clip: otio.schema.Clip) -> None:
    """The prompt and cue of a stem, where the columns of a bin show them."""
    stem = read_selva_metadata(clip, STEM_SCHEMA)
    if stem:
        logging = add(item, "logginginfo")
        add(logging, "description", build_stem_label(stem))
        add(logging, "lognote", build_stem_note(stem))


def speed_of(item: otio.core.Item) -> Fraction:
    """The speed of an item; 1 for a ramp, which SPEED_RAMPS reports."""
    try:
        return warp_speed(item)
    except ClockError:
        return Fraction(1)


def _media_duration_s(item: otio.core.Item) -> Fraction | None:
    reference = getattr(item, "media_reference", None)
    available = None if reference is None else reference.available_range
    return None if available is None else exact_seconds(available.duration)


def _add_effect(item: ET.Element, name: str, effect_id: str, category: str, kind: str) -> ET.Element:
    effect = add(add(item, "filter"), "effect")
    add(effect, "name", name)
    add(effect, "effectid", effect_id)
    add(effect, "effectcategory", category)
    add(effect, "effecttype", category)
    add(effect, "mediatype", kind)
    return effect


def _add_parameter(
    effect: ET.Element, name: str, value: object, *, low: float | None = None, high: float | None = None
) -> ET.Element:
    parameter = add(effect, "parameter")
    add(parameter, "parameterid", name)
    add(parameter, "name", name)
    if low is not None:
        add(parameter, "valuemin", low)
        add(parameter, "valuemax", high)
    add(parameter, "value", value)
    return parameter
