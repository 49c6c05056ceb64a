"""From a shot on the media's clock to a clip on its file's own clock, with handles as far as the media goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.media import ImageSequence
from selva_otio.cues.cue_sheet import SpottedClip
from selva_otio.errors import ClockError, UnsupportedUrlError
from selva_otio.picture.image_sequences import find_image_sequence
from selva_otio.picture.media import resolve_media_path
from selva_otio.picture.shots import Shot, SkippedItem
from selva_otio.time.clock import TimelineClock, exact_rate, exact_seconds, format_timecode, sample_index

OFF_FRAME_WARNING = "it does not start on a frame of the timeline"


@dataclass(frozen=True, kw_only=True)
class ShotSpotter:
    """Knows what all shots of a timeline share."""

    clock: TimelineClock
    base_folder: Path
    handles_s: Fraction = Fraction(0)

    def spot(self, shot: Shot) -> SpottedClip | SkippedItem:
        """The clip that sound is made for, or why there is none.

        Transitions that want more picture than the media has are cut short.
        """
        try:
            media_path, images = self._find_media(shot.clip)
        except (ClockError, UnsupportedUrlError) as error:
            return _refuse(shot, error.message)
        extent = _MediaExtent.of(shot)
        fitted, warnings = _fit_to_media(shot, extent)
        start_s, end_s = extent.file_range(fitted)
        low_s, high_s = min(start_s, end_s), max(start_s, end_s)
        if low_s < 0:
            return _refuse(shot, f"its source range begins {float(-low_s):.3f} s before its media does")
        if extent.duration_s is not None and high_s > extent.duration_s:
            past_s = float(high_s - extent.duration_s)
            warnings.append(f"its source range ends {past_s:.3f} s after its available range")
        if (fitted.record_start_s * self.clock.frame_rate_hz).denominator != 1:
            warnings.append(OFF_FRAME_WARNING)
        before_s, after_s = self._handles(fitted, extent)
        rate = extent.rate
        if fitted.speed < 0:  # the first frame seen is the one that ends where reverse play begins
            start_s = max(start_s - 1 / rate, Fraction(0))
        return SpottedClip(
            name=shot.clip.name or media_path.stem,
            video_track=shot.track_name,
            media_path=media_path,
            media_start_s=start_s,
            speed=fitted.speed,
            record_start_s=fitted.record_start_s,
            duration_s=fitted.record_end_s - fitted.record_start_s,
            source_timecode=self._source_label(fitted.media_start_s, rate),
            source_end_timecode=self._source_label(fitted.media_end_s, rate),
            handle_before_s=before_s,
            handle_after_s=after_s,
            fade_in_s=fitted.fade_in_s,
            fade_out_s=fitted.fade_out_s,
            warnings=tuple(warnings),
            images=images,
        )

    def _find_media(self, clip: otio.schema.Clip) -> tuple[Path, ImageSequence | None]:
        sequence = find_image_sequence(clip, self.base_folder)
        if sequence is not None:
            return sequence
        return resolve_media_path(clip.media_reference.target_url, self.base_folder), None

    def _handles(self, shot: Shot, extent: _MediaExtent) -> tuple[Fraction, Fraction]:
        """Whole frames of sound before and after, no longer than wished for, media and clock allow."""
        if not self.handles_s:
            return Fraction(0), Fraction(0)
        start_s, end_s = extent.file_range(shot)
        since_midnight_s = self.clock.start_frame / self.clock.frame_rate_hz + shot.record_start_s
        before_s = min(self.handles_s, since_midnight_s)
        after_s = self.handles_s
        if shot.speed:
            ahead_s = None if extent.duration_s is None else extent.duration_s - max(start_s, end_s)
            behind_s = min(start_s, end_s)
            room_before_s, room_after_s = (behind_s, ahead_s) if shot.speed > 0 else (ahead_s, behind_s)
            before_s = _limit(before_s, room_before_s, shot.speed)
            after_s = _limit(after_s, room_after_s, shot.speed)
        return self._whole_frames(before_s), self._whole_frames(after_s)

    def _source_label(self, media_s: Fraction, rate: Fraction) -> str:
        return format_timecode(sample_index(media_s * rate, 1), rate, drop_frame=self.clock.drop_frame)

    def _whole_frames(self, seconds: Fraction) -> Fraction:
        return math.floor(seconds * self.clock.frame_rate_hz) / self.clock.frame_rate_hz


@dataclass(frozen=True, kw_only=True)
class _MediaExtent:
    """What the timeline knows of a shot's media: where it begins on its clock, how long it is, its rate."""

    origin_s: Fraction
    duration_s: Fraction | None
    rate: Fraction

    @classmethod
    def of(cls, shot: Shot) -> _MediaExtent:
        available = shot.clip.media_reference.available_range
        if available is None:
            rate = exact_rate(shot.clip.source_range.duration.rate)
            return cls(origin_s=Fraction(0), duration_s=None, rate=rate)
        return cls(
            origin_s=exact_seconds(available.start_time),
            duration_s=exact_seconds(available.duration),
            rate=exact_rate(available.duration.rate),
        )

    def file_range(self, shot: Shot) -> tuple[Fraction, Fraction]:
        """What the shot shows first and last, on the file's own clock; the last lies before the first in
        reverse."""
        return shot.media_start_s - self.origin_s, shot.media_end_s - self.origin_s


def _limit(wished_s: Fraction, room_s: Fraction | None, speed: Fraction) -> Fraction:
    """Record seconds, limited by the media seconds there are; where the media's length is not known, none."""
    if room_s is None:
        return Fraction(0)
    return min(wished_s, max(room_s, Fraction(0)) / abs(speed))


def _fit_to_media(shot: Shot, extent: _MediaExtent) -> tuple[Shot, list[str]]:
    """Cut what transitions add back to where there is media."""
    if shot.speed == 0:
        return shot, []
    start_s, end_s = extent.file_range(shot)
    past_s = Fraction(0) if extent.duration_s is None else max(start_s, end_s) - extent.duration_s
    short_s = -min(start_s, end_s)
    lead_s, tail_s = (short_s, past_s) if shot.speed > 0 else (past_s, short_s)
    lead_s = min(max(lead_s / abs(shot.speed), Fraction(0)), shot.lead_s)
    tail_s = min(max(tail_s / abs(shot.speed), Fraction(0)), shot.tail_s)
    if not lead_s and not tail_s:
        return shot, []
    fitted = shot.trim(shot.record_start_s + lead_s, shot.record_end_s - tail_s)
    return fitted, ["its transition reaches past its media; the sound ends where the media does"]


def _refuse(shot: Shot, reason: str) -> SkippedItem:
    return SkippedItem(
        name=shot.clip.name,
        track_name=shot.track_name,
        reason=reason,
        record_start_s=shot.record_start_s,
        is_fault=True,
    )
