"""Markers as cues: "Dog: small dog barking" over the marker's range; "Dog: small dog barking | not: birds".

A marker is explicit when it has the colour of the options or its name begins with "Selva". Where a timeline has explicit
markers, only those are cues. Where it has none, every marker that reads TRACK: PROMPT is one, except where the first word is
one that editors use for notes ("VFX: remove the rig").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_otio.cues.cue_sheet import StemTrack
from selva_otio.cues.rules import MARKER, CueRule
from selva_otio.errors import CueError
from selva_otio.picture.shots import Shot, ShotIndex
from selva_otio.time.clock import TimelineClock, exact_seconds, frame_index
from selva_otio.time.item_times import trimmed_start_s

SELVA_COLOUR = "MAGENTA"
_MAX_TRACK_WORDS = 3
# fmt: off
_NOTE_WORDS = frozenset((
    "adr", "audio", "caution", "cc", "check", "color", "colour", "comment", "delete", "edit", "editor",
    "error", "fix", "fixme", "gfx", "grade", "grading", "hold", "idea", "info", "loc", "music", "mx",
    "note", "notes", "pickup", "question", "replace", "reshoot", "review", "scene", "shot", "sub",
    "subtitle", "sync", "task", "tbd", "temp", "title", "todo", "trim", "vfx", "vo", "warning", "wip",
))
# fmt: on
_PREFIX = re.compile(r"selva\b[\s:.,/\-]*", re.IGNORECASE)
_CUE = re.compile(r"\s*([^:=]{1,100}?)\s*[:=]\s*(\S.*?)\s*", re.DOTALL)
_NOT = re.compile(r"\s*\|\s*not\b\s*:?\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class MarkerCue:
    """A marker that reads like a cue. is_explicit: it has the colour of the options, or its name begins with "Selva"."""

    marker: otio.schema.Marker
    stem_track: StemTrack
    is_explicit: bool


def parse_marker_cue(marker: otio.schema.Marker, *, colour: str = SELVA_COLOUR) -> MarkerCue | None:
    """The cue in a marker's name, comment or note; None when none of them reads like a cue."""
    # Resolve exports a marker's note into its own metadata, not into the comment that OpenTimelineIO has for it.
    resolve = marker.metadata.get("Resolve_OTIO")
    note = resolve.get("Note", "") if isinstance(resolve, Mapping) else ""
    prefixed = _PREFIX.match(marker.name or "")
    is_explicit = prefixed is not None or str(marker.color or "").upper() == colour.upper()
    name = (marker.name or "")[prefixed.end() if prefixed else 0 :]
    for text in (name, marker.comment or "", str(note)):
        match = _CUE.fullmatch(text)
        if match is None or (not is_explicit and not _is_track_name(match[1])):
            continue
        prompt, *negative = _NOT.split(match[2], maxsplit=1)
        try:
            stem_track = StemTrack(name=match[1], prompt=prompt, negative_prompt="".join(negative))
        except CueError:
            continue
        return MarkerCue(marker=marker, stem_track=stem_track, is_explicit=is_explicit)
    return None


def _is_track_name(name: str) -> bool:
    words = name.lower().split()
    return 1 <= len(words) <= _MAX_TRACK_WORDS and words[0] not in _NOTE_WORDS


class MarkerReader:
    """Turns the markers of one timeline into rules. items: every object whose markers may be cues."""

    def __init__(self, *, clock: TimelineClock, colour: str, items: Iterable[otio.core.Item]) -> None:
        self._clock = clock
        self._colour = colour
        parsed = [parse_marker_cue(marker, colour=colour) for item in items for marker in item.markers]
        cues = [cue for cue in parsed if cue is not None]
        self._only_explicit = any(cue.is_explicit for cue in cues)
        self._num_ignored = sum(not cue.is_explicit for cue in cues) if self._only_explicit else 0

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user about markers that were not used."""
        if not self._num_ignored:
            return []
        return [
            f"markers passed over: {self._num_ignored} read like cues but have neither the colour "
            f"{self._colour} nor a name that begins with Selva, as other markers do"
        ]

    def iter_clip_rules(self, shot: Shot) -> Iterator[CueRule]:
        """The rules of the markers on a shot's clip.

        OpenTimelineIO puts a marker's range on the clip's media clock. Kdenlive counts it from the clip's first frame, so a
        range that lies outside the clip on the media clock is read that way.
        """
        for cue in self._iter_cues(shot.clip):
            start_s = exact_seconds(cue.marker.marked_range.start_time)
            end_s = start_s + exact_seconds(cue.marker.marked_range.duration)
            if not _touches(shot, start_s, end_s):
                offset_s = trimmed_start_s(shot.clip)
                start_s, end_s = start_s + offset_s, end_s + offset_s
            if not _touches(shot, start_s, end_s):
                continue
            record_range = _record_range(shot, start_s, end_s)
            if self._is_point(record_range):
                record_range = shot.record_start_s, shot.record_end_s
            yield self._build_rule(cue, record_range, only_on=shot)

    def iter_timeline_rules(self, item: otio.core.Item, shots: ShotIndex) -> Iterator[CueRule]:
        """The rules of the markers on a timeline's stack or on one of its tracks."""
        origin_s = Fraction(0) if item.source_range is None else exact_seconds(item.source_range.start_time)
        for cue in self._iter_cues(item):
            start_s = exact_seconds(cue.marker.marked_range.start_time) - origin_s
            end_s = start_s + exact_seconds(cue.marker.marked_range.duration)
            if not self._is_point((start_s, end_s)):
                yield self._build_rule(cue, (start_s, end_s))
                continue
            for shot in shots.iter_at(start_s):
                yield self._build_rule(cue, (shot.record_start_s, shot.record_end_s), only_on=shot)

    def _iter_cues(self, item: otio.core.Item) -> Iterator[MarkerCue]:
        for marker in item.markers:
            cue = parse_marker_cue(marker, colour=self._colour)
            if cue is not None and (cue.is_explicit or not self._only_explicit):
                yield cue

    def _is_point(self, record_range: tuple[Fraction, Fraction]) -> bool:
        """Whether a marker lasts one frame or none; hosts give a plain marker such a range, and it is for the whole clip."""
        return (record_range[1] - record_range[0]) * self._clock.frame_rate_hz <= 1

    def _build_rule(
        self, cue: MarkerCue, record_range: tuple[Fraction, Fraction], *, only_on: Shot | None = None
    ) -> CueRule:
        """The rule on the nearest whole frames, at least one.

        Rounded outward instead, a marker at another rate than the timeline's would reach one frame into the clip beside
        it. only_on: see CueRule.
        """
        rate_hz = self._clock.frame_rate_hz
        first, end = (frame_index(edge_s, rate_hz) for edge_s in record_range)
        return CueRule(
            source=MARKER,
            stem_track=cue.stem_track,
            origin=f"marker {cue.marker.name!r} at {self._clock.timecode(record_range[0])}",
            record_start_s=first / rate_hz,
            record_end_s=max(end, first + 1) / rate_hz,
            only_on=only_on,
        )


def _touches(shot: Shot, media_start_s: Fraction, media_end_s: Fraction) -> bool:
    low_s, high_s = sorted((shot.media_start_s, shot.media_end_s))
    return (media_start_s < high_s and media_end_s > low_s) or low_s <= media_start_s < max(high_s, low_s)


def _record_range(shot: Shot, media_start_s: Fraction, media_end_s: Fraction) -> tuple[Fraction, Fraction]:
    if shot.speed == 0:
        return shot.record_start_s, shot.record_end_s
    first_s, last_s = sorted(
        shot.record_start_s + (edge_s - shot.media_start_s) / shot.speed
        for edge_s in (media_start_s, media_end_s)
    )
    return first_s, last_s
