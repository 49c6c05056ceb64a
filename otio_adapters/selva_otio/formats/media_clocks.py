"""The clock of a media file: the timecode embedded in it, for hosts that find frames by it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.media import MediaInfo
from selva_otio.errors import ClockError
from selva_otio.formats.flat_layout import find_media_file
from selva_otio.formats.options import ProbeMedia
from selva_otio.time.clock import exact_rate, exact_seconds, parse_timecode


def start_of_media_s(facts: MediaInfo) -> Fraction:
    """Seconds since midnight of a file's first frame; zero where no timecode is embedded, or none that makes sense."""
    if not facts.timecode or facts.frame_rate_hz is None:
        return Fraction(0)
    rate = exact_rate(float(facts.frame_rate_hz))
    try:
        return parse_timecode(facts.timecode, rate) / rate
    except ClockError:
        return Fraction(0)


def count_from_timecode(timeline: otio.schema.Timeline, probe: ProbeMedia, base_folder: Path) -> None:
    """Let picture that counts from its file's first frame count from the file's timecode, in place.

    Ranges that do not begin at zero are taken to have the timecode in them already.
    """
    asked: dict[Path, Fraction] = {}
    for clip in [clip for track in timeline.video_tracks() for clip in track.find_clips()]:
        reference = clip.media_reference
        available = reference.available_range
        path = find_media_file(reference, base_folder)
        if path is None or available is None or available.start_time.value or not path.is_file():
            continue
        if path not in asked:
            facts = probe(path)
            asked[path] = Fraction(0) if facts is None else start_of_media_s(facts)
        if asked[path]:
            _shift(clip, asked[path])


def _shift(clip: otio.schema.Clip, start_s: Fraction) -> None:
    used = clip.trimmed_range()
    references = {key: reference.clone() for key, reference in clip.media_references().items()}
    active = references[clip.active_media_reference_key]
    active.available_range = _moved(active.available_range, start_s)
    clip.set_media_references(references, clip.active_media_reference_key)
    clip.source_range = _moved(used, start_s)
    for marker in clip.markers:
        marker.marked_range = _moved(marker.marked_range, start_s)


def _moved(span: otio.opentime.TimeRange, by_s: Fraction) -> otio.opentime.TimeRange:
    rate_hz = span.start_time.rate
    frames = (exact_seconds(span.start_time) + by_s) * exact_rate(rate_hz)
    return otio.opentime.TimeRange(otio.opentime.RationalTime(float(frames), rate_hz), span.duration)
