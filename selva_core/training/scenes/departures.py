"""Pictures for what is not there: sources that leave for a while, and pictures unlike any scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from selva_core.training.scenes.scene import FRAMES_PER_SECOND, PlacedSource, Scene
from selva_core.training.scenes.sounds import Rng

Frames = npt.NDArray[np.uint8]

NUM_PLAIN_KINDS = 4
"""Kinds of pictures unlike any scene that presence was fitted on: all but the one with detail of every size."""


@dataclass(frozen=True)
class Departure:
    """A source that leaves its scene for a while. is_away: (num_frames,); frames: as `Scene.draw` gives them."""

    source: PlacedSource
    is_away: npt.NDArray[np.bool_]
    frames: Frames


def draw_departure(scene: Scene, rng: Rng, frames: Frames) -> Departure:
    """One of the targets of `scene` leaves; `frames` are those with all of them, of any size."""
    leaving = scene.targets[int(rng.integers(len(scene.targets)))]
    without = replace(scene, targets=tuple(each for each in scene.targets if each is not leaving))
    is_away = _away(rng, len(frames))
    there = np.where(is_away[:, None, None, None], without.draw(frames.shape[1]), frames)
    return Departure(leaving, is_away, there)


def _away(rng: Rng, num_frames: int) -> npt.NDArray[np.bool_]:
    """One or two stretches of one second to six."""
    is_away = np.zeros(num_frames, bool)
    for _ in range(int(rng.integers(1, 3))):
        length = int(rng.integers(FRAMES_PER_SECOND, 6 * FRAMES_PER_SECOND))
        start = int(rng.integers(-length // 2, num_frames - length // 2))
        is_away[max(start, 0) : start + length] = True
    return is_away


def draw_strange_picture(
    rng: Rng, *, num_frames: int, size_px: int, num_kinds: int = NUM_PLAIN_KINDS + 1
) -> Frames:
    """A picture unlike any scene: a flat colour, noise, soft spots that move, flicker or stand still, or (the fifth of the
    kinds) detail of every size, as footage has it, under a camera that pans; uint8 (num_frames, size_px, size_px, 3).
    """
    kind = rng.integers(num_kinds)
    base = rng.uniform(0, 255, 3)
    if kind == 0:
        return np.broadcast_to(base, (num_frames, size_px, size_px, 3)).astype(np.uint8)
    if kind == 1:
        noisy = base + rng.normal(0, 60, (num_frames, size_px, size_px, 3))
        return np.asarray(np.clip(noisy, 0, 255), np.uint8)
    still = _spots(rng, size_px, int(rng.choice([3, 6, 12, 24])))
    if kind == NUM_PLAIN_KINDS:
        still = _detailed(rng, size_px)
    speed = rng.uniform(-0.4, 0.4, 2) * (kind in (2, NUM_PLAIN_KINDS))
    flicker = 1.0 - 0.3 * rng.random(num_frames) * (kind == 3)
    frames = []
    for index in range(num_frames):
        top, left = (int(size_px + round(size_px * np.sin(pace * index / 8))) for pace in speed)
        frames.append(still[top : top + size_px, left : left + size_px] * flicker[index])
    return np.asarray(frames, np.uint8)


def _spots(rng: Rng, size_px: int, grain: int) -> npt.NDArray[np.float64]:
    """Soft spots, three times as wide and high as the picture, 0..255."""
    spots = torch.from_numpy(rng.uniform(0, 255, (1, 3, 2 * grain, 2 * grain)))
    wide = F.interpolate(spots, size=(3 * size_px, 3 * size_px), mode="bicubic")[0].clamp(0, 255)
    return np.asarray(wide.permute(1, 2, 0).numpy())


def _detailed(rng: Rng, size_px: int) -> npt.NDArray[np.float64]:
    """Spots of many sizes together, the finer the fainter, with little colour."""
    total, gain = np.zeros((3 * size_px, 3 * size_px, 3)), 1.0
    for grain in (3, 6, 12, 24, 48):
        total += gain * (_spots(rng, size_px, grain) - 127.5)
        gain *= rng.uniform(0.5, 0.9)
    grey = total.mean(axis=2, keepdims=True)
    mixed = grey + rng.uniform(0.2, 0.8) * (total - grey)
    return np.asarray(np.clip(rng.uniform(70, 180) + mixed * rng.uniform(0.3, 0.8), 0, 255))
