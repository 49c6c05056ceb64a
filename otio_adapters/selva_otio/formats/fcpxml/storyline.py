"""The story elements of FCPXML as timeline items: clips and what is connected to them, nests, auditions, retimes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import TimelineReadError
from selva_otio.formats.fcpxml.clip_facts import (
    read_conform,
    read_markers,
    read_retiming,
    read_role,
    read_stem_facts,
)
from selva_otio.formats.fcpxml.lanes import CutDissolve, LaneItem, build_tracks
from selva_otio.formats.fcpxml.times import Retiming, parse_time
from selva_otio.metadata import SELVA_NAMESPACE
from selva_otio.time.clock import TimelineClock, exact_seconds

Resources = Mapping[str, ET.Element]

MAX_ITEMS = 100_000
MAX_NESTING = 48
_CLIP_TAGS = frozenset(
    ["asset-clip", "audio", "audition", "clip", "gap", "mc-clip", "ref-clip", "sync-clip", "title", "video"]
)
_CONTAINERS = frozenset(["clip", "sync-clip"])


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Where a clip lies: `start_s` on its sequence's clock, from `local_start_s` on its own."""

    start_s: Fraction
    local_start_s: Fraction
    duration_s: Fraction
    lane: int

    def at(self, local_s: Fraction) -> Fraction:
        """The time on the sequence's clock of a local time."""
        return self.start_s + local_s - self.local_start_s


class StorylineReader:
    """Reads the storylines of one file. Raises TimelineReadError for compound clips that hold themselves."""

    def __init__(self, *, resources: Resources, clock: TimelineClock) -> None:
        self._resources = resources
        self._clock = clock
        self._num_items = 0
        self._depth = 0
        self._inside: list[str] = []

    def read_storyline(
        self,
        spine: ET.Element,
        *,
        origin_s: Fraction | None = None,
        start_s: Fraction = Fraction(0),
        lane: int = 0,
    ) -> tuple[list[LaneItem], list[CutDissolve]]:
        """The elements of a storyline one after another from `start_s`, holes where their offsets leave some.

        origin_s: the offset that means its start; by default that of its first element.
        """
        items: list[LaneItem] = []
        dissolves: list[CutDissolve] = []
        fades: list[tuple[Fraction, Fraction]] = []
        cursor_s, half_frame_s = start_s, 1 / (2 * self._clock.frame_rate_hz)
        children = [child for child in spine if child.tag in _CLIP_TAGS or child.tag == "transition"]
        base_s = start_s - _find_origin(children, origin_s)
        for child in children:
            told_s = _read_time(child, "offset")
            place_s = base_s + told_s if told_s is not None else cursor_s
            if child.tag == "transition":
                fades.append((place_s, place_s + (_read_time(child, "duration") or Fraction(0))))
                continue
            if place_s - cursor_s >= half_frame_s:
                cursor_s = place_s
            dissolves += [
                CutDissolve(cut_s=cursor_s, before_s=cursor_s - begin_s, after_s=end_s - cursor_s)
                for begin_s, end_s in fades
                if begin_s <= cursor_s <= end_s
            ]
            fades.clear()
            duration_s = self._read_duration(child)
            items += self._read_clip(child, cursor_s, lane, duration_s)
            cursor_s += duration_s
        return items, dissolves

    def _read_clip(
        self, element: ET.Element, start_s: Fraction, lane: int, duration_s: Fraction
    ) -> Iterator[LaneItem]:
        """A clip and everything connected to it."""
        with self._count():
            if element.tag == "audition":
                yield from self._read_audition(element, start_s, lane)
                return
            span = _Span(
                start_s=start_s,
                local_start_s=self._read_local_start(element),
                duration_s=duration_s,
                lane=lane,
            )
            if element.tag in _CONTAINERS:
                yield from self._read_container(element, span)
            elif element.tag in ("ref-clip", "mc-clip"):
                yield from self._read_compound(element, span)
            elif element.tag in ("asset-clip", "audio", "video"):
                yield from self._read_asset_clip(element, span)
            elif element.tag == "title":
                yield self._build_generator(element, span, kind="title")
            for child in element:
                if element.tag not in _CONTAINERS or "lane" in child.attrib:
                    yield from self._read_connected(child, span)

    def _read_connected(self, child: ET.Element, parent: _Span) -> Iterator[LaneItem]:
        if child.tag != "spine" and child.tag not in _CLIP_TAGS:
            return
        lane = parent.lane + _read_lane(child)
        told_s = _read_time(child, "offset")
        start_s = parent.at(told_s) if told_s is not None else parent.start_s
        if child.tag == "spine":
            with self._count():
                items, _ = self.read_storyline(child, start_s=start_s, lane=lane)
                yield from items
        else:
            yield from self._read_clip(child, start_s, lane, self._read_duration(child))

    def _read_asset_clip(self, element: ET.Element, span: _Span) -> Iterator[LaneItem]:
        asset = self._resources.get(element.get("ref", ""))
        if asset is not None and asset.tag == "effect":
            yield self._build_generator(element, span, kind=asset.get("name", "") or "generator")
            return
        shows = {"audio": "audio", "video": "video"}.get(element.tag, element.get("srcEnable", "all"))
        is_known = asset is not None and asset.tag == "asset"
        has_picture = (
            asset.get("hasVideo") == "1" if asset is not None and is_known else element.tag != "audio"
        )
        has_sound = asset.get("hasAudio") == "1" if asset is not None and is_known else element.tag == "audio"
        pictured = has_picture and shows in ("all", "video")
        if pictured:
            yield self._place(element, span, self._build_media_clip(element, asset), is_picture=True)
        if has_sound and shows in ("all", "audio"):
            sound = self._build_media_clip(element, asset)
            sound_span = _read_sound_span(element, span)
            yield self._place(element, sound_span, sound, is_picture=False, with_markers=not pictured)

    def _build_media_clip(self, element: ET.Element, asset: ET.Element | None) -> otio.schema.Clip:
        clip = otio.schema.Clip(name=element.get("name", ""), media_reference=self._build_reference(asset))
        facts = read_stem_facts(element)
        if facts:
            clip.metadata[SELVA_NAMESPACE] = facts
        return clip

    def _build_reference(self, asset: ET.Element | None) -> otio.core.MediaReference:
        source = _find_source(asset) if asset is not None else None
        if asset is None or not source:
            return otio.schema.MissingReference()
        start_s, duration_s = _read_time(asset, "start") or Fraction(0), _read_time(asset, "duration")
        reference = otio.schema.ExternalReference(target_url=source)
        reference.name = asset.get("name", "")
        if duration_s is not None and duration_s > 0:
            reference.available_range = self._clock.time_range(start_s, duration_s)
        return reference

    def _build_generator(self, element: ET.Element, span: _Span, *, kind: str) -> LaneItem:
        clip = otio.schema.Clip(
            name=element.get("name", ""), media_reference=otio.schema.GeneratorReference(generator_kind=kind)
        )
        return self._place(element, span, clip, is_picture=True)

    def _read_audition(self, audition: ET.Element, start_s: Fraction, lane: int) -> Iterator[LaneItem]:
        """The first clip of an audition is the one that is seen and heard; the others are its further takes."""
        clips = [child for child in audition if child.tag in _CLIP_TAGS]
        if not clips:
            return
        takes = [self._resources.get(child.get("ref", "")) for child in clips if child.tag == "asset-clip"]
        for item in self._read_clip(clips[0], start_s, lane, self._read_duration(clips[0])):
            is_take = item.lane == lane and isinstance(item.item, otio.schema.Clip)
            if is_take and len(takes) == len(clips) > 1:
                self._set_takes(item.item, takes)
            yield item

    def _set_takes(self, clip: otio.schema.Clip, assets: list[ET.Element | None]) -> None:
        """The takes under the numbers they were rendered with, else 1, 2, 3 with the active one first."""
        facts = clip.metadata.get(SELVA_NAMESPACE) or {}
        told = [take.get("take") for take in facts.get("takes", ())]
        active = facts.get("active_take")
        numbers = [active, *(number for number in told if number != active)]
        if len(numbers) != len(assets):
            numbers = list(range(1, len(assets) + 1))
        references = {
            f"take_{number}": self._build_reference(asset)
            for number, asset in zip(numbers, assets, strict=True)
        }
        clip.set_media_references(references, f"take_{numbers[0]}")

    def _read_container(self, element: ET.Element, span: _Span) -> Iterator[LaneItem]:
        """A clip that holds its parts (and not a reference to them): a lone part is the clip, several are a nest."""
        parts: list[LaneItem] = []
        for child in element:
            if "lane" in child.attrib:
                continue
            start_s = _read_time(child, "offset") or Fraction(0)
            if child.tag == "spine":
                parts += self.read_storyline(child, start_s=start_s)[0]
            elif child.tag in _CLIP_TAGS:
                parts += self._read_clip(child, start_s, 0, self._read_duration(child))
        shows = element.get("srcEnable", "all")
        for is_picture in (True, False):
            chosen = [part for part in parts if part.is_picture == is_picture]
            if chosen and shows in ("all", "video" if is_picture else "audio"):
                yield self._nest(element, span, chosen, is_picture=is_picture)

    def _read_compound(self, element: ET.Element, span: _Span) -> Iterator[LaneItem]:
        """A compound or multicam clip, as a nest of what it shows and one of what it lets hear."""
        ref = element.get("ref", "")
        media = self._resources.get(ref)
        if ref in self._inside:
            raise TimelineReadError(
                f"the compound clip {element.get('name', ref)!r} holds itself; open it and take it out of there"
            )
        if media is None or media.tag != "media":
            yield self._place(element, span, otio.schema.Clip(name=element.get("name", "")), is_picture=True)
            return
        self._inside.append(ref)
        parts = (
            self._read_multicam(element, media) if element.tag == "mc-clip" else self._read_sequence(media)
        )
        self._inside.pop()
        shows = element.get("srcEnable", "all")
        for is_picture in (True, False):
            chosen = [part for part in parts if part.is_picture == is_picture]
            if chosen and shows in ("all", "video" if is_picture else "audio"):
                yield self._nest(element, span, chosen, is_picture=is_picture)

    def _read_sequence(self, media: ET.Element) -> list[LaneItem]:
        sequence = media.find("sequence")
        spine = sequence.find("spine") if sequence is not None else None
        if sequence is None or spine is None:
            return []
        start_s = _read_time(sequence, "tcStart") or Fraction(0)
        return self.read_storyline(spine, origin_s=start_s, start_s=start_s)[0]

    def _read_multicam(self, element: ET.Element, media: ET.Element) -> list[LaneItem]:
        """The angle that is seen and the one that is heard."""
        multicam = media.find("multicam")
        if multicam is None:
            return []
        start_s = _read_time(multicam, "tcStart") or Fraction(0)
        angles = {angle.get("angleID", ""): angle for angle in multicam.findall("mc-angle")}
        parts: list[LaneItem] = []
        for kind in ("video", "audio"):
            chosen = [
                source.get("angleID", "")
                for source in element.findall("mc-source")
                if source.get("srcEnable", "all") in ("all", kind)
            ] or list(angles)[:1]
            for angle_id in chosen[: 1 if kind == "video" else None]:
                if angle_id in angles:
                    found, _ = self.read_storyline(angles[angle_id], origin_s=start_s, start_s=start_s)
                    parts += [item for item in found if item.is_picture == (kind == "video")]
        return parts

    def _nest(self, element: ET.Element, span: _Span, parts: list[LaneItem], *, is_picture: bool) -> LaneItem:
        """The parts as one item: themselves when they are a single plain clip, else a stack of tracks."""
        sound_span = span if is_picture else _read_sound_span(element, span)
        lone = parts[0].item if len(parts) == 1 else None
        if isinstance(lone, otio.schema.Clip) and not lone.effects and lone.source_range is not None:
            lone.name = element.get("name") or lone.name
            media_s = exact_seconds(lone.source_range.start_time)
            return self._place(
                element, sound_span, lone, is_picture=is_picture, shift_s=media_s - parts[0].start_s
            )
        origin_s = min(part.start_s for part in parts)
        moved = [replace(part, start_s=part.start_s - origin_s) for part in parts]
        stack = otio.schema.Stack(name=element.get("name", ""))
        stack.extend(build_tracks(moved, self._clock))
        return self._place(element, sound_span, stack, is_picture=is_picture, shift_s=-origin_s)

    def _place(
        self,
        element: ET.Element,
        span: _Span,
        item: otio.core.Item,
        *,
        is_picture: bool,
        with_markers: bool = True,
        shift_s: Fraction = Fraction(0),
    ) -> LaneItem:
        """An item with its used range, speed, state and markers. shift_s: from its element's media time to its own."""
        conform = read_conform(element, self._clock.frame_rate_hz)
        end_s = span.local_start_s + span.duration_s
        played = read_retiming(element, span.local_start_s, end_s)
        retiming = Retiming(
            media_start_s=played.media_start_s * conform + shift_s,
            speed=None if played.speed is None else played.speed * conform,
        )
        _set_range(item, retiming, span.duration_s, self._clock)
        item.enabled = element.get("enabled", "1") != "0"
        if with_markers:
            item.markers.extend(read_markers(element, span.local_start_s, retiming, self._clock))
        return LaneItem(
            item=item,
            lane=span.lane,
            start_s=span.start_s,
            duration_s=span.duration_s,
            is_picture=is_picture,
            role="" if is_picture else read_role(element),
        )

    def _read_local_start(self, element: ET.Element) -> Fraction:
        told_s = _read_time(element, "start")
        if told_s is not None:
            return told_s
        source = self._resources.get(element.get("ref", ""))
        if source is not None and source.tag == "asset":
            return _read_time(source, "start") or Fraction(0)
        return _read_time(element, "tcStart") or Fraction(0)

    def _read_duration(self, element: ET.Element) -> Fraction:
        if element.tag == "audition":
            first = next((child for child in element if child.tag in _CLIP_TAGS - {"audition"}), None)
            return self._read_duration(first) if first is not None else Fraction(0)
        duration_s = _read_time(element, "duration")
        if duration_s is None:
            source = self._resources.get(element.get("ref", ""))
            duration_s = _read_time(source, "duration") if source is not None else None
        if duration_s is None:
            raise TimelineReadError(
                f"{element.tag} {element.get('name', '')!r} does not say how long it lasts"
            )
        if duration_s < 0:
            raise TimelineReadError(f"{element.tag} {element.get('name', '')!r} has a negative duration")
        return duration_s

    @contextmanager
    def _count(self) -> Iterator[None]:
        """Bound how much is read, however small the file that asks for it."""
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


def _set_range(item: otio.core.Item, retiming: Retiming, duration_s: Fraction, clock: TimelineClock) -> None:
    """The used range of an item; in reverse it plays that range from its end."""
    speed, start_s = retiming.speed, retiming.media_start_s
    if speed is None:
        item.effects.append(otio.schema.TimeEffect(name="Speed ramp", effect_name="TimeMap"))
    elif speed == 0:
        item.effects.append(otio.schema.FreezeFrame())
    elif speed != 1:
        item.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
    if speed is not None and speed < 0:
        start_s += speed * duration_s
    item.source_range = clock.time_range(start_s, duration_s)


def _read_sound_span(element: ET.Element, span: _Span) -> _Span:
    """Where the sound of a clip lies when it is split from its picture."""
    start_s, duration_s = _read_time(element, "audioStart"), _read_time(element, "audioDuration")
    local_start_s = span.local_start_s if start_s is None else start_s
    return _Span(
        start_s=span.at(local_start_s),
        local_start_s=local_start_s,
        duration_s=span.duration_s if duration_s is None or duration_s <= 0 else duration_s,
        lane=span.lane,
    )


def _find_origin(children: list[ET.Element], origin_s: Fraction | None) -> Fraction:
    """The offset that means the start of a storyline: the one that is told, unless the first element lies before it."""
    first_s = _read_time(children[0], "offset") if children else None
    if origin_s is None:
        return first_s or Fraction(0)
    return origin_s if first_s is None else min(origin_s, first_s)


def _find_source(asset: ET.Element) -> str:
    """The original media of an asset; older versions name it on the asset itself."""
    found = [(rep.get("kind", "original-media"), rep.get("src", "")) for rep in asset.findall("media-rep")]
    found.sort(key=lambda rep: rep[0] != "original-media")
    return found[0][1] if found else asset.get("src", "")


def _read_time(element: ET.Element, attribute: str) -> Fraction | None:
    told = element.get(attribute)
    if told is None:
        return None
    return parse_time(told, what=f"{attribute} of {element.tag} {element.get('name', '')!r}")


def _read_lane(element: ET.Element) -> int:
    told = element.get("lane", "1").strip()
    is_number = told.lstrip("-").isascii() and told.lstrip("-").isdigit() and len(told) <= 6
    return int(told) if is_number else 1
