"""The resources of an FCPXML file: formats and assets."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import ClockError, DamagedItemError
from selva_otio.formats.fcpxml.times import format_time, parse_time
from selva_otio.formats.flat_layout import FlatClip, media_range_s
from selva_otio.formats.xml import clean_text
from selva_otio.picture.media import STILL_SUFFIXES, build_media_url
from selva_otio.time.clock import exact_rate

_RATE_NAMES: Mapping[Fraction, str] = {
    Fraction(24000, 1001): "2398",
    Fraction(24): "24",
    Fraction(25): "25",
    Fraction(30000, 1001): "2997",
    Fraction(30): "30",
    Fraction(50): "50",
    Fraction(60000, 1001): "5994",
    Fraction(60): "60",
}
STANDARD_RATES = tuple(_RATE_NAMES)
"""Frames per second of Final Cut Pro's projects, the lowest first."""
FCPXML_NAMESPACE = "fcpxml"
"""Of our metadata about a project that was read."""
DEFAULT_SIZE = (1920, 1080)


def read_rate_name(format_name: str) -> Fraction | None:
    """The frame rate in the name of one of Final Cut Pro's formats ("FFVideoFormat1080p2398"), which need no frameDuration."""
    for rate, name in _RATE_NAMES.items():
        if format_name.endswith((f"p{name}", f"_{name}")):
            return rate
    return None


def read_format_rate(video_format: ET.Element) -> Fraction | None:
    """Frames per second of a format: its frameDuration, or, in Final Cut Pro's own formats, its name; None where neither says it.

    Raises DamagedItemError for one that no sequence can have.
    """
    text = video_format.get("frameDuration")
    if text is None:
        return read_rate_name(video_format.get("name", ""))
    frame_s = parse_time(text, what="a frame duration")
    try:
        if frame_s <= 0:
            raise ClockError("a frame lasts longer than 0 s")
        return exact_rate(float(1 / frame_s))
    except ClockError as error:
        raise DamagedItemError(f"the frame duration {text} is not allowed: {error}") from error


@dataclass(kw_only=True)
class MediaFile:
    """One media file as an asset. ref: its id. clips: all that use it. start_s, end_s: on the clock of the file."""

    path: Path
    reference: otio.core.MediaReference
    ref: str
    clips: list[FlatClip] = field(default_factory=list)
    has_picture: bool = False
    has_sound: bool = False
    start_s: Fraction = Fraction(0)
    end_s: Fraction = Fraction(0)

    @property
    def is_still(self) -> bool:
        return self.path.suffix.lower() in STILL_SUFFIXES

    def measure(self) -> None:
        """Set start_s and end_s from the reference, or from what is used of the file."""
        self.start_s, self.end_s = media_range_s(self.reference, self.clips)


def build_format(
    ref: str, rate: Fraction, *, size: tuple[int, int] = DEFAULT_SIZE, name: str | None = None
) -> ET.Element:
    """A format. At 1080p it gets Final Cut Pro's name; any other size is a format of the file's own."""
    fcp_name = (
        f"FFVideoFormat1080p{_RATE_NAMES[rate]}" if size == DEFAULT_SIZE and rate in _RATE_NAMES else None
    )
    attributes = {"id": ref, "frameDuration": format_time(1 / rate)}
    attributes |= {"width": str(size[0]), "height": str(size[1])}
    if name or fcp_name:
        attributes["name"] = str(name or fcp_name)
    return ET.Element("format", attributes)


def build_asset(media: MediaFile, *, format_ref: str) -> ET.Element:
    """An asset. Its name keeps the suffix of the file: without it Resolve does not relink the media."""
    attributes = {"id": media.ref, "name": clean_text(media.path.name), "start": format_time(media.start_s)}
    # Final Cut Pro writes a still, which can be shown for any time, with a duration of 0s.
    attributes["duration"] = format_time(Fraction(0) if media.is_still else media.end_s - media.start_s)
    if media.has_picture:
        attributes |= {"hasVideo": "1", "format": format_ref}
    if media.has_sound:
        attributes["hasAudio"] = "1"
    takes = next(
        (flat_clip.stem_metadata["takes"] for flat_clip in media.clips if "takes" in flat_clip.stem_metadata),
        (),
    )
    if takes:
        channels = max(flat_clip.num_stem_channels for flat_clip in media.clips)
        attributes |= {"audioSources": "1", "audioChannels": str(channels)}
        attributes["audioRate"] = str(takes[0].get("sample_rate_hz", 48_000))
    asset = ET.Element("asset", attributes)
    ET.SubElement(asset, "media-rep", {"kind": "original-media", "src": build_media_url(media.path)})
    return asset
