"""A Resolve snapshot as an OpenTimelineIO timeline: exact rates, file-relative media ranges, retimes, nests, markers.

Resolve counts in several spaces, which snapshot.py names. Resolve reports speed from 21.1 on and worked out from the source range
before (retimes.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.picture.media import build_media_url
from selva_otio.time.clock import TimelineClock
from selva_plugins.hosts.resolve.compounds import Compounds, load_compounds
from selva_plugins.hosts.resolve.plan_schema import MARKER_DATA_PREFIX
from selva_plugins.hosts.resolve.retimes import SourceRange, find_source_range
from selva_plugins.hosts.resolve.snapshot import (
    NestedTimeline,
    ResolveItem,
    ResolveMarker,
    ResolveMedia,
    ResolveSnapshot,
    ResolveTrack,
)


@dataclass(frozen=True, kw_only=True)
class ResolveTimeline:
    """The timeline, its clock, and what the user should know about it."""

    timeline: otio.schema.Timeline
    clock: TimelineClock
    notices: tuple[str, ...]


def build_timeline(snapshot: ResolveSnapshot) -> ResolveTimeline:
    """The timeline of a snapshot."""
    opened = snapshot.timeline
    clock = TimelineClock(
        frame_rate_hz=snapshot.rate,
        otio_rate_hz=float(snapshot.rate),
        start_frame=opened.start_frame,
        drop_frame=opened.is_drop_frame,
    )
    builder = _Builder(media=snapshot.media, rate=snapshot.rate, compounds=load_compounds(opened.otio_file))
    timeline = otio.schema.Timeline(
        name=opened.name,
        global_start_time=otio.opentime.RationalTime(opened.start_frame, float(snapshot.rate)),
    )
    timeline.tracks[:] = [builder.track(track, opened.start_frame) for track in opened.video_tracks]
    timeline.tracks.markers.extend(_timeline_markers(opened.markers, snapshot.rate))
    return ResolveTimeline(timeline=timeline, clock=clock, notices=tuple(dict.fromkeys(builder.notices)))


def _timeline_markers(markers: Iterable[ResolveMarker], rate: Fraction) -> list[otio.schema.Marker]:
    """Without those that Selva placed, which are not prompts."""
    return [
        _marker(marker, marker.frame, marker.duration_frames, rate)
        for marker in markers
        if not marker.custom_data.startswith(MARKER_DATA_PREFIX)
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


def _marker(
    marker: ResolveMarker, start_frame: Fraction, duration_frames: Fraction, rate: Fraction
) -> otio.schema.Marker:
    return otio.schema.Marker(
        name=marker.name,
        color=_COLOURS.get(marker.color, marker.color.upper()),
        marked_range=_range(start_frame / rate, duration_frames / rate, rate),
        comment=marker.note,
    )


def _range(start_s: Fraction, duration_s: Fraction, rate: Fraction) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(_moment(start_s, rate), _moment(duration_s, rate))


def _moment(seconds: Fraction, rate: Fraction) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(float(seconds * rate), float(rate))


@dataclass
class _Builder:
    """Builds the tracks of one timeline, or of one that is used as a clip; `rate` is that timeline's."""

    media: Mapping[str, ResolveMedia]
    rate: Fraction
    compounds: Compounds | None = None
    notices: list[str] = field(default_factory=list)

    def track(self, track: ResolveTrack, start_frame: int) -> otio.schema.Track:
        """One video track; gaps fill what is empty, transitions lie on the cuts they straddle."""
        built = otio.schema.Track(name=track.name, kind=otio.schema.TrackKind.Video)
        built.enabled = track.is_enabled
        transitions, items = _split_transitions(track.items)
        cursor = start_frame
        for item in items:
            if item.start_frame > cursor:
                built.append(otio.schema.Gap(source_range=self._span(item.start_frame - cursor)))
            over_cut = (t for t in transitions if t.start_frame <= item.start_frame <= t.end_frame)
            transition = next(over_cut, None)
            if transition is not None and len(built):
                built.append(self._transition(transition, item.start_frame))
            built.append(self._item(item, track_index=track.index, start_frame=start_frame))
            cursor = item.end_frame
        return built

    def _span(self, num_frames: int) -> otio.opentime.TimeRange:
        return _range(Fraction(0), num_frames / self.rate, self.rate)

    def _duration(self, item: ResolveItem) -> otio.opentime.RationalTime:
        return _moment(item.duration_frames / self.rate, self.rate)

    def _transition(self, transition: ResolveItem, cut_frame: int) -> otio.schema.Transition:
        return otio.schema.Transition(
            name=transition.name,
            in_offset=_moment((cut_frame - transition.start_frame) / self.rate, self.rate),
            out_offset=_moment((transition.end_frame - cut_frame) / self.rate, self.rate),
        )

    def _item(self, item: ResolveItem, *, track_index: int, start_frame: int) -> otio.core.Item:
        """A clip, a nest, or a generator: also for a compound that cannot be looked into."""
        media = self.media.get(item.media_id)
        if media is None:
            built: otio.core.Item = self._generator(item, "title or generator")
        elif media.timeline is not None:
            built = self._nest(item, media, media.timeline)
        elif media.file_path is not None:
            built = self._clip(item, media, media.file_path)
        else:
            built = self._compound(item, media, track_index, item.start_frame - start_frame)
        built.enabled = item.is_enabled
        built.metadata["resolve"] = {"id": item.id}
        return built

    def _compound(
        self, item: ResolveItem, media: ResolveMedia, track_index: int, offset_frames: int
    ) -> otio.core.Item:
        """What is inside comes from the export; where there is none, the clip is named and left out."""
        stack = None
        if self.compounds is not None:
            stack = self.compounds.find(track_index, offset_frames, item.duration_frames)
        if stack is None:
            self.notices.append(
                f"{item.name!r} is a compound or Fusion clip that cannot be looked into: no sound is made for it. Decompose it "
                "in place, or render it in place, and run Selva again"
            )
            return self._generator(item, "compound or Fusion clip")
        stack.name = item.name
        return self._trim(stack, item, media, media.frame_rate or self.rate)

    def _generator(self, item: ResolveItem, kind: str) -> otio.schema.Clip:
        return otio.schema.Clip(
            name=item.name,
            media_reference=otio.schema.GeneratorReference(name=item.name, generator_kind=kind),
            source_range=self._span(item.duration_frames),
        )

    def _clip(self, item: ResolveItem, media: ResolveMedia, file_path: Path) -> otio.schema.Clip:
        rate = media.frame_rate or self.rate
        source = find_source_range(item, media, media_rate=rate, timeline_rate=self.rate)
        self.notices.extend(source.notices)
        origin_s = media.start_timecode_frame(rate) / rate
        available = _range(origin_s, media.num_frames / rate, rate) if media.num_frames else None
        clip = otio.schema.Clip(name=item.name or media.name)
        clip.media_reference = otio.schema.ExternalReference(
            target_url=build_media_url(file_path), available_range=available
        )
        clip.source_range = otio.opentime.TimeRange(
            _moment(origin_s + source.low_s, rate), self._duration(item)
        )
        clip.effects.extend(_effects(source))
        clip.markers.extend(self._clip_markers(item, source, rate, origin_s))
        return clip

    def _clip_markers(
        self, item: ResolveItem, source: SourceRange, media_rate: Fraction, origin_s: Fraction
    ) -> list[otio.schema.Marker]:
        """Markers on a clip count source frames; those outside the used range are not seen and left out."""
        duration_s = item.duration_frames / self.rate * abs(source.speed)
        markers = []
        for marker in item.markers:
            start_s = marker.frame / media_rate
            if source.low_s <= start_s < source.low_s + duration_s:
                start_frame = (origin_s + start_s) * media_rate
                markers.append(_marker(marker, start_frame, marker.duration_frames, media_rate))
        return markers

    def _nest(self, item: ResolveItem, media: ResolveMedia, nested: NestedTimeline) -> otio.schema.Stack:
        """A timeline used as a clip: its tracks in a stack, cut to what is used of it."""
        rate = nested.frame_rate or self.rate
        builder = _Builder(media=self.media, rate=rate)
        stack = otio.schema.Stack(name=item.name or nested.name)
        stack.extend(builder.track(track, nested.start_frame) for track in nested.video_tracks)
        self.notices.extend(builder.notices)
        return self._trim(stack, item, media, rate)

    def _trim(
        self, stack: otio.schema.Stack, item: ResolveItem, media: ResolveMedia, inner_rate: Fraction
    ) -> otio.schema.Stack:
        """A nest cut to what is used of it."""
        source = find_source_range(item, media, media_rate=inner_rate, timeline_rate=self.rate)
        stack.source_range = otio.opentime.TimeRange(_moment(source.low_s, inner_rate), self._duration(item))
        stack.effects.extend(_effects(source))
        return stack


def _effects(source: SourceRange) -> list[otio.schema.TimeEffect]:
    """A ramp is an effect that spotting refuses by name."""
    if source.is_ramp:
        return [otio.schema.TimeEffect(name="speed ramp")]
    if source.speed == 0:
        return [otio.schema.FreezeFrame()]
    return [] if source.speed == 1 else [otio.schema.LinearTimeWarp(time_scalar=float(source.speed))]


def _split_transitions(items: Sequence[ResolveItem]) -> tuple[list[ResolveItem], list[ResolveItem]]:
    """Transitions are listed among the items; before 21.1 they are known by lying over their neighbours."""
    ordered = sorted(items, key=lambda item: (item.start_frame, item.duration_frames))
    transitions = [item for item in ordered if _is_transition(item, ordered)]
    return transitions, [item for item in ordered if item not in transitions]


def _is_transition(item: ResolveItem, items: Sequence[ResolveItem]) -> bool:
    if item.kind:
        return item.kind == "transition"
    if item.media_id:
        return False
    return any(
        other is not item and other.start_frame < item.end_frame and item.start_frame < other.end_frame
        for other in items
    )
