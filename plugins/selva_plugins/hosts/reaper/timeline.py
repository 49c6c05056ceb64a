"""From REAPER items to an OpenTimelineIO timeline, in exact time, and back from what was spotted in it to the items.

One item is one clip, or one per pass where it loops. Where a take shows source time `s`, sections and reversed takes lead
to the file's own time; what lies before the source's start or after its end has no picture and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.errors import MediaError
from selva_otio.picture.media import build_media_url
from selva_otio.time.clock import TimelineClock, can_drop_frames, exact_rate
from selva_plugins.hosts.reaper.snapshot import ReaperItem, ReaperSnapshot, ReaperTake
from selva_render.probing import probe_in_process

DEFAULT_SAMPLE_RATE_HZ = 48_000
MAX_LOOP_PASSES = 200

# REAPER keeps times as doubles and writes about 14 digits of them; a sample at 192 kHz lasts 5.2e-6 s.
SAME_S = Fraction(1, 10_000_000)
_MAX_DENOMINATOR = 10_000_000
_MAX_RATE_DENOMINATOR = 100_000


@dataclass(frozen=True, kw_only=True)
class ItemSpan:
    """A run of an item's picture: `record_start_s` to `record_end_s` shows the file from `media_start_s` on at `speed`."""

    item: ReaperItem
    take: ReaperTake
    path: Path
    media_length_s: Fraction
    record_start_s: Fraction
    record_end_s: Fraction
    media_start_s: Fraction
    speed: Fraction

    @property
    def duration_s(self) -> Fraction:
        return self.record_end_s - self.record_start_s


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Stretches that do not overlap: one video track of the timeline."""

    name: str
    stretches: tuple[ItemSpan, ...]

    def find(self, record_s: Fraction) -> ItemSpan:
        """The stretch seen at a record time; float dust between the two is forgiven."""
        return min(
            self.stretches,
            key=lambda stretch: max(
                stretch.record_start_s - record_s, record_s - stretch.record_end_s + SAME_S
            ),
        )


@dataclass(frozen=True, kw_only=True)
class ReaperTimeline:
    """The timeline, its clock, and which lane each of its video tracks is (top of the list is the bottom picture)."""

    timeline: otio.schema.Timeline
    clock: TimelineClock
    sample_rate_hz: int
    lanes: dict[str, Lane]

    def snap(self, seconds: float) -> Fraction:
        return snap_seconds(seconds, self.clock, self.sample_rate_hz)


def build_clock(snapshot: ReaperSnapshot) -> TimelineClock:
    """Record times are REAPER's item positions; the project start offset only moves the labels."""
    rate = exact_rate(snapshot.frame_rate_hz)
    return TimelineClock(
        frame_rate_hz=rate,
        otio_rate_hz=float(rate),
        start_frame=math.floor(Fraction(snapshot.start_offset_s) * rate + Fraction(1, 2)),
        drop_frame=snapshot.is_drop_frame and can_drop_frames(rate),
    )


def stem_rate_hz(snapshot: ReaperSnapshot) -> int:
    """The project's sample rate where it has one of its own."""
    rate_hz = snapshot.sample_rate_hz
    return round(rate_hz) if rate_hz and 8_000 <= rate_hz <= 192_000 else DEFAULT_SAMPLE_RATE_HZ


def snap_seconds(seconds: float, clock: TimelineClock, sample_rate_hz: int) -> Fraction:
    """The instant a double stands for: on the frame grid or else the sample grid where it is within 0.1 µs of it."""
    exact = Fraction(seconds)
    for rate in (clock.frame_rate_hz, Fraction(sample_rate_hz)):
        snapped = round(exact * rate) / rate
        if abs(snapped - exact) < SAME_S:
            return snapped
    return exact.limit_denominator(_MAX_DENOMINATOR)


class PictureReader:
    """Reads items as stretches of picture. `refused` and `warnings` collect sentences for the user."""

    def __init__(self, clock: TimelineClock, sample_rate_hz: int) -> None:
        self._clock = clock
        self._sample_rate_hz = sample_rate_hz
        self.refused: list[str] = []
        self.warnings: list[str] = []

    def snap(self, seconds: float) -> Fraction:
        return snap_seconds(seconds, self._clock, self._sample_rate_hz)

    def read(self, items: Iterable[ReaperItem]) -> list[ItemSpan]:
        """The picture of all items that have one."""
        stretches: list[ItemSpan] = []
        for item in items:
            reason = explain_no_picture(item)
            if reason is None and item.take is not None:
                stretches += self._read_item(item, item.take)
            else:
                self.refused.append(f"{item.label}: {reason}")
        return stretches

    def _read_item(self, item: ReaperItem, take: ReaperTake) -> Iterator[ItemSpan]:
        if take.num_stretch_markers:
            self.warnings.append(
                f"{item.label}: it has stretch markers; sound is made as if it played evenly. "
                "Glue it, or split it at the markers"
            )
        start_s = self.snap(item.position_s)
        length_s = self.snap(item.position_s + item.length_s) - start_s
        rate = Fraction(take.play_rate).limit_denominator(_MAX_RATE_DENOMINATOR)
        file_offset_s, direction = self._locate(take)
        innermost = take.sources[-1]
        for from_s, until_s, source_s in self._iter_passes(item, take, length_s, rate):
            yield ItemSpan(
                item=item,
                take=take,
                path=Path(innermost.file),
                media_length_s=self.snap(innermost.length_s),
                record_start_s=start_s + from_s,
                record_end_s=start_s + until_s,
                media_start_s=file_offset_s + direction * source_s,
                speed=direction * rate,
            )

    def _iter_passes(
        self, item: ReaperItem, take: ReaperTake, length_s: Fraction, rate: Fraction
    ) -> Iterator[tuple[Fraction, Fraction, Fraction]]:
        """(from, until, source time at from), in seconds after the item's start, of each run through the source."""
        source_length_s = self.snap(take.sources[0].length_s)
        offset_s = self.snap(take.start_offset_s)
        if item.loops:
            offset_s %= source_length_s
            if length_s * rate > MAX_LOOP_PASSES * source_length_s:
                self.refused.append(f"{item.label}: it loops more than {MAX_LOOP_PASSES} times; split it")
                return
            from_s = Fraction(0)
            while length_s - from_s > SAME_S:
                until_s = min(from_s + (source_length_s - offset_s) / rate, length_s)
                yield from_s, until_s, offset_s
                from_s, offset_s = until_s, Fraction(0)
            return
        from_s = max(Fraction(0), -offset_s / rate)
        until_s = min(length_s, (source_length_s - offset_s) / rate)
        if until_s - from_s <= SAME_S:
            self.refused.append(f"{item.label}: nothing of its source lies within the item")
            return
        if from_s > SAME_S or length_s - until_s > self._clock.cover_frames(SAME_S):
            self.warnings.append(
                f"{item.label}: its picture covers only a part of the item; so does the sound"
            )
        yield from_s, until_s, offset_s + rate * from_s

    def _locate(self, take: ReaperTake) -> tuple[Fraction, int]:
        """(file time of source time zero, direction): what sections and reversed takes make of the file's clock."""
        offset_s, direction = Fraction(0), 1
        for source in take.sources:
            if not source.is_section:
                continue
            section_start_s = self.snap(source.section_offset_s)
            if source.is_reversed:
                inner_zero_s = section_start_s + self.snap(source.section_length_s) - offset_s
                offset_s, direction = inner_zero_s, -direction
            else:
                offset_s += section_start_s
        return offset_s, direction


def explain_no_picture(item: ReaperItem) -> str | None:
    """Why no sound can be made for an item; None when it shows a moving picture."""
    if item.take is None or not item.take.sources:
        return "it is empty"
    innermost = item.take.sources[-1]
    if innermost.kind != "VIDEO" or not innermost.file:
        return f"it has no picture ({innermost.kind or 'offline media'})"
    if innermost.length_s <= 0 or item.take.sources[0].length_s <= 0 or innermost.length_is_quarter_notes:
        return "its picture has no length (offline, or a still)"
    if item.length_s <= 0:
        return "it has no length"
    return None


def build_timeline(snapshot: ReaperSnapshot, stretches: Sequence[ItemSpan]) -> ReaperTimeline:
    """Tracks bottom first, as OpenTimelineIO has them: REAPER's upper tracks are on top, muted ones below all others."""
    clock = build_clock(snapshot)
    timeline = otio.schema.Timeline(
        name=snapshot.project_name,
        global_start_time=clock.rational_time(clock.start_frame / clock.frame_rate_hz),
    )
    media_rates = _MediaRates(clock)
    lanes: dict[str, Lane] = {}
    for lane in _pack_lanes(stretches):
        lanes[lane.name] = lane
        timeline.tracks.append(_build_track(lane, clock, media_rates.find))
    return ReaperTimeline(timeline=timeline, clock=clock, sample_rate_hz=stem_rate_hz(snapshot), lanes=lanes)


def _pack_lanes(stretches: Sequence[ItemSpan]) -> list[Lane]:
    """One lane per REAPER track, more where its items overlap; bottom picture first."""

    def height(stretch: ItemSpan) -> tuple[bool, int]:
        track = stretch.item.track
        return not (track.is_muted or stretch.item.is_muted), -track.number

    lanes: list[Lane] = []
    for level in sorted({height(stretch) for stretch in stretches}):
        packed: list[list[ItemSpan]] = []
        of_level = [stretch for stretch in stretches if height(stretch) == level]
        for stretch in sorted(of_level, key=lambda stretch: stretch.record_start_s):
            free = (row for row in packed if row[-1].record_end_s <= stretch.record_start_s + SAME_S)
            row = next(free, None)
            if row is None:
                packed.append([stretch])
            else:
                row.append(stretch)
        for index, row in enumerate(packed):
            track = row[0].item.track
            muted = "" if level[0] else " muted"
            name = f"{track.number}{'.' + str(index + 1) if index else ''} {track.name}{muted}".strip()
            lanes.append(Lane(name=name, stretches=tuple(row)))
    return lanes


def _build_track(
    lane: Lane, clock: TimelineClock, media_rate_hz: Callable[[ItemSpan], float]
) -> otio.schema.Track:
    track = otio.schema.Track(name=lane.name, kind=otio.schema.TrackKind.Video)
    cursor_s = Fraction(0)
    for stretch in lane.stretches:
        if stretch.record_start_s > cursor_s:
            track.append(
                otio.schema.Gap(source_range=clock.time_range(Fraction(0), stretch.record_start_s - cursor_s))
            )
        track.append(_build_clip(stretch, clock, media_rate_hz(stretch)))
        cursor_s = stretch.record_end_s
    return track


def _build_clip(stretch: ItemSpan, clock: TimelineClock, media_rate_hz: float) -> otio.schema.Clip:
    """The used range is the same for both directions; a reversed clip plays it from its end."""
    used_s = abs(stretch.speed) * stretch.duration_s
    low_s = stretch.media_start_s if stretch.speed > 0 else stretch.media_start_s - used_s
    zero = otio.opentime.RationalTime(0, media_rate_hz)
    num_frames = math.ceil(stretch.media_length_s * exact_rate(media_rate_hz))
    length = otio.opentime.RationalTime(num_frames, media_rate_hz)
    clip = otio.schema.Clip(
        name=stretch.item.label,
        media_reference=otio.schema.ExternalReference(
            target_url=build_media_url(stretch.path), available_range=otio.opentime.TimeRange(zero, length)
        ),
        source_range=clock.time_range(low_s, stretch.duration_s),
    )
    if stretch.speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(stretch.speed)))
    return clip


class _MediaRates:
    """Frame rates of files that play in reverse: there the first frame seen depends on how long a frame lasts."""

    def __init__(self, clock: TimelineClock) -> None:
        self._default_hz = clock.otio_rate_hz
        self._known: dict[Path, float] = {}

    def find(self, stretch: ItemSpan) -> float:
        if stretch.speed > 0:
            return self._default_hz
        if stretch.path not in self._known:
            self._known[stretch.path] = self._ask(stretch.path)
        return self._known[stretch.path]

    def _ask(self, path: Path) -> float:
        try:
            rate = probe_in_process(path).frame_rate_hz
        except MediaError:
            rate = None  # the daemon says what is wrong with it
        return float(rate) if rate else self._default_hz
