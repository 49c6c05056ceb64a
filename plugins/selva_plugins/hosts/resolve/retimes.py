"""Which part of its media a Resolve clip shows, and how fast.

What versions tell: 18.5 to 19.0.1 only the left offset; from 19.0.2 on source frames, whose end is exclusive where the rates
of media and timeline match and inclusive where they differ, and source times on the media's timecode axis; from 21.1 on the
speed in percent, which for a speed ramp is one number all the same. 0 to 0 means that Resolve does not know.
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
    """Before 19.0.2 the offset is all there is, and a retime cannot be seen."""
    name = item.name or "a clip"
    low = item.left_offset_frames + media.subclip_start_frame
    notices = []
    if item.source_start_frame is not None:
        notices.append(
            f"Resolve does not know which part of its media {name!r} shows; its in point is taken from its offset"
        )
    elif media_rate != timeline_rate:
        notices.append(
            f"{name!r} has {float(media_rate):g} frames per second on a timeline of {float(timeline_rate):g}: this version of "
            "Resolve tells its in point roughly, 19.0.2 and later tell it exactly"
        )
    return SourceRange(low_s=low / media_rate, speed=Fraction(1), notices=tuple(notices))


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
