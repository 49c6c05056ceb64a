"""Which part of its media a Resolve clip shows, and how fast.

What versions tell: 18.5 to 19.0.1 only the left offset; from 19.0.2 source frames, whose end is exclusive
where the rates of media and timeline match and inclusive where they differ, and source times on the
media's timecode axis; from 21.1 the speed in percent, which for a speed ramp is one number all the same.
0 to 0 means that Resolve does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from selva_otio.errors import ClockError
from selva_otio.time.clock import nominal_rate, parse_timecode

Facts = Mapping[str, Any]

_FREEZE_FRAMES = 2
_FREEZE_SPEED = Fraction(1, 20)
_RAMP_SLACK_FRAMES = 3
_RAMP_SLACK = Fraction(1, 50)


@dataclass(frozen=True)
class SourceRange:
    """`low_s`: the earliest instant that is shown, seconds after the file's first frame. `speed`: media
    seconds per record second, negative for reverse, 0 for a freeze frame.
    """

    low_s: Fraction
    speed: Fraction
    is_ramp: bool = False
    notes: tuple[str, ...] = ()


def find_source_range(
    item: Facts, properties: Facts, *, media_rate: Fraction, timeline_rate: Fraction
) -> SourceRange:
    """The source range of a clip from what its version told about it."""
    record_s = int(item["duration"]) / timeline_rate
    subclip_start = _whole_text(properties.get("Start"))
    first, last = item.get("source_start_frame"), item.get("source_end_frame")
    if first is None or last is None or (first == 0 and last == 0 and int(item["duration"]) > 1):
        return _from_left_offset(item, subclip_start, media_rate=media_rate, timeline_rate=timeline_rate)
    if _is_counted_from_subclip(item, int(first), subclip_start):
        first, last = first + subclip_start, last + subclip_start
    span = _span_frames(int(first), int(last), rates_match=media_rate == timeline_rate)
    told = item.get("speed_percent")
    if told is not None:
        speed = Fraction(str(told)) / 100
        is_ramp = _differs(abs(span), abs(speed) * record_s * media_rate)
    else:
        speed, is_ramp = _guess_speed(span, record_s * media_rate), False
    edge = (
        _exact_first_frame(item, properties, int(first), media_rate) if speed != 1 else Fraction(int(first))
    )
    low = edge if speed >= 0 else _low_edge(item, edge, speed, record_s * media_rate)
    return SourceRange(low_s=max(low, Fraction(0)) / media_rate, speed=speed, is_ramp=is_ramp)


def _from_left_offset(
    item: Facts, subclip_start: int, *, media_rate: Fraction, timeline_rate: Fraction
) -> SourceRange:
    """Before 19.0.2: the offset is all there is, and a retime cannot be seen."""
    name = item.get("name") or "a clip"
    low = Fraction(str(item.get("left_offset") or 0)) + subclip_start
    notes = []
    if item.get("source_start_frame") is not None:
        notes.append(
            f"Resolve does not know which part of its media {name!r} shows; its in point is taken from its offset"
        )
    elif media_rate != timeline_rate:
        notes.append(
            f"{name!r} has {float(media_rate):g} frames per second on a timeline of {float(timeline_rate):g}: this version of "
            "Resolve tells its in point roughly, 19.0.2 and later tell it exactly"
        )
    return SourceRange(low_s=low / media_rate, speed=Fraction(1), notes=tuple(notes))


def _low_edge(item: Facts, first: Fraction, speed: Fraction, record_frames: Fraction) -> Fraction:
    """Where the used range of a reversed clip begins in its media.

    Nobody says whether the first source frame of a reversed clip is the first one that is seen or the one after it. The right
    offset, how far the clip could be extended at its end, is what lies below the used range: the reading that agrees with it
    counts.
    """
    low = first + speed * record_frames
    told = item.get("right_offset")
    if told is not None and abs(Fraction(str(told)) * -speed - (low + 1)) < Fraction(1, 2):
        return low + 1
    return low


def _is_counted_from_subclip(item: Facts, first: int, subclip_start: int) -> bool:
    """Whether source frames of a subclip start at the subclip instead of the file."""
    if not subclip_start:
        return False
    return first < subclip_start or first == item.get("left_offset")


def _span_frames(first: int, last: int, *, rates_match: bool) -> int:
    """Signed number of source frames; the end is inclusive where the rates differ."""
    if rates_match:
        return last - first
    return last - first + (1 if last >= first else -1)


def _guess_speed(span: int, record_frames: Fraction) -> Fraction:
    """The speed behind a source range that is known to the frame.

    record_frames: how many media frames pass in the clip's duration at normal speed. The plainest value
    that gives this range wins: none, a whole percent, a tenth, a hundredth of one; what it is off by is
    less than a frame over the clip.
    """
    if abs(span) <= _FREEZE_FRAMES and abs(span) < _FREEZE_SPEED * record_frames:
        return Fraction(0)
    sign = 1 if span >= 0 else -1
    for candidate in _plain_speeds(abs(span) / record_frames):
        if abs(candidate * record_frames - abs(span)) <= 1:
            return sign * candidate
    return span / record_frames


def _plain_speeds(ratio: Fraction) -> Iterator[Fraction]:
    yield Fraction(1)
    for parts in (100, 1000, 10_000):
        yield Fraction(round(ratio * parts), parts)


def _differs(told_frames: int | Fraction, expected_frames: Fraction) -> bool:
    return abs(told_frames - expected_frames) > _RAMP_SLACK_FRAMES + _RAMP_SLACK * expected_frames


def _exact_first_frame(item: Facts, properties: Facts, first: int, media_rate: Fraction) -> Fraction:
    """Where in a frame a retimed clip begins: its source time, if that agrees with its source frame.

    The axis of source times starts at the media's start timecode, which may be meant in true or in nominal
    seconds at 23.976 and its like; the reading that fits is taken.
    """
    told_s = item.get("source_start_s")
    if told_s is None:
        return Fraction(first)
    try:
        start_frames = parse_timecode(str(properties.get("Start TC") or "00:00:00:00"), media_rate)
    except ClockError:
        start_frames = 0
    for start_s in (start_frames / media_rate, Fraction(start_frames, nominal_rate(media_rate))):
        exact = (Fraction(str(told_s)) - start_s) * media_rate
        if first <= exact < first + 1:
            return exact.limit_denominator(10_000)
    return Fraction(first)


def _whole_text(value: Any) -> int:
    text = str(value or "")
    return int(text) if text.isdigit() else 0
