"""The clock of a media file: its embedded timecode, by which some hosts find frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.picture.media_probe import ProbeMedia, media_start_s
from selva_otio.picture.media_search import MediaLookup
from selva_otio.time.clock import exact_rate, exact_seconds


def count_from_timecode(timeline: otio.schema.Timeline, probe: ProbeMedia, media: MediaLookup) -> None:
    """Shift video clips whose ranges count from the first frame of their file to the file's timecode, in place.

    A range that does not start at zero is taken to count from the timecode already. probe: called once for each file.
    """
    starts_s: dict[Path, Fraction] = {}
    for clip in [clip for track in timeline.video_tracks() for clip in track.find_clips()]:
        reference = clip.media_reference
        available = reference.available_range
        path = media.find_file_or_none(clip)
        if path is None or available is None or available.start_time.value or not path.is_file():
            continue
        if path not in starts_s:
            info = probe(path)
            starts_s[path] = Fraction(0) if info is None else media_start_s(info)
        if starts_s[path]:
            _shift_media_times(clip, starts_s[path])


def _shift_media_times(clip: otio.schema.Clip, by_s: Fraction) -> None:
    used = clip.trimmed_range()
    references = {key: reference.clone() for key, reference in clip.media_references().items()}
    active = references[clip.active_media_reference_key]
    active.available_range = _shift(active.available_range, by_s)
    clip.set_media_references(references, clip.active_media_reference_key)
    clip.source_range = _shift(used, by_s)
    for marker in clip.markers:
        marker.marked_range = _shift(marker.marked_range, by_s)


def _shift(span: otio.opentime.TimeRange, by_s: Fraction) -> otio.opentime.TimeRange:
    rate_hz = span.start_time.rate
    frames = (exact_seconds(span.start_time) + by_s) * exact_rate(rate_hz)
    return otio.opentime.TimeRange(otio.opentime.RationalTime(float(frames), rate_hz), span.duration)
