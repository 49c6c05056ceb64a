"""Cuts to spot in: timelines as hosts write them, without any media on disk."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

ONE_HOUR_LABELS = {
    "23.976": 86400,
    "24": 86400,
    "25": 90000,
    "29.97 drop": 107892,
    "29.97 non-drop": 108000,
    "30": 108000,
    "50": 180000,
    "59.94": 215784,
    "60": 216000,
}
RATES = {
    "23.976": Fraction(24000, 1001),
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97 drop": Fraction(30000, 1001),
    "29.97 non-drop": Fraction(30000, 1001),
    "30": Fraction(30),
    "50": Fraction(50),
    "59.94": Fraction(60000, 1001),
    "60": Fraction(60),
}


@dataclass(kw_only=True)
class CutBuilder:
    """Builds timelines at one rate; all numbers are frames of that rate."""

    rate_hz: float
    start_frame: int = 0
    media_start_frame: int = 0
    media_num_frames: int = 10_000
    media_url: str = "file:///media/shot.mov"

    def time(self, frames: float) -> otio.opentime.RationalTime:
        return otio.opentime.RationalTime(frames, self.rate_hz)

    def span(self, start: float, frames: float) -> otio.opentime.TimeRange:
        return otio.opentime.TimeRange(self.time(start), self.time(frames))

    def media(self, url: str | None = None) -> otio.schema.ExternalReference:
        return otio.schema.ExternalReference(
            target_url=url or self.media_url,
            available_range=self.span(self.media_start_frame, self.media_num_frames),
        )

    def clip(
        self, name: str, *, offset: int, frames: int, speed: float | None = None, url: str | None = None
    ) -> otio.schema.Clip:
        """A clip whose in-point lies `offset` frames after the media's first frame."""
        clip = otio.schema.Clip(
            name=name,
            media_reference=self.media(url),
            source_range=self.span(self.media_start_frame + offset, frames),
        )
        if speed is not None:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
        return clip

    def gap(self, frames: int) -> otio.schema.Gap:
        return otio.schema.Gap(source_range=self.span(0, frames))

    def dissolve(self, in_frames: int, out_frames: int) -> otio.schema.Transition:
        return otio.schema.Transition(
            transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
            in_offset=self.time(in_frames),
            out_offset=self.time(out_frames),
        )

    def track(self, *items: otio.core.Composable, name: str = "V1") -> otio.schema.Track:
        track = otio.schema.Track(name=name, kind=otio.schema.TrackKind.Video)
        track.extend(items)
        return track

    def nest(self, *tracks: otio.schema.Track, trim: tuple[int, int] | None = None) -> otio.schema.Stack:
        stack = otio.schema.Stack(name="nest", source_range=self.span(*trim) if trim else None)
        stack.extend(tracks)
        return stack

    def timeline(self, *tracks: otio.schema.Track) -> otio.schema.Timeline:
        timeline = otio.schema.Timeline(name="cut", global_start_time=self.time(self.start_frame))
        timeline.tracks.extend(tracks)
        return timeline
