"""What a media file says about itself, as far as timelines need it; the file is read by a function that the caller gives."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from selva_core.base.media import MediaInfo
from selva_otio.errors import ClockError
from selva_otio.time.clock import exact_rate, parse_timecode

ProbeMedia = Callable[[Path], MediaInfo | None]
"""Reads what a media file says about itself; None for a file that is not media."""


def media_start_s(info: MediaInfo) -> Fraction:
    """Seconds since midnight of a file's first frame; zero without a timecode, or with one that its rate does not have."""
    if not info.timecode or info.frame_rate_hz is None:
        return Fraction(0)
    rate = exact_rate(float(info.frame_rate_hz))
    try:
        return parse_timecode(info.timecode, rate) / rate
    except ClockError:
        return Fraction(0)
