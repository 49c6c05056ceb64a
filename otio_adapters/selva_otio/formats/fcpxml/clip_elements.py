"""A clip as an FCPXML element, its parts in the order of the DTD: note, timing, volume, connected clips, markers,
metadata."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.fcpxml.resources import MediaFile
from selva_otio.formats.fcpxml.times import format_time
from selva_otio.formats.flat_layout import FlatClip, FlatTrack, find_media_file
from selva_otio.formats.reaper.stem_facts import plain_value
from selva_otio.formats.xml import clean_text
from selva_otio.time.clock import TimelineClock, exact_seconds
from selva_otio.time.item_times import trimmed_start_s

STEM_KEY = "org.selva-bridge.stem"


@dataclass(kw_only=True)
class PlacedElement:
    """A clip or gap on the record clock. Its local time at record time t is `local_start_s + (t - start_s)`.

    element takes the connected clips and markers; `outer`, an audition around it, is what goes into the storyline.
    """

    element: ET.Element
    start_s: Fraction
    local_start_s: Fraction
    outer: ET.Element | None = None
    connected: list[ET.Element] = field(default_factory=list)
    markers: list[ET.Element] = field(default_factory=list)
    metadata: ET.Element | None = None

    def local_s(self, record_s: Fraction) -> Fraction:
        return self.local_start_s + record_s - self.start_s

    def finish(self) -> ET.Element:
        """The element with everything on it."""
        self.element.extend([*self.connected, *self.markers])
        if self.metadata is not None:
            self.element.append(self.metadata)
        return self.element if self.outer is None else self.outer


@dataclass(frozen=True, kw_only=True)
class ClipElements:
    """Builds the clips of one file. media: the assets, by path."""

    clock: TimelineClock
    base_folder: Path
    media: Mapping[Path, MediaFile]

    def build(self, piece: FlatClip, track: FlatTrack, place: Mapping[str, str]) -> PlacedElement | None:
        """The element of a piece; None when there is no file behind it. place: offset, and lane when connected."""
        media = self._find_media(piece.clip.media_reference)
        if media is None:
            return None
        others = [
            found
            for key, reference in sorted(piece.clip.media_references().items())
            if key != piece.clip.active_media_reference_key and (found := self._find_media(reference))
        ]
        local_start_s = _local_start_s(piece, media)
        outer = ET.Element("audition", dict(place)) if others else None
        element = self._build_one(piece, track, media, {} if others else place)
        placed = PlacedElement(
            element=element, start_s=piece.start_s, local_start_s=local_start_s, outer=outer
        )
        placed.markers += _iter_clip_markers(piece, local_start_s, self.clock)
        if piece.stem_facts:
            placed.metadata = _build_stem_metadata(piece)
        if outer is not None:
            outer.append(element)
            outer.extend(self._build_one(piece, track, other, {}) for other in others)
        return placed

    def _find_media(self, reference: otio.core.MediaReference | None) -> MediaFile | None:
        path = find_media_file(reference, self.base_folder)
        return self.media.get(path) if path is not None else None

    def _build_one(
        self, piece: FlatClip, track: FlatTrack, media: MediaFile, place: Mapping[str, str]
    ) -> ET.Element:
        """The element of one take, without what is connected to it."""
        attributes = {"ref": media.ref, **place, "name": clean_text(piece.clip.name or media.path.name)}
        attributes |= {
            "start": format_time(_local_start_s(piece, media)),
            "duration": format_time(piece.duration_s),
        }
        if not piece.enabled or not track.track.enabled:
            attributes["enabled"] = "0"
        if media.is_still:
            return ET.Element("video", attributes)
        if track.is_picture:
            attributes |= {"format": "r1", "srcEnable": "video"}
        else:
            if media.has_picture:
                attributes["srcEnable"] = "audio"
            role = str(piece.stem_facts.get("track", ""))
            if role:
                attributes["audioRole"] = _build_role(role)
        element = ET.Element("asset-clip", attributes)
        prompt = str(piece.stem_facts.get("prompt", ""))
        if prompt:
            ET.SubElement(element, "note").text = clean_text(prompt)
        if piece.speed != 1:
            element.append(_build_time_map(piece, media))
        if piece.gain_db and not track.is_picture:
            ET.SubElement(element, "adjust-volume", {"amount": f"{piece.gain_db:g}dB"})
        return element


def build_marker(marker: otio.schema.Marker, local_s: Fraction, clock: TimelineClock) -> ET.Element:
    """A marker element; Final Cut's markers last a frame at least."""
    length_s = max(exact_seconds(marker.marked_range.duration), 1 / clock.frame_rate_hz)
    attributes = {"start": format_time(local_s), "duration": format_time(length_s)}
    attributes["value"] = clean_text(marker.name or marker.comment or "Marker")
    if marker.name and marker.comment:
        attributes["note"] = clean_text(marker.comment)
    return ET.Element("marker", attributes)


def _iter_clip_markers(
    piece: FlatClip, local_start_s: Fraction, clock: TimelineClock
) -> Iterator[ET.Element]:
    """The markers of a clip at their place in its local time; those outside it are counted from its first frame."""
    for marker in piece.clip.markers:
        media_s = exact_seconds(marker.marked_range.start_time)
        if not piece.media_low_s <= media_s < piece.media_high_s:
            media_s += trimmed_start_s(piece.clip)
        lead_s = (media_s - piece.media_start_s) / piece.speed if piece.speed else Fraction(0)
        yield build_marker(marker, local_start_s + max(lead_s, Fraction(0)), clock)


def _local_start_s(piece: FlatClip, media: MediaFile) -> Fraction:
    """Where a piece begins in its local time: media time, stretched from the media's start by its speed."""
    if piece.speed > 0:
        return media.start_s + (piece.media_start_s - media.start_s) / piece.speed
    if piece.speed < 0:
        return media.start_s + (media.end_s - piece.media_start_s) / -piece.speed
    return media.start_s


def _build_time_map(piece: FlatClip, media: MediaFile) -> ET.Element:
    """The whole media, retimed: what is not used stays there as handles."""
    length_s = media.end_s - media.start_s
    if piece.speed > 0:
        points = [(Fraction(0), media.start_s), (length_s / piece.speed, media.end_s)]
    elif piece.speed < 0:
        points = [(Fraction(0), media.end_s), (length_s / -piece.speed, media.start_s)]
    else:
        points = [(Fraction(0), piece.media_start_s), (piece.duration_s, piece.media_start_s)]
    time_map = ET.Element("timeMap")
    for local_s, media_s in points:
        times = {"time": format_time(media.start_s + local_s), "value": format_time(media_s)}
        ET.SubElement(time_map, "timept", {**times, "interp": "linear"})
    return time_map


def _build_stem_metadata(piece: FlatClip) -> ET.Element:
    facts = json.dumps(
        plain_value(piece.stem_facts), ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    metadata = ET.Element("metadata")
    ET.SubElement(metadata, "md", {"key": STEM_KEY, "value": clean_text(facts)})
    return metadata


def _build_role(name: str) -> str:
    """A role of its own for a stem track; a dot would make a subrole."""
    return clean_text(name).replace(".", " ").replace("?", " ").strip() or "Selva"
