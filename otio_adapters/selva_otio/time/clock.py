"""Exact time: frame rates and seconds as fractions, samples by one rounding at the end, timecode, and a timeline's clock.

OpenTimelineIO keeps a time as a pair of floats. Each value becomes a `Fraction` when it is read, all arithmetic is exact,
and floats come back only in the `RationalTime` of what is written.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import opentimelineio as otio

from selva_core.base.rational import product_float, round_half_up, round_product_half_up
from selva_otio.errors import ClockError

MAX_RATE_HZ = 1_000_000
FALLBACK_FRAME_RATE_HZ = Fraction(25)
"""Of files and timelines that do not say theirs."""
_INTEGER_TOLERANCE_HZ = 0.001
_NTSC_TOLERANCE_HZ = 0.01
"""Hosts round 24000/1001 = 23.97602 to 23.976 or 23.98; the next standard rate is 0.02 Hz away."""
_NTSC_NOMINALS_HZ = range(12, 961, 6)
_FLOAT_ERROR_S = 1e-7
"""Less than a hundredth of a sample at 96 kHz, more than doubles lose over a day of frames."""
_MAX_DENOMINATOR = 1_000_000

_DROP_FRAME_RATES: Mapping[Fraction, int] = {Fraction(n * 1000, 1001): n // 15 for n in (30, 60, 120)}
"""Frame rate to the number of labels skipped at the start of each minute but every tenth (SMPTE ST 12-1)."""
_LABEL_DROPS: Mapping[Fraction, int] = {
    **_DROP_FRAME_RATES,
    **{Fraction(n): n // 15 for n in (30, 60, 120)},
}
"""The same with whole rates: phones that record exactly 30 or 60 frames a second label them in drop-frame all the same."""

_DROP_FRAME_METADATA: Sequence[tuple[str, str, Mapping[bool | str, bool]]] = (
    ("REAPER", "drop_frame", {True: True, False: False}),
    ("fcpxml", "tc_format", {"DF": True, "NDF": False}),
    ("fcp7_xml", "tc_format", {"DF": True, "NDF": False}),
    ("cmx_3600", "tc_format", {"DF": True, "NDF": False}),
    ("AAF", "tc_format", {"DF": True, "NDF": False}),
)
"""Metadata namespace, key, and the values that say drop-frame (True) or not: OpenTimelineIO itself has no field for it,
so our readers keep there what the file says."""

_TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;])(\d{2,3})")
_NUMBER = re.compile(r"[+-]?[\d._/]{1,40}(?:[eE][+-]?\d{1,2})?", re.ASCII)
_CLOCK_TIME = re.compile(r"\d{1,2}:\d{2}:\d{2}\.\d+")


@lru_cache(maxsize=1024)
def exact_rate(rate_hz: float) -> Fraction:
    """The fraction that a float rate stands for: 23.976, 23.98 and 23.976023976 are all 24000/1001.

    rate_hz: frames or samples per second; whole rates stay whole. Raises ClockError outside 0..1,000,000 Hz.
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
    """Frames per second from "24", "23.976" or "24000/1001". Raises ClockError."""
    try:
        rate_hz = float(_parse_number(text))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ClockError(
            f"a frame rate is a number (23.976) or a fraction (24000/1001); got {text!r}"
        ) from error
    return exact_rate(rate_hz)


def exact_seconds(moment: otio.opentime.RationalTime) -> Fraction:
    """Seconds of a `RationalTime`; a value within 0.1 µs of a whole frame is that frame.

    Raises ClockError for values that are not finite.
    """
    return _exact_seconds(float(moment.value), moment.rate)


@lru_cache(maxsize=16_384)
def _exact_seconds(value: float, rate: float) -> Fraction:
    """Kept, because the clips of a cut have few lengths, and their stems begin where others do."""
    rate_hz = exact_rate(rate)
    if not math.isfinite(value):
        raise ClockError(
            f"a time is a finite number of frames; got {value!r} at {float(rate_hz):g} per second"
        )
    whole = round(value)
    if abs(value - whole) / float(rate_hz) < _FLOAT_ERROR_S:
        return Fraction(whole * rate_hz.denominator, rate_hz.numerator)
    return Fraction(value).limit_denominator(_MAX_DENOMINATOR) / rate_hz


def parse_seconds(text: str, *, or_timecode: bool = False) -> Fraction:
    """Seconds from "12.5" or "1001/24000". or_timecode: whether the caller takes timecodes too, for the message.

    Raises ClockError.
    """
    try:
        return _parse_number(text)
    except (ValueError, ZeroDivisionError) as error:
        allowed = (
            "seconds (12.5), a fraction (1001/24000) or a timecode (00:00:12:12)"
            if or_timecode
            else "seconds (12.5) or a fraction (1001/24000)"
        )
        raise ClockError(f"a time is {allowed}; got {text!r}") from error


def _parse_number(text: str) -> Fraction:
    """The number of a text. Raises ValueError, ZeroDivisionError; also for more digits than any time or rate has: Fraction would
    compute 10 ** 999999999 for "1e999999999".
    """
    if _NUMBER.fullmatch(text.strip()) is None:
        raise ValueError(text)
    return Fraction(text.strip())


def sample_index(seconds: Fraction, sample_rate_hz: int) -> int:
    """The sample at an instant, rounded half up."""
    return round_product_half_up(seconds, sample_rate_hz)


def frame_index(seconds: Fraction, frame_rate_hz: Fraction) -> int:
    """The frame that begins nearest to an instant, rounded half up."""
    return round_product_half_up(seconds, frame_rate_hz)


def count_samples(start_s: Fraction, end_s: Fraction, sample_rate_hz: int) -> int:
    """Samples between two instants: a difference of indices, so that neighbours meet without gap or overlap."""
    return sample_index(end_s, sample_rate_hz) - sample_index(start_s, sample_rate_hz)


def nominal_rate(frame_rate_hz: Fraction) -> int:
    """Timecode labels per second: 24 for 24000/1001, 30 for 30000/1001."""
    return max(1, round_half_up(frame_rate_hz))


def can_drop_frames(frame_rate_hz: Fraction) -> bool:
    """Whether drop-frame timecode exists at this rate (29.97, 59.94 and 119.88)."""
    return frame_rate_hz in _DROP_FRAME_RATES


def count_frames_per_day(frame_rate_hz: Fraction, *, drop_frame: bool) -> int:
    """After how many frames labels start over at 00:00:00:00."""
    dropped = _LABEL_DROPS.get(frame_rate_hz, 0) if drop_frame else 0
    return (nominal_rate(frame_rate_hz) * 600 - dropped * 9) * 144


def note_drop_frame(
    timeline: otio.schema.Timeline, namespace: str, frame_rate_hz: Fraction, *, drop_frame: bool
) -> None:
    """Note what a file says about its labels, where its rate leaves a choice. namespace: of its format."""
    if can_drop_frames(frame_rate_hz):
        noted = timeline.metadata.get(namespace)
        value = "DF" if drop_frame else "NDF"
        timeline.metadata[namespace] = {**(noted if isinstance(noted, Mapping) else {}), "tc_format": value}


@lru_cache(maxsize=256)
def _label_layout(rate_numerator: int, rate_denominator: int, drop_frame: bool) -> tuple[int, int, int, int]:
    """Labels per second, labels dropped a minute, frames in ten minutes, frames in a day.

    By the numbers of the rate, because the hash of a Fraction takes as long as the rest of a label.
    """
    rate_hz = Fraction(rate_numerator, rate_denominator)
    nominal, dropped = nominal_rate(rate_hz), _LABEL_DROPS.get(rate_hz, 0) if drop_frame else 0
    frames_per_day = count_frames_per_day(rate_hz, drop_frame=drop_frame)
    return nominal, dropped, nominal * 600 - dropped * 9, frames_per_day


def format_timecode(frame: int, frame_rate_hz: Fraction, *, drop_frame: bool) -> str:
    """The label of a frame counted from midnight: "01:00:00:00", or "01:00:00;00" in drop-frame timecode.

    Labels start over after 24 hours. `drop_frame` has no effect at rates other than 30, 60 and 120, whole or NTSC.
    """
    labels = _label_layout(frame_rate_hz.numerator, frame_rate_hz.denominator, drop_frame)
    nominal, dropped, frames_per_ten_minutes, frames_per_day = labels
    ten_minutes, rest = divmod(frame % frames_per_day, frames_per_ten_minutes)
    label = ten_minutes * nominal * 600 + rest
    if dropped and rest >= nominal * 60:
        label += dropped * (1 + (rest - nominal * 60) // (nominal * 60 - dropped))
    seconds, frames = divmod(label, nominal)
    digits = len(str(nominal - 1))
    separator = ";" if dropped else ":"
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{frames:0{max(2, digits)}}"


def parse_timecode(text: str, frame_rate_hz: Fraction) -> int:
    """Frames since midnight of a label; ";" before the frames means drop-frame.

    Raises ClockError for labels that do not exist at this rate.
    """
    match = _TIMECODE.fullmatch(text.strip())
    if match is None:
        raise ClockError(f"a timecode reads HH:MM:SS:FF, or HH:MM:SS;FF in drop-frame; got {text!r}")
    hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
    nominal = nominal_rate(frame_rate_hz)
    if hours > 23 or minutes > 59 or seconds > 59 or frames >= nominal:
        raise ClockError(f"{text!r} is no timecode at {float(frame_rate_hz):g} frames per second")
    count = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames
    if match[4] == ":":
        return count
    if frame_rate_hz not in _LABEL_DROPS:
        raise ClockError(
            f"{text!r} is drop-frame, which does not exist at {float(frame_rate_hz):g} frames per second; "
            "write ':' before the frames"
        )
    dropped = _LABEL_DROPS[frame_rate_hz]
    if minutes % 10 and seconds == 0 and frames < dropped:
        raise ClockError(f"{text!r} is one of the labels that drop-frame timecode leaves out")
    total_minutes = hours * 60 + minutes
    return count - dropped * (total_minutes - total_minutes // 10)


@dataclass(frozen=True, kw_only=True)
class TimelineClock:
    """The record clock of one timeline: seconds count from its start.

    frame_rate_hz: exact frames per second. otio_rate_hz: the float that the timeline itself has for that rate; items that
    are added get the same one, because OpenTimelineIO compares rates as floats. start_frame: frames from midnight
    to the timeline's start. drop_frame: how labels are written.
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

    def since_midnight_s(self, record_s: Fraction) -> Fraction:
        """Real time from the label 00:00:00:00 to a record time, less than a day of labels; negative before it."""
        frame = self.start_frame + record_s * self.frame_rate_hz
        if frame > 0:
            frame %= count_frames_per_day(self.frame_rate_hz, drop_frame=self.drop_frame)
        return frame / self.frame_rate_hz

    def parse_record_s(self, text: str) -> Fraction:
        """Record seconds of a timecode label on this timeline."""
        return (parse_timecode(text, self.frame_rate_hz) - self.start_frame) / self.frame_rate_hz

    def parse_moment_s(self, text: str) -> Fraction:
        """Record seconds of a timecode (01:00:12:12), of a clock time (00:00:12.5), of seconds (12.5) or of a fraction of
        them (1001/24000); the latter three count from the timeline's start. Raises ClockError.
        """
        stripped = text.strip()
        if _CLOCK_TIME.fullmatch(stripped):
            hours, minutes, seconds = stripped.split(":")
            return (int(hours) * 60 + int(minutes)) * 60 + Fraction(seconds)
        if ":" in stripped or ";" in stripped:
            return self.parse_record_s(stripped)
        return parse_seconds(text, or_timecode=True)

    def rational_time(self, seconds: Fraction) -> otio.opentime.RationalTime:
        """A `RationalTime` at the timeline's rate; a whole number for times on its frame grid."""
        return otio.opentime.RationalTime(product_float(seconds, self.frame_rate_hz), self.otio_rate_hz)

    def time_range(self, start_s: Fraction, duration_s: Fraction) -> otio.opentime.TimeRange:
        """A `TimeRange` at the timeline's rate."""
        return otio.opentime.TimeRange(self.rational_time(start_s), self.rational_time(duration_s))

    def cover_frames(self, duration_s: Fraction) -> Fraction:
        """Seconds of the fewest whole frames that last at least `duration_s`."""
        rate_hz = self.frame_rate_hz
        return Fraction(math.ceil(duration_s * rate_hz) * rate_hz.denominator, rate_hz.numerator)


def build_timeline_clock(timeline: otio.schema.Timeline, item_rates_hz: list[float]) -> TimelineClock:
    """The record clock of a timeline.

    item_rates_hz: rates of the durations of its picture items, in order. The frame rate is that of `global_start_time`
    when picture items use it too, else the one that most items use: hosts leave the start time out, or write it at
    another rate. Raises ClockError where nothing says the frame rate.
    """
    start = timeline.global_start_time
    exact = {rate_hz: exact_rate(rate_hz) for rate_hz in set(item_rates_hz)}
    rates_hz = [exact[rate_hz] for rate_hz in item_rates_hz]
    start_rate_hz = exact_rate(start.rate) if start is not None else None
    if start_rate_hz is not None and (start_rate_hz in rates_hz or not rates_hz):
        frame_rate_hz = start_rate_hz
    elif rates_hz:
        frame_rate_hz = Counter(rates_hz).most_common(1)[0][0]
    else:
        raise ClockError("nothing in the timeline says its frame rate; give it a start time or a clip")
    start_frame = 0
    if start is not None and start_rate_hz is not None:
        # A start of 86400 at 24 on a timeline at 23.976 is meant as the label 01:00:00:00, not as an instant.
        has_same_labels = nominal_rate(start_rate_hz) == nominal_rate(frame_rate_hz)
        start_frame = frame_index(exact_seconds(start), start_rate_hz if has_same_labels else frame_rate_hz)
    return TimelineClock(
        frame_rate_hz=frame_rate_hz,
        otio_rate_hz=next((hz for hz in item_rates_hz if exact[hz] == frame_rate_hz), float(frame_rate_hz)),
        start_frame=start_frame,
        drop_frame=can_drop_frames(frame_rate_hz) and _is_drop_frame(timeline, start_frame, frame_rate_hz),
    )


def _is_drop_frame(timeline: otio.schema.Timeline, start_frame: int, frame_rate_hz: Fraction) -> bool:
    """What the metadata says, else a guess from the start's label.

    A programme starts on a round label: where only the non-drop label of the start ends in :00:00 it is non-drop, else
    drop-frame, as OpenTimelineIO itself writes timecode at 29.97 and 59.94.
    """
    for namespace, key, meanings in _DROP_FRAME_METADATA:
        noted = timeline.metadata.get(namespace)
        value = noted.get(key) if isinstance(noted, Mapping) else None
        if isinstance(value, bool | str) and value in meanings:
            return meanings[value]
    drop_label = format_timecode(start_frame, frame_rate_hz, drop_frame=True)
    non_drop_label = format_timecode(start_frame, frame_rate_hz, drop_frame=False)
    return drop_label.endswith(":00;00") or not non_drop_label.endswith(":00:00")
