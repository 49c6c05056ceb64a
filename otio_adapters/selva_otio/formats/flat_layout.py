"""A timeline as writers of flat formats need it: tracks of pieces, each at its exact record time, nests opened.

Formats of tracks and clips have no room for what OpenTimelineIO nests; here every nest is opened to what is seen of
it, every clip gets its exact place on the record clock and on its media's clock, and what finds no place is listed.
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
from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA, TRACK_SCHEMA
from selva_otio.picture.media import resolve_media_path
from selva_otio.picture.visible_shots import resolve_picture
from selva_otio.time.clock import TimelineClock, build_timeline_clock, exact_seconds
from selva_otio.time.item_times import item_duration_s, trimmed_start_s, warp_speed

_FALLBACK_RATE = Fraction(25)


@dataclass(frozen=True, kw_only=True)
class FlatClip:
    """A clip on a track. At record time t it plays its media at `media_start_s + speed * (t - start_s)`, on the
    clock of the media reference (embedded timecode included)."""

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
        """The earliest instant of the media that is used."""
        return min(self.media_start_s, self.media_start_s + self.speed * self.duration_s)

    @property
    def media_high_s(self) -> Fraction:
        return max(self.media_start_s, self.media_start_s + self.speed * self.duration_s)

    @property
    def stem_facts(self) -> Mapping[str, Any]:
        """What we wrote about it; empty when it is no stem of ours."""
        facts = self.clip.metadata.get(SELVA_NAMESPACE)
        return facts if isinstance(facts, Mapping) and facts.get("schema") == STEM_SCHEMA else {}

    @property
    def gain_db(self) -> float:
        gain = self.stem_facts.get("gain_db")
        return float(gain) if isinstance(gain, int | float) else 0.0


@dataclass(frozen=True, kw_only=True)
class Dissolve:
    """A transition between two neighbours, around their cut."""

    cut_s: Fraction
    start_s: Fraction
    duration_s: Fraction


@dataclass(kw_only=True)
class FlatTrack:
    track: otio.schema.Track
    is_picture: bool
    pieces: list[FlatClip] = field(default_factory=list)
    dissolves: list[Dissolve] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.track.name)

    @property
    def is_stem_track(self) -> bool:
        facts = self.track.metadata.get(SELVA_NAMESPACE)
        return isinstance(facts, Mapping) and facts.get("schema") == TRACK_SCHEMA

    @property
    def end_s(self) -> Fraction:
        return max((piece.end_s for piece in self.pieces), default=Fraction(0))


@dataclass(kw_only=True)
class Layout:
    """picture: video tracks, bottom first; sound: audio tracks in their order."""

    clock: TimelineClock
    picture: list[FlatTrack] = field(default_factory=list)
    sound: list[FlatTrack] = field(default_factory=list)

    @property
    def tracks(self) -> list[FlatTrack]:
        return [*self.picture, *self.sound]

    @property
    def duration_s(self) -> Fraction:
        """Whole frames that hold everything."""
        return self.clock.cover_frames(max((track.end_s for track in self.tracks), default=Fraction(0)))


def flatten_timeline(timeline: otio.schema.Timeline) -> Layout:
    """The flat tracks of a timeline; what a nest of sound holds is not among them. Raises TimelineReadError for
    items whose length is unknown."""
    layout = Layout(clock=find_record_clock(timeline))
    for track in timeline.video_tracks():
        layout.picture.append(_lay_out_track(track))
    for track in timeline.audio_tracks():
        layout.sound.append(_lay_out_track(track))
    return layout


def find_record_clock(timeline: otio.schema.Timeline) -> TimelineClock:
    """The record clock: the rate of picture items, or of whatever items there are; 25 on an empty timeline."""
    rates_hz = _item_rates_hz(timeline.video_tracks()) or _item_rates_hz(timeline.tracks)
    try:
        return build_timeline_clock(timeline, rates_hz)
    except ClockError:
        return TimelineClock(
            frame_rate_hz=_FALLBACK_RATE, otio_rate_hz=float(_FALLBACK_RATE), start_frame=0, drop_frame=False
        )


def media_range_s(reference: otio.core.MediaReference, used: Iterable[FlatClip]) -> tuple[Fraction, Fraction]:
    """First and last instant of a media file on its own clock. Where it does not say, its clock is taken to start at
    zero, and it reaches as far as it is used."""
    available = reference.available_range
    if available is not None:
        start_s = exact_seconds(available.start_time)
        return start_s, start_s + exact_seconds(available.duration)
    spans = [(piece.media_low_s, piece.media_high_s) for piece in used]
    low_s = min((low for low, _ in spans), default=Fraction(0))
    return min(low_s, Fraction(0)), max((high for _, high in spans), default=Fraction(0))


def find_media_file(reference: otio.core.MediaReference | None, base_folder: Path) -> Path | None:
    """The file a reference leads to; None for generators, missing media and what is no file here."""
    url = getattr(reference, "target_url", None)
    if not isinstance(reference, otio.schema.ExternalReference) or not url:
        return None
    try:
        return resolve_media_path(url, base_folder)
    except UnsupportedUrlError:
        return None


def _item_rates_hz(tracks: Iterable[otio.core.Composable]) -> list[float]:
    rates_hz = []
    for track in tracks:
        for item in track if isinstance(track, otio.core.Composition) else ():
            if isinstance(item, otio.core.Item) and item.source_range is not None:
                rates_hz.append(float(item.source_range.duration.rate))
            elif isinstance(item, otio.schema.Clip) and item.media_reference.available_range is not None:
                rates_hz.append(float(item.media_reference.available_range.duration.rate))
    return rates_hz


def _lay_out_track(track: otio.schema.Track) -> FlatTrack:
    is_picture = track.kind == otio.schema.TrackKind.Video
    laid = FlatTrack(track=track, is_picture=is_picture)
    window = trimmed_start_s(track), trimmed_start_s(track) + item_duration_s(track)
    has_nests = False
    for child, start_s in _iter_placed(track):
        if isinstance(child, otio.schema.Clip):
            piece = _trim(_build_piece(child, start_s), *window)
            if piece is not None:
                laid.pieces.append(piece)
        elif isinstance(child, otio.schema.Transition):
            length_s = exact_seconds(child.in_offset) + exact_seconds(child.out_offset)
            cut_s = start_s - window[0]
            begin_s = cut_s - exact_seconds(child.in_offset)
            laid.dissolves.append(Dissolve(cut_s=cut_s, start_s=begin_s, duration_s=length_s))
        elif isinstance(child, otio.core.Composition):
            has_nests = True
    if has_nests and is_picture:
        laid.pieces += _open_nests(track)
        laid.pieces.sort(key=lambda piece: piece.start_s)
    return laid


def _iter_placed(track: otio.schema.Track) -> Iterator[tuple[otio.core.Composable, Fraction]]:
    """The children of a track with the time at which each begins (a transition: the time of its cut)."""
    cursor_s = Fraction(0)
    for child in track:
        yield child, cursor_s
        if isinstance(child, otio.core.Item):
            cursor_s += item_duration_s(child)


def _build_piece(clip: otio.schema.Clip, start_s: Fraction) -> FlatClip:
    duration_s, media_start_s = item_duration_s(clip), trimmed_start_s(clip)
    try:
        speed = warp_speed(clip)
    except ClockError:  # a speed ramp, or an absurd speed
        speed = Fraction(1)
    if speed < 0:  # plays its used range from the end
        media_start_s += -speed * duration_s
    return FlatClip(
        clip=clip,
        start_s=start_s,
        duration_s=duration_s,
        media_start_s=media_start_s,
        speed=speed,
        enabled=bool(clip.enabled),
    )


def _trim(piece: FlatClip, low_s: Fraction, high_s: Fraction) -> FlatClip | None:
    """The part of a piece inside its track's own trim, on the record clock; None when nothing is left."""
    start_s, end_s = max(piece.start_s, low_s), min(piece.end_s, high_s)
    if start_s >= end_s:
        return None
    return FlatClip(
        clip=piece.clip,
        start_s=start_s - low_s,
        duration_s=end_s - start_s,
        media_start_s=piece.media_start_s + piece.speed * (start_s - piece.start_s),
        speed=piece.speed,
        enabled=piece.enabled,
    )


def _open_nests(track: otio.schema.Track) -> Iterator[FlatClip]:
    """What is seen of the nests on a picture track, without the overlaps of transitions."""
    direct = [child for child in track if isinstance(child, otio.schema.Clip)]
    placed = {id(child) for child in direct}
    for shot in resolve_picture([track]).shots:
        if id(shot.clip) in placed or shot.cut_start_s >= shot.cut_end_s:
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


OFFLINE_CLIPS = Feature(name="clips without media", words="gaps stand in their place", count=_count_offline)
OPENED_NESTS = Feature(
    name="nested sequences", words="they are opened to the picture seen of them", count=_count_nests
)
OTHER_TRACKS = Feature(
    name="tracks that are neither picture nor sound", words="they are left out", count=_count_other_tracks
)
SPEED_RAMPS = Feature(name="speed ramps", words="those clips run at normal speed", count=_count_ramps)
