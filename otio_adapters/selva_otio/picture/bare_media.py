"""A media file without a timeline, as a timeline of one clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.media import ImageSequence
from selva_otio.errors import ClockError
from selva_otio.picture.image_names import parse_image_pattern
from selva_otio.picture.image_sequences import build_image_reference
from selva_otio.picture.media import build_media_url
from selva_otio.time.clock import FALLBACK_FRAME_RATE_HZ, TimelineClock, can_drop_frames, parse_timecode


def build_media_clock(frame_rate_hz: Fraction | None, start_timecode: str | None) -> TimelineClock:
    """The clock of a file: its own rate (25 where it has none), with labels from its embedded timecode."""
    rate_hz = frame_rate_hz or FALLBACK_FRAME_RATE_HZ
    start_frame = 0
    if start_timecode is not None:
        try:
            start_frame = parse_timecode(start_timecode, rate_hz)
        except ClockError:  # cameras embed labels of another rate; they say nothing about this file's frames
            start_timecode = None
    # Without a label, NTSC rates are labelled as is usual for them; a phone's label at a whole rate says itself what it is.
    drop_frame = can_drop_frames(rate_hz) if start_timecode is None else ";" in start_timecode
    return TimelineClock(
        frame_rate_hz=rate_hz, otio_rate_hz=float(rate_hz), start_frame=start_frame, drop_frame=drop_frame
    )


def build_media_timeline(
    path: Path,
    clock: TimelineClock,
    *,
    duration_s: Fraction,
    start_s: Fraction,
    end_s: Fraction,
    images: ImageSequence | None = None,
) -> otio.schema.Timeline:
    """A timeline of one clip: the file from `start_s` to `end_s`, at the record time that it has in the file.

    images: where `path` is an image sequence, with the number as %04d; its first image is known. Raises ClockError unless
    0 <= start < end <= duration.
    """
    if not 0 <= start_s < end_s <= duration_s:
        raise ClockError(
            f"{path.name} lasts {float(duration_s):.3f} s; a range in it starts before it ends, inside; "
            f"got {float(start_s):.3f} s to {float(end_s):.3f} s"
        )
    media_start_s = clock.start_frame / clock.frame_rate_hz
    available_range = clock.time_range(media_start_s, duration_s)
    name, reference = _build_reference(path, images, available_range)
    track = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
    if start_s > 0:
        track.append(otio.schema.Gap(source_range=clock.time_range(Fraction(0), start_s)))
    track.append(
        otio.schema.Clip(
            name=name,
            media_reference=reference,
            source_range=clock.time_range(media_start_s + start_s, end_s - start_s),
        )
    )
    timeline = otio.schema.Timeline(
        name=Path(name).stem, global_start_time=clock.rational_time(media_start_s)
    )
    timeline.tracks.append(track)
    return timeline


def _build_reference(
    path: Path, images: ImageSequence | None, available_range: otio.opentime.TimeRange
) -> tuple[str, otio.core.MediaReference]:
    """The clip's name and its media."""
    if images is None:
        url = build_media_url(path)
        return path.name, otio.schema.ExternalReference(target_url=url, available_range=available_range)
    image_name = parse_image_pattern(path.name)
    title = image_name.title if image_name else path.name
    return title, build_image_reference(path, images, available_range)
