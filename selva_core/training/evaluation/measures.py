"""Measurements on a stem: event times, level over time, pitch, leakage. Pure functions.

Waveforms are float32 (n,) at 16 kHz. Levels are taken every 10 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from selva_core.audio.events import find_onset_hops
from selva_core.audio.events import level_curve as audio_level_curve
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ

FloatArray: TypeAlias = npt.NDArray[np.float32]

HOP_S = 0.01
NEAR_OWN_S = 0.15
AROUND_OTHER_S = 0.1
QUIET_DB = -100.0
SILENT_PEAK_DB = -50.0
AROUND_OWN_S = 0.1
MIN_LEAK_HOPS = 10


def level_curve(wave: FloatArray) -> FloatArray:
    """Root mean square of each 10 ms, float32 (n // 160,)."""
    return audio_level_curve(wave, SAMPLE_RATE_HZ)


def find_onsets(wave: FloatArray, *, min_gap_s: float = 0.1) -> list[float]:
    """Times (s) at which the level jumps: a rise of the level in dB to a level that is loud for this waveform."""
    hops = find_onset_hops(level_curve(wave), min_gap_s=min_gap_s)
    return [hop * HOP_S for hop in hops]


def correlation(one: FloatArray, other: FloatArray) -> float:
    """Pearson's correlation; 0 where either does not change."""
    if one.std() < 1e-6 or other.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def level_at_frames(wave: FloatArray, frames_per_second: int, num_frames: int) -> FloatArray:
    """Level within each video frame, float32 (num_frames,)."""
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
    """Level at the onsets of other sources, away from the source's own, relative to the level at its own onsets (dB).

    tail_s: how long the source's own sound rings, which does not count as leakage. None when there is no such moment.
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
    """`leakage_db` for a sustained source: level at the onsets of others while it rests, relative to while it sounds.

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


def is_silent(wave: FloatArray) -> bool:
    """Whether no sample exceeds SILENT_PEAK_DB of full scale."""
    return bool(np.abs(wave).max(initial=0.0) < 10 ** (SILENT_PEAK_DB / 20))


def level_difference_db(wave: FloatArray, dry: FloatArray) -> float:
    """Root mean square of a stem relative to that of the dry sound (dB)."""
    return _decibel(float(np.sqrt(np.mean(wave**2))), float(np.sqrt(np.mean(dry**2))))


def leaked_share(wave: FloatArray, *, own: FloatArray, others: Sequence[FloatArray]) -> float | None:
    """Power of a stem while only other sources sound, relative to its power while its own is loud.

    own, others: dry sounds, which also say how long each rings. None where the others never sound alone, or the stem is
    silent where its own source sounds.
    """
    power = level_curve(wave) ** 2
    own_level, other_level = level_curve(own), level_curve(np.sum(others, axis=0, dtype=np.float32))
    num = min(power.size, own_level.size)
    power, own_level, other_level = power[:num], own_level[:num], other_level[:num]
    reach = round(AROUND_OWN_S / HOP_S)
    is_near_own = np.convolve(own_level > 0.01 * own_level.max(), np.ones(2 * reach + 1), mode="same") > 0
    only_others = (other_level > 0.1 * other_level.max()) & ~is_near_own
    is_own_loud = own_level > 0.1 * own_level.max()
    own_power = float(power[is_own_loud].mean()) if is_own_loud.any() else 0.0
    if only_others.sum() < MIN_LEAK_HOPS or own_power < 1e-8:
        return None
    return float(power[only_others].mean()) / own_power


def mean_power_db(shares: Sequence[float]) -> float | None:
    """The mean of ratios of power, in dB, so that a loud leak is not averaged away; None without any."""
    return round(max(QUIET_DB, 10 * float(np.log10(np.mean(shares) + 1e-12))), 2) if shares else None
