"""Sources of short sounds: ball, hammer, drip, footsteps, knocking, clock, bell, dog and bird.

Each builder takes all its random numbers from one generator and returns a `SoundSource`. In its own coordinates a source fills
about -0.5..0.5 in both directions.
"""

from __future__ import annotations

import numpy as np

from selva_core.training.scenes import sounds
from selva_core.training.scenes.drawing import FloatArray, Pen
from selva_core.training.scenes.motion import (
    CONTROL_HZ,
    Curve,
    away,
    control_times,
    grouped_times,
    since_last,
    steady_times,
)
from selva_core.training.scenes.sound_source import Draw, SoundSource, shade, tint
from selva_core.training.scenes.sounds import Rng

STEEL, WOOD, DARK, GOLD = (0.62, 0.66, 0.7), (0.55, 0.36, 0.2), (0.12, 0.12, 0.14), (0.88, 0.68, 0.2)


def _strengths(rng: Rng, times_s: list[float]) -> list[float]:
    return [float(value) for value in rng.uniform(0.65, 1.0, len(times_s))]


def _impact_source(  # noqa: PLR0917
    kind: str,
    draw: Draw,
    times_s: list[float],
    strengths: list[float],
    sound: FloatArray,
    duration_s: float,
) -> SoundSource:
    inside = [
        (time, strength)
        for time, strength in zip(times_s, strengths, strict=True)
        if time < duration_s - 0.02
    ]
    return SoundSource(
        kind=kind,
        draw=draw,
        sound=sound,
        onsets_s=tuple(time for time, _ in inside),
        strengths=tuple(strength for _, strength in inside),
    )


def ball(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A ball that is thrown up and bounces, each bounce lower and sooner than the last."""
    heights, times, strengths = _bounces(rng, duration_s, is_still=is_still)
    colour = tint(rng, (0.9, 0.25, 0.15), (0.95, 0.5, 0.1), (0.85, 0.2, 0.4))
    stripe = shade(colour, 1.6)
    spin = rng.uniform(-2.0, 2.0) * (0.0 if is_still else 1.0)

    def draw(pen: Pen, t: FloatArray) -> None:
        pen.box(0.0, 0.47, 0.48, 0.035, DARK)
        y = 0.43 - 0.17 - 0.62 * heights.at(t)
        body = pen.at(0.0, y, spin * t)
        body.ellipse(0.0, 0.0, 0.17, 0.17, colour)
        body.box(0.0, 0.0, 0.165, 0.04, stripe)

    pitch = rng.uniform(0.85, 1.2)
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    sound = sounds.strike_all(num_samples, times, strengths, lambda _: sounds.rubber_bounce(rng, pitch))
    return _impact_source("ball", draw, times, strengths, sound, duration_s)


def _bounces(rng: Rng, duration_s: float, *, is_still: bool) -> tuple[Curve, list[float], list[float]]:
    t = control_times(duration_s)
    height = np.zeros_like(t)
    times: list[float] = []
    strengths: list[float] = []
    clock_s = rng.uniform(-0.6, 0.3)
    while clock_s < t[-1] and not is_still:
        top, fall_s = rng.uniform(0.7, 1.0), rng.uniform(0.3, 0.42)
        rising = (t >= clock_s) & (t < clock_s + 0.35)
        height[rising] = top * np.sin(np.pi / 2 * (t[rising] - clock_s) / 0.35)
        clock_s += 0.35
        falling = (t >= clock_s) & (t < clock_s + fall_s)
        height[falling] = top * (1 - ((t[falling] - clock_s) / fall_s) ** 2)
        clock_s += fall_s
        speed, restitution = 1.0, rng.uniform(0.68, 0.8)
        while speed > 0.28:
            times.append(float(clock_s))
            strengths.append(float(max(speed, 0.3)))
            speed *= restitution
            flight_s = 2 * fall_s * speed
            flying = (t >= clock_s) & (t < clock_s + flight_s)
            height[flying] = top * speed**2 * (1 - ((t[flying] - clock_s) / flight_s * 2 - 1) ** 2)
            clock_s += flight_s
        times.append(float(clock_s))
        strengths.append(0.25)
        clock_s += rng.uniform(0.1, 0.6)
    inside = [(time, strength) for time, strength in zip(times, strengths, strict=True) if time >= 0]
    return Curve(height), [time for time, _ in inside], [strength for _, strength in inside]


def hammer(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A hammer swung down on an anvil."""
    times = [] if is_still else steady_times(rng, duration_s, (0.45, 0.95))
    head, handle = tint(rng, (0.35, 0.37, 0.42)), tint(rng, (0.72, 0.5, 0.25))
    anvil_colour = tint(rng, STEEL)

    def draw(pen: Pen, t: FloatArray) -> None:
        pen.polygon([(-0.42, 0.1), (0.12, 0.1), (0.02, 0.24), (-0.3, 0.24)], anvil_colour)
        pen.box(-0.14, 0.32, 0.1, 0.1, anvil_colour)
        pen.box(-0.14, 0.44, 0.24, 0.05, anvil_colour)
        lift = away(times, t, before_s=0.14, after_s=0.24) ** 0.8 if times else np.ones_like(t) * 0.6
        arm = pen.at(0.42, 0.02, 1.05 * lift)
        arm.stroke(0.0, 0.0, -0.52, 0.0, 0.07, handle)
        arm.box(-0.52, 0.0, 0.085, 0.13, head, turn=0.0)

    pitch = rng.uniform(0.85, 1.2)
    strengths = _strengths(rng, times)
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    sound = sounds.strike_all(num_samples, times, strengths, lambda _: sounds.anvil(rng, pitch))
    return _impact_source("hammer", draw, times, strengths, sound, duration_s)


def drip(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A tap from which drops fall into a basin."""
    times = [] if is_still else steady_times(rng, duration_s, (0.5, 1.1))
    water, metal = tint(rng, (0.25, 0.6, 0.95)), tint(rng, (0.8, 0.82, 0.86))
    fall_s = 0.34

    def draw(pen: Pen, t: FloatArray) -> None:
        pen.box(-0.1, -0.42, 0.3, 0.06, metal)
        pen.box(0.14, -0.34, 0.06, 0.1, metal)
        pen.box(-0.3, -0.47, 0.04, 0.1, metal)
        pen.box(0.05, 0.38, 0.42, 0.1, shade(water, 0.75))
        pen.box(0.05, 0.29, 0.42, 0.015, shade(water, 1.2))
        if not times:
            return
        ahead = -since_last([-time for time in reversed(times)], -t)
        falling = np.clip((fall_s + ahead) / fall_s, 0.0, 1.0)
        visible = (falling > 0.0).astype(np.float32)
        pen.ellipse(0.14, -0.22 + 0.5 * falling**2, 0.065, 0.09, water, opacity=visible)
        ring = since_last(times, t)
        pen.ellipse(
            0.14, 0.32, 0.08 + 0.75 * ring, 0.03 + 0.16 * ring, (0.95, 0.98, 1.0),
            line=0.05, opacity=np.clip(1.0 - ring / 0.35, 0, 1),
        )  # fmt: skip
        pen.stroke(
            0.14, 0.3, 0.14, 0.3 - np.clip(0.3 - 1.6 * ring, 0.0, 0.25), 0.06, water, opacity=ring < 0.16
        )

    pitch = rng.uniform(0.85, 1.25)
    strengths = _strengths(rng, times)
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    sound = sounds.strike_all(
        num_samples, times, strengths, lambda _: sounds.water_drop(rng, pitch * rng.uniform(0.95, 1.05))
    )
    return _impact_source("drip", draw, times, strengths, sound, duration_s)


def footsteps(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """Two legs in boots walking on gravel or on floorboards."""
    on_gravel = bool(rng.random() < 0.5)
    pace = rng.uniform(1.3, 2.3)
    t_grid = control_times(duration_s)
    walking = np.interp(t_grid, [0, 1e3], [1, 1]).astype(np.float32)
    for start_s in rng.uniform(0.5, duration_s, 2):
        stop = np.clip(np.minimum(t_grid - start_s, start_s + rng.uniform(0.5, 1.3) - t_grid) / 0.05, 0, 1)
        walking = walking * (1 - stop)
    walking = walking * (0.0 if is_still else 1.0)
    phase = Curve((np.cumsum(walking * pace) / CONTROL_HZ + rng.uniform(0, 2)).astype(np.float32))
    whole = np.floor(phase.values - 0.5)
    times = [float(index + 1) / CONTROL_HZ for index in np.flatnonzero(np.diff(whole) > 0)]
    trousers, boots = tint(rng, (0.2, 0.25, 0.5), (0.3, 0.3, 0.3)), tint(rng, (0.25, 0.14, 0.08))

    def draw(pen: Pen, t: FloatArray) -> None:
        _ground(pen, on_gravel=on_gravel)
        for side in (1.0, -1.0):
            swing = np.sin(np.pi * phase.at(t)) * side
            forward = np.cos(np.pi * phase.at(t)) * side
            lift = 0.1 * np.clip(forward, 0.0, 1.0)
            foot_x, foot_y = 0.26 * swing, 0.32 - lift
            pen.stroke(0.0, -0.4, foot_x, foot_y - 0.03, 0.13, shade(trousers, 1.0 if side > 0 else 0.7))
            pen.ellipse(foot_x + 0.06, foot_y, 0.13, 0.06, shade(boots, 1.0 if side > 0 else 0.8))
        pen.box(0.0, -0.42, 0.13, 0.08, trousers)

    strengths = _strengths(rng, times)
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    step = sounds.gravel_step if on_gravel else sounds.wood_step
    sound = sounds.strike_all(num_samples, times, strengths, lambda _: step(rng))
    source = _impact_source("footsteps", draw, times, strengths, sound, duration_s)
    return source.with_detail("gravel" if on_gravel else "wood")


def _ground(pen: Pen, *, on_gravel: bool) -> None:
    if not on_gravel:
        pen.box(0.0, 0.42, 0.5, 0.08, (0.72, 0.46, 0.2))
        for x in (-0.33, -0.11, 0.11, 0.33):
            pen.box(x, 0.42, 0.012, 0.08, (0.35, 0.2, 0.08))
        return
    pen.box(0.0, 0.42, 0.5, 0.08, (0.5, 0.5, 0.48))
    for k in range(12):
        pen.ellipse(-0.46 + 0.083 * k, 0.38 + 0.045 * (k * 7 % 3), 0.03, 0.022, (0.8, 0.8, 0.78))


def knock(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A fist knocking on a door, a few knocks at a time."""
    times = (
        []
        if is_still
        else grouped_times(rng, duration_s, counts=(2, 5), gap_s=(0.2, 0.32), rest_s=(0.4, 1.1))
    )
    door, skin = tint(rng, (0.35, 0.55, 0.35), (0.5, 0.3, 0.2), (0.3, 0.4, 0.55)), tint(rng, (0.9, 0.7, 0.55))

    def draw(pen: Pen, t: FloatArray) -> None:
        pen.box(0.18, 0.0, 0.27, 0.48, door)
        pen.box(0.2, -0.23, 0.15, 0.16, shade(door, 0.7))
        pen.box(0.2, 0.23, 0.15, 0.16, shade(door, 0.7))
        pen.ellipse(0.0, 0.05, 0.04, 0.04, GOLD)
        back = away(times, t, before_s=0.09, after_s=0.12) if times else np.ones_like(t)
        fist_x = -0.06 - 0.2 * back
        pen.stroke(fist_x, -0.08, fist_x - 0.3, 0.12, 0.12, (0.2, 0.2, 0.25))
        pen.ellipse(fist_x, -0.1, 0.11, 0.1, skin)

    pitch = rng.uniform(0.85, 1.2)
    strengths = _strengths(rng, times)
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    sound = sounds.strike_all(num_samples, times, strengths, lambda _: sounds.door_knock(rng, pitch))
    return _impact_source("knock", draw, times, strengths, sound, duration_s)


def clock(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A clock whose hand jumps and whose pendulum turns at each tick."""
    gap = rng.uniform(0.4, 0.8)
    first = rng.uniform(0.0, gap)
    times = [] if is_still else [float(first + gap * k) for k in range(int((duration_s + 1.0) / gap))]
    case, face = tint(rng, (0.45, 0.2, 0.1), (0.2, 0.2, 0.3)), tint(rng, (0.97, 0.96, 0.9))
    angle0 = rng.uniform(0, 2 * np.pi)

    def draw(pen: Pen, t: FloatArray) -> None:
        count = np.searchsorted(times, t, side="right") if times else np.zeros_like(t)
        phase = (t - first) / gap if times else np.full_like(t, 0.5)
        swing = 0.5 * np.cos(np.pi * phase)
        pendulum = pen.at(0.0, 0.0, swing)
        pendulum.stroke(0.0, 0.0, 0.0, 0.42, 0.035, GOLD)
        pendulum.ellipse(0.0, 0.42, 0.08, 0.08, GOLD)
        pen.ellipse(0.0, -0.14, 0.33, 0.33, case)
        pen.ellipse(0.0, -0.14, 0.27, 0.27, face)
        for k in range(4):
            pen.at(0.0, -0.14, np.pi / 2 * k).box(0.0, -0.225, 0.02, 0.035, DARK)
        hand = pen.at(0.0, -0.14, angle0 + np.pi / 3 * count)
        hand.stroke(0.0, 0.05, 0.0, -0.2, 0.06, DARK)

    pitch = rng.uniform(0.9, 1.12)
    strengths = [0.95 if k % 2 else 0.75 for k in range(len(times))]
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    sound = sounds.strike_all(
        num_samples, times, strengths, lambda k: sounds.clock_tick(rng, pitch * (1.0 if k % 2 else 0.93))
    )
    return _impact_source("clock", draw, times, strengths, sound, duration_s)


def bell(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A bell that swings; the clapper meets it at the end of each swing."""
    half_period = rng.uniform(0.6, 1.0)
    first = rng.uniform(0.05, half_period)
    times = (
        []
        if is_still
        else [float(first + half_period * k) for k in range(int((duration_s + 1.0) / half_period))]
    )
    colour = tint(rng, GOLD, (0.75, 0.5, 0.2))
    reach = 0.0 if is_still else rng.uniform(0.5, 0.7)

    def draw(pen: Pen, t: FloatArray) -> None:
        phase = (t - first) / half_period
        angle = reach * np.cos(np.pi * phase)
        pen.box(0.0, -0.45, 0.3, 0.04, WOOD)
        body = pen.at(0.0, -0.42, angle)
        body.stroke(0.0, 0.3, 0.09 * np.sign(angle) * np.abs(angle / (reach + 1e-6)) ** 2, 0.72, 0.07, DARK)
        body.ellipse(0.0, 0.2, 0.16, 0.16, colour)
        body.polygon([(-0.16, 0.18), (0.16, 0.18), (0.3, 0.62), (-0.3, 0.62)], colour)
        body.box(0.0, 0.6, 0.32, 0.04, shade(colour, 0.75))

    pitch = rng.uniform(0.8, 1.3)
    strengths = _strengths(rng, times)
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    sound = sounds.strike_all(num_samples, times, strengths, lambda _: sounds.bell(pitch))
    return _impact_source("bell", draw, times, strengths, sound, duration_s)


def dog(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A dog's head that barks: the mouth opens, the head jerks up."""
    times = (
        []
        if is_still
        else grouped_times(rng, duration_s, counts=(1, 3), gap_s=(0.34, 0.5), rest_s=(0.3, 1.0))
    )
    fur = tint(rng, (0.6, 0.4, 0.22), (0.35, 0.25, 0.2), (0.8, 0.7, 0.55))

    def draw(pen: Pen, t: FloatArray) -> None:
        since = since_last(times, t)
        openness = np.clip(since / 0.03, 0, 1) * np.clip((0.24 - since) / 0.08, 0, 1)
        head = pen.at(-0.06, 0.04 - 0.06 * openness, -0.3 * openness)
        head.ellipse(0.0, 0.3, 0.22, 0.22, shade(fur, 0.8))
        head.polygon(
            [(0.05, 0.02), (0.42, 0.06), (0.4, 0.16), (0.05, 0.22)], shade(fur, 0.85), turn=0.55 * openness
        )
        head.box(0.28, 0.12, 0.12, 0.05 * openness, (0.75, 0.1, 0.15), opacity=openness)
        head.ellipse(-0.02, -0.06, 0.28, 0.24, fur)
        head.polygon([(0.1, -0.12), (0.46, -0.04), (0.46, 0.08), (0.1, 0.1)], fur, turn=-0.35 * openness)
        head.ellipse(0.45, -0.03 - 0.16 * openness, 0.06, 0.05, DARK)
        head.ellipse(0.06, -0.12, 0.045, 0.045, DARK)
        head.ellipse(-0.22, 0.0, 0.1, 0.22, shade(fur, 0.55), turn=0.25 + 0.4 * openness)

    pitch = rng.uniform(0.8, 1.25)
    strengths = _strengths(rng, times)
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    sound = sounds.strike_all(
        num_samples, times, strengths, lambda _: sounds.dog_bark(rng, pitch * rng.uniform(0.95, 1.05))
    )
    return _impact_source("dog", draw, times, strengths, sound, duration_s)


def bird(rng: Rng, duration_s: float, *, is_still: bool) -> SoundSource:
    """A bird on a branch; at each chirp the beak opens and the bird bobs."""
    times = (
        []
        if is_still
        else grouped_times(rng, duration_s, counts=(2, 5), gap_s=(0.19, 0.3), rest_s=(0.4, 1.1))
    )
    feathers = tint(rng, (0.98, 0.85, 0.1), (0.2, 0.75, 0.9), (0.5, 0.9, 0.3))

    def draw(pen: Pen, t: FloatArray) -> None:
        since = since_last(times, t)
        openness = np.clip(since / 0.02, 0, 1) * np.clip((0.14 - since) / 0.05, 0, 1)
        pen.box(0.0, 0.4, 0.46, 0.035, WOOD)
        body = pen.at(0.0, 0.12 - 0.08 * openness, -0.3 * openness)
        body.polygon([(-0.45, 0.0), (-0.15, -0.06), (-0.12, 0.1)], shade(feathers, 0.6))
        body.ellipse(-0.02, 0.04, 0.24, 0.19, feathers)
        body.ellipse(-0.05, 0.04, 0.14, 0.09, shade(feathers, 0.7), turn=-0.3 - 0.8 * openness)
        body.ellipse(0.17, -0.16, 0.14, 0.14, feathers)
        body.ellipse(0.2, -0.19, 0.035, 0.035, DARK)
        beak = [(-0.02, -0.05), (0.19, 0.0), (-0.02, 0.05)]
        body.polygon(beak, (1.0, 0.45, 0.05), x=0.3, y=-0.17 - 0.02 * openness, turn=-0.6 * openness)
        body.polygon(beak, (0.9, 0.35, 0.05), x=0.3, y=-0.13 + 0.02 * openness, turn=0.6 * openness)
        pen.stroke(-0.02, 0.28, -0.02, 0.38, 0.03, DARK)

    pitch, sweep = rng.uniform(0.85, 1.2), rng.uniform(-1.0, 1.0)
    strengths = _strengths(rng, times)
    num_samples = round(duration_s * sounds.SAMPLE_RATE_HZ)
    sound = sounds.strike_all(num_samples, times, strengths, lambda _: sounds.bird_chirp(pitch, sweep))
    return _impact_source("bird", draw, times, strengths, sound, duration_s)
