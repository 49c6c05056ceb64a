"""The events of stems: of a rendered timeline, where each lies on the record clock, or of sound files, each from zero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.audio.events import SoundEvent, find_events, load_level_curve
from selva_core.audio.provenance import read_provenance
from selva_core.audio.wav import describe_cut_off
from selva_core.base.command_line import selva_command
from selva_core.base.errors import MediaError, RequestError
from selva_otio import TimelineClock, load_timeline
from selva_otio.errors import NothingToSpotError
from selva_otio.formats.flat_layout import FlatClip, find_media_file, flatten_timeline
from selva_otio.time.item_times import find_record_clock

FULL_VELOCITY = 127
VELOCITY_RANGE_DB = 24.0
"""Below the loudest event of a stem track, where the velocity reaches 1. Within a stem, what is 18 dB below is no event."""


@dataclass(frozen=True, kw_only=True)
class StemEvent:
    """One sound of a stem. record_s: seconds after the timeline's start. file_s: after the first sample of the file. velocity: 1
    to 127, relative to the loudest event of its stem track.
    """

    track: str
    prompt: str
    clip: str
    file: Path
    record_s: Fraction
    file_s: Fraction
    duration_s: Fraction
    level_db: float
    velocity: int


@dataclass(frozen=True, kw_only=True)
class EventList:
    """Events in order of time. timeline: the one they lie on. tracks: the stem tracks, also those without an event. missing:
    stems that could not be read, as sentences.
    """

    timeline: otio.schema.Timeline
    clock: TimelineClock
    tracks: tuple[str, ...]
    events: tuple[StemEvent, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """An event before the loudest of its track is known."""

    track: str
    prompt: str
    clip: str
    file: Path
    record_s: Fraction
    duration_s: Fraction
    event: SoundEvent


def collect_timeline_events(path: Path) -> EventList:
    """The events of the stems on a timeline that `selva render` wrote, as they are heard: trimmed, without muted ones.

    Raises TimelineError; NothingToSpotError where it has no stems.
    """
    timeline = load_timeline(path)
    missing: list[str] = []
    found: list[_Found] = []
    names: dict[str, None] = {}
    for track in flatten_timeline(timeline).sound_tracks:
        stems = [clip for clip in track.clips if clip.stem_metadata]
        names |= dict.fromkeys(str(clip.stem_metadata.get("track", track.name)) for clip in stems)
        for clip in stems:
            if clip.enabled and track.track.enabled:
                found += _events_of_clip(clip, path.absolute().parent, missing)
    if not names:
        raise NothingToSpotError(
            f"{path.name} has no stems; make them first with: "
            f"{selva_command('render', path.name, '-o', 'OUT.otio', '--track', 'Dog=small dog barking')}"
        )
    return _build_list(timeline, find_record_clock(timeline), tuple(names), found, missing)


def collect_file_events(files: Sequence[Path], *, frame_rate_hz: Fraction) -> EventList:
    """The events of sound files. Each file is a track that begins at zero; one that cannot be read is `missing`.

    Raises MediaError where none can be read.
    """
    clock = TimelineClock(
        frame_rate_hz=frame_rate_hz, otio_rate_hz=float(frame_rate_hz), start_frame=0, drop_frame=False
    )
    timeline = otio.schema.Timeline(name="events", global_start_time=clock.rational_time(Fraction(0)))
    found: list[_Found] = []
    names: dict[str, None] = {}
    errors: list[MediaError] = []
    damage: list[str] = []
    for file in files:
        try:
            curve = load_level_curve(file)
        except MediaError as error:
            errors.append(error)
            continue
        provenance = _provenance(file)
        name = provenance.get("track") or file.stem
        names[name] = None
        damage += filter(None, [describe_cut_off(file)])
        length_s = clock.cover_frames(max(len(curve.levels), 1) * curve.hop_s)
        timeline.tracks.append(_build_track(name, file, clock.time_range(Fraction(0), length_s)))
        found += [
            _Found(
                name, provenance.get("prompt", ""), file.stem, file, event.start_s, event.duration_s, event
            )
            for event in find_events(curve)
        ]
    if errors and len(errors) == len(files):
        raise errors[0]
    return _build_list(timeline, clock, tuple(names), found, [*(error.message for error in errors), *damage])


def find_file_events(file: Path) -> list[SoundEvent]:
    """The events of one sound file. Raises MediaError."""
    return find_events(load_level_curve(file))


def find_stem_files(sources: Iterable[Path]) -> list[Path]:
    """The WAV files that are named, and those in the folders that are, in order. Raises RequestError where there is none."""
    files: dict[Path, None] = {}
    for source in sources:
        if source.is_dir():
            inside = (file for file in source.iterdir() if not file.name.startswith("."))
            files |= dict.fromkeys(sorted(file for file in inside if file.suffix.lower() == ".wav"))
        else:
            files[source] = None
    if not files:
        raise RequestError(
            "there are no WAV files in that folder; name stems, a folder of stems, or a timeline with stems"
        )
    return list(files)


def _build_track(name: str, file: Path, whole: otio.opentime.TimeRange) -> otio.schema.Track:
    reference = otio.schema.ExternalReference(target_url=file.absolute().as_uri(), available_range=whole)
    track = otio.schema.Track(name=name, kind=otio.schema.TrackKind.Audio)
    track.append(otio.schema.Clip(name=file.stem, media_reference=reference, source_range=whole))
    return track


def _provenance(file: Path) -> dict[str, str]:
    """What a stem says of itself; empty for other sound."""
    try:
        return read_provenance(file) or {}
    except MediaError:
        return {}


def _events_of_clip(clip: FlatClip, folder: Path, missing: list[str]) -> Iterator[_Found]:
    """The events that begin in the part of a stem that is heard."""
    stem = clip.stem_metadata
    file = find_media_file(clip.clip.media_reference, folder)
    try:
        if file is None:
            raise MediaError(f"the stem {clip.clip.name} has no file")
        events = find_events(load_level_curve(file))
    except MediaError as error:
        missing.append(error.message)
        return
    missing += filter(None, [describe_cut_off(file)])
    for event in events:
        after_start_s = event.start_s - clip.media_start_s
        if 0 <= after_start_s < clip.duration_s:
            yield _Found(
                str(stem.get("track", "")),
                str(stem.get("prompt", "")),
                str(clip.clip.name),
                file,
                clip.start_s + after_start_s,
                min(event.duration_s, clip.duration_s - after_start_s),
                event,
            )


def _build_list(
    timeline: otio.schema.Timeline,
    clock: TimelineClock,
    tracks: tuple[str, ...],
    found: Sequence[_Found],
    missing: Sequence[str],
) -> EventList:
    loudest: dict[str, float] = {}
    for each in found:
        loudest[each.track] = max(each.event.level_db, loudest.get(each.track, each.event.level_db))
    events = [
        StemEvent(
            track=each.track,
            prompt=each.prompt,
            clip=each.clip,
            file=each.file,
            record_s=each.record_s,
            file_s=each.event.start_s,
            duration_s=each.duration_s,
            level_db=each.event.level_db,
            velocity=to_velocity(each.event.level_db - loudest[each.track]),
        )
        for each in found
    ]
    events.sort(key=lambda event: (event.record_s, event.track))
    return EventList(
        timeline=timeline, clock=clock, tracks=tracks, events=tuple(events), missing=tuple(missing)
    )


def to_velocity(below_loudest_db: float) -> int:
    """1 to 127 from a level, 0 dB for the loudest."""
    share = 1.0 + below_loudest_db / VELOCITY_RANGE_DB
    return min(FULL_VELOCITY, max(1, round(FULL_VELOCITY * share)))
