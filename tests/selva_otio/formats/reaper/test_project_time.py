from __future__ import annotations

from fractions import Fraction

import pytest

from selva_otio.errors import TimelineReadError
from selva_otio.formats.reaper.project_time import (
    ProjectClock,
    format_time_mode,
    read_frame_rate,
    read_project_clock,
)
from selva_otio.formats.reaper.tokens import format_decimal

NTSC_24 = Fraction(24000, 1001)
NTSC_30 = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("line", "rate", "drop_frame"),
    [
        ("1 0 -1 24 2 0 -1 0", NTSC_24, False),
        ("1 3 -1 30 1 0 -1", NTSC_30, True),
        ("1 4 -1 30 2 0 -1", NTSC_30, False),
        ("1 5 -1 30 0 0 0 -1 0", Fraction(30), False),
        ("1 2 -1 25 0", Fraction(25), False),
        ("1 9 -1 60 2", Fraction(60000, 1001), False),
        ("1 0 -1", NTSC_24, False),
        ("1 3 -1", NTSC_30, True),
        ("1 1", Fraction(24), False),
        ("", Fraction(30), False),
    ],
)
def test_frame_rates_are_exact(line: str, rate: Fraction, drop_frame: bool) -> None:
    assert read_frame_rate(line.split()) == (rate, drop_frame)


@pytest.mark.parametrize("line", ["1 5 -1 0 0", "1 5 -1 99999 0", "1 5 -1 fast 0"])
def test_invalid_rates_are_refused(line: str) -> None:
    with pytest.raises(TimelineReadError, match="frame rate"):
        read_frame_rate(line.split())


@pytest.mark.parametrize(
    "rate", [NTSC_24, Fraction(24), Fraction(25), NTSC_30, Fraction(50), Fraction(25, 2)]
)
def test_a_written_time_mode_reads_as_the_same_rate(rate: Fraction) -> None:
    assert read_frame_rate(format_time_mode(rate, drop_frame=False).split()[1:]) == (rate, False)


def test_drop_frame_is_written_and_read() -> None:
    assert read_frame_rate(format_time_mode(NTSC_30, drop_frame=True).split()[1:]) == (NTSC_30, True)


def clock(mode: str, sample_rate: str = "48000") -> ProjectClock:
    return read_project_clock(mode.split(), [], [sample_rate])


@pytest.mark.parametrize("mode", ["1 0 -1 24 2", "1 3 -1 30 1", "1 2 -1 25 0", "1 9 -1 60 2"])
@pytest.mark.parametrize("decimals", [14, 10, 8])
def test_a_decimal_of_a_frame_is_that_frame(mode: str, decimals: int) -> None:
    project_clock = clock(mode)
    for frame in (1, 7, 1001, 86_399, 2_000_003):
        exact = frame / project_clock.record.frame_rate_hz
        text = f"{float(exact):.{decimals}f}"
        assert project_clock.parse_seconds(text, what="x") == exact, text


def test_a_decimal_of_a_sample_is_that_sample() -> None:
    assert clock("1 0 -1 24 2").parse_seconds("1.0000208333", what="x") == Fraction(48_001, 48_000)
    assert clock("1 0 -1 24 2", "44100").parse_seconds("0.00002267573696", what="x") == Fraction(1, 44_100)


@pytest.mark.parametrize("text", ["1", "0.5417", "0.54221", "12.3456789", "0.041"])
def test_a_decimal_that_rounds_no_grid_point_is_read_exactly(text: str) -> None:
    seconds = clock("1 0 -1 24 2").parse_seconds(text, what="x")
    assert seconds in (Fraction(text), Fraction(round(Fraction(text) * 48_000), 48_000))
    assert abs(seconds - Fraction(text)) <= Fraction(1, 2 * 10 ** max(len(text.partition(".")[2]), 6))


def test_half_a_frame_is_not_snapped_to_a_frame() -> None:
    assert clock("1 2 -1 25 0").parse_seconds("0.02", what="x") == Fraction(1, 50)


def test_instants_survive_being_written() -> None:
    project_clock = clock("1 3 -1 30 1", "44100")
    for instant in (Fraction(12_345_678) / NTSC_30, Fraction(987_654_321, 44_100), Fraction(1, 3)):
        text = format_decimal(instant)
        assert abs(project_clock.parse_seconds(text, what="x") - instant) <= Fraction(1, 10**14)
    assert project_clock.parse_seconds(format_decimal(107_893 / NTSC_30), what="x") == 107_893 / NTSC_30
