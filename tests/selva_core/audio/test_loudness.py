"""Loudness against the test cases of ITU-R BS.1770-4, EBU Tech 3341 and 3342, and against ffmpeg's own meter."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from selva_core.audio.loudness import Loudness, LoudnessMeter, design_weighting

Samples = npt.NDArray[np.float32]
RATE_HZ = 48_000


def sine(level_db: float, seconds: float, *, tone_hz: float = 997.0, rate_hz: int = RATE_HZ) -> Samples:
    t_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * tone_hz * t_s)).astype(np.float32)


def measure(samples: Samples, *, rate_hz: int = RATE_HZ, block_samples: int = 40_000) -> Loudness:
    meter = LoudnessMeter(rate_hz)
    blocks = [samples[at : at + block_samples] for at in range(0, len(samples), block_samples)]
    passed = list(meter.watch(blocks))
    assert np.array_equal(np.concatenate([*passed, samples[:0]]), samples)
    return meter.read()


def test_weighting_at_48_khz_is_the_one_of_the_standard() -> None:
    """ITU-R BS.1770-4, tables 1 and 2."""
    head, low = design_weighting(48_000)
    assert head.b == pytest.approx((1.53512485958697, -2.69169618940638, 1.19839281085285), abs=1e-8)
    assert (head.a1, head.a2) == pytest.approx((-1.69065929318241, 0.73248077421585), abs=1e-8)
    assert low.b == (1.0, -2.0, 1.0)
    assert (low.a1, low.a2) == pytest.approx((-1.99004745483398, 0.99007225036621), abs=1e-8)


@pytest.mark.parametrize("level_db", [0.0, -23.0, -40.0])
def test_full_scale_sine_of_one_channel_reads_three_below_its_level(level_db: float) -> None:
    """ITU-R BS.1770-4: a 0 dBFS, 997 Hz sine on one channel reads -3.01 LKFS."""
    loudness = measure(sine(level_db, 10))
    assert loudness.integrated_lufs == pytest.approx(level_db - 3.01, abs=0.05)
    assert loudness.max_momentary_lufs == pytest.approx(level_db - 3.01, abs=0.05)
    assert loudness.max_short_term_lufs == pytest.approx(level_db - 3.01, abs=0.05)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 96_000, 192_000])
def test_loudness_does_not_depend_on_the_sample_rate(rate_hz: int) -> None:
    samples = sine(-20, 5, rate_hz=rate_hz)
    assert measure(samples, rate_hz=rate_hz).integrated_lufs == pytest.approx(-23.01, abs=0.1)


def test_peak_between_samples_is_found() -> None:
    """EBU Tech 3341, case 15 and on: at a quarter of the rate, samples may miss the peak by 3 dB."""
    t = np.arange(RATE_HZ)
    tone = 0.5 * np.sin(np.pi / 2 * t + np.pi / 4) * np.sin(np.pi * t / RATE_HZ)
    samples = tone.astype(np.float32)
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-9.03, abs=0.01)
    assert measure(samples).max_true_peak_dbtp == pytest.approx(-6.02, abs=0.2)


def test_quiet_passages_below_the_relative_gate_do_not_count() -> None:
    """EBU Tech 3341, case 3: -36, -23 and -36 dBFS read as the loud part does."""
    samples = np.concatenate([sine(-36, 10), sine(-23, 60), sine(-36, 10)])
    assert measure(samples).integrated_lufs == pytest.approx(-26.01, abs=0.1)


@pytest.mark.parametrize(("soft_db", "loud_db", "range_lu"), [(-20.0, -30.0, 10.0), (-40.0, -20.0, 20.0)])
def test_range_of_two_levels_is_their_distance(soft_db: float, loud_db: float, range_lu: float) -> None:
    """EBU Tech 3342, cases 1 and 3."""
    samples = np.concatenate([sine(soft_db, 40), sine(loud_db, 40)])
    assert measure(samples).range_lu == pytest.approx(range_lu, abs=1)


def test_silence_has_no_loudness_and_no_peak() -> None:
    assert measure(np.zeros(5 * RATE_HZ, np.float32)) == Loudness()


def test_audio_below_the_absolute_gate_has_a_peak_only() -> None:
    loudness = measure(sine(-72, 5))
    assert loudness.max_true_peak_dbtp == pytest.approx(-72, abs=0.1)
    assert loudness.integrated_lufs is None
    assert loudness.max_momentary_lufs is None


@pytest.mark.parametrize(
    ("seconds", "measured"),
    [
        (0.01, {"max_true_peak_dbtp"}),
        (0.399, {"max_true_peak_dbtp"}),
        (0.4, {"max_true_peak_dbtp", "integrated_lufs", "max_momentary_lufs"}),
        (3.0, {"max_true_peak_dbtp", "integrated_lufs", "max_momentary_lufs", "max_short_term_lufs"}),
    ],
)
def test_short_audio_has_the_values_whose_windows_it_fills(seconds: float, measured: set[str]) -> None:
    loudness = measure(sine(-20, seconds))
    assert {name for name, value in vars(loudness).items() if value is not None} == measured


def test_result_does_not_depend_on_the_block_size() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 4 * RATE_HZ).astype(np.float32)
    small, whole = (vars(measure(samples, block_samples=size)) for size in (1_001, 4 * RATE_HZ))
    assert small.pop("range_lu") is whole.pop("range_lu") is None
    assert small == pytest.approx(whole, abs=1e-9)


def test_ffmpeg_measures_the_same(tmp_path: Path) -> None:
    """An independent judge: the summary of ffmpeg's own meter."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip(
            "ffmpeg is not installed (Debian's package ffmpeg): loudness is not checked against its meter"
        )
    rng = np.random.default_rng(3)
    envelope = np.repeat(rng.uniform(0.001, 0.3, 70), RATE_HZ)
    samples = (envelope * rng.normal(0, 0.3, len(envelope))).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, RATE_HZ, subtype="FLOAT")
    command = [
        ffmpeg,
        "-nostats",
        "-i",
        str(tmp_path / "noise.wav"),
        "-af",
        "ebur128=peak=true",
        "-f",
        "null",
        "-",
    ]
    log = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr
    summary = log[log.rindex("Summary:") :]
    found = {key: float(value) for key, value in re.findall(r"(I|LRA|Peak): +(-?[0-9.]+) ", summary)}
    loudness = measure(samples)
    assert loudness.integrated_lufs == pytest.approx(found["I"], abs=0.1)
    assert loudness.range_lu == pytest.approx(found["LRA"], abs=0.3)
    assert loudness.max_true_peak_dbtp == pytest.approx(found["Peak"], abs=0.2)


def test_values_beyond_full_scale_are_measured_as_they_are_stored() -> None:
    clipped = np.clip(sine(6, 5), -1, 1)
    assert measure(sine(6, 5)) == measure(clipped)
