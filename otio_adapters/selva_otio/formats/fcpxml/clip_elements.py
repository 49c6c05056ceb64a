"""Clips as FCPXML elements.

The children of an element are in the order of the DTD (note, timing, volume, pan, connected clips, markers, metadata), against
which Final Cut Pro validates a file before it imports anything.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.fcpxml.clip_attributes import STEM_KEY, build_volume
from selva_otio.formats.fcpxml.resources import MediaFile
from selva_otio.formats.fcpxml.times import format_time
from selva_otio.formats.flat_layout import FlatClip, FlatTrack, find_media_file
from selva_otio.formats.pan_keyframes import build_keyframes
from selva_otio.formats.xml import clean_text
from selva_otio.metadata import read_plain_stem
from selva_otio.time.clock import TimelineClock, exact_seconds
from selva_otio.time.item_times import trimmed_start_s


@dataclass(kw_only=True)
class PlacedElement:
    """A clip or gap on the record clock. At record time t its local time is `local_start_s + (t - start_s)`.

    connected, markers, metadata: children that are appended at the end, in the order of the DTD. outer: the audition around
    the element, which then stands in the storyline.
    """

    element: ET.Element
    start_s: Fraction
    local_start_s: Fraction
    outer: ET.Element | None = None
    connected: list[ET.Element] = field(default_factory=list)
    markers: list[ET.Element] = field(default_factory=list)
    metadata: ET.Element | None = None

    def to_local_s(self, record_s: Fraction) -> Fraction:
        """The local time at a record time."""
        return self.local_start_s + record_s - self.start_s

    def finish(self) -> ET.Element:
        """The element, or its audition, with all children."""
        self.element.extend([*self.connected, *self.markers])
        if self.metadata is not None:
            self.element.append(self.metadata)
        return self.element if self.outer is None else self.outer


@dataclass(frozen=True, kw_only=True)
class ClipElements:
    """Builds the clips of one file. media: the assets, by path. on_media_clock: whether markers of clips surely count there."""

    clock: TimelineClock
    base_folder: Path
    media: Mapping[Path, MediaFile]
    on_media_clock: bool = False

    def build(self, flat_clip: FlatClip, track: FlatTrack, place: Mapping[str, str]) -> PlacedElement | None:
        """The element of a clip; None when it has no file. place: its offset, and its lane when it is connected."""
        media = self._find_media(flat_clip.clip.media_reference)
        if media is None:
            return None
        others = [
            found
            for key, reference in sorted(flat_clip.clip.media_references().items())
            if key != flat_clip.clip.active_media_reference_key and (found := self._find_media(reference))
        ]
        local_start_s = _local_start_s(flat_clip, media)
        outer = ET.Element("audition", dict(place)) if others else None
        element = self._build_one(flat_clip, track, media, {} if others else place)
        placed = PlacedElement(
            element=element, start_s=flat_clip.start_s, local_start_s=local_start_s, outer=outer
        )
        placed.markers += self._iter_clip_markers(flat_clip, local_start_s)
        if flat_clip.stem_metadata:
            placed.metadata = _build_stem_metadata(flat_clip)
        if outer is not None:
            outer.append(element)
            outer.extend(self._build_one(flat_clip, track, other, {}) for other in others)
        return placed

    def _find_media(self, reference: otio.core.MediaReference | None) -> MediaFile | None:
        path = find_media_file(reference, self.base_folder)
        return self.media.get(path) if path is not None else None

    def _build_one(
        self, flat_clip: FlatClip, track: FlatTrack, media: MediaFile, place: Mapping[str, str]
    ) -> ET.Element:
        """The element of one take, without what is connected to it."""
        attributes = {"ref": media.ref, **place, "name": clean_text(flat_clip.clip.name or media.path.name)}
        attributes |= {
            "start": format_time(_local_start_s(flat_clip, media)),
            "duration": format_time(flat_clip.duration_s),
        }
        if not flat_clip.enabled or not track.track.enabled:
            attributes["enabled"] = "0"
        if media.is_still:
            return ET.Element("video", attributes)
        if track.is_picture:
            attributes |= {"format": "r1", "srcEnable": "video"}
        else:
            if media.has_picture:
                attributes["srcEnable"] = "audio"
            role = str(flat_clip.stem_metadata.get("track", ""))
            if role:
                attributes["audioRole"] = _build_role(role)
        element = ET.Element("asset-clip", attributes)
        prompt = str(flat_clip.stem_metadata.get("prompt", ""))
        if prompt:
            ET.SubElement(element, "note").text = clean_text(prompt)
        if flat_clip.speed != 1:
            element.append(_build_time_map(flat_clip, media))
        if not track.is_picture:
            element.extend(_iter_volume(flat_clip))
        if flat_clip.pan_points:
            element.append(self._build_panner(flat_clip, _local_start_s(flat_clip, media)))
        return element

    def _iter_clip_markers(self, flat_clip: FlatClip, local_start_s: Fraction) -> Iterator[ET.Element]:
        """The markers of a clip in its local time.

        One outside the used range counts from the clip's first frame where the timeline may be Kdenlive's; elsewhere it stays
        outside, where Final Cut Pro hides it.
        """
        for marker in flat_clip.clip.markers:
            media_s = exact_seconds(marker.marked_range.start_time)
            is_used = flat_clip.media_low_s <= media_s < flat_clip.media_high_s
            if not (is_used or self.on_media_clock):
                media_s += trimmed_start_s(flat_clip.clip)
            lead_s = (media_s - flat_clip.media_start_s) / flat_clip.speed if flat_clip.speed else Fraction(0)
            local_s = local_start_s + (lead_s if self.on_media_clock else max(lead_s, Fraction(0)))
            if local_s >= 0:
                yield build_marker(marker, local_s, self.clock)

    def _build_panner(self, flat_clip: FlatClip, local_start_s: Fraction) -> ET.Element:
        """The pan over time, in the clip's local time. Mode 1 is Final Cut Pro's "Stereo Left/Right", -100 to 100."""
        rate_hz = self.clock.frame_rate_hz
        keyframes = build_keyframes(flat_clip.pan_points, rate_hz)
        panner = ET.Element("adjust-panner", {"mode": "1", "amount": f"{100 * keyframes[0][1]:.1f}"})
        animation = ET.SubElement(ET.SubElement(panner, "param", {"name": "amount"}), "keyframeAnimation")
        for frame, pan in keyframes:
            time = format_time(local_start_s + frame / rate_hz)
            ET.SubElement(
                animation, "keyframe", {"time": time, "value": f"{100 * pan:.1f}", "curve": "linear"}
            )
        return panner


def _iter_volume(flat_clip: FlatClip) -> Iterator[ET.Element]:
    """The volume of a clip, where it has one: as an editor has set it, or that of the stem."""
    volume = build_volume(flat_clip.clip)
    if volume is not None:
        yield volume
    elif flat_clip.gain_db:
        yield ET.Element("adjust-volume", {"amount": f"{flat_clip.gain_db:g}dB"})


def build_marker(marker: otio.schema.Marker, local_s: Fraction, clock: TimelineClock) -> ET.Element:
    """A marker element; in Final Cut Pro a marker lasts at least one frame."""
    length_s = max(exact_seconds(marker.marked_range.duration), 1 / clock.frame_rate_hz)
    attributes = {"start": format_time(local_s), "duration": format_time(length_s)}
    attributes["value"] = clean_text(marker.name or marker.comment or "Marker")
    if marker.name and marker.comment:
        attributes["note"] = clean_text(marker.comment)
    return ET.Element("marker", attributes)


def _local_start_s(flat_clip: FlatClip, media: MediaFile) -> Fraction:
    """The local time of a clip's first frame: with a time map, local time is media time stretched by the speed."""
    if flat_clip.speed > 0:
        return media.start_s + (flat_clip.media_start_s - media.start_s) / flat_clip.speed
    if flat_clip.speed < 0:
        return media.start_s + (media.end_s - flat_clip.media_start_s) / -flat_clip.speed
    return media.start_s


def _build_time_map(flat_clip: FlatClip, media: MediaFile) -> ET.Element:
    """A time map of the whole media, so that an editor can extend the clip into what it does not use."""
    length_s = media.end_s - media.start_s
    if flat_clip.speed > 0:
        points = [(Fraction(0), media.start_s), (length_s / flat_clip.speed, media.end_s)]
    elif flat_clip.speed < 0:
        points = [(Fraction(0), media.end_s), (length_s / -flat_clip.speed, media.start_s)]
    else:
        points = [(Fraction(0), flat_clip.media_start_s), (flat_clip.duration_s, flat_clip.media_start_s)]
    time_map = ET.Element("timeMap")
    for local_s, media_s in points:
        times = {"time": format_time(media.start_s + local_s), "value": format_time(media_s)}
        ET.SubElement(time_map, "timept", {**times, "interp": "linear"})
    return time_map


def _build_stem_metadata(flat_clip: FlatClip) -> ET.Element:
    text = json.dumps(
        read_plain_stem(flat_clip.clip), ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    metadata = ET.Element("metadata")
    ET.SubElement(metadata, "md", {"key": STEM_KEY, "value": clean_text(text)})
    return metadata


def _build_role(name: str) -> str:
    """The audio role of a stem track. A dot would separate a subrole; "?" begins the parameters of a caption role."""
    return clean_text(name).replace(".", " ").replace("?", " ").strip() or "Selva"
