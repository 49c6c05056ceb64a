"""Rates, exact seconds, samples, timecode and the clock of a timeline."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import opentimelineio as otio
import pytest

from selva_otio.errors import ClockError
from selva_otio.time.clock import (
    TimelineClock,
    build_timeline_clock,
    can_drop_frames,
    count_samples,
    exact_rate,
    exact_seconds,
    format_timecode,
    parse_rate,
    parse_seconds,
    parse_timecode,
    sample_index,
)

NTSC_24, NTSC_30, NTSC_60 = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)


@pytest.mark.parametrize(
    ("rate_hz", "exact"),
    [
        (23.976, NTSC_24),
        (23.98, NTSC_24),
        (24000 / 1001, NTSC_24),
        (24.0, Fraction(24)),
        (25.0, Fraction(25)),
        (29.97, NTSC_30),
        (30000 / 1001, NTSC_30),
        (30.0, Fraction(30)),
        (47.952, Fraction(48000, 1001)),
        (59.94, NTSC_60),
        (119.88, Fraction(120000, 1001)),
        (12.5, Fraction(25, 2)),
        (15000 / 1001, Fraction(15000, 1001)),
        (48000.0, Fraction(48000)),
        (44100.0, Fraction(44100)),
    ],
)
def test_rates_as_hosts_write_them_become_exact_fractions(rate_hz: float, exact: Fraction) -> None:
    assert exact_rate(rate_hz) == exact


@pytest.mark.parametrize("rate_hz", [0.0, -24.0, math.nan, math.inf, 1e12])
def test_value_that_is_no_rate_is_refused(rate_hz: float) -> None:
    with pytest.raises(ClockError, match="rate"):
        exact_rate(rate_hz)


def test_a_frame_rate_in_text_is_read_or_refused_for_what_is_wrong_with_it() -> None:
    assert parse_rate("23.976") == NTSC_24
    with pytest.raises(ClockError, match="is a number"):
        parse_rate("film")
    with pytest.raises(ClockError, match="lies between 0 and"):
        parse_rate("1e9")


@pytest.mark.parametrize("text", ["1e400", "1e999999999", "9" * 60, "nan", "1,5", "1/0", "5s", "\uff15"])
def test_numbers_beyond_all_times_are_refused_before_they_are_computed(text: str) -> None:
    for parse in (parse_seconds, parse_rate):
        with pytest.raises(ClockError, match=r"a (time|frame rate) is"):
            parse(text)


def test_numbers_are_read_as_people_write_them() -> None:
    numbers = {
        "+2": Fraction(2),
        "-.5": Fraction(-1, 2),
        " 12.5 ": Fraction(25, 2),
        "1001/24000": Fraction(1001, 24000),
        "1e-3": Fraction(1, 1000),
    }
    assert {text: parse_seconds(text) for text in numbers} == numbers


def test_every_frame_at_23_976_is_2002_samples_exactly() -> None:
    starts = [sample_index(frame / NTSC_24, 48000) for frame in range(0, 200_000, 97)]
    assert starts == [2002 * frame for frame in range(0, 200_000, 97)]


def test_float_seconds_of_whole_frames_become_exact() -> None:
    for frame in (1, 120, 86437, 10_000_019):
        moment = otio.opentime.RationalTime(frame, 24000 / 1001)
        assert exact_seconds(moment) == Fraction(frame * 1001, 24000)


def test_float_error_around_a_frame_is_removed() -> None:
    assert exact_seconds(otio.opentime.RationalTime(-1.9e-14, 24)) == 0
    assert exact_seconds(otio.opentime.RationalTime(86437.0000000001, 24)) == Fraction(86437, 24)
    assert exact_seconds(otio.opentime.RationalTime(12.5, 24)) == Fraction(25, 48)


def test_times_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ClockError, match="finite"):
        exact_seconds(otio.opentime.RationalTime(math.nan, 24))


def test_half_a_sample_rounds_up() -> None:
    assert sample_index(Fraction(1, 2), 1) == 1
    assert sample_index(Fraction(-1, 2), 1) == 0
    assert sample_index(Fraction(49, 100), 1) == 0


def test_neighbouring_clips_at_29_97_meet_without_gap_or_overlap() -> None:
    edges = [frame / NTSC_30 for frame in range(0, 5000, 7)]
    lengths = [count_samples(a, b, 48000) for a, b in itertools.pairwise(edges)]
    assert sum(lengths) == sample_index(edges[-1], 48000)
    assert set(lengths) == {11211, 11212}


@pytest.mark.parametrize(
    ("frame", "rate", "drop", "label"),
    [
        (0, Fraction(24), False, "00:00:00:00"),
        (86400, NTSC_24, False, "01:00:00:00"),
        (107892, NTSC_30, True, "01:00:00;00"),
        (108000, NTSC_30, False, "01:00:00:00"),
        (1799, NTSC_30, True, "00:00:59;29"),
        (1800, NTSC_30, True, "00:01:00;02"),
        (17981, NTSC_30, True, "00:09:59;29"),
        (17982, NTSC_30, True, "00:10:00;00"),
        (215784, NTSC_60, True, "01:00:00;00"),
        (3600, NTSC_60, True, "00:01:00;04"),
        (90000, Fraction(25), True, "01:00:00:00"),
        (24 * 86400, Fraction(24), False, "00:00:00:00"),
    ],
)
def test_frames_get_their_smpte_labels(frame: int, rate: Fraction, drop: bool, label: str) -> None:
    assert format_timecode(frame, rate, drop_frame=drop) == label


@pytest.mark.parametrize(
    ("rate", "drop"), [(NTSC_30, True), (NTSC_60, True), (NTSC_30, False), (NTSC_24, False)]
)
def test_labels_agree_with_opentimelineio_and_read_back(rate: Fraction, drop: bool) -> None:
    for frame in range(0, 24 * 3600 * 20, 1777):
        label = format_timecode(frame, rate, drop_frame=drop)
        theirs = otio.opentime.RationalTime(frame, float(rate)).to_timecode(float(rate), drop)
        assert label == theirs
        assert parse_timecode(label, rate) == frame


@pytest.mark.parametrize(
    "label", ["1:2:3", "00:00:00:24", "00:60:00:00", "24:00:00:00", "00:00:00;00", "-00:00:00:00", "now"]
)
def test_labels_that_do_not_exist_at_24_are_refused(label: str) -> None:
    with pytest.raises(ClockError):
        parse_timecode(label, Fraction(24))


@pytest.mark.parametrize(("rate", "dropped"), [(30, 2), (60, 4), (120, 8)])
def test_drop_frame_labels_of_whole_rates_are_read_and_written_as_phones_write_them(
    rate: int, dropped: int
) -> None:
    exact = Fraction(rate)
    frame = parse_timecode("16:37:10;02", exact)
    assert format_timecode(frame, exact, drop_frame=True) == "16:37:10;" + ("002" if rate > 100 else "02")
    assert format_timecode(60 * rate, exact, drop_frame=True).endswith(
        f"00:01:00;{dropped:0{3 if rate > 100 else 2}}"
    )
    assert not can_drop_frames(exact)
    with pytest.raises(ClockError, match="leaves out"):
        parse_timecode("00:01:00;01", exact)
    with pytest.raises(ClockError, match="does not exist at 25"):
        parse_timecode("00:01:00;02", Fraction(25))


@pytest.mark.parametrize(
    ("rate", "drop", "start_frame", "since_s"),
    [
        (Fraction(24), False, 24 * 86398, Fraction(1)),
        (NTSC_30, False, 30 * 86398, Fraction(3) - 60 / NTSC_30),
        (Fraction(24), False, 0, Fraction(3)),
    ],
)
def test_time_since_midnight_starts_over_with_the_labels(
    rate: Fraction, drop: bool, start_frame: int, since_s: Fraction
) -> None:
    clock = TimelineClock(
        frame_rate_hz=rate, otio_rate_hz=float(rate), start_frame=start_frame, drop_frame=drop
    )
    assert clock.since_midnight_s(Fraction(3)) == since_s
    assert clock.since_midnight_s(Fraction(-1) - start_frame / rate) == -1


def test_the_labels_drop_frame_leaves_out_are_refused() -> None:
    with pytest.raises(ClockError, match="leaves out"):
        parse_timecode("00:01:00;01", NTSC_30)
    assert parse_timecode("00:10:00;01", NTSC_30) == 17983


def start_at(start: otio.opentime.RationalTime | None) -> otio.schema.Timeline:
    return otio.schema.Timeline(global_start_time=start)


def test_start_label_decides_between_drop_and_non_drop() -> None:
    rate_hz = 30000 / 1001
    drop = build_timeline_clock(start_at(otio.opentime.RationalTime(107892, rate_hz)), [rate_hz])
    non_drop = build_timeline_clock(start_at(otio.opentime.RationalTime(108000, rate_hz)), [rate_hz])
    assert (drop.timecode(Fraction(0)), non_drop.timecode(Fraction(0))) == ("01:00:00;00", "01:00:00:00")


def test_timeline_without_start_time_begins_at_zero() -> None:
    clock = build_timeline_clock(start_at(None), [25.0])
    assert clock.timecode(Fraction(1)) == "00:00:01:00"


def test_start_time_written_at_the_nominal_rate_keeps_its_label() -> None:
    clock = build_timeline_clock(start_at(otio.opentime.RationalTime(86400, 24)), [24000 / 1001] * 3)
    assert clock.frame_rate_hz == NTSC_24
    assert clock.timecode(Fraction(0)) == "01:00:00:00"


def test_start_rate_decides_between_rates_that_items_use() -> None:
    start = start_at(otio.opentime.RationalTime(0, 24))
    assert build_timeline_clock(start, [25.0, 25.0, 24.0]).frame_rate_hz == 24
    assert build_timeline_clock(start_at(None), [25.0, 25.0, 24.0]).frame_rate_hz == 25


@pytest.mark.parametrize(
    ("metadata", "label"),
    [
        ({}, "01:00:00:00"),
        ({"REAPER": {"drop_frame": True}}, "01:00:03;18"),
        ({"REAPER": {"drop_frame": False}}, "01:00:00:00"),
        ({"fcpxml": {"tc_format": "DF"}}, "01:00:03;18"),
        ({"REAPER": {"drop_frame": "perhaps"}}, "01:00:00:00"),
        ({"REAPER": "none"}, "01:00:00:00"),
    ],
)
def test_labels_are_as_the_metadata_says_else_as_the_start_suggests(
    metadata: dict[str, object], label: str
) -> None:
    rate_hz = 30000 / 1001
    timeline = start_at(otio.opentime.RationalTime(108_000, rate_hz))
    timeline.metadata.update(metadata)
    assert build_timeline_clock(timeline, [rate_hz]).timecode(Fraction(0)) == label
    at_25 = start_at(otio.opentime.RationalTime(90_000, 25))
    at_25.metadata.update(metadata)
    assert build_timeline_clock(at_25, [25.0]).timecode(Fraction(0)) == "01:00:00:00"


def test_times_that_are_added_have_the_same_float_rate_as_the_timeline() -> None:
    clock = build_timeline_clock(start_at(None), [23.976])
    assert clock.rational_time(Fraction(1001, 24000)) == otio.opentime.RationalTime(1, 23.976)
    assert clock.rational_time(Fraction(1001, 24000)).rate == 23.976


def test_record_timecode_is_parsed_to_seconds() -> None:
    clock = build_timeline_clock(start_at(otio.opentime.RationalTime(90000, 25)), [25.0])
    assert clock.parse_record_s("01:00:02:05") == Fraction(55, 25)
