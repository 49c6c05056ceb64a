"""The sources of a scene: how each looks, its sound, and when it sounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from selva_core.training.scenes.drawing import FloatArray, Pen
from selva_core.training.scenes.motion import Curve
from selva_core.training.scenes.sounds import Rng

Draw: TypeAlias = Callable[[Pen, FloatArray], None]
"""Draws the source at each frame's time (T,) in seconds."""


@dataclass(frozen=True, kw_only=True)
class SoundSource:
    """A source of sound in a scene.

    sound: float32 (num_samples,), dry, 16 kHz. Sources of impacts have `onsets_s` with `strengths` 0..1. Sustained sources
    have `seen`, the visible quantity that their level or pitch (`follows`) depends on, and `loudness`, their level 0..1.
    """

    kind: str
    draw: Draw
    sound: FloatArray
    onsets_s: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()
    seen: Curve | None = None
    loudness: Curve | None = None
    follows: str = "onsets"
    detail: str = ""

    def with_detail(self, detail: str) -> SoundSource:
        """The same source with its material or ground ("gravel", "wood"), which prompts may name."""
        return replace(self, detail=detail)


def tint(rng: Rng, *palette: tuple[float, float, float]) -> tuple[float, float, float]:
    """One colour of the palette, slightly varied."""
    base = np.asarray(palette[rng.integers(len(palette))])
    red, green, blue = np.clip(base * rng.uniform(0.85, 1.15) + rng.normal(0.0, 0.04, 3), 0.0, 1.0)
    return float(red), float(green), float(blue)


def shade(colour: tuple[float, float, float], gain: float) -> tuple[float, float, float]:
    """The colour, lighter or darker."""
    red, green, blue = (min(1.0, channel * gain) for channel in colour)
    return red, green, blue
