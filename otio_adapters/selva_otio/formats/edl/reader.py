"""An EDL as a timeline: one track per channel, media found by file, clip or reel name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.formats.edl.events import EditList, Event, load_edit_list, parse_label
from selva_otio.formats.edl.media_names import ReelIndex, ReelMedia
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.source_loss import note_left_out
from selva_otio.picture.media import build_missing_reference, clean_file_name
from selva_otio.time.clock import count_frames_per_day, exact_rate, nominal_rate, note_drop_frame

NAMESPACE = "cmx_3600"
"""Metadata key for what an EDL says about its labels."""
_CHANNEL = re.compile(r"(V|A)(\d*)")
_MAX_DEPTH_BESIDE = 3
"""Levels below the folder of an EDL that are searched for media without --media-dir: it may be a home folder."""
_DROP_RATES = {30: Fraction(30000, 1001), 60: Fraction(60000, 1001)}


@contextmanager
def open_edl(path: Path, options: ReadOptions) -> Iterator[tuple[otio.schema.Timeline, Path]]:
    """The timeline of an EDL. Media is searched in the options' folders, by default beside the EDL.

    Raises TimelineReadError, also when its frame rate cannot be known.
    """
    edits = load_edit_list(path)
    folder = path.absolute().parent
    reel_index = ReelIndex(folders=[folder], probe=options.probe, max_depth=_MAX_DEPTH_BESIDE)
    if options.media_folders:
        reel_index = ReelIndex(folders=options.media_folders, probe=options.probe)
    rate = options.frame_rate or _find_rate(edits, reel_index, path)
    yield _TimelineBuilder(edits, reel_index, rate, path).build(), folder


def _find_rate(edits: EditList, reel_index: ReelIndex, path: Path) -> Fraction:
    """The rate of drop-frame labels, which exist at two rates only; else that of the media, when all of it has the same."""
    highest = max((int(re.split("[:;.]", label)[-1]) for label in edits.iter_labels()), default=0)
    if edits.drops_frames:
        return _DROP_RATES[60 if highest >= 30 else 30]
    placed = [event for event in edits.events if event.has_place]
    found = {reel_index.find(event).frame_rate for event in placed if not event.is_black}
    rates = {rate for rate in found if rate is not None and highest < nominal_rate(rate)}
    if len(rates) == 1:
        return exact_rate(float(rates.pop()))
    several = ", ".join(sorted(f"{float(rate):.6g}" for rate in rates))
    media = f"its media has {several}" if several else "none of its media was found (--media-dir)"
    raise TimelineReadError(
        f"{path.name} does not name its frame rate, as no EDL does, and {media}; give it with --frame-rate 24 "
        "(or 23.976, 25, 29.97, 30, 50, 59.94, 60)"
    )


@dataclass(kw_only=True)
class _OpenTrack:
    """A track while it is filled. end: of its last item, in frames from the start of the timeline."""

    track: otio.schema.Track
    end: int = 0


class _TimelineBuilder:
    """Builds the timeline of one EDL."""

    def __init__(self, edits: EditList, reel_index: ReelIndex, rate: Fraction, path: Path) -> None:
        self._edits = edits
        self._reel_index = reel_index
        self._rate = rate
        self._path = path
        self._tracks: dict[str, list[_OpenTrack]] = {}
        """By channel; further ones where events of a channel overlap, which one track cannot hold."""

    def build(self) -> otio.schema.Timeline:
        record = self._place_events()
        start = record[0][0]
        for first, end, event in record:
            if end > first:
                for channel in _split_channels(event.channels):
                    delay = min(self._find_delay(event, channel), end - first - 1)
                    self._append(event, channel, first - start + delay, end - start, delay=delay)
        timeline = otio.schema.Timeline(
            name=self._edits.title or clean_file_name(self._path.stem),
            global_start_time=otio.opentime.RationalTime(start, float(self._rate)),
        )
        for channel in sorted(self._tracks, key=lambda name: (name[0] != "V", int(name[1:] or 1))):
            timeline.tracks.extend(found.track for found in self._tracks[channel])
        num_bad = 0
        for locator in self._edits.locators:
            try:
                frame = self._parse(locator.label, self._edits.drops_frames, "a locator") - start
            except TimelineReadError:
                num_bad += 1
                continue
            colour = locator.colour.upper()
            timeline.tracks.markers.append(
                otio.schema.Marker(name=locator.name, marked_range=self._range(frame, 0), color=colour)
            )
        note_left_out(timeline, "EDL", {"locators whose timecode does not exist": num_bad})
        note_drop_frame(timeline, NAMESPACE, self._rate, drop_frame=self._edits.drops_frames)
        keys = sum(event.kind == "K" for event in self._edits.events)
        note_left_out(timeline, "EDL", {"keys": keys, "colour decisions": self._edits.num_colour_decisions})
        return timeline

    def _place_events(self) -> list[tuple[int, int, Event]]:
        """The record range of each event, in record order; those without one are of one frame behind all others.

        Labels start over at midnight. Raises TimelineReadError where no event can be read.
        """
        placed: list[tuple[int, int, Event]] = []
        for event in self._edits.events:
            try:
                placed += [(*self._record_range(event), event)] if event.has_place else []
            except TimelineReadError as error:
                event.problem, event.record = error.message, ("", "")
        bad = [event.problem for event in self._edits.events if event.problem]
        if len(bad) == len(self._edits.events):  # then there is no picture to make sound for
            raise TimelineReadError(f"{self._path}: {bad[0]}")
        day = count_frames_per_day(self._rate, drop_frame=self._edits.drops_frames)
        base = placed[0][0]
        placed = [
            (first + day, end + day, event) if base - first > day // 2 else (first, end, event)
            for first, end, event in placed
        ]
        last = max(end for _, end, _ in placed)
        lost = [event for event in self._edits.events if not event.has_place]
        placed += [(last + number, last + number + 1, event) for number, event in enumerate(lost)]
        return sorted(placed, key=lambda entry: (entry[0], entry[2].line))

    def _record_range(self, event: Event) -> tuple[int, int]:
        first, end = (
            self._parse(label, event.is_drop, f"line {event.line}: the record side") for label in event.record
        )
        day = count_frames_per_day(self._rate, drop_frame=self._edits.drops_frames)
        if first - end > day // 2:  # from before to after midnight
            end += day
        if end < first:
            event.problem = (
                f"line {event.line} of the EDL: the edit ends ({event.record[1]}) before it begins "
                f"({event.record[0]})"
            )
            return first, first + 1  # a place by which it is named
        return first, end

    def _parse(self, label: str, is_drop: bool, what: str, rate: Fraction | None = None) -> int:
        try:
            return parse_label(label, rate or self._rate, is_drop=is_drop or ";" in label)
        except ClockError as error:
            raise TimelineReadError(f"{self._path}, {what}: {error.message}") from error

    def _find_delay(self, event: Event, channel: str) -> int:
        """Frames by which the picture of a split edit begins after its sound, or the sound after its picture."""
        label = event.delay_label(channel[0])
        if label is None or event.problem:
            return 0
        try:
            return self._parse(label, event.is_drop, f"the delay of line {event.line}")
        except TimelineReadError as error:
            event.problem = error.message
            return 0

    def _append(self, event: Event, channel: str, first: int, end: int, *, delay: int = 0) -> None:
        """Put an event on the first track of its channel that is free then. delay: frames of its start that are left out."""
        tracks = self._tracks.setdefault(channel, [])
        target = next((found for found in tracks if found.end <= first), None)
        if target is None:
            kind = otio.schema.TrackKind.Video if channel[0] == "V" else otio.schema.TrackKind.Audio
            target = _OpenTrack(track=otio.schema.Track(name=channel, kind=kind))
            tracks.append(target)
        if first > target.end:
            target.track.append(otio.schema.Gap(source_range=self._range(0, first - target.end)))
        if event.transition and len(target.track):
            target.track.append(self._build_transition(event, end - first))
        if event.is_black:
            target.track.append(otio.schema.Gap(source_range=self._range(0, end - first)))
        else:
            clip = self._build_clip(event, channel, end - first + delay)
            if delay:
                _leave_out_head(clip, self._time(delay))
            target.track.append(clip)
        target.end = end

    def _build_transition(self, event: Event, num_frames: int) -> otio.schema.Transition:
        """The transition into an event. CMX 3600 starts it at the event's record-in, so all of it is after the cut."""
        is_dissolve = event.kind == "D"
        return otio.schema.Transition(
            transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve
            if is_dissolve
            else otio.schema.TransitionTypes.Custom,
            in_offset=self._time(0),
            out_offset=self._time(min(event.transition, num_frames)),
        )

    def _build_clip(self, event: Event, channel: str, num_frames: int) -> otio.schema.Clip:
        if not event.problem:
            event.problem = self._find_problem(event)
        if event.problem:
            return otio.schema.Clip(
                name=event.clip_name or event.reel,
                media_reference=build_missing_reference(event.problem),
                source_range=self._range(0, num_frames),
            )
        speed = self._speed_of(event)
        media = self._reel_index.find(event, wants_sound=channel[0] == "A")
        rate = self._source_rate(event, media, num_frames, speed)
        first, last = (
            self._parse(label, event.is_drop, f"line {event.line}: the source side", rate)
            for label in event.source
        )
        low_s = min(first, last) / rate
        clip = otio.schema.Clip(
            name=event.clip_name or event.reel,
            media_reference=media.build_reference(low_s, max(first, last) / rate),
            source_range=otio.opentime.TimeRange(
                otio.opentime.RationalTime(min(first, last), float(rate)), self._time(num_frames)
            ),
        )
        if speed == 0:
            clip.effects.append(otio.schema.FreezeFrame())
        elif speed != 1:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
        return clip

    def _find_problem(self, event: Event) -> str:
        """Why the source side of an event cannot be used; empty where it can."""
        own = self._reel_index.find(event).frame_rate
        problem = ""
        for rate in (self._rate, own or self._rate):
            try:
                for label in event.source:
                    self._parse(label, event.is_drop, f"line {event.line}: the source side", rate)
            except TimelineReadError as error:
                problem = problem or error.message
            else:
                return ""
        return problem

    def _speed_of(self, event: Event) -> Fraction:
        """An M2 line has the frames per second at which the source runs, negative in reverse."""
        if event.frames_per_second is None:
            return Fraction(1)
        return Fraction(event.frames_per_second) / nominal_rate(self._rate)

    def _source_rate(self, event: Event, media: ReelMedia, num_frames: int, speed: Fraction) -> Fraction:
        """The rate in which source labels count: the EDL's, or the media's own where that fits the length of the edit better.

        Systems that conform mixed rates write source timecode at the rate of the tape.
        """
        own = media.frame_rate
        if own is None or own == self._rate or speed == 0:
            return self._rate
        used_s = num_frames / self._rate * abs(speed)
        errors_s: dict[Fraction, Fraction] = {}
        for rate in (self._rate, own):
            try:
                first, last = (self._parse(label, event.is_drop, "", rate) for label in event.source)
            except TimelineReadError:
                continue
            errors_s[rate] = abs(abs(last - first) / rate - used_s)
        return min(errors_s, key=lambda rate: errors_s[rate]) if errors_s else self._rate

    def _time(self, frames: int) -> otio.opentime.RationalTime:
        return otio.opentime.RationalTime(frames, float(self._rate))

    def _range(self, start: int, num_frames: int) -> otio.opentime.TimeRange:
        return otio.opentime.TimeRange(self._time(start), self._time(num_frames))


def _leave_out_head(clip: otio.schema.Clip, length: otio.opentime.RationalTime) -> None:
    """Shorten a clip at its start. One in reverse plays its range from the end."""
    used = clip.source_range
    scalar = next((float(effect.time_scalar) for effect in clip.effects), 1.0)
    start = used.start_time
    if scalar > 0:
        shift = length.value / length.rate * scalar * start.rate
        start = otio.opentime.RationalTime(start.value + shift, start.rate)
    clip.source_range = otio.opentime.TimeRange(start, used.duration - length)


def _split_channels(channels: str) -> list[str]:
    """Track names of an event's channels: "V1", "A1", "A2". "B" is both picture and sound, "AA" the first two channels."""
    found: list[str] = []
    for part in channels.replace("NONE", "").split("/"):
        if part == "B":
            found += ["V1", "A1"]
        elif part == "AA":
            found += ["A1", "A2"]
        elif (match := _CHANNEL.fullmatch(part)) is not None:
            found.append(f"{match[1]}{match[2] or 1}")
    return found
