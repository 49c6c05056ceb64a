"""Numbers, rates, timecodes and media paths as Final Cut Pro 7 XML (xmeml) writes them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path, PureWindowsPath
from urllib.parse import quote

from selva_otio.errors import ClockError, DamagedItemError, TimelineWriteError
from selva_otio.formats.xml import clean_text
from selva_otio.picture.media import build_media_url, is_relative_url, resolve_media_path
from selva_otio.time.clock import MAX_RATE_HZ, can_drop_frames, format_timecode, nominal_rate, parse_timecode

TICKS_PER_SECOND = 254_016_000_000
"""Premiere's clock: frames of every rate (also those of 1000/1001) and samples of 44.1 and 48 kHz last whole ticks."""

_MAX_FRAMES = 10**12
# The timebases at which <ntsc>TRUE</ntsc> means times 1000/1001. At 25 and 50 it means nothing.
_NTSC_TIMEBASES = (24, 30, 48, 60, 72, 96, 120)
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[/\\]|\\\\")


def child_text(element: ET.Element, tag: str) -> str:
    """The text of a child; empty when there is none."""
    return (element.findtext(tag) or "").strip()


def is_true(element: ET.Element, tag: str, *, default: bool) -> bool:
    """The value of a TRUE or FALSE child."""
    text = child_text(element, tag).upper()
    return default if text not in ("TRUE", "FALSE") else text == "TRUE"


def read_frames(element: ET.Element, tag: str) -> int | None:
    """A number of frames; None where there is no such child. Raises TimelineReadError."""
    text = child_text(element, tag)
    if not text:
        return None
    try:
        number = float(text)
        if not abs(number) <= _MAX_FRAMES:
            raise ValueError(text)  # also for "nan"
    except ValueError as error:
        raise DamagedItemError(
            f"{describe(element)}: <{tag}> is a number of frames; got {text[:40]!r}"
        ) from error
    return round(number)


def read_rate(element: ET.Element) -> Fraction | None:
    """Exact frames per second of an element's <rate>; None without one. Raises TimelineReadError."""
    rate = element.find("rate")
    timebase = None if rate is None else read_frames(rate, "timebase")
    if rate is None or timebase is None:
        return None
    if not 1 <= timebase <= MAX_RATE_HZ:
        raise DamagedItemError(
            f"{describe(element)}: a rate lies between 1 and {MAX_RATE_HZ} frames per second; got {timebase}"
        )
    is_ntsc = is_true(rate, "ntsc", default=False) and timebase in _NTSC_TIMEBASES
    return Fraction(timebase * 1000, 1001) if is_ntsc else Fraction(timebase)


def read_timecode(owner: ET.Element, rate: Fraction) -> tuple[int, Fraction]:
    """The start frame of an element's <timecode> and the rate it counts in; (0, rate) without one.

    rate: for a timecode without a <rate> of its own. Raises TimelineReadError.
    """
    timecode = owner.find("timecode")
    if timecode is None:
        return 0, rate
    rate = read_rate(timecode) or rate
    frame = read_frames(timecode, "frame")
    if frame is not None:
        return frame, rate
    label = child_text(timecode, "string")
    is_drop = read_drop_frame(owner)
    label = label.replace(";", ":")  # Final Cut Pro separates all parts of a drop-frame label with semicolons
    if is_drop and can_drop_frames(rate):
        label = f"{label[:8]};{label[9:]}"
    try:
        return (parse_timecode(label, rate) if label else 0), rate
    except ClockError as error:
        raise DamagedItemError(f"{describe(owner)}: {error.message}") from error


def read_drop_frame(owner: ET.Element) -> bool | None:
    """Whether the labels of an element are drop-frame, by its <timecode>; None where that says nothing."""
    timecode = owner.find("timecode")
    if timecode is None:
        return None
    display, label = child_text(timecode, "displayformat").upper(), child_text(timecode, "string")
    if display in ("DF", "NDF"):
        return display == "DF"
    return ";" in label if label else None


def describe(element: ET.Element) -> str:
    """The name of an element for a message."""
    name = child_text(element, "name") or element.get("id", "")
    return f"{element.tag} {name!r}" if name else f"<{element.tag}>"


def add(parent: ET.Element, tag: str, text: object = None) -> ET.Element:
    """A new child, last of its parent."""
    child = ET.SubElement(parent, tag)
    if text is not None:
        child.text = clean_text(str(text))
    return child


def add_flag(parent: ET.Element, tag: str, value: bool) -> None:
    """A new child that says TRUE or FALSE."""
    add(parent, tag, "TRUE" if value else "FALSE")


def add_rate(parent: ET.Element, rate: Fraction) -> None:
    """Add a <rate>. Raises TimelineWriteError for rates that have no whole timebase."""
    timebase = nominal_rate(rate)
    is_ntsc = rate == Fraction(timebase * 1000, 1001)
    if not is_ntsc and rate != timebase:
        raise TimelineWriteError(
            f"Final Cut Pro 7 XML has whole frame rates and those of NTSC (24000/1001); got {rate}; "
            "write OpenTimelineIO instead"
        )
    element = add(parent, "rate")
    add(element, "timebase", timebase)
    add_flag(element, "ntsc", is_ntsc)


def add_timecode(parent: ET.Element, frame: int, rate: Fraction, *, drop_frame: bool) -> None:
    """Add a <timecode>: the label of `frame`, a count of frames from midnight."""
    drops = drop_frame and can_drop_frames(rate)
    element = add(parent, "timecode")
    add_rate(element, rate)
    add(element, "string", format_timecode(frame, rate, drop_frame=drops).replace(":", ";" if drops else ":"))
    add(element, "frame", frame)
    add(element, "displayformat", "DF" if drops else "NDF")


def build_path_url(target_url: str, base_folder: Path) -> str:
    """A media URL for <pathurl>: absolute, percent-encoded, beginning with "file://localhost/".

    With the host name, as Final Cut Pro 7 writes it. Absolute paths of another system are kept.
    """
    if is_relative_url(target_url):
        url = build_media_url(resolve_media_path(target_url, base_folder))
    elif _WINDOWS_PATH.match(target_url):
        url = PureWindowsPath(target_url).as_uri()
    elif target_url.startswith("/"):
        url = "file://" + quote(target_url)
    else:
        url = target_url
    return "file://localhost/" + url[8:] if url.startswith("file:///") else url
