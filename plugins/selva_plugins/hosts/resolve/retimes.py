"""Which part of its media a Resolve clip shows, and how fast.

What versions tell: 18.5 to 19.0.1 only the offsets, how much of the media lies before and after the clip, counted at the clip's
speed, so that they and the duration sum up to the media's length divided by the speed; from 19.0.2 on source frames, whose end
is exclusive where the rates of media and timeline match and inclusive where they differ, and source times on the media's
timecode axis; from 21.1 on the speed in percent, which for a speed ramp is one number all the same. 0 to 0 means that Resolve
does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from selva_otio.time.clock import nominal_rate
from selva_plugins.hosts.resolve.snapshot import ResolveItem, ResolveMedia

# A frozen clip of any length has one source frame; Resolve's inclusive and exclusive ends make it 0 to 2.
_MAX_FREEZE_FRAMES = 2
_MAX_FREEZE_SPEED = Fraction(1, 20)
# By how much the source range of a clip may differ from its speed before it is a ramp.
_RAMP_TOLERANCE_FRAMES = 3
_RAMP_TOLERANCE = Fraction(1, 50)
_MAX_DENOMINATOR = 10_000
# Offsets are whole frames, rounded down, and so is the length of the media.
_MAX_OFFSET_SLACK_FRAMES = 2
# By how much the offsets of a clip at normal speed may miss the length of its media.
_NORMAL_TOLERANCE_FRAMES = 3
# Speeds that editors type: whole, halves, quarters, tenths, steps of 5 %; then any percent that the offsets leave no doubt of.
_PLAIN_PARTS = (1, 2, 4, 10, 20)
_PERCENT_PARTS = 100


@dataclass(frozen=True)
class SourceRange:
    """`low_s`: the earliest instant that is shown, seconds after the file's first frame. `speed`: media seconds per record
    second, negative for reverse, 0 for a freeze frame.
    """

    low_s: Fraction
    speed: Fraction
    is_ramp: bool = False
    notices: tuple[str, ...] = ()


def find_source_range(
    item: ResolveItem, media: ResolveMedia, *, media_rate: Fraction, timeline_rate: Fraction
) -> SourceRange:
    """The source range of a clip from what its version tells about it."""
    first, last = item.source_start_frame, item.source_end_frame
    if first is None or last is None or (first == 0 and last == 0 and item.duration_frames > 1):
        return _from_left_offset(item, media, media_rate=media_rate, timeline_rate=timeline_rate)
    if _is_counted_from_subclip(item, first, media.subclip_start_frame):
        first, last = first + media.subclip_start_frame, last + media.subclip_start_frame
    num_frames = _count_source_frames(first, last, rates_match=media_rate == timeline_rate)
    # How many media frames pass in the clip's duration at normal speed.
    normal_frames = item.duration_frames / timeline_rate * media_rate
    if item.speed is not None:
        speed = item.speed
        is_ramp = _is_ramp(abs(num_frames), abs(speed) * normal_frames)
    else:
        speed, is_ramp = _guess_speed(num_frames, normal_frames), False
    edge = Fraction(first) if speed == 1 else _find_exact_frame(item, media, first, media_rate)
    low = edge if speed >= 0 else _find_low_edge(item, edge, speed, normal_frames)
    return SourceRange(low_s=max(low, Fraction(0)) / media_rate, speed=speed, is_ramp=is_ramp)


def _from_left_offset(
    item: ResolveItem, media: ResolveMedia, *, media_rate: Fraction, timeline_rate: Fraction
) -> SourceRange:
    """Before 19.0.2 offsets are all there is: they tell a speed, and neither reverse nor freeze frames."""
    name = item.name or "a clip"
    low = item.left_offset_frames + media.subclip_start_frame
    if item.source_start_frame is None and item.right_offset_frames is not None and media.num_frames:
        return _from_both_offsets(item, media, media_rate=media_rate, timeline_rate=timeline_rate)
    notices = []
    if item.source_start_frame is not None:
        notices.append(
            f"Resolve does not know which part of its media {name!r} shows; its in point is taken from its offset"
        )
    elif media_rate != timeline_rate:
        notices.append(_describe_rough_in_point(name, media_rate, timeline_rate))
    return SourceRange(low_s=low / media_rate, speed=Fraction(1), notices=tuple(notices))


def _describe_rough_in_point(name: str, media_rate: Fraction, timeline_rate: Fraction) -> str:
    return (
        f"{name!r} has {float(media_rate):g} frames per second on a timeline of {float(timeline_rate):g}: this version of "
        "Resolve tells its in point roughly, 19.0.2 and later tell it exactly"
    )


def _from_both_offsets(
    item: ResolveItem, media: ResolveMedia, *, media_rate: Fraction, timeline_rate: Fraction
) -> SourceRange:
    """The range by what lies before and after it. A speed that the offsets leave in doubt is refused as a ramp is."""
    name, left = item.name or "a clip", item.left_offset_frames
    handles = left + (item.right_offset_frames or 0)
    total = handles + item.duration_frames / timeline_rate * media_rate
    subclip_start = media.subclip_start_frame
    if media_rate != timeline_rate:
        notice = _describe_rough_in_point(name, media_rate, timeline_rate)
        # Whether offsets count at the media's rate or the timeline's is documented nowhere: the sum tells.
        in_timeline_frames = media.num_frames / media_rate * timeline_rate
        if abs(media.num_frames - total) <= _NORMAL_TOLERANCE_FRAMES:
            low_s = (left + subclip_start) / media_rate
        elif abs(in_timeline_frames - handles - item.duration_frames) <= _NORMAL_TOLERANCE_FRAMES:
            low_s = left / timeline_rate + subclip_start / media_rate
        else:
            return _refuse_speed(name)
        return SourceRange(low_s=low_s, speed=Fraction(1), notices=(notice,))
    # It is documented nowhere whether the length of a subclip is its own or that of its file.
    lengths = (media.num_frames, media.num_frames - subclip_start)
    if any(abs(length - total) <= _NORMAL_TOLERANCE_FRAMES for length in lengths):
        return SourceRange(low_s=(left + subclip_start) / media_rate, speed=Fraction(1))
    speed = _find_speed_by_total(media.num_frames, total, item.duration_frames)
    if speed is None:
        return _refuse_speed(name)
    # Both offsets are rounded down; what their sum lacks is taken to be lost in equal halves.
    slack = min(max(media.num_frames / speed - total, Fraction(0)), Fraction(_MAX_OFFSET_SLACK_FRAMES))
    notice = f"{name!r} was read as running at {float(speed * 100):g} % speed, by its offsets; check it"
    low = (left + slack / 2) * speed + subclip_start
    return SourceRange(low_s=low / media_rate, speed=speed, notices=(notice,))


def _find_speed_by_total(num_frames: int, total: Fraction, duration_frames: int) -> Fraction | None:
    """The plainest speed at which media of `num_frames` takes `total` frames; None where several may be meant."""
    low, high = num_frames / (total + _MAX_OFFSET_SLACK_FRAMES), (num_frames + 1) / total
    middle = (low + high) / 2
    is_certain = (high - low) * duration_frames <= 1
    for parts in (*_PLAIN_PARTS, *([_PERCENT_PARTS] if is_certain else [])):
        candidate = Fraction(round(middle * parts), parts)
        if candidate and low <= candidate <= high:
            return candidate
    return middle if is_certain else None


def _refuse_speed(name: str) -> SourceRange:
    notice = (
        f"{name!r} runs at a speed that this version of Resolve does not tell exactly: no sound is made for it. Render it in "
        "place, or use Resolve 19.0.2 or later"
    )
    return SourceRange(low_s=Fraction(0), speed=Fraction(1), is_ramp=True, notices=(notice,))


def _find_low_edge(item: ResolveItem, first: Fraction, speed: Fraction, normal_frames: Fraction) -> Fraction:
    """Where the used range of a reversed clip begins in its media.

    It is documented nowhere whether the first source frame of a reversed clip is the first one that is seen or the one after
    it. The right offset, by how much the clip could be extended at its end, is what lies below the used range: the reading
    that agrees with it is taken.
    """
    low = first + speed * normal_frames
    offset = item.right_offset_frames
    if offset is not None and abs(offset * -speed - (low + 1)) < Fraction(1, 2):
        return low + 1
    return low


def _is_counted_from_subclip(item: ResolveItem, first: int, subclip_start_frame: int) -> bool:
    """Whether source frames of a subclip start at the subclip instead of the file; versions differ."""
    if not subclip_start_frame:
        return False
    return first < subclip_start_frame or first == item.left_offset_frames


def _count_source_frames(first: int, last: int, *, rates_match: bool) -> int:
    """Signed number of source frames; the end is inclusive where the rates differ."""
    if rates_match:
        return last - first
    return last - first + (1 if last >= first else -1)


def _guess_speed(num_frames: int, normal_frames: Fraction) -> Fraction:
    """The speed behind a source range that is known to the frame.

    The plainest value that gives this range wins: none, a whole percent, a tenth, a hundredth of one; what it is off by is
    less than a frame over the clip.
    """
    if abs(num_frames) <= _MAX_FREEZE_FRAMES and abs(num_frames) < _MAX_FREEZE_SPEED * normal_frames:
        return Fraction(0)
    sign = 1 if num_frames >= 0 else -1
    for candidate in _iter_plain_speeds(abs(num_frames) / normal_frames):
        if abs(candidate * normal_frames - abs(num_frames)) <= 1:
            return sign * candidate
    return num_frames / normal_frames


def _iter_plain_speeds(ratio: Fraction) -> Iterator[Fraction]:
    yield Fraction(1)
    for parts in (100, 1000, 10_000):
        yield Fraction(round(ratio * parts), parts)


def _is_ramp(num_frames: int, expected_frames: Fraction) -> bool:
    return abs(num_frames - expected_frames) > _RAMP_TOLERANCE_FRAMES + _RAMP_TOLERANCE * expected_frames


def _find_exact_frame(item: ResolveItem, media: ResolveMedia, first: int, media_rate: Fraction) -> Fraction:
    """Where in a frame a retimed clip begins: its source time, if that agrees with its source frame.

    The axis of source times starts at the media's start timecode, which is meant in true seconds by some versions and in
    nominal ones (30 frames at 29.97) by others; the reading that agrees is taken.
    """
    if item.source_start_s is None:
        return Fraction(first)
    start_frame = media.start_timecode_frame(media_rate)
    for start_s in (start_frame / media_rate, Fraction(start_frame, nominal_rate(media_rate))):
        exact = (item.source_start_s - start_s) * media_rate
        if first <= exact < first + 1:
            return exact.limit_denominator(_MAX_DENOMINATOR)
    return Fraction(first)
