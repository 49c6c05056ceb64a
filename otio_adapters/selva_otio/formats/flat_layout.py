"""A timeline as tracks of clips without nests, each clip at its exact record time.

FCPXML, AAF, EDL and MLT have no place for the stacks that OpenTimelineIO nests in tracks. `flatten_timeline` opens each nest
to the picture that is seen of it and gives every clip its place on the record clock and on its media's clock. The features
at the end count what this loses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.errors import ClockError, UnsupportedUrlError
from selva_otio.formats.feature_loss import Feature
from selva_otio.formats.stem_metadata import read_num_channels, read_pan, read_played_gain_db, read_take
from selva_otio.metadata import STEM_SCHEMA, TRACK_SCHEMA, read_selva_metadata
from selva_otio.picture.media import resolve_media_path
from selva_otio.picture.visible_shots import resolve_picture
from selva_otio.time.clock import TimelineClock, exact_seconds
from selva_otio.time.item_times import find_record_clock, item_duration_s, trimmed_start_s, warp_speed


@dataclass(frozen=True, kw_only=True)
class FlatClip:
    """A clip at its place on a flat track.

    At record time t (seconds from the timeline's start) it plays its media at `media_start_s + speed * (t - start_s)`,
    counted on the clock of the media reference, embedded timecode included.
    """

    clip: otio.schema.Clip
    start_s: Fraction
    duration_s: Fraction
    media_start_s: Fraction
    speed: Fraction = Fraction(1)
    enabled: bool = True

    @property
    def end_s(self) -> Fraction:
        return self.start_s + self.duration_s

    @property
    def media_low_s(self) -> Fraction:
        """The earliest media time that is used."""
        return min(self.media_start_s, self.media_start_s + self.speed * self.duration_s)

    @property
    def media_high_s(self) -> Fraction:
        """The latest media time that is used."""
        return max(self.media_start_s, self.media_start_s + self.speed * self.duration_s)

    @property
    def stem_metadata(self) -> Mapping[str, Any]:
        """What the render noted on this stem; empty for a clip that is not a stem."""
        return read_selva_metadata(self.clip, STEM_SCHEMA)

    @property
    def gain_db(self) -> float:
        return read_played_gain_db(self.clip)

    @property
    def num_stem_channels(self) -> int:
        """Of the stem's file; 1 for a clip that is not a stem."""
        return read_num_channels(read_take(self.stem_metadata, self.clip.media_reference))

    @property
    def pan_points(self) -> tuple[tuple[float, float], ...]:
        """Seconds after the clip's start and pan (-1 left, 1 right) of the curve that a stem's pan follows, one point at its
        start and one at its end; empty for a clip that is not panned.
        """
        curve = read_pan(read_take(self.stem_metadata, self.clip.media_reference))
        return () if curve is None else curve.span(float(self.media_start_s), float(self.duration_s))


@dataclass(frozen=True, kw_only=True)
class Dissolve:
    """A transition around the cut between two clips. Record seconds."""

    cut_s: Fraction
    start_s: Fraction
    duration_s: Fraction


@dataclass(kw_only=True)
class FlatTrack:
    """The clips and dissolves of one track, in record order. track: the track they came from."""

    track: otio.schema.Track
    is_picture: bool
    clips: list[FlatClip] = field(default_factory=list)
    dissolves: list[Dissolve] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.track.name)

    @property
    def is_stem_track(self) -> bool:
        return bool(read_selva_metadata(self.track, TRACK_SCHEMA))

    @property
    def end_s(self) -> Fraction:
        return max((flat_clip.end_s for flat_clip in self.clips), default=Fraction(0))


@dataclass(kw_only=True)
class FlatTimeline:
    """All flat tracks. picture_tracks: the lowest first. sound_tracks: as on the timeline."""

    clock: TimelineClock
    picture_tracks: list[FlatTrack] = field(default_factory=list)
    sound_tracks: list[FlatTrack] = field(default_factory=list)

    @property
    def tracks(self) -> list[FlatTrack]:
        return [*self.picture_tracks, *self.sound_tracks]

    @property
    def duration_s(self) -> Fraction:
        """The end of the longest track, rounded up to a whole frame."""
        return self.clock.cover_frames(max((track.end_s for track in self.tracks), default=Fraction(0)))


def flatten_timeline(timeline: otio.schema.Timeline) -> FlatTimeline:
    """The flat tracks of a timeline. Nests on audio tracks are left out.

    Raises TimelineReadError for items whose length is unknown.
    """
    return FlatTimeline(
        clock=find_record_clock(timeline),
        picture_tracks=[_flatten_track(track) for track in timeline.video_tracks()],
        sound_tracks=[_flatten_track(track) for track in timeline.audio_tracks()],
    )


def media_range_s(reference: otio.core.MediaReference, used: Iterable[FlatClip]) -> tuple[Fraction, Fraction]:
    """Start and end of a media file on its own clock, in seconds.

    Without an available range the clock is taken to start at zero and the file to end where its last use ends.
    """
    available = reference.available_range
    if available is not None:
        start_s = exact_seconds(available.start_time)
        return start_s, start_s + exact_seconds(available.duration)
    spans = [(flat_clip.media_low_s, flat_clip.media_high_s) for flat_clip in used]
    low_s = min((low for low, _ in spans), default=Fraction(0))
    return min(low_s, Fraction(0)), max((high for _, high in spans), default=Fraction(0))


def find_media_file(reference: otio.core.MediaReference | None, base_folder: Path) -> Path | None:
    """The path of an external reference; None for generators, missing media and URLs that are not local files."""
    url = getattr(reference, "target_url", None)
    if not isinstance(reference, otio.schema.ExternalReference) or not url:
        return None
    try:
        return resolve_media_path(url, base_folder)
    except UnsupportedUrlError:
        return None


def _flatten_track(track: otio.schema.Track) -> FlatTrack:
    is_picture = track.kind == otio.schema.TrackKind.Video
    flat_track = FlatTrack(track=track, is_picture=is_picture)
    window = trimmed_start_s(track), trimmed_start_s(track) + item_duration_s(track)
    has_nests = False
    for child, start_s in _iter_children_with_starts(track):
        if isinstance(child, otio.schema.Clip):
            flat_clip = _trim(_build_flat_clip(child, start_s), *window)
            if flat_clip is not None:
                flat_track.clips.append(flat_clip)
        elif isinstance(child, otio.schema.Transition):
            length_s = exact_seconds(child.in_offset) + exact_seconds(child.out_offset)
            cut_s = start_s - window[0]
            begin_s = cut_s - exact_seconds(child.in_offset)
            flat_track.dissolves.append(Dissolve(cut_s=cut_s, start_s=begin_s, duration_s=length_s))
        elif isinstance(child, otio.core.Composition):
            has_nests = True
    if has_nests and is_picture:
        flat_track.clips += _open_nests(track)
        flat_track.clips.sort(key=lambda flat_clip: flat_clip.start_s)
    return flat_track


def _iter_children_with_starts(track: otio.schema.Track) -> Iterator[tuple[otio.core.Composable, Fraction]]:
    """The children of a track, each with its start in the track; a transition has the time of its cut."""
    cursor_s = Fraction(0)
    for child in track:
        yield child, cursor_s
        if isinstance(child, otio.core.Item):
            cursor_s += item_duration_s(child)


def _build_flat_clip(clip: otio.schema.Clip, start_s: Fraction) -> FlatClip:
    duration_s, media_start_s = item_duration_s(clip), trimmed_start_s(clip)
    try:
        speed = warp_speed(clip)
    except ClockError:  # a speed ramp, which flat formats cannot hold; SPEED_RAMPS reports it
        speed = Fraction(1)
    if speed < 0:  # a reversed clip starts at the end of its used range
        media_start_s += -speed * duration_s
    return FlatClip(
        clip=clip,
        start_s=start_s,
        duration_s=duration_s,
        media_start_s=media_start_s,
        speed=speed,
        enabled=bool(clip.enabled),
    )


def _trim(flat_clip: FlatClip, low_s: Fraction, high_s: Fraction) -> FlatClip | None:
    """The part of a clip inside the source range of its track; None when nothing is left."""
    start_s, end_s = max(flat_clip.start_s, low_s), min(flat_clip.end_s, high_s)
    if start_s >= end_s:
        return None
    return FlatClip(
        clip=flat_clip.clip,
        start_s=start_s - low_s,
        duration_s=end_s - start_s,
        media_start_s=flat_clip.media_start_s + flat_clip.speed * (start_s - flat_clip.start_s),
        speed=flat_clip.speed,
        enabled=flat_clip.enabled,
    )


def _open_nests(track: otio.schema.Track) -> Iterator[FlatClip]:
    """The picture that is seen of the nests on a video track, each shot up to its cuts, without transition overlaps."""
    direct = [
        child for child in track if isinstance(child, otio.schema.Clip)
    ]  # held, so that no other object gets their ids
    direct_ids = {id(child) for child in direct}
    for shot in resolve_picture([track]).shots:
        if id(shot.clip) in direct_ids or shot.cut_start_s >= shot.cut_end_s:
            continue
        cut = shot.trim(shot.cut_start_s, shot.cut_end_s)
        yield FlatClip(
            clip=cut.clip,
            start_s=cut.record_start_s,
            duration_s=cut.record_end_s - cut.record_start_s,
            media_start_s=cut.media_start_s,
            speed=cut.speed,
        )


def _count_offline(timeline: otio.schema.Timeline) -> int:
    return sum(find_media_file(clip.media_reference, Path()) is None for clip in timeline.find_clips())


def _count_nests(timeline: otio.schema.Timeline) -> int:
    tracks = [*timeline.video_tracks(), *timeline.audio_tracks()]
    return sum(isinstance(child, otio.core.Composition) for track in tracks for child in track)


def _count_other_tracks(timeline: otio.schema.Timeline) -> int:
    return len(timeline.tracks) - len(timeline.video_tracks()) - len(timeline.audio_tracks())


def _count_ramps(timeline: otio.schema.Timeline) -> int:
    return sum(_is_ramp(clip) for clip in timeline.find_clips())


def _is_ramp(clip: otio.schema.Clip) -> bool:
    try:
        warp_speed(clip)
    except ClockError:
        return True
    return False


OFFLINE_CLIPS = Feature(name="clips without media", consequence="gaps take their place", count=_count_offline)
OPENED_NESTS = Feature(
    name="nested sequences", consequence="they are opened to the picture seen of them", count=_count_nests
)
OTHER_TRACKS = Feature(
    name="tracks that are neither picture nor sound",
    consequence="they are left out",
    count=_count_other_tracks,
)
SPEED_RAMPS = Feature(name="speed ramps", consequence="those clips run at normal speed", count=_count_ramps)
