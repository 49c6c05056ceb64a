"""What is measured on a stem: events and their times, level over time, pitch, leakage, distance of spectra. Pure functions.

Waves are float32 (n,) at 16 kHz. Levels are taken every 10 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from selva_core.training.sounds import SAMPLE_RATE_HZ

FloatArray: TypeAlias = npt.NDArray[np.float32]

HOP_S = 0.01
ONSET_TOLERANCE_S = 0.08
NEAR_OWN_S = 0.15
AROUND_OTHER_S = 0.1
QUIET_DB = -100.0


def level_curve(wave: FloatArray) -> FloatArray:
    """Root mean square of each 10 ms, float32 (n // 160,)."""
    hop = round(HOP_S * SAMPLE_RATE_HZ)
    num_hops = wave.size // hop
    powers = np.square(wave[: num_hops * hop]).reshape(num_hops, hop).mean(axis=1)
    return np.asarray(np.sqrt(powers + 1e-12), np.float32)


def find_onsets(wave: FloatArray, *, min_gap_s: float = 0.1) -> list[float]:
    """Times (s) at which the level jumps: a rise of the logarithmic level that is also loud for this wave."""
    level = level_curve(wave)
    loud = max(float(np.percentile(level, 99.5)), 1e-4)
    decibel = 20 * np.log10(np.maximum(level, 0.01 * loud))
    before = np.minimum.reduce([np.roll(decibel, shift) for shift in (2, 3, 4, 5)])
    before[:5] = decibel[:5].min() if decibel[:5].size else 0.0
    rise = np.where(level > 0.12 * loud, decibel - before, 0.0)
    onsets: list[float] = []
    for index in np.argsort(-rise):
        if rise[index] < 6.0:
            break
        time_s = float(index) * HOP_S
        if all(abs(time_s - other) >= min_gap_s for other in onsets):
            onsets.append(time_s)
    return sorted(onsets)


def match_onsets(found_s: Sequence[float], wanted_s: Sequence[float]) -> tuple[int, int, int]:
    """(matched, found, wanted): each wanted onset takes the nearest free found one within 80 ms."""
    free = list(found_s)
    matched = 0
    for wanted in wanted_s:
        near = min(free, key=lambda time: abs(time - wanted), default=None)
        if near is not None and abs(near - wanted) <= ONSET_TOLERANCE_S:
            free.remove(near)
            matched += 1
    return matched, len(found_s), len(wanted_s)


def f1(matched: int, found: int, wanted: int) -> float:
    """Harmonic mean of precision and recall; 1 when nothing was wanted and nothing found."""
    return 2 * matched / (found + wanted) if found + wanted else 1.0


def correlation(one: FloatArray, other: FloatArray) -> float:
    """Pearson's correlation; 0 where either does not change."""
    if one.std() < 1e-6 or other.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def level_at_frames(wave: FloatArray, frames_per_second: int, num_frames: int) -> FloatArray:
    """Level within each picture frame, float32 (num_frames,)."""
    level = level_curve(wave)
    times = (np.arange(num_frames) + 0.5) / frames_per_second
    grid = (np.arange(level.size) + 0.5) * HOP_S
    smooth = np.convolve(level, np.ones(6) / 6, mode="same")
    return np.asarray(np.interp(times, grid, smooth), np.float32)


def pitch_at_frames(wave: FloatArray, frames_per_second: int, num_frames: int) -> FloatArray:
    """Frequency (Hz) of the strongest partial from 200 to 2000 Hz around each frame, 0 where there is no sound."""
    size = 1024
    window = np.hanning(size)
    bins_hz = np.fft.rfftfreq(4 * size, 1 / SAMPLE_RATE_HZ)
    allowed = (bins_hz >= 200) & (bins_hz <= 2000)
    padded = np.pad(wave, (size // 2, size))
    out = np.zeros(num_frames, np.float32)
    loud = float(np.abs(wave).max()) + 1e-6
    for k in range(num_frames):
        start = round((k + 0.5) / frames_per_second * SAMPLE_RATE_HZ)
        piece = padded[start : start + size]
        if np.abs(piece).max() > 0.1 * loud:
            spectrum = np.abs(np.fft.rfft(piece * window, 4 * size)) * allowed
            out[k] = bins_hz[int(spectrum.argmax())]
    return out


def leakage_db(
    wave: FloatArray, *, own_s: Sequence[float], other_s: Sequence[float], tail_s: float
) -> float | None:
    """Level around the other thing's onsets, away from one's own, against the level at one's own onsets (dB).

    `tail_s` is how long one's own sound rings and is not counted as leaking. None when no such moment exists.
    """
    level = level_curve(wave)
    times = (np.arange(level.size) + 0.5) * HOP_S
    own = np.zeros(level.size, bool)
    for onset in own_s:
        own |= (times > onset - 0.02) & (times < onset + NEAR_OWN_S)
    near_own = np.zeros(level.size, bool)
    for onset in own_s:
        near_own |= (times > onset - NEAR_OWN_S) & (times < onset + tail_s)
    other = np.zeros(level.size, bool)
    for onset in other_s:
        other |= (times > onset - 0.02) & (times < onset + AROUND_OTHER_S)
    other &= ~near_own
    if not other.any() or not own.any():
        return None
    return _decibel(float(level[other].mean()), float(level[own].mean()))


def quiet_leakage_db(wave: FloatArray, *, loudness: FloatArray, other_s: Sequence[float]) -> float | None:
    """The same for a thing that sounds on and on: level at the other's onsets while it rests, against while it sounds.

    loudness: 0..1, one value per 10 ms.
    """
    level = level_curve(wave)
    num = min(level.size, loudness.size)
    level, loudness = level[:num], loudness[:num]
    times = (np.arange(num) + 0.5) * HOP_S
    rests = np.convolve(loudness, np.ones(15) / 15, mode="same") < 0.02
    other = np.zeros(num, bool)
    for onset in other_s:
        other |= (times > onset - 0.02) & (times < onset + AROUND_OTHER_S)
    if not (other & rests).any() or not (loudness > 0.3).any():
        return None
    return _decibel(float(level[other & rests].mean()), float(level[loudness > 0.3].mean()))


def _decibel(value: float, reference: float) -> float:
    return max(QUIET_DB, 20 * float(np.log10((value + 1e-9) / (reference + 1e-9))))
