"""Controls: ways to make stems without a model that looks at the picture and reads the prompt, which good scores must beat.

Each makes, for the kind that a prompt names, a sound of the scene's length without any model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from selva_core.training.evaluation import measures
from selva_core.training.scenes.scene import (
    BUILDERS,
    FIRST_HELD_BACK_SEED,
    FRAMES_PER_SECOND,
    KINDS,
    SUSTAINED,
    Scene,
    silence,
)
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ

FloatArray: TypeAlias = npt.NDArray[np.float32]
Control: TypeAlias = Callable[[str], FloatArray]
"""From the kind that a prompt names to a sound, float32 (num_samples,), 16 kHz."""

CONTROLS: Mapping[str, str] = {
    "template": "one sound of the kind, the same for every picture",
    "metronome": "one event of the kind every half second",
    "global motion": "events, or the level, where the whole picture moves most",
    "other scene": "the dry sound of the kind in another scene",
    "mix": "all dry sounds of the scene together, for every prompt",
    "silence": "nothing",
    "quiet copy": "the right dry sound, 30 dB too quiet",
}
EVENT_S, METRONOME_S, MOTION_GAP_S = 0.4, 0.5, 0.2
QUIET_GAIN = 10 ** (-30 / 20)
_TEMPLATE_SEED = 77


def build_controls(scene: Scene) -> dict[str, Control]:
    """The controls of one scene, by name."""
    seconds = scene.duration_s
    dry = {placed.source.kind: placed.source.sound for placed in scene.targets}
    motion = _measure_motion(scene)
    return {
        "template": lambda kind: _template(kind, seconds),
        "metronome": lambda kind: _repeat(kind, seconds, list(np.arange(0.1, seconds, METRONOME_S))),
        "global motion": lambda kind: _follow(kind, seconds, motion),
        "other scene": lambda kind: _build_sound(kind, seconds, FIRST_HELD_BACK_SEED + scene.seed),
        "mix": lambda kind: scene.mixture(),
        "silence": lambda kind: silence(seconds),
        "quiet copy": lambda kind: np.float32(QUIET_GAIN) * dry.get(kind, silence(seconds)),
    }


def _build_sound(kind: str, seconds: float, seed: int) -> FloatArray:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    return BUILDERS[kind](rng, seconds, is_still=False).sound[: round(seconds * SAMPLE_RATE_HZ)]


@cache
def _template(kind: str, seconds: float) -> FloatArray:
    return _build_sound(kind, seconds, _TEMPLATE_SEED)


def _event(kind: str, seconds: float) -> FloatArray:
    """The loudest moment of the template, from its onset on, with a short fade."""
    wave = _template(kind, seconds)
    onsets = measures.find_onsets(wave) or [0.0]
    length = round(EVENT_S * SAMPLE_RATE_HZ)

    def excerpt(onset_s: float) -> FloatArray:
        start = max(round((onset_s - 0.02) * SAMPLE_RATE_HZ), 0)
        return wave[start : start + length]

    loudest = max((excerpt(onset_s) for onset_s in onsets), key=lambda each: float(np.square(each).sum()))
    return np.asarray(loudest * np.linspace(1.0, 0.0, loudest.size), np.float32)


def _repeat(kind: str, seconds: float, times_s: list[float]) -> FloatArray:
    event, wave = _event(kind, seconds), silence(seconds)
    for time_s in times_s:
        start = round(time_s * SAMPLE_RATE_HZ)
        part = event[: wave.size - start]
        wave[start : start + part.size] += part
    return wave


def _follow(kind: str, seconds: float, motion: FloatArray) -> FloatArray:
    """motion: of each frame. Sustained kinds take its course as their level, others have an event at each of its peaks."""
    frames_s = np.arange(motion.size) / FRAMES_PER_SECOND
    if kind in SUSTAINED:
        wave = _template(kind, seconds)
        level = np.interp(np.arange(wave.size) / SAMPLE_RATE_HZ, frames_s, motion / max(motion.max(), 1e-6))
        return np.asarray(wave * level, np.float32)
    peaks: list[float] = []
    for frame in np.argsort(-motion):
        if motion[frame] < motion.mean() + motion.std():
            break
        if all(abs(frames_s[frame] - peak) >= MOTION_GAP_S for peak in peaks):
            peaks.append(float(frames_s[frame]))
    return _repeat(kind, seconds, sorted(peaks))


def _measure_motion(scene: Scene) -> FloatArray:
    """Mean absolute difference of each frame from the one before, (num_frames,)."""
    frames = scene.draw(48).astype(np.float32)
    motion = np.zeros(len(frames), np.float32)
    motion[1:] = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    return motion
