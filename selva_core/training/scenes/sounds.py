"""Dry sounds of all sources, synthesised at 16 kHz: without a room and without other sources.

Impacts are sums of decaying modes (frequencies and decay times by material and size); voices are glides through
formants; rain, wind and saw are shaped noise. One-shots return float32 (n,) starting at their onset; `strike_all` puts them
at event times. Continuous sounds take a curve sampled at the audio rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal

from selva_core.training.scenes.drawing import FloatArray

SAMPLE_RATE_HZ = 16_000
Rng = np.random.Generator


def seconds(duration_s: float) -> FloatArray:
    """Time of each sample, float32 (n,)."""
    return np.asarray(np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ, np.float32)


def modes(
    frequencies_hz: Sequence[float], decays_s: Sequence[float], gains: Sequence[float], duration_s: float
) -> FloatArray:
    """Decaying sines starting together; `decays_s` are the times to fall by 60 dB."""
    t = seconds(duration_s)
    out = np.zeros_like(t)
    for frequency, decay, gain in zip(frequencies_hz, decays_s, gains, strict=True):
        if frequency < 0.48 * SAMPLE_RATE_HZ:
            out += gain * np.exp(-6.9 * t / decay) * np.sin(2 * np.pi * frequency * t)
    return _faded_out(out)


def noise(rng: Rng, num_samples: int, low_hz: float, high_hz: float) -> FloatArray:
    """Band-passed white noise of unit level."""
    band = signal.butter(2, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    out = signal.sosfilt(band, rng.standard_normal(num_samples + 400))[400:]
    return np.asarray(out / (out.std() + 1e-6), np.float32)


def burst(rng: Rng, low_hz: float, high_hz: float, decay_s: float) -> FloatArray:
    """Noise that starts abruptly and falls by 60 dB in `decay_s`."""
    t = seconds(decay_s)
    return _faded_out(noise(rng, t.size, low_hz, high_hz) * np.exp(-6.9 * t / decay_s))


def add(*parts: npt.NDArray[np.float32]) -> FloatArray:
    """Sum of sounds that start together."""
    out = np.zeros(max(part.size for part in parts), np.float32)
    for part in parts:
        out[: part.size] += part
    return out


def strike_all(
    num_samples: int,
    times_s: Sequence[float],
    strengths: Sequence[float],
    one_shot: Callable[[int], FloatArray],
) -> FloatArray:
    """`one_shot(k)` scaled by its strength, its first sample at each event time."""
    out = np.zeros(num_samples, np.float32)
    for k, (time_s, strength) in enumerate(zip(times_s, strengths, strict=True)):
        start = round(time_s * SAMPLE_RATE_HZ)
        if 0 <= start < num_samples:
            shot = one_shot(k)[: num_samples - start]
            out[start : start + shot.size] += np.float32(strength) * shot
    return out


def rubber_bounce(rng: Rng, pitch: float) -> FloatArray:
    """A rubber ball on a floor: a low, short, hollow thud."""
    f = 130.0 * pitch
    body = modes([f, 1.58 * f, 2.7 * f], [0.16, 0.10, 0.06], [0.42, 0.2, 0.13], 0.2)
    return add(body, 0.12 * burst(rng, 200, 1200, 0.03))


def anvil(rng: Rng, pitch: float) -> FloatArray:
    """A hammer on steel: bright, inharmonic, ringing for a third of a second."""
    f = 1050.0 * pitch
    ratios = (1.0, 1.52, 2.31, 2.86, 3.94, 5.1)
    ring = modes(
        [f * r for r in ratios], [0.5, 0.42, 0.36, 0.3, 0.2, 0.14], [0.3, 0.24, 0.2, 0.14, 0.1, 0.06], 0.5
    )
    return add(ring, 0.1 * burst(rng, 2000, 7000, 0.02))


def bell(pitch: float) -> FloatArray:
    """A church-bell-like set of partials (hum, prime, tierce, quint, nominal ...)."""
    f = 330.0 * pitch
    ratios = (0.5, 1.0, 1.2, 1.5, 2.0, 2.52, 3.02, 4.1)
    decays = (1.6, 1.3, 1.1, 0.9, 0.9, 0.6, 0.4, 0.25)
    return modes([f * r for r in ratios], decays, [0.12, 0.2, 0.17, 0.09, 0.2, 0.1, 0.08, 0.06], 1.6)


def water_drop(rng: Rng, pitch: float) -> FloatArray:
    """A drop into water: the bubble's rising note after a tiny click (Minnaert resonance)."""
    t = seconds(0.16)
    rise = 780.0 * pitch * (1.0 + 4.5 * t)
    phase = 2 * np.pi * np.cumsum(rise) / SAMPLE_RATE_HZ
    note = 0.75 * np.sin(phase) * np.exp(-6.9 * t / 0.13) * np.minimum(t / 0.004, 1.0)
    return add(_faded_out(note.astype(np.float32)), 0.08 * burst(rng, 2500, 7000, 0.012))


def gravel_step(rng: Rng) -> FloatArray:
    """A boot on gravel: a low heel, then grains sliding for an eighth of a second."""
    t = seconds(0.2)
    grains = (rng.random(t.size) < 0.02) * rng.exponential(1.0, t.size)
    grit = signal.fftconvolve(grains, burst(rng, 1500, 6500, 0.012))[: t.size]
    envelope = np.minimum(t / 0.004, 1.0) * np.exp(-6.9 * t / 0.24)
    hiss = 0.14 * noise(rng, t.size, 900, 6000) + 0.1 * grit
    return add(_faded_out((hiss * envelope).astype(np.float32)), modes([95.0], [0.07], [0.25], 0.08))


def wood_step(rng: Rng) -> FloatArray:
    """A boot on floorboards: a hollow knock of the board with a little scrape."""
    pitch = rng.uniform(0.94, 1.06)
    board = modes([92 * pitch, 176 * pitch, 298 * pitch], [0.15, 0.1, 0.06], [0.5, 0.3, 0.16], 0.18)
    return add(board, 0.09 * burst(rng, 900, 4500, 0.09))


def door_knock(rng: Rng, pitch: float) -> FloatArray:
    """Knuckles on a wooden door: short modes of a panel in the low middle."""
    f = 310.0 * pitch
    panel = modes([f, 1.62 * f, 2.41 * f, 3.7 * f], [0.07, 0.06, 0.045, 0.03], [0.32, 0.22, 0.14, 0.08], 0.09)
    return add(panel, 0.14 * burst(rng, 500, 2500, 0.02))


def clock_tick(rng: Rng, pitch: float) -> FloatArray:
    """An escapement: a very short, dry, high click in a small case."""
    case = modes([2650 * pitch, 4150 * pitch, 1450 * pitch], [0.03, 0.022, 0.035], [0.3, 0.22, 0.13], 0.05)
    return add(case, 0.16 * burst(rng, 3000, 7500, 0.008))


def dog_bark(rng: Rng, pitch: float) -> FloatArray:
    """A bark: a voiced glide up and down through two formants, with breath, one fifth of a second."""
    t = seconds(0.22)
    glide = pitch * (300.0 + 260.0 * np.sin(np.pi * np.minimum(t / 0.17, 1.0)))
    phase = np.cumsum(glide) / SAMPLE_RATE_HZ
    source = 2.0 * (phase % 1.0) - 1.0 + 0.35 * rng.standard_normal(t.size)
    voiced = _resonance(source, 820.0 * pitch**0.5, 250.0) + 0.6 * _resonance(
        source, 1750.0 * pitch**0.5, 350.0
    )
    envelope = np.minimum(t / 0.012, 1.0) * np.clip(1.0 - t / 0.21, 0.0, 1.0) ** 1.2
    out = (voiced * envelope).astype(np.float32)
    return _faded_out(0.62 * out / (np.abs(out).max() + 1e-6))


def bird_chirp(pitch: float, sweep: float) -> FloatArray:
    """One chirp: a pure note between 3 and 6 kHz that bends by `sweep` (-1..1) within a tenth of a second."""
    t = seconds(0.11)
    bend = 1.0 + 0.22 * sweep * np.cos(np.pi * t / 0.11) + 0.06 * np.sin(2 * np.pi * 28.0 * t)
    phase = 2 * np.pi * np.cumsum(4100.0 * pitch * bend) / SAMPLE_RATE_HZ
    envelope = np.minimum(t / 0.006, 1.0) * np.sin(np.pi * np.minimum(t / 0.11 * 0.72 + 0.28, 1.0))
    return np.asarray(0.42 * np.sin(phase) * envelope, np.float32)


def engine(rng: Rng, speed: FloatArray, pitch: float) -> FloatArray:
    """An engine whose firing rate and level follow `speed` (0..1 at the audio rate; 0 is switched off)."""
    firing_hz = pitch * (38.0 + 90.0 * speed)
    phase = np.cumsum(firing_hz) / SAMPLE_RATE_HZ
    tone = np.zeros_like(phase)
    for harmonic, gain in enumerate((1.0, 0.8, 0.62, 0.5, 0.36, 0.28, 0.2, 0.16), start=1):
        tone += gain * np.sin(2 * np.pi * harmonic * phase + 0.7 * harmonic**2)
    rumble = noise(rng, speed.size, 80, 900) * (0.6 + 0.4 * np.sin(2 * np.pi * phase))
    level = np.clip(speed / 0.15, 0.0, 1.0) * (0.3 + 0.7 * speed)
    return np.asarray(level * (0.13 * tone + 0.06 * rumble), np.float32)


def siren(brightness: FloatArray, is_on: FloatArray, pitch: float) -> FloatArray:
    """A wailing siren: 520 to 1240 Hz, its pitch following the light's `brightness` (0..1)."""
    phase = 2 * np.pi * np.cumsum(pitch * (520.0 + 720.0 * brightness)) / SAMPLE_RATE_HZ
    tone = np.sin(phase) + 0.34 * np.sin(2 * phase) + 0.28 * np.sin(3 * phase) + 0.1 * np.sin(5 * phase)
    return np.asarray(0.26 * is_on * tone, np.float32)


def rain(rng: Rng, intensity: FloatArray) -> FloatArray:
    """Rain on leaves and ground: hiss and single drops, louder and denser with `intensity` (0..1)."""
    hiss = noise(rng, intensity.size, 1800, 7600)
    drops = (rng.random(intensity.size) < 0.012 * intensity) * rng.exponential(1.0, intensity.size)
    patter = signal.fftconvolve(drops, burst(rng, 1200, 5000, 0.014))[: intensity.size]
    return np.asarray(intensity * (0.1 * hiss + 0.1 * patter), np.float32)


def wind(rng: Rng, strength: FloatArray) -> FloatArray:
    """Wind: low noise that opens upwards and grows louder with `strength` (0..1)."""
    low = noise(rng, strength.size, 90, 320)
    howl = noise(rng, strength.size, 330, 560)
    return np.asarray(strength * (0.13 * low + 0.15 * strength * howl), np.float32)


def saw(rng: Rng, pace: FloatArray, pitch: float) -> FloatArray:
    """A hand saw in wood: teeth-chopped noise, its level and rate following `pace` (0..1)."""
    phase = np.cumsum(70.0 + 110.0 * pace) / SAMPLE_RATE_HZ
    chopped = noise(rng, pace.size, 900 * pitch, 3200 * pitch) * (0.45 + 0.55 * np.sin(2 * np.pi * phase))
    return np.asarray(0.17 * pace * chopped, np.float32)


def _resonance(source: npt.NDArray[np.float64], centre_hz: float, width_hz: float) -> npt.NDArray[np.float64]:
    b, a = signal.iirpeak(centre_hz, centre_hz / width_hz, fs=SAMPLE_RATE_HZ)
    return np.asarray(signal.lfilter(b, a, source))


def _faded_out(sound: FloatArray) -> FloatArray:
    num_fade = min(64, sound.size)
    sound[-num_fade:] *= np.linspace(1.0, 0.0, num_fade, dtype=np.float32)
    return sound.astype(np.float32)
