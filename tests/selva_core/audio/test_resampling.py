"""Resampling: as clean and flat as the audio files that it goes into, at any ratio, without delay, in bounded memory."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest

from selva_core.audio.resampling import iter_resampled

Samples = npt.NDArray[np.float64]
RATES = [
    (16_000, 48_000),
    (44_100, 48_000),
    (44_101, 48_000),
    (47_999, 48_000),
    (16_000, 44_101),
    (48_000, 44_100),
    (44_100, 16_000),
    (44_100, 192_000),
]


def resample(samples: Samples, *, from_hz: int, to_hz: int) -> Samples:
    blocks = list(iter_resampled(samples.astype(np.float32), from_hz=from_hz, to_hz=to_hz))
    return np.concatenate(blocks).astype(np.float64)


def tone(tone_hz: float, *, rate_hz: int, seconds: int = 3) -> Samples:
    return np.sin(2 * np.pi * tone_hz * np.arange(seconds * rate_hz) / rate_hz)


def level_db(samples: Samples) -> float:
    return 20 * math.log10(math.sqrt(2 * float(np.mean(samples**2))) + 1e-30)


def highest_spur_db(samples: Samples, *, tone_hz: float, rate_hz: int) -> float:
    """The highest line of the spectrum that is not the tone's, relative to the tone."""
    spectrum = np.abs(np.fft.rfft(samples * np.kaiser(len(samples), 40)))
    distance = np.abs(np.arange(len(spectrum)) - tone_hz * len(samples) / rate_hz)
    return 20 * math.log10(float(spectrum[distance > 60].max() / spectrum.max()))


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("share_of_nyquist", [0.1, 0.5, 0.9, 0.96])
def test_resampled_tone_has_its_level_and_nothing_beside_it(
    from_hz: int, to_hz: int, share_of_nyquist: float
) -> None:
    tone_hz = share_of_nyquist * min(from_hz, to_hz) / 2
    # float32 holds a tone with errors spread at -150 dB and less, each; the tone's own are averaged out over three seconds
    samples = resample(tone(tone_hz, rate_hz=from_hz), from_hz=from_hz, to_hz=to_hz)
    middle = samples[to_hz // 2 : -to_hz // 2]
    assert abs(level_db(middle)) < 0.01
    assert highest_spur_db(middle, tone_hz=tone_hz, rate_hz=to_hz) < -150


@pytest.mark.parametrize("above_nyquist", [1.0, 1.02, 1.2])
def test_tone_above_the_new_nyquist_is_not_heard(above_nyquist: float) -> None:
    samples = resample(tone(22_050 * above_nyquist, rate_hz=96_000), from_hz=96_000, to_hz=44_100)
    assert level_db(samples[22_050:-22_050]) < -140  # the float32 of the input has noise of its own


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_click_stays_on_its_instant(from_hz: int, to_hz: int) -> None:
    clicks = np.zeros(from_hz)
    clicks[from_hz // 2] = 1.0
    samples = resample(clicks, from_hz=from_hz, to_hz=to_hz)
    energy = samples**2
    centre = float((energy * np.arange(len(energy))).sum() / energy.sum())
    assert centre == pytest.approx(from_hz // 2 * to_hz / from_hz, abs=0.01)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(16_000, 48_000), (44_101, 48_000), (48_000, 44_100)])
def test_first_sample_lies_at_time_zero_and_the_length_is_rounded_up(from_hz: int, to_hz: int) -> None:
    for num_samples in (1, 7, 1_001, 300_001):
        samples = resample(np.ones(num_samples), from_hz=from_hz, to_hz=to_hz)
        assert len(samples) == math.ceil(num_samples * to_hz / from_hz)
    held = resample(np.ones(2 * from_hz), from_hz=from_hz, to_hz=to_hz)
    assert held[to_hz] == pytest.approx(1.0, abs=1e-6)


def test_nothing_resampled_is_nothing() -> None:
    assert list(iter_resampled(np.zeros(0, np.float32), from_hz=16_000, to_hz=48_000)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="getrusage is not there")
@pytest.mark.parametrize("to_hz", [47_999, 48_000])
def test_rates_without_a_common_divisor_take_no_more_memory_than_others(to_hz: int) -> None:
    program = f"""
import resource, sys
import numpy as np
from selva_core.audio.resampling import iter_resampled
unit = 1 if sys.platform == "darwin" else 1024
samples = np.zeros(44101 * 60, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for block in iter_resampled(samples, from_hz=44101, to_hz={to_hz}):
    pass
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
assert grown < 64e6, grown
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
