"""Time in REAPER projects: frame rates (TIMEMODE), and decimal seconds as the instants that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from selva_core.base.rational import round_half_up
from selva_otio.errors import TimelineReadError
from selva_otio.formats.reaper.tokens import format_decimal, parse_flags, parse_number, parse_seconds
from selva_otio.time.clock import TimelineClock, can_drop_frames

DEFAULT_SAMPLE_RATE_HZ = 48_000
DEFAULT_RATE = Fraction(30)

# The second number of TIMEMODE, for projects older than the fields with the rate itself: (rate, drop-frame).
_PRESETS = {
    0: (Fraction(24000, 1001), False),
    1: (Fraction(24), False),
    2: (Fraction(25), False),
    3: (Fraction(30000, 1001), True),
    4: (Fraction(30000, 1001), False),
    5: (Fraction(30), False),
    6: (Fraction(75), False),
    7: (Fraction(48), False),
    8: (Fraction(50), False),
    9: (Fraction(60), False),
}
_DROP_FRAME, _NTSC = 1, 2

# REAPER computes in doubles and writes 14 decimals. The errors that edits add up to are far below this, and a sample at
# its highest rate (768 kHz) lasts 1300 times as long.
_DOUBLE_ERROR_S = Fraction(1, 10**9)
_MIN_DECIMALS_OF_A_ROUNDING = 6
"""Text with fewer decimals is taken as exact: "0.5" at 23.976 is half a second and not frame 12."""


@dataclass(frozen=True, kw_only=True)
class ProjectClock:
    """The clock of a project: its frames, the grid of its samples, and the record clock of its timeline."""

    record: TimelineClock
    sample_rate_hz: int

    def snap(self, text: str, seconds: Fraction) -> Fraction:
        """The instant that a decimal stands for.

        A frame, or else a sample, when it is within a nanosecond, or when `text` is that instant rounded to its number of
        decimals (at least six); else the decimal itself.
        """
        _, _, decimals = text.partition(".")
        reach = _DOUBLE_ERROR_S
        if len(decimals) >= _MIN_DECIMALS_OF_A_ROUNDING and decimals.isdecimal():
            reach = max(reach, Fraction(1, 2 * 10 ** len(decimals)))
        for rate in (self.record.frame_rate_hz, Fraction(self.sample_rate_hz)):
            on_grid = round(seconds * rate) / rate
            if abs(on_grid - seconds) <= reach:
                return on_grid
        return seconds

    def parse_seconds(self, text: str, *, what: str) -> Fraction:
        """Seconds of decimal text, on a frame or sample where the text stands for one. Raises TimelineReadError."""
        return self.snap(text, parse_seconds(text, what=what))


def read_project_clock(
    time_mode: Sequence[str], project_offset: Sequence[str], sample_rate: Sequence[str]
) -> ProjectClock:
    """The clock of a project. time_mode, project_offset, sample_rate: the fields of TIMEMODE, PROJOFFS and SAMPLERATE."""
    rate, drop_frame = read_frame_rate(time_mode)
    offset_s = (
        parse_seconds(project_offset[0], what="the project start time (PROJOFFS)")
        if project_offset
        else Fraction(0)
    )
    record = TimelineClock(
        frame_rate_hz=rate,
        otio_rate_hz=float(rate),
        start_frame=round_half_up(offset_s * rate),
        drop_frame=drop_frame,
    )
    rate_hz = parse_flags(sample_rate[0]) if sample_rate else 0
    return ProjectClock(
        record=record, sample_rate_hz=rate_hz if 8_000 <= rate_hz <= 768_000 else DEFAULT_SAMPLE_RATE_HZ
    )


def read_frame_rate(time_mode: Sequence[str]) -> tuple[Fraction, bool]:
    """(frames per second, drop-frame) of the fields of TIMEMODE. Raises TimelineReadError."""
    if len(time_mode) >= 4:
        nominal = parse_number(time_mode[3], what="the frame rate (TIMEMODE)")
        if not 1 <= nominal <= 1000:
            raise TimelineReadError(
                f"the frame rate (TIMEMODE) is between 1 and 1000; got {time_mode[3]!r}; set it in REAPER's "
                "project settings"
            )
        kind = parse_flags(time_mode[4]) if len(time_mode) >= 5 else 0
        rate = nominal * 1000 / 1001 if kind in (_DROP_FRAME, _NTSC) else nominal
        return rate, kind == _DROP_FRAME and can_drop_frames(rate)
    if len(time_mode) >= 2:
        return _PRESETS.get(parse_flags(time_mode[1]), (DEFAULT_RATE, False))
    return DEFAULT_RATE, False


def format_time_mode(rate: Fraction, *, drop_frame: bool) -> str:
    """The TIMEMODE line of a frame rate."""
    is_ntsc = rate.denominator == 1001 and rate.numerator % 1000 == 0
    nominal = format_decimal(rate * Fraction(1001, 1000) if is_ntsc else rate)
    kind = (_DROP_FRAME if drop_frame else _NTSC) if is_ntsc else 0
    preset = next((key for key, known in _PRESETS.items() if known == (rate, drop_frame)), 5)
    return f"TIMEMODE 1 {preset} -1 {nominal} {kind} 0 -1"
