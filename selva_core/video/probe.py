"""Reads what a media file says about itself, decoding one frame at most."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from selva_core.base.media import MediaInfo
from selva_core.video.container import count_videos
from selva_core.video.ending import describe_short_end
from selva_core.video.reader import MediaReader

_UNRELIABLE_CODECS = frozenset(("rv10", "rv20", "rv30", "rv40", "rv60"))
"""FFmpeg takes some frames for others: of 540 that it had encoded itself, one of rv20 came out as black."""


def probe_media(path: Path) -> MediaInfo:
    """Describe the video file at `path`.

    Raises MediaNotFoundError, MediaUnreadableError, NoVideoStreamError.
    """
    with MediaReader(path) as reader:
        return MediaInfo(
            path=path,
            duration_s=reader.end_s,
            frame_rate_hz=reader.frame_rate_hz,
            width_px=reader.stream.width,
            height_px=reader.stream.height,
            pixel_aspect=reader.stream.sample_aspect_ratio or Fraction(1),
            rotation_deg=reader.rotation_deg,
            start_offset_s=reader.origin_s,
            timecode=_embedded_timecode(reader),
            codec=reader.stream.codec_context.name,
            has_sound=bool(reader.container.streams.audio),
            warnings=tuple(_warnings(reader)),
        )


def _warnings(reader: MediaReader) -> Iterator[str]:
    rate = reader.frame_rate
    name = reader.path.name
    if rate is None:
        yield f"{name} states no frame rate; its frames are labelled as if there were {1 / reader.frame_s} per second"
    elif rate.is_variable:
        yield (
            f"{name} has a variable frame rate: its timecode is counted in {_rate_text(rate.rate_hz)} frames per second; "
            "stems lie where the frames are shown"
        )
    if (num_videos := count_videos(reader.container)) > 1:
        yield (
            f"{name} has {num_videos} video streams: stream {reader.stream.index} ({reader.stream.width} x "
            f"{reader.stream.height}) is looked at; extract another one into a file of its own if that is meant"
        )
    if reader.stream.codec_context.name in _UNRELIABLE_CODECS:
        yield (
            f"{name} is RealVideo, of which single frames may be decoded wrongly without a report; transcode it and check "
            "the result, or use its source"
        )
    if short_end := describe_short_end(reader):
        yield short_end
    if reader.has_alpha:
        yield (
            f"{name} has an alpha channel: where it is transparent, black is looked at and not what lies below it on the "
            "timeline; if that matters, render both into one file and use it"
        )
    if rate is not None and not rate.is_variable and reader.is_raw:
        yield (
            f"{name} is a raw stream that states no times: its frames are counted, {_rate_text(rate.rate_hz)} per second. "
            "Remux it into MP4 or MOV if that is not its rate; if frames may be missing from it, which a raw stream seldom "
            "shows, use a copy with a container"
        )


def _rate_text(rate_hz: Fraction) -> str:
    return f"{float(rate_hz):.6g}"


def _embedded_timecode(reader: MediaReader) -> str | None:
    """The timecode of the video stream, else of a timecode track, else of the whole file. Matroska writes the tag in capitals."""
    tags = [reader.stream.metadata, *(s.metadata for s in reader.container.streams.data)]
    tags.append(reader.container.metadata)
    named = ((key.lower(), value) for each in tags for key, value in each.items())
    return next((value for key, value in named if key == "timecode"), None)
