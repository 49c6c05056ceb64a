"""Seeded scenes: one to three sound sources among silent moving objects, over changing backgrounds and light.

A scene is a function of (seed, settings). Its frames can be drawn at any size, its dry sounds are float32 at 16 kHz. Seeds
below `FIRST_HELD_BACK_SEED` are for training; evaluation refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selva_core.training.scenes import impact_sources, sustained_sources
from selva_core.training.scenes.drawing import Canvas, FloatArray, Pen
from selva_core.training.scenes.sound_source import SoundSource, shade, tint
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ, Rng

FRAMES_PER_SECOND = 25
FIRST_HELD_BACK_SEED = 1_000_000
MAX_FRAMES_PER_PART = 64

BUILDERS: dict[str, Callable[..., SoundSource]] = {
    "ball": impact_sources.ball,
    "hammer": impact_sources.hammer,
    "drip": impact_sources.drip,
    "footsteps": impact_sources.footsteps,
    "knock": impact_sources.knock,
    "clock": impact_sources.clock,
    "bell": impact_sources.bell,
    "dog": impact_sources.dog,
    "bird": impact_sources.bird,
    "engine": sustained_sources.engine,
    "siren": sustained_sources.siren,
    "rain": sustained_sources.rain,
    "wind": sustained_sources.wind,
    "saw": sustained_sources.saw,
}
KINDS = tuple(BUILDERS)
SUSTAINED = ("engine", "siren", "rain", "wind", "saw")


@dataclass(frozen=True)
class PlacedSource:
    """A source and its position: centre at the start (0..1), drift per second, size and tilt."""

    source: SoundSource
    x: float
    y: float
    drift_x: float
    drift_y: float
    size: float
    tilt: float

    def draw(self, canvas: Canvas, t: FloatArray) -> None:
        """Paint it at each frame's time (T,) in seconds."""
        x, y = canvas.track(self.x + self.drift_x * t), canvas.track(self.y + self.drift_y * t)
        self.source.draw(Pen(canvas, x, y, self.size, canvas.track(self.tilt)), t)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One scene. targets: sources that sound. idle: sources that keep still and are silent."""

    seed: int
    duration_s: float
    targets: tuple[PlacedSource, ...]
    idle: tuple[PlacedSource, ...]
    backdrop: Callable[[Canvas, FloatArray], None]
    movers: tuple[Callable[[Canvas, FloatArray], None], ...]
    light: Callable[[FloatArray], FloatArray]

    @property
    def num_frames(self) -> int:
        return round(self.duration_s * FRAMES_PER_SECOND)

    def draw(self, size_px: int) -> npt.NDArray[np.uint8]:
        """All frames, uint8 (T, size_px, size_px, 3), 25 per second."""
        t = (np.arange(self.num_frames) / FRAMES_PER_SECOND).astype(np.float32)
        parts = [
            self._draw_part(size_px, t[start : start + MAX_FRAMES_PER_PART])
            for start in range(0, t.size, MAX_FRAMES_PER_PART)
        ]
        return np.concatenate(parts)

    def _draw_part(self, size_px: int, t: FloatArray) -> npt.NDArray[np.uint8]:
        canvas = Canvas(t.size, size_px)
        self.backdrop(canvas, t)
        behind, front = self.movers[::2], self.movers[1::2]
        for mover in behind:
            mover(canvas, t)
        for placed in (*self.idle, *self.targets):
            placed.draw(canvas, t)
        for mover in front:
            mover(canvas, t)
        pixels = canvas.pixels * self.light(t)[:, None, None, None]
        return np.asarray(np.clip(pixels * 255.0 + 0.5, 0, 255), np.uint8)

    def mixture(self) -> FloatArray:
        """All sounds together, float32 (num_samples,)."""
        return np.asarray(np.sum([placed.source.sound for placed in self.targets], axis=0), np.float32)


def build_scene(
    seed: int, *, duration_s: float = 8.0, num_targets: int | None = None, kinds: Sequence[str] | None = None
) -> Scene:
    """The scene of a seed, with a random number of random kinds unless `num_targets` (1..3) or `kinds` are given."""
    rng = np.random.default_rng([seed, 20_260])
    if kinds is None:
        count = num_targets or int(rng.choice([1, 2, 3], p=[0.2, 0.5, 0.3]))
        kinds = [str(kind) for kind in rng.choice(KINDS, count, replace=False)]
    unused = [kind for kind in KINDS if kind not in kinds]
    num_idle = int(len(kinds) < 3 and rng.random() < 0.35)
    idle_kinds = [str(kind) for kind in rng.choice(unused, num_idle, replace=False)]
    spots = _spots(rng, len(kinds) + num_idle)
    targets = [
        _placed(rng, kind, duration_s, spot, is_still=False) for kind, spot in zip(kinds, spots, strict=False)
    ]
    idle = [
        _placed(rng, kind, duration_s, spot, is_still=True)
        for kind, spot in zip(idle_kinds, spots[len(kinds) :], strict=True)
    ]
    return Scene(
        seed=seed,
        duration_s=duration_s,
        targets=tuple(targets),
        idle=tuple(idle),
        backdrop=_backdrop(rng),
        movers=tuple(_mover(rng) for _ in range(rng.integers(0, 4))),
        light=_light(rng),
    )


def _spots(rng: Rng, count: int) -> list[tuple[float, float, float]]:
    """Centre and size of each source: side by side, or in the quarters of the frame."""
    if count == 1:
        return [(rng.uniform(0.35, 0.65), rng.uniform(0.4, 0.6), rng.uniform(0.5, 0.8))]
    if count == 2 and rng.random() < 0.6:
        return [(x, rng.uniform(0.35, 0.65), rng.uniform(0.44, 0.56)) for x in rng.permutation([0.27, 0.73])]
    quarters = rng.permutation([(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)])[:count]
    return [
        (x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.04, 0.04), rng.uniform(0.42, 0.52))
        for x, y in quarters
    ]


def _placed(
    rng: Rng, kind: str, duration_s: float, spot: tuple[float, float, float], *, is_still: bool
) -> PlacedSource:
    source = BUILDERS[kind](rng, duration_s, is_still=is_still)
    drift_x, drift_y = rng.uniform(-0.08, 0.08, 2) / duration_s
    x, y, size = spot
    return PlacedSource(source, x, y, float(drift_x), float(drift_y), size, float(rng.normal(0.0, 0.04)))


def _backdrop(rng: Rng) -> Callable[[Canvas, FloatArray], None]:
    """A vertical gradient with soft stripes that may drift."""
    top, bottom = rng.uniform(0.1, 0.85, 3), rng.uniform(0.1, 0.85, 3)
    direction, waves, drift = rng.uniform(0, np.pi), rng.uniform(1.0, 5.0), rng.uniform(-0.15, 0.15)
    depth = rng.uniform(0.0, 0.12)

    def paint(canvas: Canvas, t: FloatArray) -> None:
        across = canvas.centres
        blend = across[None, :, None, None]
        canvas.pixels[:] = (1 - blend) * top + blend * bottom
        along = across[None, None, :] * np.cos(direction) + across[None, :, None] * np.sin(direction)
        stripes = np.sin(2 * np.pi * waves * (along + drift * t[:, None, None]))
        canvas.pixels += (depth * stripes)[..., None].astype(np.float32)

    return paint


def _mover(rng: Rng) -> Callable[[Canvas, FloatArray], None]:
    """A silent moving object: a balloon, a kite, a passing post or a tumbling tile."""
    shape = rng.choice(["balloon", "kite", "post", "tile"])
    colour = tint(rng, (0.9, 0.4, 0.7), (0.4, 0.8, 0.8), (0.7, 0.7, 0.3), (0.5, 0.4, 0.7))
    x0, y0 = rng.uniform(0.0, 1.0, 2)
    speed_x, speed_y = rng.uniform(-0.14, 0.14, 2)
    size, pace = rng.uniform(0.14, 0.24), rng.uniform(0.4, 1.5)

    def paint(canvas: Canvas, t: FloatArray) -> None:
        x, y = (x0 + speed_x * t) % 1.3 - 0.15, (y0 + speed_y * t) % 1.3 - 0.15
        pen = Pen(canvas, canvas.track(x), canvas.track(y), size, canvas.track(0.15 * np.sin(pace * 3 * t)))
        if shape == "balloon":
            pen.stroke(0.0, 0.3, 0.0, 0.9, 0.05, (0.9, 0.9, 0.9))
            pen.ellipse(0.0, 0.0, 0.32, 0.4, colour)
        elif shape == "kite":
            pen.polygon([(0.0, -0.5), (0.35, 0.0), (0.0, 0.5), (-0.35, 0.0)], colour)
        elif shape == "tile":
            pen.box(0.0, 0.0, 0.3, 0.3, colour, turn=pace * t)
        else:
            Pen(canvas, canvas.track(x), canvas.track(0.5), 1.0, canvas.track(0.0)).box(
                0.0, 0.0, 0.03, 0.6, shade(colour, 0.6)
            )

    return paint


def _light(rng: Rng) -> Callable[[FloatArray], FloatArray]:
    """Brightness over time, slowly changing."""
    base, depth, pace = rng.uniform(0.75, 1.08), rng.uniform(0.0, 0.12), rng.uniform(0.1, 0.6)
    return lambda t: (base + depth * np.sin(2 * np.pi * pace * t)).astype(np.float32)


def silence(duration_s: float) -> FloatArray:
    """No sound, float32 (num_samples,)."""
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
