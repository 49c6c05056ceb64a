"""From edits to a timeline: tracks by channel, media found by reel, clip name or file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.formats.edl.events import EditList, Event, load_edit_list
from selva_otio.formats.edl.media_names import ReelIndex, ReelMedia
from selva_otio.formats.options import ReadOptions
from selva_otio.time.clock import can_drop_frames, exact_rate, nominal_rate, parse_timecode

_CHANNEL = re.compile(r"(V|A)(\d*)")
_LEVELS_BESIDE = 3
"""How deep media is looked for below an EDL's own folder, which may be somebody's home."""
_DROP_RATES = {30: Fraction(30000, 1001), 60: Fraction(60000, 1001)}


@contextmanager
def open_edl(path: Path, options: ReadOptions) -> Iterator[tuple[otio.schema.Timeline, Path]]:
    """The timeline of an EDL. Media is looked for in the options' folders, by default beside the EDL.

    Raises TimelineReadError, also when the frame rate cannot be told.
    """
    edits = load_edit_list(path)
    folder = path.absolute().parent
    shelf = ReelIndex(folders=[folder], probe=options.probe, max_depth=_LEVELS_BESIDE)
    if options.media_folders:
        shelf = ReelIndex(folders=options.media_folders, probe=options.probe)
    rate = options.frame_rate or _find_rate(edits, shelf, path)
    yield _TimelineBuilder(edits, shelf, rate, path).build(), folder


def _find_rate(edits: EditList, shelf: ReelIndex, path: Path) -> Fraction:
    """Drop-frame labels tell the rate; else that of the media, when all of it has the same."""
    highest = max(int(re.split("[:;.]", label)[-1]) for label in edits.iter_labels())
    if edits.drops_frames:
        return _DROP_RATES[60 if highest >= 30 else 30]
    found = {shelf.find(event).frame_rate for event in edits.events if not event.is_black}
    rates = {rate for rate in found if rate is not None and highest < nominal_rate(rate)}
    if len(rates) == 1:
        return exact_rate(float(rates.pop()))
    told = ", ".join(sorted(f"{float(rate):.6g}" for rate in rates))
    media = f"its media has {told}" if told else "no media of it was found that would tell (--media-dir)"
    raise TimelineReadError(
        f"{path.name} does not say its frame rate, as no EDL does, and {media}; give it with --frame-rate 24 "
        "(or 23.976, 25, 29.97, 30, 50, 59.94, 60)"
    )


@dataclass(kw_only=True)
class _Lane:
    """A track while it is filled; frames count from the timeline's start."""

    track: otio.schema.Track
    cursor: int = 0
    names: set[str] = field(default_factory=set)


class _TimelineBuilder:
    def __init__(self, edits: EditList, shelf: ReelIndex, rate: Fraction, path: Path) -> None:
        self._edits = edits
        self._shelf = shelf
        self._rate = rate
        self._path = path
        self._lanes: dict[str, list[_Lane]] = {}

    def build(self) -> otio.schema.Timeline:
        placed = sorted(
            ((*self._record_range(event), event) for event in self._edits.events),
            key=lambda entry: (entry[0], entry[2].line),
        )
        start = placed[0][0]
        for first, end, event in placed:
            if end > first:
                for channel in _split_channels(event.channels):
                    self._put(event, channel, first - start, end - start)
        timeline = otio.schema.Timeline(
            name=self._edits.title or self._path.stem,
            global_start_time=otio.opentime.RationalTime(start, float(self._rate)),
        )
        for channel in sorted(self._lanes, key=lambda name: (name[0] != "V", int(name[1:] or 1))):
            timeline.tracks.extend(lane.track for lane in self._lanes[channel])
        for locator in self._edits.locators:
            frame = self._parse(locator.label, self._edits.drops_frames, "a locator") - start
            colour = locator.colour.upper()
            timeline.tracks.markers.append(
                otio.schema.Marker(name=locator.name, marked_range=self._range(frame, 0), color=colour)
            )
        return timeline

    def _record_range(self, event: Event) -> tuple[int, int]:
        first, end = (
            self._parse(label, event.is_drop, f"line {event.line}: the record side") for label in event.record
        )
        if end < first:
            raise TimelineReadError(
                f"{self._path}, line {event.line}: the edit ends ({event.record[1]}) before it begins "
                f"({event.record[0]})"
            )
        return first, end

    def _parse(self, label: str, is_drop: bool, what: str, rate: Fraction | None = None) -> int:
        rate = rate or self._rate
        drops = (is_drop or ";" in label) and can_drop_frames(rate)
        numbers = re.split("[:;.]", label)
        plain = ":".join(numbers[:3]) + (";" if drops else ":") + numbers[3]
        try:
            return parse_timecode(plain, rate)
        except ClockError as error:
            raise TimelineReadError(f"{self._path}, {what}: {error.message}") from error

    def _put(self, event: Event, channel: str, first: int, end: int) -> None:
        lanes = self._lanes.setdefault(channel, [])
        lane = next((lane for lane in lanes if lane.cursor <= first), None)
        if lane is None:
            kind = otio.schema.TrackKind.Video if channel[0] == "V" else otio.schema.TrackKind.Audio
            lane = _Lane(track=otio.schema.Track(name=channel, kind=kind))
            lanes.append(lane)
        if first > lane.cursor:
            lane.track.append(otio.schema.Gap(source_range=self._range(0, first - lane.cursor)))
        if event.transition and len(lane.track):
            lane.track.append(
                otio.schema.Transition(
                    transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve
                    if event.kind == "D"
                    else otio.schema.TransitionTypes.Custom,
                    in_offset=self._time(0),
                    out_offset=self._time(min(event.transition, end - first)),
                )
            )
        if event.is_black:
            lane.track.append(otio.schema.Gap(source_range=self._range(0, end - first)))
        else:
            lane.track.append(self._build_clip(event, channel, end - first))
        lane.cursor = end

    def _build_clip(self, event: Event, channel: str, length: int) -> otio.schema.Clip:
        speed = self._speed_of(event)
        media = self._shelf.find(event, wants_sound=channel[0] == "A")
        rate = self._source_rate(event, media, length, speed)
        first, last = (
            self._parse(label, event.is_drop, f"line {event.line}: the source side", rate)
            for label in event.source
        )
        low_s = min(first, last) / rate
        clip = otio.schema.Clip(
            name=event.clip_name or event.reel,
            media_reference=media.build_reference(low_s, max(first, last) / rate),
            source_range=otio.opentime.TimeRange(
                otio.opentime.RationalTime(min(first, last), float(rate)), self._time(length)
            ),
        )
        if speed == 0:
            clip.effects.append(otio.schema.FreezeFrame())
        elif speed != 1:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
        return clip

    def _speed_of(self, event: Event) -> Fraction:
        if event.frames_per_second is None:
            return Fraction(1)
        return Fraction(event.frames_per_second) / nominal_rate(self._rate)

    def _source_rate(self, event: Event, media: ReelMedia, length: int, speed: Fraction) -> Fraction:
        """Source labels count in the EDL's rate, or in the media's own where that alone fits the edit's length."""
        own = media.frame_rate
        if own is None or own == self._rate or speed == 0:
            return self._rate
        wanted_s = length / self._rate * abs(speed)
        misses: dict[Fraction, Fraction] = {}
        for rate in (self._rate, own):
            try:
                first, last = (self._parse(label, event.is_drop, "", rate) for label in event.source)
            except TimelineReadError:
                continue
            misses[rate] = abs(abs(last - first) / rate - wanted_s)
        return min(misses, key=lambda rate: misses[rate]) if misses else self._rate

    def _time(self, frames: int) -> otio.opentime.RationalTime:
        return otio.opentime.RationalTime(frames, float(self._rate))

    def _range(self, start: int, length: int) -> otio.opentime.TimeRange:
        return otio.opentime.TimeRange(self._time(start), self._time(length))


def _split_channels(channels: str) -> list[str]:
    """Track names of an event's channels: "V1", "A1", "A2"; "B" is picture and sound, "AA" two sounds."""
    found: list[str] = []
    for part in channels.replace("NONE", "").split("/"):
        if part == "B":
            found += ["V1", "A1"]
        elif part == "AA":
            found += ["A1", "A2"]
        elif (match := _CHANNEL.fullmatch(part)) is not None:
            found.append(f"{match[1]}{match[2] or 1}")
    return found
