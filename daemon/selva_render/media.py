"""Media files without a cut: what they hold, and their cue sheet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.errors import SelvaError
from selva_core.base.media import ImageSequence, MediaInfo
from selva_core.video.sequence_files import find_images
from selva_otio import CueSheet, CueSheetRow, StemTrack, spot_timeline
from selva_otio.errors import ClockError
from selva_otio.picture.bare_media import build_media_clock, build_media_timeline
from selva_otio.picture.image_names import parse_image_name
from selva_otio.time.clock import FALLBACK_FRAME_RATE_HZ, TimelineClock, parse_timecode
from selva_render.media_process import probe_media_in_process


def spot_media(
    video: Path,
    tracks: Iterable[StemTrack] = (),
    *,
    rows: Iterable[CueSheetRow] = (),
    start: str | None = None,
    end: str | None = None,
    images: ImageSequence | None = None,
) -> CueSheet:
    """The cues of a file, or of its part from `start` to `end`. Raises MediaError, ClockError, CueError.

    video: a file, or an image sequence (frame.%04d.png, frame.[0001-0100].png). images: how the latter is played.
    """
    opened = open_media_timeline(video, start=start, end=end, images=images)
    sheet = spot_timeline(
        opened.timeline, tracks, base_folder=opened.path.parent, rows=rows, clock=opened.clock
    )
    return replace(sheet, warnings=(*opened.warnings, *sheet.warnings))


@dataclass(frozen=True, kw_only=True)
class MediaTimeline:
    """A media file as a timeline of one clip. path: of the file; of images their pattern, with the number as %04d."""

    path: Path
    timeline: otio.schema.Timeline
    clock: TimelineClock
    warnings: tuple[str, ...]


def open_media_timeline(
    video: Path, *, start: str | None = None, end: str | None = None, images: ImageSequence | None = None
) -> MediaTimeline:
    """A media file, or its part from `start` to `end`, as a timeline. Raises MediaError, ClockError."""
    info, images = _probe(video.absolute(), images)
    clock = build_media_clock(info.frame_rate_hz, info.timecode)
    timeline = build_media_timeline(
        info.path,
        clock,
        duration_s=info.duration_s,
        start_s=Fraction(0) if start is None else clock.parse_moment_s(start),
        end_s=info.duration_s if end is None else clock.parse_moment_s(end),
        images=images,
    )
    return MediaTimeline(
        path=info.path,
        timeline=timeline,
        clock=clock,
        warnings=(*info.warnings, *_clock_warnings(info, clock)),
    )


def _clock_warnings(info: MediaInfo, clock: TimelineClock) -> Iterable[str]:
    """A warning where the embedded timecode cannot be used."""
    if info.timecode is None:
        return
    try:
        parse_timecode(info.timecode, clock.frame_rate_hz)
    except ClockError as exc:
        yield f"the timecode in {info.path.name} is not used ({exc}); labels begin at {clock.timecode(Fraction(0))}"


def probe_or_none(path: Path) -> MediaInfo | None:
    """What a media file holds; None when it cannot be read."""
    try:
        return probe_media_in_process(path)
    except SelvaError:
        return None


def _probe(path: Path, images: ImageSequence | None) -> tuple[MediaInfo, ImageSequence | None]:
    """What a file or an image sequence holds, and which images are played; its path then has their number as %04d."""
    name = None if path.is_file() else parse_image_name(path.name)
    if name is None:
        return probe_media_in_process(path), None
    sequence = replace(
        images or ImageSequence(rate_hz=FALLBACK_FRAME_RATE_HZ), first=name.first, last=name.last
    )
    pattern = path if "%%" in path.name else path.with_name(name.pattern)  # "%%" is how a pattern writes "%"
    played = find_images(pattern, sequence).played
    info = MediaInfo(
        path=pattern,
        duration_s=len(played) / sequence.rate_hz,
        frame_rate_hz=sequence.rate_hz,
        timecode=None,
    )
    return info, replace(sequence, first=played[0], last=played[-1])
