"""From spans of items to an OpenTimelineIO timeline, and back from what was spotted in it to the items."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.errors import MediaError
from selva_core.base.limits import DEFAULT_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from selva_otio.picture.media import build_media_url
from selva_otio.time.clock import TimelineClock, can_drop_frames, exact_rate, frame_index
from selva_plugins.hosts.reaper.item_spans import SAME_S, ItemSpan, snap_seconds
from selva_plugins.hosts.reaper.snapshot import ReaperSnapshot
from selva_render.media_process import probe_media_in_process


@dataclass(frozen=True, kw_only=True)
class PictureTrack:
    """Spans that do not overlap, in record order: one video track of the timeline."""

    name: str
    spans: tuple[ItemSpan, ...]

    def find(self, record_s: Fraction) -> ItemSpan:
        """The span seen at a record time, or the nearest one: rounding may have put the time just outside of it."""
        return min(
            self.spans,
            key=lambda span: max(span.record_start_s - record_s, record_s - span.record_end_s + SAME_S),
        )


@dataclass(frozen=True, kw_only=True)
class ReaperTimeline:
    """The timeline, and what each of its video tracks shows, by name; the bottom picture comes first.

    clock: of REAPER's positions. lead_s: how much later everything lies in the timeline than in REAPER, because a timeline
    has nothing before its start, and a project has; whole seconds and whole frames, so that all grids stay.
    """

    timeline: otio.schema.Timeline
    clock: TimelineClock
    lead_s: Fraction
    sample_rate_hz: int
    picture_tracks: dict[str, PictureTrack]

    @property
    def timeline_clock(self) -> TimelineClock:
        """The clock of the timeline's own record times; its labels are those of the project."""
        lead_frames = round(self.lead_s * self.clock.frame_rate_hz)
        return replace(self.clock, start_frame=self.clock.start_frame - lead_frames)

    def snap(self, seconds: float) -> Fraction:
        """The record time in the timeline of a position in REAPER."""
        return snap_seconds(seconds, self.clock, self.sample_rate_hz) + self.lead_s


def build_clock(snapshot: ReaperSnapshot) -> TimelineClock:
    """Record times are REAPER's item positions; the project start offset only moves the labels."""
    rate = exact_rate(snapshot.project.frame_rate_hz)
    return TimelineClock(
        frame_rate_hz=rate,
        otio_rate_hz=float(rate),
        start_frame=frame_index(Fraction(snapshot.project.start_offset_s), rate),
        drop_frame=snapshot.project.is_drop_frame and can_drop_frames(rate),
    )


def choose_sample_rate_hz(snapshot: ReaperSnapshot) -> int:
    """The project's sample rate, where it has one (0 otherwise) that stems can have."""
    rate_hz = snapshot.project.sample_rate_hz
    if not MIN_SAMPLE_RATE_HZ <= rate_hz <= MAX_SAMPLE_RATE_HZ:
        return DEFAULT_SAMPLE_RATE_HZ
    return round(rate_hz)


def build_timeline(snapshot: ReaperSnapshot, spans: Sequence[ItemSpan]) -> ReaperTimeline:
    """Tracks bottom first, as OpenTimelineIO has them: REAPER's upper tracks are on top, muted ones below all others."""
    clock = build_clock(snapshot)
    lead_s = _choose_lead_s(spans, clock)
    built = ReaperTimeline(
        timeline=otio.schema.Timeline(name=snapshot.project.name),
        clock=clock,
        lead_s=lead_s,
        sample_rate_hz=choose_sample_rate_hz(snapshot),
        picture_tracks={},
    )
    start_s = built.timeline_clock.start_frame / clock.frame_rate_hz
    built.timeline.global_start_time = clock.rational_time(start_s)
    media_rates = _MediaRates(clock)
    for picture_track in _pack_tracks([_delay(span, lead_s) for span in spans]):
        built.picture_tracks[picture_track.name] = picture_track
        built.timeline.tracks.append(_build_track(picture_track, clock, media_rates.find))
    return built


def _choose_lead_s(spans: Sequence[ItemSpan], clock: TimelineClock) -> Fraction:
    """0 where nothing lies before zero; else the least number of seconds that is whole in seconds and in frames."""
    before_zero_s = -min((span.record_start_s for span in spans), default=Fraction(0))
    step_s = clock.frame_rate_hz.denominator
    return Fraction(max(0, math.ceil(before_zero_s / step_s)) * step_s)


def _delay(span: ItemSpan, lead_s: Fraction) -> ItemSpan:
    return replace(span, record_start_s=span.record_start_s + lead_s, record_end_s=span.record_end_s + lead_s)


def _pack_tracks(spans: Sequence[ItemSpan]) -> list[PictureTrack]:
    """One picture track per REAPER track, more where its items overlap; bottom picture first."""

    def height(span: ItemSpan) -> tuple[bool, int]:
        track = span.item.track
        return not (track.is_muted or span.item.is_muted), -track.number

    picture_tracks: list[PictureTrack] = []
    for level in sorted({height(span) for span in spans}):
        rows: list[list[ItemSpan]] = []
        of_level = [span for span in spans if height(span) == level]
        for span in sorted(of_level, key=lambda span: span.record_start_s):
            free = (row for row in rows if row[-1].record_end_s <= span.record_start_s + SAME_S)
            row = next(free, None)
            if row is None:
                rows.append([span])
            else:
                row.append(span)
        for index, row in enumerate(rows):
            track = row[0].item.track
            muted = "" if level[0] else " muted"
            name = f"{track.number}{'.' + str(index + 1) if index else ''} {track.name}{muted}".strip()
            picture_tracks.append(PictureTrack(name=name, spans=tuple(row)))
    return picture_tracks


def _build_track(
    picture_track: PictureTrack, clock: TimelineClock, media_rate_hz: Callable[[ItemSpan], float]
) -> otio.schema.Track:
    track = otio.schema.Track(name=picture_track.name, kind=otio.schema.TrackKind.Video)
    cursor_s = Fraction(0)
    for span in picture_track.spans:
        if span.record_start_s > cursor_s:
            gap_range = clock.time_range(Fraction(0), span.record_start_s - cursor_s)
            track.append(otio.schema.Gap(source_range=gap_range))
        track.append(_build_clip(span, clock, media_rate_hz(span)))
        cursor_s = span.record_end_s
    return track


def _build_clip(span: ItemSpan, clock: TimelineClock, media_rate_hz: float) -> otio.schema.Clip:
    """The used range is the same for both directions; a reversed clip plays it from its end."""
    used_s = abs(span.speed) * span.duration_s
    low_s = span.media_start_s if span.speed > 0 else span.media_start_s - used_s
    zero = otio.opentime.RationalTime(0, media_rate_hz)
    num_frames = math.ceil(span.media_length_s * exact_rate(media_rate_hz))
    length = otio.opentime.RationalTime(num_frames, media_rate_hz)
    clip = otio.schema.Clip(
        name=span.item.label,
        media_reference=otio.schema.ExternalReference(
            target_url=build_media_url(span.path), available_range=otio.opentime.TimeRange(zero, length)
        ),
        source_range=clock.time_range(low_s, span.duration_s),
    )
    if span.speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(span.speed)))
    return clip


class _MediaRates:
    """Frame rates of files that play in reverse: there the first frame seen depends on how long a frame lasts."""

    def __init__(self, clock: TimelineClock) -> None:
        self._default_hz = clock.otio_rate_hz
        self._by_path: dict[Path, float] = {}

    def find(self, span: ItemSpan) -> float:
        if span.speed > 0:
            return self._default_hz
        if span.path not in self._by_path:
            self._by_path[span.path] = self._probe(span.path)
        return self._by_path[span.path]

    def _probe(self, path: Path) -> float:
        try:
            rate = probe_media_in_process(path).frame_rate_hz
        except MediaError:
            rate = None  # the daemon opens the file too, and reports what is wrong with it
        return float(rate) if rate else self._default_hz
