"""Excerpts of sound that the autoencoder and the vocoder are trained on.

Every kind of source is drawn equally often, sometimes two together; one excerpt in six consists of steady or gliding notes and
bands of noise of any pitch, so that both learn notes in general and not only those of the fourteen kinds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ, Rng, noise
from selva_core.training.stages.dataset import SceneSet

FULL_SCALE = np.float32(32767)
PURE_SHARE = 1 / 6
MIXED_SHARE = 0.3


class Excerpts:
    """Draws excerpts from the dry sounds of a set of scenes."""

    def __init__(self, scenes: SceneSet) -> None:
        self._sounds = scenes.sounds
        rows: dict[str, list[int]] = {}
        for target in scenes.targets:
            if target.sound_index >= 0:
                rows.setdefault(target.kind, []).append(target.sound_index)
        self._rows = list(rows.values())

    def draw(self, rng: Rng, *, batch_size: int, num_samples: int) -> Tensor:
        """Random excerpts at random levels, float32 (batch_size, num_samples)."""
        waves = np.stack([self._draw_one(rng, num_samples) for _ in range(batch_size)])
        levels = rng.uniform(0.6, 1.1, (batch_size, 1)).astype(np.float32)
        return torch.from_numpy(np.clip(waves * levels, -1, 1))

    def _draw_one(self, rng: Rng, num_samples: int) -> npt.NDArray[np.float32]:
        if rng.random() < PURE_SHARE:
            return pure_sound(rng, num_samples)
        wave = self._cut(rng, num_samples)
        return wave + self._cut(rng, num_samples) if rng.random() < MIXED_SHARE else wave

    def _cut(self, rng: Rng, num_samples: int) -> npt.NDArray[np.float32]:
        """The loudest of three excerpts of one sound, or sometimes any, so that silence is in the training set too."""
        rows = self._rows[int(rng.integers(len(self._rows)))]
        sound = self._sounds[rows[int(rng.integers(len(rows)))]]
        starts = rng.integers(sound.size - num_samples, size=3)[: 1 if rng.random() < 0.25 else 3]
        excerpts = [
            np.asarray(sound[start : start + num_samples] / FULL_SCALE, np.float32) for start in starts
        ]
        return max(excerpts, key=lambda wave: float(np.square(wave).sum()))


def pure_sound(rng: Rng, num_samples: int) -> npt.NDArray[np.float32]:
    """One to three steady or gliding notes, with or without overtones, or a band of noise; float32 (num_samples,)."""
    if rng.random() < 0.25:
        low_hz = float(np.exp(rng.uniform(np.log(80), np.log(4000))))
        band = noise(rng, num_samples, low_hz, min(low_hz * rng.uniform(1.3, 4.0), 7600.0))
        return np.asarray(rng.uniform(0.02, 0.2) * band * _swell(rng, num_samples), np.float32)
    wave = np.zeros(num_samples, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        ends_hz = np.exp(
            rng.uniform(np.log(100), np.log(6500)) + rng.normal(0.0, 0.25, 2) * (rng.random() < 0.7)
        )
        first_hz, last_hz = (float(hz) for hz in ends_hz.clip(60, 7500))
        course_hz = np.geomspace(first_hz, last_hz, num_samples)
        phase = 2 * np.pi * np.cumsum(course_hz) / SAMPLE_RATE_HZ + rng.uniform(0, 2 * np.pi)
        for overtone in range(1, 1 + int(rng.choice([1, 1, 2, 4, 8]))):
            is_below_nyquist = overtone * course_hz < 0.48 * SAMPLE_RATE_HZ
            gain = rng.uniform(0.03, 0.3) / overtone
            wave += (gain * np.sin(overtone * phase) * is_below_nyquist * _swell(rng, num_samples)).astype(
                np.float32
            )
    return wave


def _swell(rng: Rng, num_samples: int) -> npt.NDArray[np.float64]:
    """A constant level, or one that rises and falls with an edge of a few milliseconds."""
    if rng.random() < 0.4:
        return np.ones(num_samples)
    start, length = rng.uniform(0.0, 0.7) * num_samples, rng.uniform(0.1, 0.9) * num_samples
    edge = rng.uniform(0.003, 0.03) * SAMPLE_RATE_HZ
    since = np.arange(num_samples) - start
    return np.asarray(
        np.clip(since / edge, 0, 1) * np.exp(-np.clip(since, 0, None) / length * rng.choice([0, 3, 7]))
    )
