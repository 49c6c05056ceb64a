"""Times that are not finite (Infinity, NaN), which JSON of other programs may hold: only the item that has one fails."""

from __future__ import annotations

import math

import opentimelineio as otio

from selva_otio.picture.media import build_missing_reference

_REASON = "its times are not finite numbers; export it again"


def replace_times_that_are_not_finite(timeline: otio.schema.Timeline) -> None:
    """Remove what has no finite time, in place: markers, ranges of media, the start of the timeline.

    A clip whose used range has no start becomes one without media. An item whose length is not finite is left as it is, because
    nothing behind it has a place, unless it is the last of its track.
    """
    start = timeline.global_start_time
    if start is not None and not _is_finite(start):
        timeline.global_start_time = None
    items = timeline.tracks.find_children(descended_from_type=otio.core.Item)
    for item in [timeline.tracks, *items]:
        item.markers[:] = [marker for marker in item.markers if _is_finite_range(marker.marked_range)]
        if isinstance(item, otio.schema.Clip):
            _mend_clip(item)


def _mend_clip(clip: otio.schema.Clip) -> None:
    references = {key: reference.clone() for key, reference in clip.media_references().items()}
    broken = [
        reference
        for reference in references.values()
        if reference.available_range is not None and not _is_finite_range(reference.available_range)
    ]
    for reference in broken:
        reference.available_range = None
    if broken:
        clip.set_media_references(references, clip.active_media_reference_key)
    used = clip.source_range
    if used is None or _is_finite_range(used):
        return
    duration, parent = used.duration, clip.parent()
    if not _is_finite(duration):
        is_last = isinstance(parent, otio.schema.Track) and parent[-1] is clip
        if not is_last:
            return
        rate_hz = duration.rate if math.isfinite(duration.rate) and duration.rate > 0 else 25.0
        duration = otio.opentime.RationalTime(1, rate_hz)  # a place by which it is named
    clip.source_range = otio.opentime.TimeRange(otio.opentime.RationalTime(0, duration.rate), duration)
    clip.media_reference = build_missing_reference(_REASON)


def _is_finite(moment: otio.opentime.RationalTime) -> bool:
    return math.isfinite(moment.value) and math.isfinite(moment.rate)


def _is_finite_range(span: otio.opentime.TimeRange) -> bool:
    return _is_finite(span.start_time) and _is_finite(span.duration)
