"""From a shot on the clock of its media reference to a spotted clip on its file's own clock, with handles as far as the
media goes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.media import ImageSequence
from selva_core.base.rational import is_whole_product
from selva_otio.cues.cue_sheet import SpottedClip
from selva_otio.errors import ClockError, MediaChoiceError, UnsupportedUrlError
from selva_otio.picture.image_sequences import find_image_sequence
from selva_otio.picture.media_search import MediaLookup
from selva_otio.picture.shots import Shot, SkippedItem
from selva_otio.time.clock import TimelineClock, exact_rate, exact_seconds, format_timecode, frame_index

OFF_FRAME_WARNING = "it does not start on a frame of the timeline"


@dataclass(frozen=True, kw_only=True)
class ShotSpotter:
    """Turns shots of one timeline into spotted clips. handles_s: sound wanted before and after each."""

    clock: TimelineClock
    media: MediaLookup
    handles_s: Fraction = Fraction(0)

    def spot(self, shot: Shot) -> SpottedClip | SkippedItem:
        """The clip that sound is made for, or the item that is skipped and why.

        Where a transition needs more picture than the media has, the clip ends with the media.
        """
        try:
            media_path, images = self._find_media(shot.clip)
        except (ClockError, MediaChoiceError, UnsupportedUrlError) as error:
            return _skip(shot, error.message)
        extent = _MediaExtent.of(shot)
        fitted, warnings = _fit_to_media(shot, extent)
        start_s, end_s = extent.file_range(fitted)
        low_s, high_s = min(start_s, end_s), max(start_s, end_s)
        if low_s < 0:
            return _skip(shot, f"its source range begins {float(-low_s):.3f} s before its media does")
        if extent.duration_s is not None and high_s > extent.duration_s:
            past_s = float(high_s - extent.duration_s)
            warnings.append(f"its source range ends {past_s:.3f} s after its available range")
        if not is_whole_product(fitted.record_start_s, self.clock.frame_rate_hz):
            warnings.append(OFF_FRAME_WARNING)
        before_s, after_s = self._handles(fitted, extent)
        rate_hz = extent.frame_rate_hz
        return SpottedClip(
            name=shot.clip.name or media_path.stem,
            video_track=shot.track_name,
            media_path=media_path,
            media_start_s=extent.first_frame_s(fitted),
            speed=fitted.speed,
            record_start_s=fitted.record_start_s,
            duration_s=fitted.record_end_s - fitted.record_start_s,
            source_timecode=self._source_label(fitted.media_start_s, rate_hz),
            source_end_timecode=self._source_label(fitted.media_end_s, rate_hz),
            handle_before_s=before_s,
            handle_after_s=after_s,
            fade_in_s=fitted.fade_in_s,
            fade_out_s=fitted.fade_out_s,
            warnings=tuple(warnings),
            images=images,
        )

    def _find_media(self, clip: otio.schema.Clip) -> tuple[Path, ImageSequence | None]:
        sequence = find_image_sequence(clip, self.media.base_folder)
        if sequence is not None:
            pattern, images = sequence
            return self.media.find_images(pattern), images
        return self.media.find_file(clip), None

    def _handles(self, shot: Shot, extent: _MediaExtent) -> tuple[Fraction, Fraction]:
        """Handles before and after in whole frames, limited by the options, by the media, and by midnight on the record clock:
        a stem cannot start before 00:00:00:00.
        """
        if not self.handles_s:
            return Fraction(0), Fraction(0)
        start_s, end_s = extent.file_range(shot)
        since_midnight_s = self.clock.start_frame / self.clock.frame_rate_hz + shot.record_start_s
        before_s = min(self.handles_s, since_midnight_s)
        after_s = self.handles_s
        if shot.speed:
            ahead_s = None if extent.duration_s is None else extent.duration_s - max(start_s, end_s)
            behind_s = min(start_s, end_s)
            available_before_s, available_after_s = (
                (behind_s, ahead_s) if shot.speed > 0 else (ahead_s, behind_s)
            )
            before_s = _limit_handle(before_s, available_before_s, shot.speed)
            after_s = _limit_handle(after_s, available_after_s, shot.speed)
        return self._whole_frames(before_s), self._whole_frames(after_s)

    def _source_label(self, media_s: Fraction, rate_hz: Fraction) -> str:
        return format_timecode(frame_index(media_s, rate_hz), rate_hz, drop_frame=self.clock.drop_frame)

    def _whole_frames(self, seconds: Fraction) -> Fraction:
        return math.floor(seconds * self.clock.frame_rate_hz) / self.clock.frame_rate_hz


@dataclass(frozen=True, kw_only=True)
class _MediaExtent:
    """What the timeline says of a shot's media: where it begins on its clock, how long it is, its frame rate."""

    origin_s: Fraction
    duration_s: Fraction | None
    frame_rate_hz: Fraction

    @classmethod
    def of(cls, shot: Shot) -> _MediaExtent:
        available = shot.clip.media_reference.available_range
        if available is None:
            rate_hz = exact_rate(shot.clip.source_range.duration.rate)
            return cls(origin_s=Fraction(0), duration_s=None, frame_rate_hz=rate_hz)
        return cls(
            origin_s=exact_seconds(available.start_time),
            duration_s=exact_seconds(available.duration),
            frame_rate_hz=exact_rate(available.duration.rate),
        )

    def file_range(self, shot: Shot) -> tuple[Fraction, Fraction]:
        """Media time at the start and end of a shot, on the file's own clock; the end is before the start in reverse."""
        if not self.origin_s:
            return shot.media_start_s, shot.media_end_s
        return shot.media_start_s - self.origin_s, shot.media_end_s - self.origin_s

    def first_frame_s(self, shot: Shot) -> Fraction:
        """Start of the frame that is shown first, on the file's own clock; reverse play begins at that frame's end."""
        start_s, _ = self.file_range(shot)
        return start_s if shot.speed >= 0 else max(start_s - 1 / self.frame_rate_hz, Fraction(0))


def _limit_handle(handle_s: Fraction, available_s: Fraction | None, speed: Fraction) -> Fraction:
    """A handle in record seconds, limited by the media seconds that are available; none where the media's length is not known."""
    if available_s is None:
        return Fraction(0)
    return min(handle_s, max(available_s, Fraction(0)) / abs(speed))


def _fit_to_media(shot: Shot, extent: _MediaExtent) -> tuple[Shot, list[str]]:
    """Shorten a shot, inside what transitions add to it, to the media that there is; with warnings."""
    if shot.speed == 0:
        return shot, []
    start_s, end_s = extent.file_range(shot)
    if not shot.lead_s and not shot.tail_s:
        return shot, []
    past_s = Fraction(0) if extent.duration_s is None else max(start_s, end_s) - extent.duration_s
    short_s = -min(start_s, end_s)
    lead_s, tail_s = (short_s, past_s) if shot.speed > 0 else (past_s, short_s)
    lead_s = min(max(lead_s / abs(shot.speed), Fraction(0)), shot.lead_s)
    tail_s = min(max(tail_s / abs(shot.speed), Fraction(0)), shot.tail_s)
    if not lead_s and not tail_s:
        return shot, []
    fitted = shot.trim(shot.record_start_s + lead_s, shot.record_end_s - tail_s)
    return fitted, ["its transition reaches past its media; the sound ends where the media does"]


def _skip(shot: Shot, reason: str) -> SkippedItem:
    return SkippedItem(
        name=shot.clip.name,
        track_name=shot.track_name,
        reason=reason,
        record_start_s=shot.record_start_s,
        is_fault=True,
    )
