"""A Resolve snapshot as an OpenTimelineIO timeline: exact rates, file-relative media ranges, retimes,
nests, markers.

Resolve counts in several spaces. Positions on the timeline are absolute frames at its own rate; source
frames are counted at the media's rate from the file's first frame; marker frames of a timeline start at
zero, those of a clip are source frames. Speed is told from 21.1 on and worked out from the source range
before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.errors import ClockError
from selva_otio.picture.media import build_media_url
from selva_otio.time.clock import exact_rate, parse_timecode
from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.resolve.compounds import Compounds, load_compounds
from selva_plugins.hosts.resolve.objects import rate_number
from selva_plugins.hosts.resolve.retimes import SourceRange, find_source_range

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class HostTimeline:
    """What the host's timeline is to everything after it: the cut, and what the user should know about
    it.
    """

    timeline: otio.schema.Timeline
    rate: Fraction
    start_frame: int
    drop_frame: bool
    notes: tuple[str, ...]


def build_timeline(snapshot: Facts) -> HostTimeline:
    """The timeline of a snapshot. Raises SnapshotError."""
    told = snapshot["timeline"]
    if not told.get("id"):
        raise SnapshotError("no timeline is open in Resolve; open one and try again")
    rate = timeline_rate(snapshot)
    exported = told.get("otio_file")
    compounds = load_compounds(Path(exported) if exported else None)
    builder = _Builder(media=snapshot["media"], rate=rate, compounds=compounds)
    start_frame = int(told["start_frame"])
    timeline = otio.schema.Timeline(
        name=told["name"], global_start_time=otio.opentime.RationalTime(start_frame, float(rate))
    )
    timeline.tracks[:] = [builder.track(track, start_frame) for track in told["video_tracks"]]
    timeline.tracks.markers.extend(_timeline_markers(told["markers"], rate))
    return HostTimeline(
        timeline=timeline,
        rate=rate,
        start_frame=start_frame,
        drop_frame=_drops_frames(told),
        notes=tuple(dict.fromkeys(builder.notes)),
    )


def find_selected_names(snapshot: Facts) -> frozenset[str] | None:
    """Ids of the clips the user has selected; None where this version cannot tell or nothing is selected."""
    selected = snapshot["timeline"].get("selected")
    return frozenset(selected) if selected else None


def project_rate(snapshot: Facts) -> Fraction | None:
    """The rate a WAV takes when it comes into this project."""
    number = rate_number(snapshot["project"].get("settings", {}).get("frame_rate"))
    return exact_rate(number) if number else None


def _drops_frames(told: Facts) -> bool:
    settings = told.get("settings", {})
    return (
        settings.get("drop_frame") == "1"
        or "DF" in str(settings.get("frame_rate"))
        or ";" in str(told.get("start_timecode"))
    )


def timeline_rate(snapshot: Facts) -> Fraction:
    """The timeline's exact rate, else the project's. Raises SnapshotError."""
    for owner in ("timeline", "project"):
        number = rate_number(snapshot[owner].get("settings", {}).get("frame_rate"))
        if number:
            return exact_rate(number)
    raise SnapshotError("Resolve does not tell the timeline's frame rate")


def _timeline_markers(markers: Iterable[Facts], rate: Fraction) -> list[otio.schema.Marker]:
    return [
        _marker(marker, Fraction(str(marker["frame"])), Fraction(str(marker.get("duration") or 1)), rate)
        for marker in markers
        if not str(marker.get("custom_data") or "").startswith("selva:")
    ]


_COLOURS = {
    "Fuchsia": "MAGENTA",
    "Rose": "PINK",
    "Lavender": "PURPLE",
    "Sky": "CYAN",
    "Mint": "GREEN",
    "Lemon": "YELLOW",
    "Sand": "ORANGE",
    "Cocoa": "ORANGE",
    "Cream": "WHITE",
}
"""Marker colours of Resolve whose names OpenTimelineIO does not have."""


def _marker(marker: Facts, start: Fraction, duration: Fraction, rate: Fraction) -> otio.schema.Marker:
    return otio.schema.Marker(
        name=marker.get("name") or "",
        color=_COLOURS.get(marker.get("color") or "", str(marker.get("color") or "").upper()),
        marked_range=_range(start / rate, duration / rate, rate),
        comment=marker.get("note") or "",
    )


def _range(start_s: Fraction, duration_s: Fraction, rate: Fraction) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(_moment(start_s, rate), _moment(duration_s, rate))


def _moment(seconds: Fraction, rate: Fraction) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(float(seconds * rate), float(rate))


@dataclass
class _Builder:
    media: Mapping[str, Facts]
    rate: Fraction
    compounds: Compounds | None = None
    notes: list[str] = field(default_factory=list)

    def track(self, told: Facts, start_frame: int) -> otio.schema.Track:
        """One video track; gaps fill what is empty, transitions lie on the cuts they straddle."""
        track = otio.schema.Track(name=told["name"], kind=otio.schema.TrackKind.Video)
        track.enabled = told.get("enabled") is not False
        transitions, items = _split_transitions(told["items"])
        cursor = start_frame
        for item in items:
            first = int(item["start"])
            if first > cursor:
                track.append(otio.schema.Gap(source_range=self.span(first - cursor)))
            over = next((t for t in transitions if t["start"] <= first <= t["start"] + t["duration"]), None)
            if over is not None and len(track):
                track.append(self.transition(over, first))
            track.append(self.item(item, track_number=int(told["index"]), start_frame=start_frame))
            cursor = first + int(item["duration"])
        return track

    def span(self, frames: int) -> otio.opentime.TimeRange:
        return _range(Fraction(0), frames / self.rate, self.rate)

    def transition(self, told: Facts, cut: int) -> otio.schema.Transition:
        end = int(told["start"]) + int(told["duration"])
        return otio.schema.Transition(
            name=told.get("name") or "",
            in_offset=_moment((cut - int(told["start"])) / self.rate, self.rate),
            out_offset=_moment((end - cut) / self.rate, self.rate),
        )

    def item(self, told: Facts, *, track_number: int, start_frame: int) -> otio.core.Item:
        """A clip, a nest, or a generator: also for a compound that nobody can look into."""
        name = told.get("name") or ""
        media = self.media.get(told.get("media") or "")
        if media is None:
            built: otio.core.Item = self.generator(name, "title or generator", told)
        elif media.get("timeline"):
            built = self.nest(told, media)
        elif media["properties"].get("File Path"):
            built = self.clip(told, media)
        else:
            built = self.compound(told, media, track_number, int(told["start"]) - start_frame)
        built.enabled = told.get("enabled") is not False
        built.metadata["resolve"] = {"id": told.get("id") or ""}
        return built

    def compound(self, told: Facts, media: Facts, track_number: int, start_frame: int) -> otio.core.Item:
        """What is inside comes from the export; where there is none, the clip is named and left out."""
        found = None
        if self.compounds is not None:
            found = self.compounds.find(track_number, start_frame, int(told["duration"]))
        name = told.get("name") or ""
        if found is None:
            self.notes.append(
                f"{name!r} is a compound or Fusion clip that cannot be looked into: no sound is made for it. Decompose it "
                "in place, or render it in place, and run Selva again"
            )
            return self.generator(name, "compound or Fusion clip", told)
        found.name = name
        return self.trimmed(found, told, media, _media_rate(media["properties"]) or self.rate)

    def generator(self, name: str, kind: str, told: Facts) -> otio.schema.Clip:
        return otio.schema.Clip(
            name=name,
            media_reference=otio.schema.GeneratorReference(name=name, generator_kind=kind),
            source_range=self.span(int(told["duration"])),
        )

    def clip(self, told: Facts, media: Facts) -> otio.schema.Clip:
        properties = media["properties"]
        media_rate = _media_rate(properties) or self.rate
        source = find_source_range(told, properties, media_rate=media_rate, timeline_rate=self.rate)
        self.notes.extend(source.notes)
        origin_s = _start_timecode_s(properties, media_rate)
        num_frames = _num_frames(properties)
        clip = otio.schema.Clip(name=told.get("name") or media["name"])
        clip.media_reference = otio.schema.ExternalReference(
            target_url=build_media_url(Path(properties["File Path"])),
            available_range=_range(origin_s, num_frames / media_rate, media_rate) if num_frames else None,
        )
        clip.source_range = otio.opentime.TimeRange(
            _moment(origin_s + source.low_s, media_rate),
            _moment(int(told["duration"]) / self.rate, self.rate),
        )
        clip.effects.extend(_effects(source))
        clip.markers.extend(self.clip_markers(told, source, media_rate, origin_s))
        return clip

    def clip_markers(
        self, told: Facts, source: SourceRange, media_rate: Fraction, origin_s: Fraction
    ) -> list[otio.schema.Marker]:
        """Markers on a clip count source frames; those outside the used range are not seen and not told."""
        duration_s = int(told["duration"]) / self.rate * abs(source.speed)
        markers = []
        for marker in told.get("markers", ()):
            start_s = Fraction(str(marker["frame"])) / media_rate
            if source.low_s <= start_s < source.low_s + duration_s:
                length_s = Fraction(str(marker.get("duration") or 1)) / media_rate
                markers.append(
                    _marker(marker, (origin_s + start_s) * media_rate, length_s * media_rate, media_rate)
                )
        return markers

    def nest(self, told: Facts, media: Facts) -> otio.schema.Stack:
        """A timeline used as a clip: its tracks in a stack, cut to what is used of it."""
        inner = media["timeline"]
        number = rate_number(inner.get("frame_rate"))
        inner_rate = exact_rate(number) if number else self.rate
        builder = _Builder(media=self.media, rate=inner_rate)
        stack = otio.schema.Stack(name=told.get("name") or inner["name"])
        stack.extend(builder.track(track, int(inner["start_frame"])) for track in inner["video_tracks"])
        self.notes.extend(builder.notes)
        return self.trimmed(stack, told, media, inner_rate)

    def trimmed(
        self, stack: otio.schema.Stack, told: Facts, media: Facts, inner_rate: Fraction
    ) -> otio.schema.Stack:
        """A nest cut to what is used of it."""
        source = find_source_range(told, media["properties"], media_rate=inner_rate, timeline_rate=self.rate)
        stack.source_range = otio.opentime.TimeRange(
            _moment(source.low_s, inner_rate), _moment(int(told["duration"]) / self.rate, self.rate)
        )
        stack.effects.extend(_effects(source))
        return stack


def _effects(source: SourceRange) -> list[otio.schema.TimeEffect]:
    if source.is_ramp:
        return [otio.schema.TimeEffect(name="speed ramp")]
    if source.speed == 0:
        return [otio.schema.FreezeFrame()]
    return [] if source.speed == 1 else [otio.schema.LinearTimeWarp(time_scalar=float(source.speed))]


def _split_transitions(items: Sequence[Facts]) -> tuple[list[Facts], list[Facts]]:
    """Transitions are listed among the items; before 21.1 they are known by lying over their neighbours."""
    ordered = sorted(items, key=lambda item: (int(item["start"]), int(item["duration"])))
    transitions = [item for item in ordered if _is_transition(item, ordered)]
    return transitions, [item for item in ordered if item not in transitions]


def _is_transition(item: Facts, items: Sequence[Facts]) -> bool:
    if item.get("type"):
        return bool(item["type"] == "transition")
    if item.get("media"):
        return False
    first, last = int(item["start"]), int(item["start"]) + int(item["duration"])
    return any(
        other is not item
        and int(other["start"]) < last
        and first < int(other["start"]) + int(other["duration"])
        for other in items
    )


def _media_rate(properties: Facts) -> Fraction | None:
    number = rate_number(properties.get("FPS"))
    return exact_rate(number) if number else None


def _num_frames(properties: Facts) -> int:
    text = str(properties.get("Frames") or "")
    return int(text) if text.isdigit() else 0


def _start_timecode_s(properties: Facts, media_rate: Fraction) -> Fraction:
    """Where the media's own timecode starts; unreadable labels count as zero."""
    label = str(properties.get("Start TC") or "")
    try:
        return parse_timecode(label, media_rate) / media_rate
    except ClockError:
        return Fraction(0)
