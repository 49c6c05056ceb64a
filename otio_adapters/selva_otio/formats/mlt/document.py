"""An MLT XML document: its profile, its producers, and times as it writes them."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.formats.xml import load_xml
from selva_otio.time.clock import TimelineClock, exact_rate

_FRAMES = re.compile(r"-?\d{1,10}")
_CLOCK = re.compile(r"(-?)(\d{1,4}):(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)")
_LABEL = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2})[:;](\d{1,3})")
_MAX_FRAMES = 10**9
_PRODUCER_TAGS = frozenset(["producer", "chain", "playlist", "tractor"])


@dataclass(frozen=True, kw_only=True)
class MltDocument:
    """root: the tractor that is played. parts: producers, playlists and tractors by id. folder: where relative paths
    start."""

    path: Path
    root: ET.Element
    parts: Mapping[str, ET.Element]
    clock: TimelineClock
    folder: str
    bin_markers: Mapping[str, tuple[otio.schema.Marker, ...]]

    def frames(self, text: str | None, *, what: str) -> int:
        """Whole frames of a time: a count, a clock time (00:00:03.503) or a label (00:00:03:12)."""
        return parse_frames(text or "0", self.clock.frame_rate_hz, what=what)

    def time_range(self, start: Fraction | int, num_frames: Fraction | int) -> otio.opentime.TimeRange:
        rate = self.clock.frame_rate_hz
        return self.clock.time_range(Fraction(start) / rate, Fraction(num_frames) / rate)


def load_document(path: Path) -> MltDocument:
    """The document of a file. Raises TimelineReadError."""
    mlt = load_xml(path, root_tag="mlt", kind="MLT XML")
    parts = {str(part.get("id")): part for part in mlt if part.tag in _PRODUCER_TAGS and part.get("id")}
    clock = _read_clock(mlt, path)
    return MltDocument(
        path=path,
        root=_find_root(mlt, parts, path),
        parts=parts,
        clock=clock,
        folder=mlt.get("root", ""),
        bin_markers=_read_bin_markers(parts.values(), clock),
    )


def read_property(part: ET.Element, name: str) -> str:
    """A property of a part; empty when it has none."""
    return next(
        (child.text or "" for child in part if child.tag == "property" and child.get("name") == name), ""
    )


def parse_frames(text: str, rate: Fraction, *, what: str) -> int:
    """Whole frames of a time. Raises TimelineReadError."""
    word = text.strip()
    if _FRAMES.fullmatch(word):
        frames = int(word)
    elif match := _CLOCK.fullmatch(word):
        seconds = (int(match[2]) * 60 + int(match[3])) * 60 + Fraction(match[4].replace(",", "."))
        frames = math.floor(seconds * rate + Fraction(1, 2)) * (-1 if match[1] else 1)
    elif match := _LABEL.fullmatch(word):
        seconds = Fraction((int(match[1]) * 60 + int(match[2])) * 60 + int(match[3]))
        frames = int(seconds) * math.ceil(rate) + int(match[4])
    else:
        raise TimelineReadError(f"{what} is no time: {text[:60]!r}; a time is frames, or reads 00:00:03.503")
    if abs(frames) > _MAX_FRAMES:
        raise TimelineReadError(f"{what} is {text[:60]!r}; no timeline is that long")
    return frames


def read_markers(text: str, clock: TimelineClock) -> tuple[otio.schema.Marker, ...]:
    """The markers or guides of a property of Kdenlive, which are JSON; none where they cannot be read."""
    try:
        told = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError):
        return ()
    return tuple(
        _build_marker(marker, clock)
        for marker in (told if isinstance(told, list) else [])
        if isinstance(marker, dict) and type(marker.get("pos")) is int and abs(marker["pos"]) < _MAX_FRAMES
    )


def _build_marker(told: Mapping[str, object], clock: TimelineClock) -> otio.schema.Marker:
    length = told.get("duration")
    num_frames = length if isinstance(length, int) and 0 < length < _MAX_FRAMES else 0
    return otio.schema.Marker(
        name=str(told.get("comment", "")),
        marked_range=clock.time_range(
            Fraction(int(str(told["pos"]))) / clock.frame_rate_hz, num_frames / clock.frame_rate_hz
        ),
        color="",
    )


def _read_clock(mlt: ET.Element, path: Path) -> TimelineClock:
    profile = mlt.find("profile")
    if profile is None:
        raise TimelineReadError(f"{path} has no profile, so its frame rate is not known")
    told = [profile.get(name, "") for name in ("frame_rate_num", "frame_rate_den")]
    try:
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in told) or not int(told[1]):
            raise ClockError("it is two whole numbers")
        rate = exact_rate(int(told[0]) / int(told[1]))
    except ClockError as error:
        raise TimelineReadError(
            f"{path}: a frame rate of {'/'.join(told)!r} makes no sense: {error}"
        ) from error
    return TimelineClock(frame_rate_hz=rate, otio_rate_hz=float(rate), start_frame=0, drop_frame=False)


def _find_root(mlt: ET.Element, parts: Mapping[str, ET.Element], path: Path) -> ET.Element:
    """The tractor that is played: the one named, else the last; Kdenlive wraps its sequence in one more."""
    tractors = [part for part in parts.values() if part.tag == "tractor"]
    named = parts.get(mlt.get("producer", ""))
    root = named if named is not None and named.tag == "tractor" else (tractors[-1] if tractors else None)
    if root is None:
        raise TimelineReadError(f"{path} has no timeline (tractor) in it")
    if read_property(root, "kdenlive:projectTractor"):
        tracks = [parts.get(track.get("producer", "")) for track in root.findall("track")]
        root = next((part for part in tracks if part is not None and part.tag == "tractor"), root)
    return root


def _read_bin_markers(
    parts: Iterable[ET.Element], clock: TimelineClock
) -> dict[str, tuple[otio.schema.Marker, ...]]:
    """The markers of clips in Kdenlive's bin, by their number there."""
    found = {}
    for part in parts:
        number, markers = read_property(part, "kdenlive:id"), read_property(part, "kdenlive:markers")
        if number and markers:
            found[number] = read_markers(markers, clock)
    return found
