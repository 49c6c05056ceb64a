"""A timeline as MLT XML, a preview that `melt` plays or renders, on whole frames.

Each track is a playlist of entries in frames of the profile; `out` is the last frame, not the one after it. Without a mix
transition only one audio track is heard. Paths are plain paths: melt does not open file URLs with escapes.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.rational import round_half_up
from selva_otio.formats.flat_layout import (
    FlatClip,
    FlatTimeline,
    FlatTrack,
    find_media_file,
    flatten_timeline,
    media_range_s,
)
from selva_otio.formats.options import Destination
from selva_otio.formats.xml import clean_text, write_xml
from selva_otio.picture.media import STILL_SUFFIXES
from selva_otio.time.clock import TimelineClock

PREVIEW_SIZE = (1280, 720)
_MONO_TO_STEREO_DB = 20 * math.log10(math.sqrt(2))
"""melt 7.12 plays a mono file 3 dB lower on both channels (measured); stems are raised by as much."""


def write_mlt(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Write a timeline as MLT XML, whole or not at all. Raises TimelineWriteError, TimelineReadError."""
    root = _Document(flatten_timeline(timeline), destination.base_folder).build(timeline.name)
    write_xml(root, destination.target)
    return [destination.target]


class _Document:
    """One MLT file while it is built."""

    def __init__(self, flat_timeline: FlatTimeline, base_folder: Path) -> None:
        self._flat_timeline = flat_timeline
        self._clock = flat_timeline.clock
        self._base_folder = base_folder
        self._producers: dict[tuple[Path, Fraction], ET.Element] = {}
        self._num_frames = max(1, self._frame(flat_timeline.duration_s))

    def build(self, title: str) -> ET.Element:
        """The root element."""
        playlists = [
            self._build_playlist(f"track{number}", track)
            for number, track in enumerate(self._flat_timeline.tracks, start=1)
        ]
        attributes = {"LC_NUMERIC": "C", "producer": "main", "title": clean_text(title or "Selva")}
        root = ET.Element("mlt", attributes)
        root.append(_build_profile(self._clock))
        black = _build_producer("black", {"mlt_service": "color", "resource": "black"}, self._num_frames)
        root.extend([black, *self._producers.values(), *playlists])
        root.append(self._build_tractor())
        return root

    def _frame(self, seconds: Fraction) -> int:
        """The nearest frame of the profile."""
        return round_half_up(seconds * self._clock.frame_rate_hz)

    def _build_playlist(self, name: str, track: FlatTrack) -> ET.Element:
        playlist = ET.Element("playlist", {"id": name})
        _set_property(playlist, "selva:name", track.name)
        cursor = 0
        for flat_clip in track.clips:
            start, end = self._frame(flat_clip.start_s), self._frame(flat_clip.end_s)
            entry = (
                self._build_entry(flat_clip, end - start)
                if flat_clip.enabled and track.track.enabled
                else None
            )
            if entry is None or end <= max(start, cursor):
                continue
            if start > cursor:
                ET.SubElement(playlist, "blank", {"length": str(start - cursor)})
            playlist.append(entry)
            cursor = end
        return playlist

    def _build_entry(self, flat_clip: FlatClip, num_frames: int) -> ET.Element | None:
        """The entry of a clip; None when it has no file."""
        path = find_media_file(flat_clip.clip.media_reference, self._base_folder)
        if path is None:
            return None
        is_frozen = flat_clip.speed == 0 or path.suffix.lower() in STILL_SUFFIXES
        speed = Fraction(1) if is_frozen else flat_clip.speed
        start_s, end_s = media_range_s(flat_clip.clip.media_reference, [flat_clip])
        from_s = flat_clip.media_start_s - start_s if speed > 0 else end_s - flat_clip.media_start_s
        first = 0 if is_frozen else self._frame(from_s / abs(speed))
        producer = self._find_producer(path, speed)
        frames = {"in": str(first), "out": str(first + num_frames - 1)}
        entry = ET.Element("entry", {"producer": str(producer.get("id")), **frames})
        if flat_clip.speed == 0:
            _add_filter(entry, "freeze", frame=str(self._frame(from_s)))
        is_mono_stem = bool(flat_clip.stem_metadata) and flat_clip.num_stem_channels == 1
        gain_db = flat_clip.gain_db + (_MONO_TO_STEREO_DB if is_mono_stem else 0.0)
        if gain_db:
            _add_filter(entry, "volume", level=f"{gain_db:.6f}")
        return entry

    def _find_producer(self, path: Path, speed: Fraction) -> ET.Element:
        """The producer of a file at a speed, made at the first use."""
        key = path, speed
        if key not in self._producers:
            name = f"media{len(self._producers) + 1}"
            resource = {"mlt_service": "avformat", "resource": str(path)}
            if path.suffix.lower() in STILL_SUFFIXES:
                resource["mlt_service"] = "qimage"
            if speed != 1:
                factor = repr(float(speed))
                resource = {"mlt_service": "timewarp", "resource": f"{factor}:{path}"}
                resource |= {"warp_speed": factor, "warp_resource": str(path)}
            self._producers[key] = _build_producer(name, resource)
        return self._producers[key]

    def _build_tractor(self) -> ET.Element:
        """All tracks, the highest video track in front, and a mix that adds up their sound."""
        tractor = ET.Element("tractor", {"id": "main", "in": "0", "out": str(self._num_frames - 1)})
        ET.SubElement(tractor, "track", {"producer": "black", "hide": "audio"})
        tracks = self._flat_timeline.tracks
        for number, track in enumerate(tracks, start=1):
            hide = "audio" if track.is_picture else "video"
            ET.SubElement(tractor, "track", {"producer": f"track{number}", "hide": hide})
        for number in _find_sound_tracks(tracks):
            mix = ET.SubElement(tractor, "transition")
            for name, value in (("a_track", "0"), ("b_track", str(number)), ("mlt_service", "mix")):
                _set_property(mix, name, value)
            _set_property(mix, "always_active", "1")
            _set_property(mix, "sum", "1")  # a plain sum; else MLT weights the two tracks
        return tractor


def _find_sound_tracks(tracks: Iterable[FlatTrack]) -> list[int]:
    return [number for number, track in enumerate(tracks, start=1) if not track.is_picture]


def _build_profile(clock: TimelineClock) -> ET.Element:
    width, height = PREVIEW_SIZE
    attributes = {
        "description": "Selva preview",
        "width": str(width),
        "height": str(height),
        "progressive": "1",
        "sample_aspect_num": "1",
        "sample_aspect_den": "1",
        "display_aspect_num": "16",
        "display_aspect_den": "9",
        "frame_rate_num": str(clock.frame_rate_hz.numerator),
        "frame_rate_den": str(clock.frame_rate_hz.denominator),
        "colorspace": "709",
    }
    return ET.Element("profile", attributes)


def _build_producer(name: str, properties: dict[str, str], num_frames: int | None = None) -> ET.Element:
    producer = ET.Element("producer", {"id": name})
    if num_frames is not None:
        producer.attrib |= {"in": "0", "out": str(num_frames - 1)}
        properties = {**properties, "length": str(num_frames)}
    for key, value in properties.items():
        _set_property(producer, key, value)
    return producer


def _add_filter(entry: ET.Element, service: str, **properties: str) -> None:
    element = ET.SubElement(entry, "filter")
    _set_property(element, "mlt_service", service)
    for key, value in properties.items():
        _set_property(element, key, value)


def _set_property(parent: ET.Element, name: str, value: str) -> None:
    ET.SubElement(parent, "property", {"name": name}).text = clean_text(value)
