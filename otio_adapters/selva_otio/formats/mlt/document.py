"""An MLT XML document: its profile, its producers and its times."""

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

from selva_core.base.rational import round_half_up
from selva_otio.errors import ClockError, DamagedItemError, TimelineReadError
from selva_otio.formats.xml import load_xml
from selva_otio.time.clock import TimelineClock, exact_rate

_FRAMES = re.compile(r"-?\d{1,10}")
_CLOCK = re.compile(r"(-?)(\d{1,4}):(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)")
_LABEL = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2})[:;](\d{1,3})")
_MAX_FRAMES = 10**9
_PRODUCER_TAGS = frozenset(["producer", "chain", "playlist", "tractor"])


@dataclass(frozen=True, kw_only=True)
class MltDocument:
    """A parsed file.

    root: the tractor that is played. parts: producers, playlists and tractors by id. folder: where relative paths start.
    bin_markers: of Kdenlive, by the number of the clip in its bin.
    """

    path: Path
    root: ET.Element
    parts: Mapping[str, ET.Element]
    clock: TimelineClock
    folder: str
    bin_markers: Mapping[str, tuple[otio.schema.Marker, ...]]

    def frames(self, text: str | None, *, what: str) -> int:
        """Whole frames of a time attribute; 0 where it is missing. what: its name, for the message."""
        return parse_frames(text or "0", self.clock.frame_rate_hz, what=what)

    def time_range(self, start: Fraction | int, num_frames: Fraction | int) -> otio.opentime.TimeRange:
        rate = self.clock.frame_rate_hz
        return self.clock.time_range(Fraction(start) / rate, Fraction(num_frames) / rate)


def load_document(path: Path) -> MltDocument:
    """Read a .kdenlive or .mlt file. Raises TimelineReadError."""
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
    """Whole frames of a time: a count, a clock time (00:00:03.503) or a label (00:00:03:12). Raises DamagedItemError.

    MLT writes each of the three, depending on the program; with a decimal comma where LC_NUMERIC had one.
    """
    time = text.strip()
    if _FRAMES.fullmatch(time):
        frames = int(time)
    elif match := _CLOCK.fullmatch(time):
        seconds = (int(match[2]) * 60 + int(match[3])) * 60 + Fraction(match[4].replace(",", "."))
        frames = round_half_up(seconds * rate) * (-1 if match[1] else 1)
    elif match := _LABEL.fullmatch(time):
        seconds = Fraction((int(match[1]) * 60 + int(match[2])) * 60 + int(match[3]))
        frames = int(seconds) * math.ceil(rate) + int(match[4])
    else:
        raise DamagedItemError(
            f"{what} is not a time: {text[:60]!r}; a time is frames, or reads 00:00:03.503"
        )
    if abs(frames) > _MAX_FRAMES:
        raise DamagedItemError(f"{what} is {text[:60]!r}; no timeline is that long")
    return frames


def parse_kdenlive_markers(text: str, clock: TimelineClock) -> tuple[otio.schema.Marker, ...]:
    """The markers in a property of Kdenlive, which holds JSON; none where it is damaged."""
    try:
        entries = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError):
        return ()
    return tuple(
        _build_marker(marker, clock)
        for marker in (entries if isinstance(entries, list) else [])
        if isinstance(marker, dict) and type(marker.get("pos")) is int and abs(marker["pos"]) < _MAX_FRAMES
    )


def _build_marker(entry: Mapping[str, object], clock: TimelineClock) -> otio.schema.Marker:
    duration = entry.get("duration")
    num_frames = duration if isinstance(duration, int) and 0 < duration < _MAX_FRAMES else 0
    return otio.schema.Marker(
        name=str(entry.get("comment", "")),
        marked_range=clock.time_range(
            Fraction(int(str(entry["pos"]))) / clock.frame_rate_hz, num_frames / clock.frame_rate_hz
        ),
        color="",
    )


def _read_clock(mlt: ET.Element, path: Path) -> TimelineClock:
    profile = mlt.find("profile")
    if profile is None:
        raise TimelineReadError(f"{path} has no profile, so its frame rate is not known")
    ratio = [profile.get(name, "") for name in ("frame_rate_num", "frame_rate_den")]
    try:
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in ratio) or not int(
            ratio[1]
        ):
            raise ClockError("a rate is two whole numbers above 0")
        rate = exact_rate(int(ratio[0]) / int(ratio[1]))
    except ClockError as error:
        raise TimelineReadError(
            f"{path}: the frame rate {'/'.join(ratio)!r} is not allowed: {error}"
        ) from error
    return TimelineClock(frame_rate_hz=rate, otio_rate_hz=float(rate), start_frame=0, drop_frame=False)


def _find_root(mlt: ET.Element, parts: Mapping[str, ET.Element], path: Path) -> ET.Element:
    """The tractor that is played: the one that the root names, else the last, as MLT itself chooses.

    Since 23.04 Kdenlive keeps several sequences in one project, and plays the open one through a tractor around it.
    """
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
            found[number] = parse_kdenlive_markers(markers, clock)
    return found
