"""Spotting: a timeline and prompts become a cue sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.clock import (
    TimelineClock,
    build_timeline_clock,
    exact_rate,
    exact_seconds,
    format_timecode,
    sample_index,
)
from selva_otio.cues import CueSheet, SpottedClip, StemTrack, build_cues, check_stem_tracks
from selva_otio.errors import NothingToSpotError, UnsupportedUrlError
from selva_otio.media import resolve_media_path
from selva_otio.picture import Shot, Unseen, iter_picture_tracks, resolve_picture


def spot_timeline(
    timeline: otio.schema.Timeline,
    tracks: Iterable[StemTrack],
    *,
    base_folder: Path,
    video_track: str | None = None,
    clock: TimelineClock | None = None,
) -> CueSheet:
    """Every prompt over every visible clip.

    base_folder: where relative media URLs start, the folder of the timeline's file. video_track: the name of
    the one track to look at; by default all video tracks are looked at from above, as a viewer sees them.
    Raises NothingToSpotError when no picture is left, CueError for tracks that are not allowed,
    TimelineReadError for a broken timeline.
    """
    stem_tracks = check_stem_tracks(tracks)
    picture_tracks = _choose_picture_tracks(timeline, video_track)
    if clock is None:
        clock = build_timeline_clock(timeline, _item_rates_hz(picture_tracks))
    picture = resolve_picture(picture_tracks)
    unseen = list(picture.unseen)
    clips: list[SpottedClip] = []
    for shot in picture.shots:
        spotted = _spot_shot(shot, clock, base_folder)
        if isinstance(spotted, SpottedClip):
            clips.append(spotted)
        else:
            unseen.append(spotted)
    if not clips:
        raise NothingToSpotError(_explain_nothing(timeline, unseen))
    return CueSheet(
        clock=clock,
        tracks=stem_tracks,
        clips=tuple(clips),
        cues=tuple(build_cues(clips, stem_tracks)),
        unseen=tuple(sorted(unseen, key=lambda item: item.record_start_s)),
    )


def _choose_picture_tracks(
    timeline: otio.schema.Timeline, video_track: str | None
) -> Sequence[otio.schema.Track]:
    tracks = list(iter_picture_tracks(timeline))
    if not tracks:
        kinds = sorted({str(getattr(child, "kind", child.schema_name())) for child in timeline.tracks})
        found = f"it has only {', '.join(kinds)} tracks" if kinds else "it is empty"
        raise NothingToSpotError(f"timeline {timeline.name!r} has no video track: {found}")
    if video_track is None:
        return tracks
    chosen = [track for track in tracks if track.name == video_track]
    if not chosen:
        names = ", ".join(repr(track.name) for track in tracks)
        raise NothingToSpotError(f"no video track is named {video_track!r}; there are {names}")
    return chosen


def _item_rates_hz(tracks: Iterable[otio.schema.Track]) -> list[float]:
    rates_hz: list[float] = []
    for track in tracks:
        for item in track:
            if isinstance(item, otio.core.Item) and item.source_range is not None:
                rates_hz.append(float(item.source_range.duration.rate))
            elif isinstance(item, otio.schema.Clip) and item.media_reference.available_range is not None:
                rates_hz.append(float(item.media_reference.available_range.duration.rate))
    return rates_hz


def _spot_shot(shot: Shot, clock: TimelineClock, base_folder: Path) -> SpottedClip | Unseen:
    """One shot on its file's own clock, transitions cut short where the media ends."""
    reference = shot.clip.media_reference
    available = reference.available_range
    media_origin_s = exact_seconds(available.start_time) if available is not None else Fraction(0)
    available_s = exact_seconds(available.duration) if available is not None else None
    try:
        media_path = resolve_media_path(reference.target_url, base_folder)
    except UnsupportedUrlError as error:
        return _refuse(shot, error.message)
    fitted, warnings = _fit_to_media(shot, media_origin_s, available_s)
    start_s = fitted.media_start_s - media_origin_s
    end_s = start_s + fitted.speed * (fitted.record_end_s - fitted.record_start_s)
    low_s, high_s = min(start_s, end_s), max(start_s, end_s)
    if low_s < 0:
        return _refuse(shot, f"its source range begins {float(-low_s):.3f} s before its media does")
    if available_s is not None and high_s > available_s:
        past_s = float(high_s - available_s)
        warnings.append(f"its source range ends {past_s:.3f} s after its available range")
    if fitted.speed < 0:  # the first frame seen is the one that ends where reverse play begins
        start_s = max(start_s - 1 / _media_rate(fitted), Fraction(0))
    if (fitted.record_start_s * clock.rate).denominator != 1:
        warnings.append("it does not start on a frame of the timeline")
    return SpottedClip(
        name=shot.clip.name or media_path.stem,
        video_track=shot.track_name,
        media_path=media_path,
        media_start_s=start_s,
        speed=fitted.speed,
        record_start_s=fitted.record_start_s,
        duration_s=fitted.record_end_s - fitted.record_start_s,
        source_timecode=_source_timecode(fitted, clock),
        warnings=tuple(warnings),
    )


def _fit_to_media(
    shot: Shot, media_origin_s: Fraction, available_s: Fraction | None
) -> tuple[Shot, list[str]]:
    """Cut what transitions add back to where there is media."""
    if shot.speed == 0:
        return shot, []
    media_start_s = shot.media_start_s - media_origin_s
    media_end_s = media_start_s + shot.speed * (shot.record_end_s - shot.record_start_s)
    after_end_s = Fraction(0) if available_s is None else max(media_start_s, media_end_s) - available_s
    before_start_s = -min(media_start_s, media_end_s)
    lead_s, tail_s = (before_start_s, after_end_s) if shot.speed > 0 else (after_end_s, before_start_s)
    lead_s = min(max(lead_s / abs(shot.speed), Fraction(0)), shot.cut_start_s - shot.record_start_s)
    tail_s = min(max(tail_s / abs(shot.speed), Fraction(0)), shot.record_end_s - shot.cut_end_s)
    if not lead_s and not tail_s:
        return shot, []
    fitted = shot.trim(shot.record_start_s + lead_s, shot.record_end_s - tail_s)
    return fitted, ["its transition reaches past its media; the sound ends where the media does"]


def _refuse(shot: Shot, reason: str) -> Unseen:
    return Unseen(
        name=shot.clip.name,
        track_name=shot.track_name,
        reason=reason,
        record_start_s=shot.record_start_s,
        is_fault=True,
    )


def _media_rate(shot: Shot) -> Fraction:
    used = shot.clip.media_reference.available_range or shot.clip.source_range
    return exact_rate(used.duration.rate)


def _source_timecode(shot: Shot, clock: TimelineClock) -> str:
    rate = _media_rate(shot)
    return format_timecode(sample_index(shot.media_start_s * rate, 1), rate, drop_frame=clock.drop_frame)


def _explain_nothing(timeline: otio.schema.Timeline, unseen: Sequence[Unseen]) -> str:
    if not unseen:
        return f"timeline {timeline.name!r} has no clip on its video tracks"
    shown = "; ".join(f"{item.name!r}: {item.reason}" for item in unseen[:5])
    more = f"; and {len(unseen) - 5} more" if len(unseen) > 5 else ""
    return f"no clip of timeline {timeline.name!r} has picture to make sound for: {shown}{more}"
