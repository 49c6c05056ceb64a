"""Where a story element is: its offset, start and duration, each on its own clock.

FCPXML gives every element two clocks. `offset` counts on the clock of its parent, `start` on the element's own, the local time;
what is connected to a clip or marked on it counts in that clip's local time, not in time of the sequence.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from selva_otio.errors import DamagedItemError
from selva_otio.formats.fcpxml.times import parse_time

Resources = Mapping[str, ET.Element]
"""Assets, formats, effects and media by their id."""

CLIP_TAGS = frozenset(
    ["asset-clip", "audio", "audition", "clip", "gap", "mc-clip", "ref-clip", "sync-clip", "title", "video"]
)


@dataclass(frozen=True, kw_only=True)
class ElementSpan:
    """Where an element is: from `start_s` on the clock of its sequence, from `local_start_s` on its own.

    conform_speed: local seconds per second of the sequence; other than 1 where the element is conformed to another frame rate.
    """

    start_s: Fraction
    local_start_s: Fraction
    duration_s: Fraction
    lane: int
    conform_speed: Fraction = Fraction(1)

    def to_sequence_s(self, local_s: Fraction) -> Fraction:
        """The time on the clock of the sequence of a local time."""
        return self.start_s + (local_s - self.local_start_s) / self.conform_speed


def read_time(element: ET.Element, attribute: str) -> Fraction | None:
    """Seconds of an attribute; None where it is missing. Raises TimelineReadError."""
    text = element.get(attribute)
    if text is None:
        return None
    return parse_time(text, what=f"{attribute} of {element.tag} {element.get('name', '')!r}")


def read_lane(element: ET.Element) -> int:
    """The lane of a connected element; 1, the nearest above, where it is missing or not a number."""
    text = element.get("lane", "1").strip()
    digits = text.lstrip("-")
    is_number = digits.isascii() and digits.isdigit() and len(text) <= 6
    return int(text) if is_number else 1


def read_local_start(element: ET.Element, resources: Resources) -> Fraction:
    """The local time of an element's first frame.

    Without a `start` an asset clip starts with its asset, whose `start` is the timecode of the file, and a compound clip with
    its sequence.
    """
    start_s = read_time(element, "start")
    if start_s is not None:
        return start_s
    source = resources.get(element.get("ref", ""))
    if source is not None and source.tag == "asset":
        return read_time(source, "start") or Fraction(0)
    content = source.find("sequence") if source is not None and source.tag == "media" else None
    if source is not None and source.tag == "media" and content is None:
        content = source.find("multicam")
    own_s = read_time(element, "tcStart")
    return (read_time(content, "tcStart") if own_s is None and content is not None else own_s) or Fraction(0)


def read_duration(element: ET.Element, resources: Resources) -> Fraction:
    """Seconds that an element lasts: its own duration, that of its resource, or that of an audition's first clip.

    Raises TimelineReadError.
    """
    if element.tag == "audition":
        first = next((child for child in element if child.tag in CLIP_TAGS - {"audition"}), None)
        return read_duration(first, resources) if first is not None else Fraction(0)
    duration_s = read_time(element, "duration")
    if duration_s is None:
        source = resources.get(element.get("ref", ""))
        duration_s = read_time(source, "duration") if source is not None else None
    if duration_s is None:
        raise DamagedItemError(f"{element.tag} {element.get('name', '')!r} does not say how long it lasts")
    if duration_s < 0:
        raise DamagedItemError(f"{element.tag} {element.get('name', '')!r} has a negative duration")
    return duration_s


def read_audio_span(element: ET.Element, span: ElementSpan) -> ElementSpan:
    """The span of a clip's sound, which a split edit (audioStart, audioDuration) moves away from that of its picture."""
    start_s, duration_s = read_time(element, "audioStart"), read_time(element, "audioDuration")
    local_start_s = span.local_start_s if start_s is None else start_s
    return ElementSpan(
        start_s=span.to_sequence_s(local_start_s),
        local_start_s=local_start_s,
        duration_s=span.duration_s if duration_s is None or duration_s <= 0 else duration_s,
        lane=span.lane,
        conform_speed=span.conform_speed,
    )


def find_storyline_origin(children: list[ET.Element], origin_s: Fraction | None) -> Fraction:
    """The offset at which a storyline starts: `origin_s`, or that of its first element where that comes earlier.

    Resolve and Final Cut Pro count the offsets of a primary storyline from the timecode of its sequence (tcStart), other
    exporters from zero; the first offset shows which.
    """
    first_s = read_time(children[0], "offset") if children else None
    if origin_s is None:
        return first_s or Fraction(0)
    return origin_s if first_s is None else min(origin_s, first_s)
