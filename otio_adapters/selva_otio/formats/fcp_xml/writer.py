"""A timeline as an xmeml sequence, with the elements in the order in which Final Cut Pro 7 writes them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import TimelineWriteError
from selva_otio.formats.fcp_xml.item_writer import ItemWriter, RecordRange, speed_of
from selva_otio.formats.fcp_xml.markers import write_marker
from selva_otio.formats.fcp_xml.values import TICKS_PER_SECOND, add, add_flag, add_rate, add_timecode
from selva_otio.picture.visible_shots import MAX_NESTING
from selva_otio.time.clock import exact_rate, exact_seconds
from selva_otio.time.item_times import find_record_clock, item_duration_s

DOCTYPE = "xmeml"
SAMPLE_RATE_HZ, BIT_DEPTH = 48_000, 24
_PICTURE_SIZE = 1920, 1080  # OpenTimelineIO has no picture size; importers keep the size of their own project


def build_document(timeline: otio.schema.Timeline, base_folder: Path) -> ET.Element:
    """A new xmeml document. Raises TimelineError for rates and items that cannot be written."""
    root = ET.Element("xmeml", {"version": "5"})
    items = ItemWriter(clock=find_record_clock(timeline), base_folder=base_folder)
    items.file_kinds = _find_file_kinds(timeline)
    SequenceWriter(items).write_timeline(root, timeline)
    return root


class SequenceWriter:
    """Writes a sequence and the sequences nested in it."""

    def __init__(self, items: ItemWriter) -> None:
        self._items = items
        self._depth = 0

    def write_timeline(self, root: ET.Element, timeline: otio.schema.Timeline) -> None:
        """Add the sequence of a timeline to the root of a document."""
        clock = self._items.clock
        sequence = ET.SubElement(root, "sequence", {"id": self._items.next_id("sequence")})
        add(sequence, "name", timeline.name or "Timeline")
        duration_s = max((item_duration_s(track) for track in timeline.tracks), default=Fraction(0))
        add(sequence, "duration", self._items.frame(duration_s))
        add_rate(sequence, clock.frame_rate_hz)
        add_timecode(sequence, clock.start_frame, clock.frame_rate_hz, drop_frame=clock.drop_frame)
        self._write_media(sequence, timeline.tracks)
        for marker in timeline.tracks.markers:
            write_marker(sequence, marker, Fraction(0), clock.frame_rate_hz)
        number_links(sequence)

    def write_track(self, parent: ET.Element, track: otio.schema.Track) -> list[ET.Element]:
        """Add the elements of a track: one for each channel of its sound, since tracks of the format are mono."""
        track = _apply_source_range(track)
        kind = "video" if track.kind == otio.schema.TrackKind.Video else "audio"
        num_channels = 1
        if kind == "audio":
            num_channels = max((self._items.num_channels(item) for item in track.find_clips()), default=1)
        elements = [ET.SubElement(parent, "track", {"MZ.TrackName": track.name}) for _ in range(num_channels)]
        if kind == "audio":
            for channel, element in enumerate(elements):
                element.set("currentExplodedTrackIndex", str(channel))
                element.set("totalExplodedTrackCount", str(num_channels))
                element.set("premiereTrackType", "Stereo" if num_channels == 2 else "Mono")
        self._write_items(elements, track, kind)
        for channel, element in enumerate(elements):
            finish_track(element, track, channel if kind == "audio" else None)
        return elements

    def write_item(
        self, elements: list[ET.Element], item: otio.core.Item, record: RecordRange, kind: str
    ) -> list[ET.Element]:
        """Add an item to the elements of a track, a clip item on each channel of its sound, linked to one another."""
        if isinstance(item, otio.schema.Clip):
            channels = elements[: self._items.num_channels(item) if kind == "audio" else 1]
            ids = [self._items.next_id("clipitem") for _ in channels]
            written = [
                self._items.write_clip(element, item, record, kind, item_id=item_id, channel=channel + 1)
                for channel, (element, item_id) in enumerate(zip(channels, ids, strict=True))
            ]
            if len(ids) > 1:
                for element in written:
                    _add_links(element, ids)
            return written
        return [self._write_nest(elements[0], item, record, kind)]

    def _write_media(self, sequence: ET.Element, stack: otio.schema.Stack) -> None:
        media = add(sequence, "media")
        tracks = [_as_track(child) for child in stack]
        video = add(media, "video")
        width, height = _PICTURE_SIZE
        sample = add(add(video, "format"), "samplecharacteristics")
        add(sample, "width", width)
        add(sample, "height", height)
        add_rate(sample, self._items.clock.frame_rate_hz)
        for track in tracks:
            if track.kind == otio.schema.TrackKind.Video:
                self.write_track(video, track)
        audio = add_audio(media)
        for track in tracks:
            if track.kind == otio.schema.TrackKind.Audio:
                self.write_track(audio, track)

    def _write_items(self, elements: list[ET.Element], track: otio.schema.Track, kind: str) -> None:
        children = list(track)
        cursor_s = Fraction(0)
        for index, child in enumerate(children):
            if isinstance(child, otio.schema.Transition):
                around = children[index - 1] if index else None, *children[index + 1 : index + 2]
                for element in elements:
                    self._write_transition(element, child, cursor_s, kind, around)
                continue
            if not isinstance(child, otio.core.Item):
                continue
            end_s = cursor_s + item_duration_s(child)
            if not isinstance(child, otio.schema.Gap) and end_s > cursor_s:
                before = children[index - 1] if index else None
                after = children[index + 1] if index + 1 < len(children) else None
                record = RecordRange(
                    start_s=cursor_s, end_s=end_s, lead_s=_lead_s(before), tail_s=_tail_s(after)
                )
                self.write_item(elements, child, record, kind)
            cursor_s = end_s

    def _write_transition(
        self,
        track: ET.Element,
        transition: otio.schema.Transition,
        cut_s: Fraction,
        kind: str,
        around: Sequence[otio.core.Composable | None],
    ) -> None:
        before_s, after_s = exact_seconds(transition.in_offset), exact_seconds(transition.out_offset)
        element = add(track, "transitionitem")
        add(element, "start", self._items.frame(cut_s - before_s))
        add(element, "end", self._items.frame(cut_s + after_s))
        add(element, "alignment", _alignment(before_s, after_s, around))
        add(element, "cutPointTicks", round(before_s * TICKS_PER_SECOND))
        add_rate(element, self._items.clock.frame_rate_hz)
        effect = add(element, "effect")
        is_sound = kind == "audio"
        add(effect, "name", "Cross Fade (+3dB)" if is_sound else transition.name or "Cross Dissolve")
        add(effect, "effectid", "KGAudioTransCrossFade3dB" if is_sound else "Cross Dissolve")
        add(effect, "effectcategory", "Dissolve")
        add(effect, "effecttype", "transition")
        add(effect, "mediatype", kind)

    def _write_nest(
        self, track: ET.Element, nest: otio.core.Item, record: RecordRange, kind: str
    ) -> ET.Element:
        if self._depth >= MAX_NESTING:
            raise TimelineWriteError(f"{nest.name!r} is nested more than {MAX_NESTING} levels deep")
        self._depth += 1
        item = ET.SubElement(track, "clipitem", {"id": self._items.next_id("clipitem")})
        self._items.write_nest_range(item, nest, record)
        sequence = ET.SubElement(item, "sequence", {"id": self._items.next_id("sequence")})
        stack = nest
        if isinstance(nest, otio.schema.Track):
            stack = otio.schema.Stack(name=nest.name)
            inner = nest.clone()
            inner.source_range = None
            stack.append(inner)
        whole_s = max((item_duration_s(child) for child in stack), default=Fraction(0))
        add(sequence, "name", nest.name)
        add(sequence, "duration", self._items.frame(whole_s))
        add_rate(sequence, self._items.clock.frame_rate_hz)
        self._write_media(sequence, stack)
        self._depth -= 1
        return item


def add_audio(media: ET.Element) -> ET.Element:
    """Add the audio part of a sequence, with stereo outputs."""
    audio = add(media, "audio")
    add(audio, "numOutputChannels", 2)
    sample = add(add(audio, "format"), "samplecharacteristics")
    add(sample, "depth", BIT_DEPTH)
    add(sample, "samplerate", SAMPLE_RATE_HZ)
    outputs = add(audio, "outputs")
    for channel in (1, 2):
        group = add(outputs, "group")
        add(group, "index", channel)
        add(group, "numchannels", 1)
        add(group, "downmix", 0)
        add(add(group, "channel"), "index", channel)
    return audio


def finish_track(element: ET.Element, track: otio.schema.Track, channel: int | None) -> None:
    """Add what follows the items of a track. channel: of its sound, from 0; None for video."""
    add_flag(element, "enabled", bool(track.enabled))
    add_flag(element, "locked", False)
    if channel is not None:
        add(element, "outputchannelindex", channel + 1)


def number_links(sequence: ET.Element, prefix: str = "") -> None:
    """Add track and clip numbers to the links between channels; they are known only when all items are written.

    prefix: of the ids whose links are numbered; other links stay as they are.
    """
    positions: dict[str, tuple[int, int]] = {}
    links: list[ET.Element] = []
    for track_number, track in enumerate(sequence.findall("media/audio/track"), start=1):
        for clip_number, item in enumerate(track.findall("clipitem"), start=1):
            item_id = item.get("id", "")
            positions[item_id] = track_number, clip_number
            links += item.findall("link") if item_id.startswith(prefix) else []
    for link in links:
        position = positions.get(link.findtext("linkclipref") or "")
        if position is not None and link.find("trackindex") is None:
            add(link, "trackindex", position[0])
            add(link, "clipindex", position[1])


def _add_links(item: ET.Element, ids: Iterable[str]) -> None:
    for item_id in ids:
        link = add(item, "link")
        add(link, "linkclipref", item_id)
        add(link, "mediatype", "audio")


def _as_track(child: otio.core.Composable) -> otio.schema.Track:
    """A child of a stack as a track; a clip or stack directly in it becomes the one item of a video track."""
    if isinstance(child, otio.schema.Track):
        return child
    track = otio.schema.Track(name=child.name, kind=otio.schema.TrackKind.Video)
    track.append(child.clone())
    return track


def _apply_source_range(track: otio.schema.Track) -> otio.schema.Track:
    """The track cut to its source range, which the format has no place for; items that are partly inside are trimmed."""
    if track.source_range is None:
        return track
    low_s = exact_seconds(track.source_range.start_time)
    high_s = low_s + exact_seconds(track.source_range.duration)
    trimmed = otio.schema.Track(name=track.name, kind=track.kind, metadata=track.metadata)
    trimmed.enabled = track.enabled
    cursor_s = Fraction(0)
    for child in track:
        if isinstance(child, otio.schema.Transition):
            if low_s < cursor_s < high_s:
                trimmed.append(child.clone())
            continue
        end_s = cursor_s + item_duration_s(child)
        head_s, tail_s = max(low_s - cursor_s, Fraction(0)), max(end_s - high_s, Fraction(0))
        if head_s + tail_s < end_s - cursor_s:
            trimmed.append(_trim_item(child, head_s, tail_s))
        cursor_s = end_s
    return trimmed


def _trim_item(item: otio.core.Item, head_s: Fraction, tail_s: Fraction) -> otio.core.Item:
    """A clone without some record seconds at its start and end; in reverse its start is the end of its used range."""
    clone = item.clone()
    if head_s or tail_s:
        used, speed = item.trimmed_range(), speed_of(item)
        rate_hz = used.duration.rate
        start_s = exact_seconds(used.start_time) + (head_s * speed if speed >= 0 else tail_s * -speed)
        duration_s = exact_seconds(used.duration) - head_s - tail_s
        clone.source_range = otio.opentime.TimeRange(
            otio.opentime.RationalTime(
                float(start_s * exact_rate(used.start_time.rate)), used.start_time.rate
            ),
            otio.opentime.RationalTime(float(duration_s * exact_rate(rate_hz)), rate_hz),
        )
    return clone


def _lead_s(before: otio.core.Composable | None) -> Fraction:
    return exact_seconds(before.in_offset) if isinstance(before, otio.schema.Transition) else Fraction(0)


def _tail_s(after: otio.core.Composable | None) -> Fraction:
    return exact_seconds(after.out_offset) if isinstance(after, otio.schema.Transition) else Fraction(0)


def _alignment(before_s: Fraction, after_s: Fraction, around: Sequence[otio.core.Composable | None]) -> str:
    """The position of the cut in a transition. around: the items before and after it; None or missing at a track's ends."""
    comes_from_black, goes_to_black = (
        item is None or isinstance(item, otio.schema.Gap) for item in (around[0], (*around, None)[1])
    )
    if not before_s:
        return "start-black" if comes_from_black else "start"
    if not after_s:
        return "end-black" if goes_to_black else "end"
    return "center"


def _find_file_kinds(timeline: otio.schema.Timeline) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for track in timeline.find_children(descended_from_type=otio.schema.Track):
        kind = "video" if track.kind == otio.schema.TrackKind.Video else "audio"
        for clip in track:
            url = getattr(getattr(clip, "media_reference", None), "target_url", None)
            if url:
                kinds.setdefault(url, set()).add(kind)
    return kinds
