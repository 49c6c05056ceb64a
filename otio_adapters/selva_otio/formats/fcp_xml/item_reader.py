"""Clip items as OpenTimelineIO clips: their place on the track, the part of their file, their speed.

`in` and `out` count frames of the item's own rate from the first frame of its file; the file's timecode is not in them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from fractions import Fraction

import opentimelineio as otio

from selva_core.base.rational import round_half_up
from selva_otio.errors import DamagedItemError
from selva_otio.formats.fcp_xml.document import Document
from selva_otio.formats.fcp_xml.item_effects import iter_effects, read_media_use
from selva_otio.formats.fcp_xml.item_media import ItemMedia, read_item_media
from selva_otio.formats.fcp_xml.markers import read_marker_elements
from selva_otio.formats.fcp_xml.values import child_text, describe, is_true, read_frames, read_rate
from selva_otio.picture.media import build_missing_reference


@dataclass(kw_only=True)
class TrackItem:
    """An item and its frames on the track, up to its cuts.

    index: its number among the items of the track. clip: None for a nested sequence, which the sequence reader builds from
    source_range and effects.
    """

    element: ET.Element
    index: int
    start: int
    end: int
    rate: Fraction
    source_range: otio.opentime.TimeRange
    clip: otio.schema.Clip | None = None
    effects: list[otio.schema.Effect] = field(default_factory=list)

    def end_at(self, end: int) -> None:
        """Trim the item to an earlier end frame."""
        self.end = end
        duration = otio.opentime.RationalTime(max(end - self.start, 0), float(self.rate))
        self.source_range = otio.opentime.TimeRange(self.source_range.start_time, duration)
        if self.clip is not None:
            self.clip.source_range = self.source_range


@dataclass(frozen=True, kw_only=True)
class ClipReader:
    """Reads the items of one track. kind: "video" or "audio"."""

    document: Document
    sequence_rate: Fraction
    kind: str

    def read_item(
        self, element: ET.Element, *, into: tuple[int, int] | None, out_of: tuple[int, int] | None, index: int
    ) -> TrackItem | None:
        """An item on its track; None when it has no frame between its cuts. Raises TimelineReadError.

        into: start and cut of the transition before it; out_of: end and cut of the one after it.
        """
        start, end = self._read_edges(element, into, out_of)
        cut_start = max(start, into[1]) if into is not None else start
        cut_end = min(end, out_of[1]) if out_of is not None else end
        if start < 0 or end < start:
            raise DamagedItemError(
                f"{describe(element)} runs from frame {start} to {end}; a range starts at 0 or later and ends after that"
            )
        if cut_end <= cut_start:
            return None
        return self._build_item(element, index, (start, end), (cut_start, cut_end))

    def build_damaged_item(
        self, element: ET.Element, *, index: int, error: DamagedItemError, track_end: int
    ) -> TrackItem:
        """An item without media, with the reason, at its place; one frame at `track_end` where that is not known."""
        try:
            start, end = (read_frames(element, tag) or 0 for tag in ("start", "end"))
        except DamagedItemError:
            start = end = -1
        if not 0 <= start < end:
            start, end = track_end, track_end + 1
        span = otio.opentime.TimeRange(
            otio.opentime.RationalTime(0, float(self.sequence_rate)),
            otio.opentime.RationalTime(end - start, float(self.sequence_rate)),
        )
        clip = otio.schema.Clip(
            name=child_text(element, "name"),
            media_reference=build_missing_reference(error.message),
            source_range=span,
        )
        return TrackItem(
            element=element,
            index=index,
            start=start,
            end=end,
            rate=self.sequence_rate,
            source_range=span,
            clip=clip,
        )

    def _read_edges(
        self, element: ET.Element, into: tuple[int, int] | None, out_of: tuple[int, int] | None
    ) -> tuple[int, int]:
        """The first frame of an item and the one after its last, transitions included.

        The format writes an edge at a transition as -1. Without a transition beside it the item is as long as `in` and `out`
        are apart.
        """
        start, end = read_frames(element, "start"), read_frames(element, "end")
        if start is None or end is None:
            raise DamagedItemError(f"{describe(element)} does not say where it is on its track")
        if start == -1 and into is not None:
            start = into[0]
        if end == -1 and out_of is not None:
            end = out_of[0]
        if start != -1 and end != -1:
            return start, end
        first, last = read_frames(element, "in"), read_frames(element, "out")
        if first is None or last is None or start == end:
            raise DamagedItemError(f"{describe(element)} does not say where it is on its track")
        rate = read_rate(element) or self.sequence_rate
        num_frames = round_half_up((last - first) * self.sequence_rate / rate)
        return (end - num_frames, end) if start == -1 else (start, start + num_frames)

    def _build_item(
        self, element: ET.Element, index: int, whole: tuple[int, int], cut: tuple[int, int]
    ) -> TrackItem:
        """whole: its frames with the transitions; cut: those up to its cuts, which it keeps."""
        rate = read_rate(element) or self.sequence_rate
        media = read_item_media(element, rate, self.kind, self.document)
        whole_s = (whole[1] - whole[0]) / self.sequence_rate
        use = read_media_use(element, rate, whole_s, media.used_duration_s)
        lead_s, cut_s = (cut[0] - whole[0]) / self.sequence_rate, (cut[1] - cut[0]) / self.sequence_rate
        tail_s = whole_s - lead_s - cut_s
        skipped_s = (
            lead_s if use.speed >= 0 else tail_s
        )  # a reversed item ends at the start of its used range
        low_s = media.subclip[0] + use.low_s + abs(use.speed) * skipped_s
        item = TrackItem(
            element=element,
            index=index,
            start=cut[0],
            end=cut[1],
            rate=self.sequence_rate,
            source_range=otio.opentime.TimeRange(
                self._to_frame_grid(media.start_s + low_s, media.rate),
                otio.opentime.RationalTime(cut[1] - cut[0], float(self.sequence_rate)),
            ),
            effects=list(iter_effects(element, use)),
        )
        if element.find("sequence") is None:
            item.clip = self._build_clip(element, item, media, rate)
        return item

    def _to_frame_grid(self, seconds: Fraction, media_rate: Fraction) -> otio.opentime.RationalTime:
        """A media time at the rate at which it is a whole frame: the sequence's, or else the media's."""
        for rate in (self.sequence_rate, media_rate):
            if (seconds * rate).denominator == 1:
                return otio.opentime.RationalTime(int(seconds * rate), float(rate))
        return otio.opentime.RationalTime(float(seconds * media_rate), float(media_rate))

    def _build_clip(
        self, element: ET.Element, item: TrackItem, media: ItemMedia, rate: Fraction
    ) -> otio.schema.Clip:
        reference = media.reference
        if media.duration_s is not None or media.start_s:
            duration_s = media.duration_s
            if duration_s is None:  # a timecode without a length: up to the last frame that is used
                end_s = Fraction(item.source_range.end_time_exclusive().to_seconds())
                duration_s = end_s - media.start_s
            reference.available_range = otio.opentime.TimeRange(
                *(
                    otio.opentime.RationalTime(float(seconds * media.rate), float(media.rate))
                    for seconds in (media.start_s, duration_s)
                )
            )
        clip = otio.schema.Clip(
            name=child_text(element, "name"), media_reference=reference, source_range=item.source_range
        )
        clip.enabled = is_true(element, "enabled", default=True)
        clip.effects.extend(item.effects)
        clip.markers.extend(read_marker_elements(element, rate, media.start_s + media.subclip[0]))
        return clip
