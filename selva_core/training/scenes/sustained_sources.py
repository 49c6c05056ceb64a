"""Sources of sustained sounds, whose level or pitch follows what is seen: engine, siren, rain, wind and saw."""

from __future__ import annotations

import numpy as np

from selva_core.training.scenes import sounds
from selva_core.training.scenes.drawing import FloatArray, Pen
from selva_core.training.scenes.motion import CONTROL_HZ, Curve, control_times, switching, wandering
from selva_core.training.scenes.sound_source import SoundSource, shade, tint
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ, Rng

DARK = (0.1, 0.1, 0.12)


def _still(duration_s: float) -> Curve:
    return Curve(np.zeros_like(control_times(duration_s)))


def engine(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A car on a rolling road; the engine's revolutions follow the turning of the wheels."""
    speed = _still(duration_s) if is_still else wandering(rng, duration_s, rest_share=0.22)
    turned = Curve(speed.values * 15.0).integral()
    paint = tint(rng, (0.85, 0.15, 0.15), (0.15, 0.35, 0.8), (0.95, 0.95, 0.95), (0.2, 0.6, 0.3))

    def draw(pen: Pen, t: FloatArray) -> None:
        now = speed.at(t)
        shake = 0.02 * np.sin(55.0 * t) * (now > 0.02)
        pen.box(0.0, 0.42, 0.5, 0.05, (0.3, 0.3, 0.32))
        for k in range(4):
            stripe_x = (0.25 * k - turned.at(t) * 0.08) % 1.0 - 0.5
            pen.box(stripe_x, 0.42, 0.05, 0.02, (0.9, 0.9, 0.8))
        body = pen.at(0.0, shake)
        body.polygon([(-0.22, -0.22), (0.12, -0.22), (0.24, -0.02), (-0.3, -0.02)], shade(paint, 0.8))
        body.polygon([(-0.16, -0.18), (0.08, -0.18), (0.16, -0.04), (-0.2, -0.04)], (0.7, 0.85, 0.95))
        body.box(0.0, 0.08, 0.47, 0.12, paint)
        for x in (-0.27, 0.27):
            wheel = pen.at(x, 0.24, turned.at(t))
            wheel.ellipse(0.0, 0.0, 0.16, 0.16, DARK)
            wheel.box(0.0, 0.0, 0.14, 0.035, (0.95, 0.95, 0.95))
        for k in range(2):
            age = (t * 2.2 + k / 2) % 1.0
            pen.ellipse(
                -0.48 - 0.1 * age, 0.16 - 0.12 * age, 0.04 + 0.07 * age, 0.04 + 0.07 * age, (0.75, 0.75, 0.75),
                opacity=np.clip(now * 1.5, 0, 1) * (1 - age),
            )  # fmt: skip

    num_samples = round(duration_s * SAMPLE_RATE_HZ)
    sound = sounds.engine(rng, speed.as_audio(num_samples), rng.uniform(0.85, 1.2))
    return SoundSource(kind="engine", draw=draw, sound=sound, seen=speed, loudness=speed, follows="level")


def siren(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A warning light whose beam turns; the siren's pitch follows how brightly it shines towards us."""
    is_on = _still(duration_s) if is_still else switching(rng, duration_s, on_s=(1.8, 4.5), off_s=(0.5, 1.2))
    turns_hz = rng.uniform(0.5, 1.0)
    phase = (2 * np.pi * turns_hz * control_times(duration_s) + rng.uniform(0, 2 * np.pi)).astype(np.float32)
    brightness = Curve((0.5 + 0.5 * np.cos(phase)).astype(np.float32))
    lamp = np.asarray(tint(rng, (0.95, 0.1, 0.1), (0.15, 0.3, 1.0)), np.float32)

    def draw(pen: Pen, t: FloatArray) -> None:
        now, shine = is_on.at(t), brightness.at(t)
        angle = np.interp(t, np.arange(phase.size) / CONTROL_HZ, phase).astype(np.float32)
        glow = now * (0.25 + 0.75 * shine)
        pen.ellipse(0.0, 0.0, 0.5, 0.48, np.minimum(lamp + 0.3, 1.0), opacity=0.55 * now * shine)
        beam = pen.at(0.0, 0.05, angle)
        for side in (1.0, -1.0):
            corners = [(0.0, -0.04), (0.5 * side, -0.17), (0.5 * side, 0.17), (0.0, 0.04)]
            beam.polygon(corners if side > 0 else corners[::-1], (1.0, 0.95, 0.6), opacity=0.8 * now)
        dome = lamp[None] * (0.35 + 0.65 * glow[:, None]) + 0.4 * (glow[:, None] ** 2)
        pen.ellipse(0.0, 0.08, 0.23, 0.26, np.clip(dome, 0, 1).astype(np.float32))
        pen.box(0.0, 0.3, 0.3, 0.12, (0.25, 0.25, 0.28))
        pen.box(0.0, 0.2, 0.26, 0.03, (0.75, 0.75, 0.78))

    num_samples = round(duration_s * SAMPLE_RATE_HZ)
    sound = sounds.siren(
        brightness.as_audio(num_samples), is_on.as_audio(num_samples), rng.uniform(0.9, 1.12)
    )
    return SoundSource(kind="siren", draw=draw, sound=sound, seen=brightness, loudness=is_on, follows="pitch")


def rain(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A cloud; the more streaks fall, the louder the rain."""
    intensity = _still(duration_s) if is_still else wandering(rng, duration_s, rest_share=0.25)
    grey = tint(rng, (0.5, 0.52, 0.58), (0.38, 0.4, 0.46))
    lanes, starts = rng.permutation(10) / 10 - 0.42 + rng.uniform(-0.03, 0.03, 10), rng.random(10)

    def draw(pen: Pen, t: FloatArray) -> None:
        now = intensity.at(t)
        for k in range(10):
            y = (starts[k] + 2.1 * t) % 1.0
            shown = np.clip((now - k / 10) * 10, 0.0, 1.0)
            x = lanes[k] + 0.1 - 0.08 * y
            pen.stroke(x, -0.2 + 0.62 * y, x - 0.03, -0.04 + 0.62 * y, 0.035, (0.6, 0.8, 1.0), opacity=shown)
        for x, y, r in ((-0.25, -0.28, 0.17), (0.25, -0.28, 0.17), (0.0, -0.34, 0.2)):
            pen.ellipse(x, y, r * 1.25, r * 0.85, grey)
        pen.ellipse(0.0, 0.47, 0.45, 0.04, (0.3, 0.45, 0.6), opacity=now)

    num_samples = round(duration_s * SAMPLE_RATE_HZ)
    sound = sounds.rain(rng, intensity.as_audio(num_samples))
    return SoundSource(
        kind="rain", draw=draw, sound=sound, seen=intensity, loudness=intensity, follows="level"
    )


def wind(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A tree that bends, and leaves that fly, the stronger the wind."""
    strength = _still(duration_s) if is_still else wandering(rng, duration_s, rest_share=0.25)
    green, flown = tint(rng, (0.15, 0.5, 0.15), (0.3, 0.55, 0.1)), Curve(strength.values * 2.2).integral()
    side = 1.0 if rng.random() < 0.5 else -1.0

    def draw(pen: Pen, t: FloatArray) -> None:
        now = strength.at(t)
        lean = side * now * (0.75 + 0.18 * np.sin(11.0 * t))
        for part in range(4):
            turn = lean * (part + 1) / 4
            x, y = np.sin(turn) * 0.17 * part, 0.46 - 0.2 * part * np.cos(turn)
            top_x, top_y = x + 0.2 * np.sin(turn), y - 0.2 * np.cos(turn)
            pen.stroke(x, y, top_x, top_y, 0.09 - 0.012 * part, (0.4, 0.25, 0.12))
        crown = pen.at(np.sin(lean) * 0.6, 0.46 - 0.72 * np.cos(lean) + 0.06, lean)
        crown.ellipse(-0.12, 0.05, 0.16, 0.15, green)
        crown.ellipse(0.12, 0.05, 0.16, 0.15, shade(green, 0.85))
        crown.ellipse(0.0, -0.1, 0.17, 0.16, shade(green, 1.2))
        for k in range(4):
            x = side * ((0.27 * k + flown.at(t)) % 1.0 - 0.5)
            pen.box(x, -0.1 + 0.13 * k, 0.07, 0.018, (0.95, 0.97, 1.0), opacity=np.clip(1.4 * now, 0, 1))

    num_samples = round(duration_s * SAMPLE_RATE_HZ)
    sound = sounds.wind(rng, strength.as_audio(num_samples))
    return SoundSource(kind="wind", draw=draw, sound=sound, seen=strength, loudness=strength, follows="level")


def saw(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A hand saw drawn through a log; the faster the stroke, the louder."""
    effort = _still(duration_s) if is_still else wandering(rng, duration_s, rest_share=0.2)
    active = np.clip(effort.values / 0.2, 0.0, 1.0)
    strokes_hz = active * (0.8 + 0.9 * effort.values)
    phase = 2 * np.pi * np.cumsum(strokes_hz) / CONTROL_HZ + rng.uniform(0, 6)
    place = Curve((0.2 * np.sin(phase)).astype(np.float32))
    pace = Curve((np.abs(np.cos(phase)) * strokes_hz / 1.7).astype(np.float32))
    bark, grip = tint(rng, (0.45, 0.28, 0.15)), tint(rng, (0.9, 0.3, 0.1), (0.95, 0.7, 0.1))

    def draw(pen: Pen, t: FloatArray) -> None:
        blade = pen.at(place.at(t), 0.02, 0.12)
        pen.box(-0.05, 0.26, 0.2, 0.2, bark)
        pen.ellipse(-0.05, 0.26, 0.13, 0.15, (0.85, 0.68, 0.42))
        pen.ellipse(-0.05, 0.26, 0.06, 0.07, bark)
        blade.polygon([(-0.38, -0.03), (0.22, -0.14), (0.22, 0.1), (-0.38, 0.08)], (0.82, 0.84, 0.88))
        for k in range(6):
            blade.box(-0.33 + 0.1 * k, 0.09, 0.025, 0.025, (0.3, 0.3, 0.32), turn=0.78)
        blade.ellipse(0.28, -0.02, 0.11, 0.13, grip, line=0.08)
        pen.ellipse(-0.2, 0.44, 0.16, 0.04, (0.9, 0.8, 0.5), opacity=effort.at(t))

    num_samples = round(duration_s * SAMPLE_RATE_HZ)
    sound = sounds.saw(rng, pace.as_audio(num_samples), rng.uniform(0.85, 1.2))
    return SoundSource(kind="saw", draw=draw, sound=sound, seen=pace, loudness=pace, follows="level")
