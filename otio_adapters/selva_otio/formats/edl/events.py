"""The lines of an EDL: events, and the notes below them.

CMX 3600, with the notes that Avid, Premiere and Resolve add. Times stay timecode labels here, because no EDL names its frame
rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from selva_otio.errors import TimelineReadError
from selva_otio.formats.otio import load_timeline_bytes
from selva_otio.time.clock import can_drop_frames, parse_timecode

MAX_EVENTS = 100_000
# Patterns are bounded in length: on a long line in a hostile file, unbounded ones take quadratic time.
_LABEL = r"(\d{1,2}[:;]\d{2}[:;]\d{2}[:;.]\d{2,3})"
_REEL = r"(\S{1,64}(?: \S{1,64}){0,4})"
_EVENT = re.compile(
    rf"\s*(\d{{1,6}})\s+{_REEL}\s+([A-Z0-9/]{{1,8}})\s+(C|D|W\d*|K\s?[BO]?)(?:\s+(\d{{1,4}}))?"
    rf"\s+{_LABEL}\s+{_LABEL}\s+{_LABEL}\s+{_LABEL}(?:\s.*)?",
    re.IGNORECASE,
)
_LOOKS_LIKE_EVENT = re.compile(rf"\s*\d{{1,6}}\s+\S.{{0,200}}?{_LABEL}\s+{_LABEL}", re.IGNORECASE)
_SPEED = re.compile(rf"M2\s+{_REEL}\s+([+-]?\d{{1,6}}(?:\.\d{{1,6}})?)(?:\s+{_LABEL})?\s*", re.IGNORECASE)
_NOTE = re.compile(r"\*?\s*([A-Z][A-Z ]*?[A-Z])\s*:\s*(.*?)\s*", re.IGNORECASE)
_SPLIT = re.compile(rf"(VIDEO|AUDIO)\s+DELAY\s*=\s*{_LABEL}", re.IGNORECASE)
_LOCATOR = re.compile(rf"\*\s*LOC:\s*{_LABEL}\s+(\S+)\s*(.*?)\s*", re.IGNORECASE)
# Notes that name the clip, the surest first: "FROM CLIP NAME" is of Avid, Premiere and Resolve, the others of conform tools.
_CLIP_NOTES = ("from clip name", "clip name", "source file", "source file path", "from file", "file name")


@dataclass(frozen=True, kw_only=True)
class Locator:
    """A marker on the record side."""

    label: str
    colour: str
    name: str


@dataclass(kw_only=True)
class Event:
    """One edit.

    channels: as written ("V", "A2", "AA/V", "B"). kind: C(ut), D(issolve), W(ipe) or K(ey); transition: its length in
    frames. is_drop: whether labels drop frames, by the FCM line above. names: the notes below it, by their key in lower
    case. incoming_name: of the clip that a transition leads to. frames_per_second: of an M2 line; None at normal speed.
    problem: why it has no media, although it may have a place.
    """

    line: int
    reel: str
    channels: str
    kind: str
    transition: int
    source: tuple[str, str]
    record: tuple[str, str]
    is_drop: bool
    names: dict[str, str] = field(default_factory=dict)
    incoming_name: str = ""
    frames_per_second: str | None = None
    problem: str = ""

    @property
    def clip_name(self) -> str:
        """The name of the clip in the notes; empty when there is none."""
        if self.kind != "C" and self.incoming_name:
            return self.incoming_name
        return next((self.names[key] for key in _CLIP_NOTES if key in self.names), "")

    @property
    def has_place(self) -> bool:
        """Whether it has a record side."""
        return bool(self.record[0])

    def delay_label(self, kind: str) -> str | None:
        """By how much the picture ("V") or the sound ("A") of a split edit begins after the other; None where it does not."""
        match = _SPLIT.fullmatch(self.names.get("split", ""))
        return match[2] if match is not None and match[1].upper().startswith(kind) else None

    @property
    def is_black(self) -> bool:
        return self.reel.upper() in ("BL", "BLACK", "BLK")


@dataclass(kw_only=True)
class EditList:
    """An EDL as read: its events and locators in the order of the file.

    num_colour_decisions: the number of events with a colour decision (ASC CDL) in their notes.
    """

    title: str = ""
    events: list[Event] = field(default_factory=list)
    locators: list[Locator] = field(default_factory=list)
    num_colour_decisions: int = 0

    @property
    def drops_frames(self) -> bool:
        """Whether any record label is drop-frame."""
        return any(event.is_drop or ";" in event.record[0] for event in self.events)

    def iter_labels(self) -> Iterator[str]:
        """All timecode labels."""
        for event in self.events:
            if event.has_place:
                yield from (*event.source, *event.record)


def load_edit_list(path: Path) -> EditList:
    """Read an EDL. Raises TimelineReadError for files without events, and for a line that is nearly an event.

    Such a line is not passed over as a comment: an edit would be missing from the cut. It is an event without media, and without
    a place where it has no record side.
    """
    content = load_timeline_bytes(path)
    if b"\x00" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TimelineReadError(f"{path} is no EDL: it is a binary file")
    edits = EditList()
    is_drop = False
    for number, line in enumerate(_decode(content).splitlines(), start=1):
        stripped = line.strip()
        upper = stripped[:40].upper()
        if upper.startswith("FCM:"):
            is_drop = "NON" not in upper and "DROP" in upper
        elif upper.startswith("TITLE:"):
            edits.title = edits.title or stripped[6:].strip()
        elif (event := _parse_event(line, number, is_drop=is_drop)) is not None:
            edits.events.append(event)
            if len(edits.events) > MAX_EVENTS:
                raise TimelineReadError(f"{path} has more than {MAX_EVENTS} events; export a shorter cut")
        elif _LOOKS_LIKE_EVENT.match(line[:400]) and not upper.startswith("*"):
            edits.events.append(_build_unreadable_event(line, number, is_drop=is_drop))
        else:
            edits.num_colour_decisions += upper.startswith(("*ASC_SOP", "* ASC_SOP"))
            _read_note(edits, stripped[:1000])
    if not edits.events:
        raise TimelineReadError(f"{path} holds no event of an EDL (CMX 3600)")
    return edits


def parse_label(label: str, rate: Fraction, *, is_drop: bool) -> int:
    """The frame, from midnight, of a label with any separators. is_drop: whether it drops frames, where the rate can.

    Raises ClockError.
    """
    numbers = re.split("[:;.]", label)
    separator = ";" if is_drop and can_drop_frames(rate) else ":"
    return parse_timecode(":".join(numbers[:3]) + separator + numbers[3], rate)


def _decode(content: bytes) -> str:
    """UTF-16 with a byte order mark, UTF-8, or else the code page that editors on Windows write."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _parse_event(line: str, number: int, *, is_drop: bool) -> Event | None:
    match = _EVENT.fullmatch(line.rstrip()) if len(line) < 400 else None
    if match is None:
        return None
    _, reel, channels, kind, frames, *labels = match.groups()
    return Event(
        line=number,
        reel=reel,
        channels=channels.upper(),
        kind=kind[0].upper(),
        transition=int(frames or 0) if kind.upper() != "C" else 0,
        source=(labels[0], labels[1]),
        record=(labels[2], labels[3]),
        is_drop=is_drop,
    )


def _build_unreadable_event(line: str, number: int, *, is_drop: bool) -> Event:
    """An event that keeps its place on the record side, the last two of the four labels of its line."""
    stripped = line.strip()
    labels = re.findall(_LABEL, stripped[:400])
    if len(labels) < 4:
        labels = ["", "", "", ""]
    fields = stripped.split()
    return Event(
        line=number,
        reel=fields[1] if len(fields) > 1 else "",
        channels="V",
        kind="C",
        transition=0,
        source=(labels[-4], labels[-3]),
        record=(labels[-2], labels[-1]),
        is_drop=is_drop,
        problem=f"line {number} of the EDL cannot be read: {stripped[:80]!r}",
    )


def _read_note(edits: EditList, line: str) -> None:
    """Read a line below an event: a locator, a speed or a note."""
    locator = _LOCATOR.fullmatch(line)
    if locator is not None:
        edits.locators.append(Locator(label=locator[1], colour=locator[2], name=locator[3]))
    if not edits.events or not line:
        return
    event = edits.events[-1]
    speed = _SPEED.fullmatch(line)
    note = _NOTE.fullmatch(line) if speed is None else None
    if speed is not None:
        # M2 lines follow both events of a dissolve and name the reel they belong to.
        of_reel = [one for one in edits.events[-2:] if one.reel.casefold() == speed[1].casefold()]
        (of_reel or [event])[-1].frames_per_second = speed[2]
    elif note is not None and note[1].lower() == "to clip name":
        event.incoming_name = note[2]
    elif note is not None and note[2]:
        event.names.setdefault(note[1].lower(), note[2])
