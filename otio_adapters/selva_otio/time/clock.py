"""Exact time: frame rates as fractions, seconds as fractions, samples by one rounding at the end.

OpenTimelineIO keeps times as a pair of floats. Every value is turned into a `Fraction` at the door, all
arithmetic is exact, and floats come back only in the `RationalTime` of what is written.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import ClockError

MAX_RATE_HZ = 1_000_000
_INTEGER_TOLERANCE_HZ = 0.001
_NTSC_TOLERANCE_HZ = 0.01
_NTSC_NOMINALS_HZ = range(12, 961, 6)
_DUST_S = 1e-7
_MAX_DENOMINATOR = 1_000_000

_DROP_FRAME_RATES: Mapping[Fraction, int] = {Fraction(n * 1000, 1001): n // 15 for n in (30, 60, 120)}
"""Rate to the number of labels left out at the start of each minute but every tenth (SMPTE ST 12-1)."""

_TOLD_LABELS: Sequence[tuple[str, str, Mapping[bool | str, bool]]] = (
    ("REAPER", "drop_frame", {True: True, False: False}),
    ("fcpxml", "tc_format", {"DF": True, "NDF": False}),
)
"""Where the metadata of a timeline tells how frames are labelled."""

_TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;])(\d{2,3})")
_CLOCK_TIME = re.compile(r"\d{1,2}:\d{2}:\d{2}\.\d+")


def exact_rate(rate_hz: float) -> Fraction:
    """The fraction a float rate stands for: 23.976, 23.98 and 23.976023976 are all 24000/1001.

    Whole rates (frames or samples) stay whole. Raises ClockError for what is no rate.
    """
    if not math.isfinite(rate_hz) or not 0 < rate_hz <= MAX_RATE_HZ:
        raise ClockError(f"a rate lies between 0 and {MAX_RATE_HZ} per second; got {rate_hz!r}")
    nearest = round(rate_hz)
    if nearest > 0 and abs(rate_hz - nearest) < _INTEGER_TOLERANCE_HZ:
        return Fraction(nearest)
    if nearest in _NTSC_NOMINALS_HZ and abs(rate_hz - nearest * 1000 / 1001) < _NTSC_TOLERANCE_HZ:
        return Fraction(nearest * 1000, 1001)
    return Fraction(rate_hz).limit_denominator(1001)


def parse_rate(text: str) -> Fraction:
    """A rate from "24", "23.976" or "24000/1001". Raises ClockError."""
    try:
        return exact_rate(float(Fraction(text.strip())))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ClockError(
            f"a frame rate is a number (23.976) or a fraction (24000/1001); got {text!r}"
        ) from error


def exact_seconds(moment: otio.opentime.RationalTime) -> Fraction:
    """Seconds of a `RationalTime`; float dust (under 0.1 µs from a whole frame) is wiped off.

    Raises ClockError for values that are not finite.
    """
    rate = exact_rate(moment.rate)
    value = float(moment.value)
    if not math.isfinite(value):
        raise ClockError(f"a time is a finite number of frames; got {value!r} at {float(rate):g} per second")
    whole = round(value)
    if abs(value - whole) / float(rate) < _DUST_S:
        return whole / rate
    return Fraction(value).limit_denominator(_MAX_DENOMINATOR) / rate


def parse_seconds(text: str) -> Fraction:
    """Seconds from "12.5" or "1001/24000". Raises ClockError."""
    try:
        return Fraction(text.strip())
    except (ValueError, ZeroDivisionError) as error:
        raise ClockError(
            f"a time is seconds (12.5), a fraction (1001/24000) or a timecode (00:00:12:12); got {text!r}"
        ) from error


def sample_index(seconds: Fraction, sample_rate_hz: int) -> int:
    """The sample at an instant: floor(seconds * rate + 1/2)."""
    return math.floor(seconds * sample_rate_hz + Fraction(1, 2))


def count_samples(start_s: Fraction, end_s: Fraction, sample_rate_hz: int) -> int:
    """Samples between two instants: a difference of indices, so that neighbours meet exactly."""
    return sample_index(end_s, sample_rate_hz) - sample_index(start_s, sample_rate_hz)


def nominal_rate(rate: Fraction) -> int:
    """Labels per second: 24 for 24000/1001, 30 for 30000/1001."""
    return max(1, math.floor(rate + Fraction(1, 2)))


def can_drop_frames(rate: Fraction) -> bool:
    """Whether drop-frame labels exist at this rate."""
    return rate in _DROP_FRAME_RATES


def format_timecode(frame: int, rate: Fraction, *, drop_frame: bool) -> str:
    """The label of a frame counted from midnight: "01:00:00:00", or "01:00:00;00" with dropped labels.

    Labels start over after 24 hours. `drop_frame` has no effect at rates that know no dropped labels.
    """
    nominal = nominal_rate(rate)
    dropped = _DROP_FRAME_RATES.get(rate, 0) if drop_frame else 0
    frames_per_ten_minutes = nominal * 600 - dropped * 9
    ten_minutes, rest = divmod(frame % (frames_per_ten_minutes * 144), frames_per_ten_minutes)
    label = ten_minutes * nominal * 600 + rest
    if dropped and rest >= nominal * 60:
        label += dropped * (1 + (rest - nominal * 60) // (nominal * 60 - dropped))
    seconds, frames = divmod(label, nominal)
    digits = len(str(nominal - 1))
    separator = ";" if dropped else ":"
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{frames:0{max(2, digits)}}"


def parse_timecode(text: str, rate: Fraction) -> int:
    """Frames since midnight of a label; ";" before the frames means drop-frame.

    Raises ClockError for labels that do not exist at this rate.
    """
    match = _TIMECODE.fullmatch(text.strip())
    if match is None:
        raise ClockError(f"a timecode reads HH:MM:SS:FF, or HH:MM:SS;FF with dropped frames; got {text!r}")
    hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
    nominal = nominal_rate(rate)
    if hours > 23 or minutes > 59 or seconds > 59 or frames >= nominal:
        raise ClockError(f"{text!r} is no timecode at {float(rate):g} frames per second")
    count = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames
    if match[4] == ":":
        return count
    if not can_drop_frames(rate):
        raise ClockError(f"{text!r} is drop-frame, which {float(rate):g} frames per second does not know")
    dropped = _DROP_FRAME_RATES[rate]
    if minutes % 10 and seconds == 0 and frames < dropped:
        raise ClockError(f"{text!r} is one of the labels that drop-frame leaves out")
    total_minutes = hours * 60 + minutes
    return count - dropped * (total_minutes - total_minutes // 10)


@dataclass(frozen=True, kw_only=True)
class TimelineClock:
    """The record clock of one timeline: seconds count from its start, frames are its own.

    frame_rate_hz: exact frames per second. otio_rate_hz: the float the timeline itself uses for that rate, so that
    what we add carries the very same number. start_frame: frames from midnight to the timeline's start.
    """

    frame_rate_hz: Fraction
    otio_rate_hz: float
    start_frame: int
    drop_frame: bool

    def timecode(self, record_s: Fraction) -> str:
        """The label of the frame shown at a record time."""
        return format_timecode(
            self.start_frame + math.floor(record_s * self.frame_rate_hz),
            self.frame_rate_hz,
            drop_frame=self.drop_frame,
        )

    def parse_record_s(self, text: str) -> Fraction:
        """Record seconds of a timecode label on this timeline."""
        return (parse_timecode(text, self.frame_rate_hz) - self.start_frame) / self.frame_rate_hz

    def parse_moment_s(self, text: str) -> Fraction:
        """Record seconds of a timecode label, of a clock time (00:00:12.5), of seconds (12.5) or of a
        fraction of them (1001/24000), the latter three counted from the timeline's start. Raises
        ClockError."""
        stripped = text.strip()
        if _CLOCK_TIME.fullmatch(stripped):
            hours, minutes, seconds = stripped.split(":")
            return (int(hours) * 60 + int(minutes)) * 60 + Fraction(seconds)
        if ":" in stripped or ";" in stripped:
            return self.parse_record_s(stripped)
        return parse_seconds(text)

    def rational_time(self, seconds: Fraction) -> otio.opentime.RationalTime:
        """A `RationalTime` at the timeline's own rate; whole for times on its frame grid."""
        return otio.opentime.RationalTime(float(seconds * self.frame_rate_hz), self.otio_rate_hz)

    def time_range(self, start_s: Fraction, duration_s: Fraction) -> otio.opentime.TimeRange:
        """A `TimeRange` at the timeline's own rate."""
        return otio.opentime.TimeRange(self.rational_time(start_s), self.rational_time(duration_s))

    def cover_frames(self, duration_s: Fraction) -> Fraction:
        """The shortest whole number of frames that lasts at least `duration_s`, in seconds."""
        return math.ceil(duration_s * self.frame_rate_hz) / self.frame_rate_hz


def build_timeline_clock(timeline: otio.schema.Timeline, item_rates_hz: list[float]) -> TimelineClock:
    """The record clock of a timeline.

    item_rates_hz: rates of the durations of its picture items, in order. The rate is that of
    `global_start_time` when picture items use it too, else the one most items use (a start time may be
    missing, or written at another rate).
    """
    start = timeline.global_start_time
    exact = {rate_hz: exact_rate(rate_hz) for rate_hz in set(item_rates_hz)}
    rates = [exact[rate_hz] for rate_hz in item_rates_hz]
    start_rate = exact_rate(start.rate) if start is not None else None
    if start_rate is not None and (start_rate in rates or not rates):
        rate = start_rate
    elif rates:
        rate = Counter(rates).most_common(1)[0][0]
    else:
        raise ClockError("the timeline holds nothing that tells its frame rate")
    otio_rate_hz = next((hz for hz in item_rates_hz if exact[hz] == rate), float(rate))
    start_frame = 0
    if start is not None and start_rate is not None:
        same_labels = nominal_rate(start_rate) == nominal_rate(rate)
        start_s = exact_seconds(start)
        start_frame = math.floor(start_s * (start_rate if same_labels else rate) + Fraction(1, 2))
    return TimelineClock(
        frame_rate_hz=rate,
        otio_rate_hz=otio_rate_hz,
        start_frame=start_frame,
        drop_frame=can_drop_frames(rate) and _labels_drop_frames(timeline, start_frame, rate),
    )


def _labels_drop_frames(timeline: otio.schema.Timeline, start_frame: int, rate: Fraction) -> bool:
    """Whether labels are drop-frame, which OpenTimelineIO does not record, but readers of ours do.

    A programme starts on a round label: if only the non-drop label of the start ends in :00:00 it is
    non-drop, else drop-frame, as OpenTimelineIO itself writes at 29.97 and 59.94.
    """
    for namespace, key, meanings in _TOLD_LABELS:
        facts = timeline.metadata.get(namespace)
        told = facts.get(key) if isinstance(facts, Mapping) else None
        if isinstance(told, bool | str) and told in meanings:
            return meanings[told]
    dropping = format_timecode(start_frame, rate, drop_frame=True)
    counting = format_timecode(start_frame, rate, drop_frame=False)
    return dropping.endswith(":00;00") or not counting.endswith(":00:00")
