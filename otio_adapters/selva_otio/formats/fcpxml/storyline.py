"""The story elements of FCPXML as timeline items: clips, what is connected to them, compound and multicam clips, auditions.

A storyline (<spine>) is a sequence of elements; each may carry connected clips, and storylines of its own, on lanes above and
below it. Elements that refer to a compound clip are opened where they stand, so that a small file can ask for any amount of
work: depth and number of what is opened are bounded.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import DamagedItemError, TimelineReadError
from selva_otio.formats.fcpxml.asset_clips import build_asset_clip, find_shown_media, set_audition_takes
from selva_otio.formats.fcpxml.clip_attributes import read_conform_speed, read_sequence_markers
from selva_otio.formats.fcpxml.element_times import (
    CLIP_TAGS,
    ElementSpan,
    Resources,
    read_audio_span,
    read_duration,
    read_lane,
    read_local_start,
    read_time,
)
from selva_otio.formats.fcpxml.lane_items import (
    build_damaged_item,
    build_generator,
    build_lane_item,
    nest_items,
)
from selva_otio.formats.fcpxml.lanes import LaneItem
from selva_otio.formats.fcpxml.resources import FCPXML_NAMESPACE, read_format_rate
from selva_otio.formats.fcpxml.story_elements import iter_story_elements
from selva_otio.time.clock import TimelineClock

MAX_ITEMS = 100_000
MAX_NESTING = 48
ELEMENT_KEY = "element"
"""Under FCPXML_NAMESPACE: the number of the element that a clip was read from."""
_CONTAINERS = frozenset(["clip", "sync-clip"])


class StorylineReader:
    """Reads the storylines of one file. Raises TimelineReadError for compound clips that contain themselves."""

    def __init__(
        self, *, resources: Resources, clock: TimelineClock, numbers: Mapping[ET.Element, int] | None = None
    ) -> None:
        """numbers: of the elements of the project, noted on clips that are sound alone, by which a merge finds them."""
        self._resources = resources
        self._numbers = numbers or {}
        self._clock = clock
        self._num_items = 0
        self._num_read = 0
        self._damage: list[DamagedItemError] = []
        self._depth = 0
        self.gap_markers: list[otio.schema.Marker] = []
        """Of the project, on the clock of its sequence: a gap is no item of a lane that could have them."""
        self._open_media: list[str] = []
        """Ids of the compound clips that are being read, the outermost first."""
        self._rates_hz = [clock.frame_rate_hz]
        """Frame rates of the project and of those compound clips: what is in one is conformed to its rate."""

    def read_storyline(
        self,
        spine: ET.Element,
        *,
        origin_s: Fraction | None = None,
        start_s: Fraction = Fraction(0),
        lane: int = 0,
    ) -> list[LaneItem]:
        """The items of a storyline, each with the dissolve before it, from `start_s` on the clock of its sequence.

        origin_s: the offset at which the storyline starts; by default that of its first element.
        """
        items: list[LaneItem] = []
        half_frame_s = 1 / (2 * self._clock.frame_rate_hz)
        for story in iter_story_elements(
            spine, self._resources, origin_s=origin_s, start_s=start_s, half_frame_s=half_frame_s
        ):
            if story.damage is not None:
                items.append(self._build_damaged(story.element, story.start_s, lane, story.damage))
                continue
            for item in self._read_clip(story.element, story.start_s, lane, story.duration_s):
                # Connected clips come with their element; the dissolve is of the storyline alone.
                is_of_storyline = item.is_picture and item.lane == lane and item.start_s == story.start_s
                items.append(replace(item, dissolve=story.dissolve) if is_of_storyline else item)
        return items

    def _read_clip(
        self, element: ET.Element, start_s: Fraction, lane: int, duration_s: Fraction
    ) -> Iterator[LaneItem]:
        """A clip and everything connected to it."""
        with self._count():
            if element.tag == "audition":
                yield from self._read_audition(element, start_s, lane)
                return
            try:
                span = ElementSpan(
                    start_s=start_s,
                    local_start_s=read_local_start(element, self._resources),
                    duration_s=duration_s,
                    lane=lane,
                    conform_speed=read_conform_speed(element, self._rates_hz[-1]),
                )
            except DamagedItemError as error:
                yield self._build_damaged(element, start_s, lane, error, duration_s)
                return
            try:
                items = list(self._read_own_items(element, span))
            except DamagedItemError as error:
                items = [self._build_damaged(element, start_s, lane, error, duration_s)]
            else:
                self._num_read += bool(items)
            yield from items
            for child in element:
                # In a container only children with a lane are connected; the others are its content. Both kinds are
                # the same elements.
                if element.tag not in _CONTAINERS or "lane" in child.attrib:
                    yield from self._read_connected(child, span)

    def _read_own_items(self, element: ET.Element, span: ElementSpan) -> Iterator[LaneItem]:
        """A clip without what is connected to it."""
        if element.tag in _CONTAINERS:
            yield from self._read_container(element, span)
        elif element.tag in ("ref-clip", "mc-clip"):
            yield from self._read_compound(element, span)
        elif element.tag in ("asset-clip", "audio", "video"):
            yield from self._read_asset_clip(element, span)
        elif element.tag == "title":
            yield build_generator(element, span, self._clock, kind="title")
        elif element.tag == "gap" and not self._open_media:
            self.gap_markers.extend(read_sequence_markers(element, span, self._clock))

    def _build_damaged(
        self,
        element: ET.Element,
        start_s: Fraction,
        lane: int,
        error: DamagedItemError,
        duration_s: Fraction = Fraction(0),
    ) -> LaneItem:
        self._damage.append(error)
        span = ElementSpan(start_s=start_s, local_start_s=Fraction(0), duration_s=duration_s, lane=lane)
        return build_damaged_item(element, span, self._clock, error)

    def check_damage(self) -> None:
        """Raises DamagedItemError where no clip at all can be read: then nothing is left to make sound for."""
        if self._damage and not self._num_read:
            raise self._damage[0]

    def _read_connected(self, child: ET.Element, parent: ElementSpan) -> Iterator[LaneItem]:
        """A clip or storyline on a lane of its parent. Its offset counts in the parent's local time, not in the sequence's."""
        if child.tag != "spine" and child.tag not in CLIP_TAGS:
            return
        lane = parent.lane + read_lane(child)
        try:
            offset_s = read_time(child, "offset")
            duration_s = Fraction(0) if child.tag == "spine" else read_duration(child, self._resources)
        except DamagedItemError as error:
            yield self._build_damaged(child, parent.start_s, lane, error)
            return
        start_s = parent.to_sequence_s(offset_s) if offset_s is not None else parent.start_s
        if child.tag == "spine":
            with self._count():
                yield from self.read_storyline(child, start_s=start_s, lane=lane)
        else:
            yield from self._read_clip(child, start_s, lane, duration_s)

    def _read_asset_clip(self, element: ET.Element, span: ElementSpan) -> Iterator[LaneItem]:
        """The picture and the sound of a clip, each as an item."""
        asset = self._resources.get(element.get("ref", ""))
        if asset is not None and asset.tag == "effect":  # a <video> that shows a generator
            kind = asset.get("name", "") or "generator"
            yield build_generator(element, span, self._clock, kind=kind)
            return
        shows_picture, plays_sound = find_shown_media(element, asset)
        if shows_picture:
            clip = build_asset_clip(element, asset, self._clock)
            yield build_lane_item(element, span, clip, self._clock, is_picture=True)
        if plays_sound:
            sound = build_asset_clip(element, asset, self._clock)
            if not shows_picture and element in self._numbers and not self._open_media:
                sound.metadata[FCPXML_NAMESPACE] = {ELEMENT_KEY: self._numbers[element]}
            yield build_lane_item(
                element,
                read_audio_span(element, span),
                sound,
                self._clock,
                is_picture=False,
                with_markers=not shows_picture,
            )

    def _read_audition(self, audition: ET.Element, start_s: Fraction, lane: int) -> Iterator[LaneItem]:
        """The first clip of an audition, which is the one that plays, with the others as its takes."""
        clips = [child for child in audition if child.tag in CLIP_TAGS]
        if not clips:
            return
        assets = [self._resources.get(child.get("ref", "")) for child in clips if child.tag == "asset-clip"]
        duration_s = read_duration(clips[0], self._resources)
        for item in self._read_clip(clips[0], start_s, lane, duration_s):
            # Clips connected to the first one come on other lanes; they belong to no take.
            is_audition = item.lane == lane and isinstance(item.item, otio.schema.Clip)
            if is_audition and len(assets) == len(clips) > 1:
                set_audition_takes(item.item, assets, self._clock)
            yield item

    def _read_container(self, element: ET.Element, span: ElementSpan) -> Iterator[LaneItem]:
        """A clip or synchronized clip, which contains its parts itself."""
        parts: list[LaneItem] = []
        for child in element:
            if "lane" in child.attrib:
                continue
            start_s = read_time(child, "offset") or Fraction(0)
            if child.tag == "spine":
                parts += self.read_storyline(child, start_s=start_s)
            elif child.tag in CLIP_TAGS:
                parts += self._read_clip(child, start_s, 0, read_duration(child, self._resources))
        yield from self._nest_parts(element, span, parts)

    def _read_compound(self, element: ET.Element, span: ElementSpan) -> Iterator[LaneItem]:
        """A compound or multicam clip, which refers to its parts."""
        ref = element.get("ref", "")
        media = self._resources.get(ref)
        # Final Cut Pro makes no such file, a damaged or hostile one may; without this it would be opened MAX_NESTING levels deep.
        if ref in self._open_media:
            name = element.get("name", ref)
            raise TimelineReadError(
                f"the compound clip {name!r} contains itself; open it in Final Cut Pro and delete it there"
            )
        if media is None or media.tag != "media":
            clip = otio.schema.Clip(name=element.get("name", ""))
            yield build_lane_item(element, span, clip, self._clock, is_picture=True)
            return
        self._rates_hz.append(self._read_rate(media))
        self._open_media.append(ref)
        try:
            is_multicam = element.tag == "mc-clip"
            parts = self._read_multicam(element, media) if is_multicam else self._read_sequence(media)
        finally:
            self._open_media.pop()
            self._rates_hz.pop()
        yield from self._nest_parts(element, span, parts)

    def _read_rate(self, media: ET.Element) -> Fraction:
        """The frame rate of a compound or multicam clip; where it does not say one, that of the sequence around it."""
        content = next((child for child in media if child.tag in ("sequence", "multicam")), None)
        found = None if content is None else self._resources.get(content.get("format", ""))
        return (None if found is None else read_format_rate(found)) or self._rates_hz[-1]

    def _read_sequence(self, media: ET.Element) -> list[LaneItem]:
        sequence = media.find("sequence")
        spine = sequence.find("spine") if sequence is not None else None
        if sequence is None or spine is None:
            return []
        start_s = read_time(sequence, "tcStart") or Fraction(0)
        return self.read_storyline(spine, origin_s=start_s, start_s=start_s)

    def _read_multicam(self, element: ET.Element, media: ET.Element) -> list[LaneItem]:
        """The picture of the active video angle and the sound of the active audio angles."""
        multicam = media.find("multicam")
        if multicam is None:
            return []
        start_s = read_time(multicam, "tcStart") or Fraction(0)
        angles = {angle.get("angleID", ""): angle for angle in multicam.findall("mc-angle")}
        parts: list[LaneItem] = []
        for kind in ("video", "audio"):
            sources = element.findall("mc-source")
            active = [
                source.get("angleID", "")
                for source in sources
                if source.get("srcEnable", "all") in ("all", kind)
            ] or list(angles)[: 0 if sources else 1]
            # One video angle is shown at a time; several audio angles may be heard together.
            for angle_id in active[: 1 if kind == "video" else None]:
                if angle_id in angles:
                    found = self.read_storyline(angles[angle_id], origin_s=start_s, start_s=start_s)
                    parts += [item for item in found if item.is_picture == (kind == "video")]
        return parts

    def _nest_parts(
        self, element: ET.Element, span: ElementSpan, parts: list[LaneItem]
    ) -> Iterator[LaneItem]:
        """The picture and the sound of a clip's parts, each as one item: a track holds only one of the two."""
        enabled = element.get("srcEnable", "all")
        for is_picture in (True, False):
            of_kind = [part for part in parts if part.is_picture == is_picture]
            if of_kind and enabled in ("all", "video" if is_picture else "audio"):
                yield nest_items(element, span, of_kind, self._clock, is_picture=is_picture)

    @contextmanager
    def _count(self) -> Iterator[None]:
        """Bound the depth and the number of what is opened."""
        self._num_items += 1
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise TimelineReadError(f"clips are nested more than {MAX_NESTING} levels deep")
        if self._num_items > MAX_ITEMS:
            raise TimelineReadError(f"the project opens to more than {MAX_ITEMS} clips; export a shorter one")
        try:
            yield
        finally:
            self._depth -= 1
