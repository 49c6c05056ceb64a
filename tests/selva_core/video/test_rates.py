"""Which frame rate is meant by what a container states, and what a variable one is counted in."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from selva_core.video.probe import probe_media
from selva_core.video.rates import fits_rate, is_plausible_rate, measure_rate, nominal_rate_of, snap_rate
from selva_core.video.reader import MediaReader

MakeVideo = Callable[..., Path]
MEDIA = Path(__file__).parents[2] / "data" / "media"
NTSC_60, NTSC_120 = Fraction(60000, 1001), Fraction(120000, 1001)


def times_of(rate_hz: Fraction, count: int, tick_s: Fraction) -> list[Fraction]:
    return [round(k / rate_hz / tick_s) * tick_s for k in range(count)]


@pytest.mark.parametrize(
    ("stated", "tick", "duration_s", "snapped"),
    [
        (Fraction(72000, 1201), Fraction(1, 600), Fraction(1201, 600), NTSC_60),
        (Fraction(72000, 1201), Fraction(1, 90000), Fraction(1201, 600), Fraction(72000, 1201)),
        (Fraction(2999, 100), Fraction(1, 1000), Fraction(2), Fraction(30)),
        (Fraction(38400, 38929), Fraction(1, 16000), Fraction(12), Fraction(38400, 38929)),
    ],
)
def test_rate_is_snapped_within_one_tick_over_the_duration(
    stated: Fraction, tick: Fraction, duration_s: Fraction, snapped: Fraction
) -> None:
    assert snap_rate(stated, tick_s=tick, duration_s=duration_s) == snapped


@pytest.mark.parametrize(
    ("rate_hz", "is_plausible"), [(90_000, False), (60_000, False), (960, True), (1, True)]
)
def test_rate_of_the_ticks_is_no_frame_rate(rate_hz: int, is_plausible: bool) -> None:
    assert is_plausible_rate(Fraction(rate_hz)) is is_plausible


@pytest.mark.parametrize("rate_hz", [NTSC_120, Fraction(120), NTSC_60, Fraction(25), Fraction(25, 2)])
def test_constant_rate_is_measured_through_the_rounding_of_its_times(rate_hz: Fraction) -> None:
    for tick_s in (Fraction(1, 90_000), Fraction(1, 1000)):
        measured = measure_rate(times_of(rate_hz, 250, tick_s), tick_s)
        assert measured is not None
        assert (measured.rate_hz, measured.is_variable) == (rate_hz, False)


def test_statement_is_believed_only_where_the_times_agree_with_it() -> None:
    tick_s = Fraction(1, 90_000)
    times_s = times_of(NTSC_120, 100, tick_s)
    assert not fits_rate(times_s, Fraction(120), tick_s)
    measured = measure_rate(times_s, tick_s, stated_hz=Fraction(120))
    assert measured is not None
    assert measured.rate_hz == NTSC_120


@pytest.mark.parametrize(
    ("steps_ms", "nominal"),
    [
        ([33, 34, 33, 50, 16], 30),
        ([17, 17, 16, 42, 41], 60),
        ([40, 40, 80], 25),
        ([5000, 33, 7000, 9000], 30),
    ],
)
def test_variable_rate_is_counted_in_the_rate_of_its_usual_frame(steps_ms: list[int], nominal: int) -> None:
    steps_s = [Fraction(step, 1000) for step in steps_ms]
    assert round(nominal_rate_of(steps_s)) == nominal


def test_file_of_59_94_in_ticks_of_a_600th_has_that_rate(numbered_video: MakeVideo) -> None:
    pts = [round(k * 600 / NTSC_60) for k in range(120)]
    path = numbered_video(
        "t.mov", num_frames=120, rate_hz=NTSC_60, time_base_s=Fraction(1, 600), pts=pts,
        container_options={"video_track_timescale": "600"},
    )  # fmt: skip
    assert probe_media(path).frame_rate_hz == NTSC_60
    assert probe_media(path).warnings == ()


@pytest.mark.parametrize("rate_hz", [NTSC_120, Fraction(120)])
def test_transport_stream_of_119_88_is_not_taken_for_120(
    numbered_video: MakeVideo, rate_hz: Fraction
) -> None:
    path = numbered_video("fast.ts", num_frames=120, rate_hz=rate_hz, num_b_frames=2)
    assert probe_media(path).frame_rate_hz == rate_hz


@pytest.mark.parametrize("rate_hz", [NTSC_60, NTSC_120])
def test_program_stream_whose_ticks_are_counted_between_packets_keeps_its_frames(
    numbered_video: MakeVideo, rate_hz: Fraction
) -> None:
    path = numbered_video(
        "n.mpg", num_frames=90, rate_hz=rate_hz, codec="mpeg2video", num_b_frames=2, options={"b": "4M"}
    )
    with MediaReader(path) as reader:
        assert (reader.frame_rate_hz, reader.end_s) == (rate_hz, 90 / rate_hz)
        starts_s = [shown.start_s for shown in reader.iter_shown(Fraction(0))]
    assert starts_s == [k / rate_hz for k in range(90)]


def test_variable_rate_has_a_nominal_one_and_says_so() -> None:
    info = probe_media(MEDIA / "vfr_screen.mp4")
    assert info.frame_rate_hz == 30
    assert "variable frame rate: its timecode is counted in 30" in info.warnings[0]
    with MediaReader(info.path) as reader:
        starts_s = [shown.start_s for shown in reader.iter_shown(Fraction(0))]
    assert starts_s[3:6] == [Fraction(1600, 16000), Fraction(5), Fraction(80528, 16000)]


def test_matroska_of_variable_rate_says_so_although_its_header_states_a_rate(
    numbered_video: MakeVideo,
) -> None:
    pts, even = [0], [40 * k for k in range(40)]
    for step_ms in [16, 500, 16, 16, 2000, 33, 16, 700] * 5:
        pts.append(pts[-1] + step_ms)
    screen = numbered_video("v.mkv", num_frames=len(pts), time_base_s=Fraction(1, 1000), pts=pts)
    [warning] = probe_media(screen).warnings
    assert "variable frame rate: its timecode is counted in 25" in warning
    with MediaReader(screen) as reader:
        assert [shown.start_s * 1000 for shown in reader.iter_shown(Fraction(0))] == pts
    whole = numbered_video("n.mkv", num_frames=40, time_base_s=Fraction(1, 1000), pts=even)
    assert probe_media(whole).warnings == ()


def test_variable_transport_stream_has_a_plausible_rate(numbered_video: MakeVideo) -> None:
    pts = [3000 * k + 700 * (k % 3) for k in range(100)]
    path = numbered_video(
        "v.ts", num_frames=100, time_base_s=Fraction(1, 90_000), pts=pts, rate_hz=Fraction(30)
    )
    info = probe_media(path)
    assert info.frame_rate_hz in (Fraction(30), Fraction(30000, 1001), Fraction(25), Fraction(24))
    assert info.warnings


def test_raw_stream_says_that_its_frames_are_counted(numbered_video: MakeVideo) -> None:
    [warning] = probe_media(numbered_video("n.h264", num_frames=30)).warnings
    assert "raw stream that states no times" in warning
    assert probe_media(numbered_video("n.mp4", num_frames=30)).warnings == ()
