"""Kdenlive projects and other MLT XML as timelines.

An entry plays from frame `in` to frame `out`, both included. Media counts from its first frame, whatever its timecode.
Kdenlive makes a track of two playlists in a tractor, so that clips can overlap where one dissolves into the next.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import DamagedItemError, TimelineReadError
from selva_otio.formats.mlt.document import MltDocument, load_document, parse_kdenlive_markers, read_property
from selva_otio.formats.source_loss import note_left_out
from selva_otio.picture.media import (
    build_media_url,
    build_missing_reference,
    clean_file_name,
    is_windows_path,
    resolve_media_path,
    split_url_path,
)

_NAMESPACE = "mlt"
MAX_NESTING = 16
MAX_ITEMS = 100_000
_MAX_SPEED = 1_000_000
_TITLES = frozenset(["kdenlivetitle", "pango", "qtext"])
_GENERATORS = frozenset(["color", "colour", "kdenlivetitle", "count", "noise", "pango", "qtext", "webvfx"])


def load_mlt(path: Path) -> otio.schema.Timeline:
    """The timeline of a .kdenlive or .mlt file. Raises TimelineReadError."""
    document = load_document(path)
    timeline = otio.schema.Timeline(
        name=clean_file_name(path.stem),
        global_start_time=otio.opentime.RationalTime(0, document.clock.otio_rate_hz),
    )
    rate = document.clock.frame_rate_hz
    timeline.metadata[_NAMESPACE] = {"frame_rate": [rate.numerator, rate.denominator]}
    reader = _TractorReader(document)
    timeline.tracks.extend(reader.read_tracks(document.root))
    reader.check_damage()
    guides = read_property(document.root, "kdenlive:sequenceproperties.guides")  # on the project before 23.04
    bin_playlist = document.parts.get("main_bin")
    if not guides and bin_playlist is not None:
        guides = read_property(bin_playlist, "kdenlive:docproperties.guides")
    timeline.tracks.markers.extend(parse_kdenlive_markers(guides, document.clock))
    note_left_out(timeline, "MLT XML", _count_left_out(document))
    return timeline


def _count_left_out(document: MltDocument) -> dict[str, int]:
    """Effects, titles and compositions of a project. Kdenlive marks its own mixes and panners as internal."""
    parts = [
        part for part in document.parts.values() if not read_property(part, "selva:name")
    ]  # our previews
    elements = [element for part in parts for element in part.iter()]
    titles = [element for element in elements if read_property(element, "mlt_service") in _TITLES]
    effects = [
        element
        for element in elements
        if element.tag == "filter"
        and _is_users(element)
        and read_property(element, "mlt_service") != "freeze"
    ]
    compositions = [
        element
        for element in document.root.findall("transition")
        if _is_users(element) and read_property(element, "mlt_service") != "mix"
    ]
    return {"effects": len(effects), "texts of titles": len(titles), "compositions": len(compositions)}


def _is_users(element: ET.Element) -> bool:
    return bool(read_property(element, "mlt_service")) and not read_property(element, "internal_added")


@dataclass(kw_only=True)
class _Entry:
    """An item and its frames on the track. is_lost: whether its place is not known, because a time at or before it is damaged."""

    item: otio.core.Item
    start: int
    end: int
    is_lost: bool = False


class _TractorReader:
    """Reads the tractors of one document, with a bound on their depth and on the number of items they open to."""

    def __init__(self, document: MltDocument) -> None:
        self._document = document
        self._open_tractors: list[str] = []
        self._num_items = 0
        self._num_clips = 0
        self._bad_speeds: dict[str, TimelineReadError] = {}
        self._damage: list[DamagedItemError] = []

    def read_tracks(self, tractor: ET.Element) -> list[otio.schema.Track]:
        """Video tracks from the lowest up, then audio tracks from the one nearest to the video down."""
        name = tractor.get("id", "")
        if name in self._open_tractors or len(self._open_tractors) >= MAX_NESTING:
            raise TimelineReadError(
                f"{self._document.path}: the sequence {name!r} contains itself, or is nested more than {MAX_NESTING} "
                "levels deep"
            )
        self._open_tractors.append(name)
        picture: list[otio.schema.Track] = []
        sound: list[otio.schema.Track] = []
        try:
            for element in tractor.findall("track") or tractor.findall("multitrack/track"):
                part = self._document.parts.get(element.get("producer", ""))
                if part is None or part.tag not in ("playlist", "tractor"):
                    continue  # the black background, a bare producer
                track = self._read_track(part, hide=element.get("hide", ""))
                (picture if track.kind == otio.schema.TrackKind.Video else sound).append(track)
        finally:
            self._open_tractors.pop()
        return [*picture, *(reversed(sound) if _is_kdenlive_sequence(tractor) else sound)]

    def _read_track(self, part: ET.Element, *, hide: str) -> otio.schema.Track:
        inner = part.findall("track")
        hidden = {hide, *(track.get("hide", "") for track in inner)}
        is_sound = read_property(part, "kdenlive:audio_track") == "1" or (
            "video" in hidden and "audio" not in hidden
        )
        track = otio.schema.Track(
            name=read_property(part, "kdenlive:track_name") or read_property(part, "selva:name"),
            kind=otio.schema.TrackKind.Audio if is_sound else otio.schema.TrackKind.Video,
        )
        track.enabled = hide != "both"
        playlists = [part] if part.tag == "playlist" else self._find_playlists(inner)
        entries = [
            entry for playlist in playlists for entry in self._read_playlist(playlist, is_sound=is_sound)
        ]
        placed = [entry for entry in entries if not entry.is_lost]
        _append_entries(track, sorted(placed, key=lambda entry: (entry.start, entry.end)), self._document)
        track.extend(entry.item for entry in entries if entry.is_lost)
        return track

    def _find_playlists(self, tracks: list[ET.Element]) -> list[ET.Element]:
        parts = (self._document.parts.get(track.get("producer", "")) for track in tracks)
        return [part for part in parts if part is not None and part.tag == "playlist"]

    def _read_playlist(self, playlist: ET.Element, *, is_sound: bool) -> Iterator[_Entry]:
        cursor, reason = 0, ""
        for child in playlist:
            if child.tag not in ("entry", "blank"):
                continue
            part = self._find_producer(child) if child.tag == "entry" else None
            self._num_items += part is not None
            if self._num_items > MAX_ITEMS:
                raise TimelineReadError(f"{self._document.path} opens to more than {MAX_ITEMS} clips")
            first = num_frames = 0
            try:
                if part is None:
                    cursor += max(0, self._document.frames(child.get("length"), what="the length of a gap"))
                elif not reason:
                    first, num_frames = self._read_span(child, part)
            except DamagedItemError as error:
                self._damage.append(error)
                # An entry begins where the one before it ends: from here on no place of this playlist is known.
                reason = reason or f"its place on the track is not known: {error.message}"
            if part is not None and reason:
                lost = self._build_damaged_clip(child, part, 1, reason)
                yield _Entry(item=lost, start=cursor, end=cursor + 1, is_lost=True)
            elif part is not None and num_frames:
                item = self._build_item(child, part, first, num_frames, is_sound=is_sound)
                yield _Entry(item=item, start=cursor, end=cursor + num_frames)
            cursor += num_frames

    def _find_producer(self, entry: ET.Element) -> ET.Element:
        """What an entry plays; one whose producer is missing plays itself, so that what follows keeps its place."""
        return self._document.parts.get(entry.get("producer", ""), entry)

    def _read_span(self, entry: ET.Element, part: ET.Element) -> tuple[int, int]:
        """The first frame that is played, and the number of frames."""
        frames = self._document.frames
        first = frames(entry.get("in") or part.get("in"), what="the start (in) of a clip")
        out = entry.get("out") or part.get("out")
        if out is None:
            return first, max(0, frames(read_property(part, "length"), what="the length of a clip") - first)
        last = frames(out, what="the end (out) of a clip")
        if last < first - 1:
            raise DamagedItemError(
                f"{self._document.path}: a clip of {part.get('id')!r} ends (out {last}) before it starts (in {first})"
            )
        return first, last - first + 1

    def _build_item(
        self, entry: ET.Element, part: ET.Element, first: int, num_frames: int, *, is_sound: bool
    ) -> otio.core.Item:
        if part.tag == "tractor":
            kind = otio.schema.TrackKind.Audio if is_sound else otio.schema.TrackKind.Video
            nest = otio.schema.Stack(name=read_property(part, "kdenlive:clipname"))
            nest.extend(track for track in self.read_tracks(part) if track.kind == kind)
            nest.source_range = self._document.time_range(first, num_frames)
            return nest
        try:
            if part is entry:
                raise DamagedItemError(f"the file has no producer {entry.get('producer', '')!r}")
            return self._build_clip(entry, part, first, num_frames)
        except DamagedItemError as error:
            self._damage.append(error)
            return self._build_damaged_clip(entry, part, num_frames, error.message)

    def _build_damaged_clip(
        self, entry: ET.Element, part: ET.Element, num_frames: int, reason: str
    ) -> otio.schema.Clip:
        """A clip without media, with the reason."""
        return otio.schema.Clip(
            name=self._read_name(entry, part),
            media_reference=build_missing_reference(reason),
            source_range=self._document.time_range(0, num_frames),
        )

    def _build_clip(
        self, entry: ET.Element, part: ET.Element, first: int, num_frames: int
    ) -> otio.schema.Clip:
        clip = otio.schema.Clip(
            name=self._read_name(entry, part), media_reference=self._build_reference(part)
        )
        speed, is_ramp = self._find_speed(part)
        start = Fraction(first) * abs(speed)
        if speed < 0:  # frame 0 of a reversed producer is the last of its media
            start = (self._read_length(part) - first - num_frames) * abs(speed)
        clip.source_range = self._document.time_range(max(start, Fraction(0)), num_frames)
        if is_ramp:
            clip.effects.append(otio.schema.TimeEffect(name="Speed ramp", effect_name="timeremap"))
        elif speed != 1:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
        frozen = _read_freeze(entry, self._document)
        if frozen is not None:
            clip.effects.append(otio.schema.FreezeFrame())
            clip.source_range = self._document.time_range(frozen, num_frames)
        clip.enabled = not _is_disabled(part)
        number = read_property(entry, "kdenlive:id") or read_property(part, "kdenlive:id")
        clip.markers.extend(marker.clone() for marker in self._document.bin_markers.get(number, ()))
        self._num_clips += 1
        return clip

    def check_damage(self) -> None:
        """Raises TimelineReadError when no clip, or no speed of a clip, can be read: then nothing is left to make sound for."""
        if self._damage and not self._num_clips:
            raise self._damage[0]
        if self._bad_speeds and len(self._bad_speeds) >= self._num_clips:
            raise next(iter(self._bad_speeds.values()))

    def _find_speed(self, part: ET.Element) -> tuple[Fraction, bool]:
        """The speed of a producer; one that is not a number is read as a ramp, so that only its clip is left out."""
        try:
            return _read_speed(part)
        except TimelineReadError as error:
            self._bad_speeds[part.get("id", "")] = error
            return Fraction(1), True

    def _read_length(self, part: ET.Element) -> int:
        length = read_property(part, "length") or part.get("out")
        return self._document.frames(length, what="the length of a reversed clip")

    def _read_name(self, entry: ET.Element, part: ET.Element) -> str:
        name = read_property(part, "kdenlive:clipname") or read_property(entry, "kdenlive:clipname")
        file_name = "".join(split_url_path(_read_resource(part))[-1:])
        return name or clean_file_name(file_name) or part.get("id", "")

    def _build_reference(self, part: ET.Element) -> otio.core.MediaReference:
        """The file of a producer. Its `length` counts frames at the producer's speed, so that the file has more or fewer."""
        service, resource = read_property(part, "mlt_service"), _read_resource(part)
        if service in _GENERATORS:
            return otio.schema.GeneratorReference(generator_kind=service)
        if not resource:
            return otio.schema.MissingReference()
        reference = otio.schema.ExternalReference(target_url=build_media_url(self._find_file(resource)))
        reference.name = clean_file_name(split_url_path(resource)[-1])
        length = read_property(part, "length")
        if length:
            speed = abs(self._find_speed(part)[0])
            with suppress(DamagedItemError):  # the file itself says how long it is
                num_frames = self._document.frames(length, what="the length of a media file") * (speed or 1)
                reference.available_range = self._document.time_range(0, max(num_frames, Fraction(1)))
        return reference

    def _find_file(self, resource: str) -> Path:
        """The path of a resource; a relative one starts from the document's root. Windows paths stay text: pathlib would take
        them for relative ones.
        """
        folder = self._document.folder
        if is_windows_path(resource):
            return Path(resource)
        if resource.startswith("file:"):
            return resolve_media_path(resource, self._document.path.absolute().parent)
        if is_windows_path(folder):
            return Path(f"{folder}/{resource}")
        return self._document.path.absolute().parent / folder / resource


def _append_entries(track: otio.schema.Track, entries: list[_Entry], document: MltDocument) -> None:
    """Put entries on a track. Where two overlap they are cut in the middle of the overlap, with a dissolve over it."""
    cursor = 0
    for number, entry in enumerate(entries):
        before = entries[number - 1] if number else None
        overlap = before.end - entry.start if before is not None else 0
        if before is not None and overlap > 0:
            if overlap >= min(entry.end - entry.start, before.end - before.start):
                continue  # all of it is inside the one before
            half = overlap // 2
            _trim(before.item, document, tail=overlap - half)
            _trim(entry.item, document, head=half)
            track.append(
                otio.schema.Transition(
                    transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
                    in_offset=document.time_range(0, half).duration,
                    out_offset=document.time_range(0, overlap - half).duration,
                )
            )
        elif entry.start > cursor:
            track.append(otio.schema.Gap(source_range=document.time_range(0, entry.start - cursor)))
        track.append(entry.item)
        cursor = entry.end


def _trim(item: otio.core.Item, document: MltDocument, *, head: int = 0, tail: int = 0) -> None:
    """Trim whole frames off an item. The head of a reversed item is the end of its range."""
    span = item.source_range
    scalars = [float(effect.time_scalar) for effect in item.effects if hasattr(effect, "time_scalar")]
    scalar = scalars[0] if scalars else 1.0
    shift = head * scalar if scalar >= 0 else tail * -scalar
    rate = span.start_time.rate
    item.source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(span.start_time.value + shift, rate),
        otio.opentime.RationalTime(span.duration.value - head - tail, rate),
    )


def _read_resource(part: ET.Element) -> str:
    """The path of a producer's file, without the service before it ("avformat:/a.mov")."""
    warped = read_property(part, "warp_resource")
    if warped:
        return warped
    resource = read_property(part, "resource")
    service, colon, rest = resource.partition(":")
    if colon and service in ("avformat", "avformat-novalidate", "qimage", "pixbuf"):
        return rest
    return resource


def _read_speed(part: ET.Element) -> tuple[Fraction, bool]:
    """The speed of a producer, and whether it changes on the way (a speed ramp is a link in a <chain>)."""
    links = [link for link in part.findall("link") if read_property(link, "mlt_service") == "timeremap"]
    if links:
        return Fraction(1), True
    speed = read_property(part, "warp_speed")
    if not speed and read_property(part, "mlt_service") == "timewarp":
        speed = read_property(part, "resource").partition(":")[0]
    try:
        # With a point, as a program writes it where the decimal sign is a comma.
        number = Fraction(speed[:40].replace(",", ".")) if speed else Fraction(1)
        if abs(number) > _MAX_SPEED:
            raise ValueError(speed)
        return number.limit_denominator(100_000), False
    except (ValueError, ZeroDivisionError) as error:
        raise TimelineReadError(
            f"the speed of a clip (warp_speed) is a number; got {speed[:60]!r}"
        ) from error


def _read_freeze(entry: ET.Element, document: MltDocument) -> int | None:
    """The frame that a freeze filter holds; None without one."""
    for found in entry.findall("filter"):
        if read_property(found, "mlt_service") == "freeze" and read_property(found, "disable") != "1":
            return document.frames(read_property(found, "frame"), what="the frame of a freeze frame")
    return None


def _is_disabled(part: ET.Element) -> bool:
    """Whether Kdenlive disabled a clip: it has MLT replace both its picture and its sound by test signals."""
    return read_property(part, "set.test_image") == "1" and read_property(part, "set.test_audio") == "1"


def _is_kdenlive_sequence(tractor: ET.Element) -> bool:
    """Whether Kdenlive wrote a tractor: it shows audio tracks from the video down and writes them from the bottom up."""
    return any(
        read_property(tractor, name) for name in ("kdenlive:uuid", "kdenlive:sequenceproperties.documentuuid")
    ) or (tractor.get("global_feed") == "1")
