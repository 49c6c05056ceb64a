"""When things happen and how they move: event times, and curves over the length of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selva_core.training.scenes.drawing import FloatArray
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ, Rng

CONTROL_HZ = 500


@dataclass(frozen=True)
class Curve:
    """A quantity over time, float32 values `CONTROL_HZ` per second from the scene's start."""

    values: FloatArray

    def at(self, times_s: npt.ArrayLike) -> FloatArray:
        """Its value at each time."""
        grid = np.arange(self.values.size) / CONTROL_HZ
        return np.asarray(np.interp(np.asarray(times_s), grid, self.values), np.float32)

    def as_audio(self, num_samples: int) -> FloatArray:
        """Its value at each audio sample."""
        return self.at(np.arange(num_samples) / SAMPLE_RATE_HZ)

    def integral(self) -> Curve:
        """Its running integral (per second)."""
        return Curve((np.cumsum(self.values) / CONTROL_HZ).astype(np.float32))


def control_times(duration_s: float) -> FloatArray:
    """The times a curve is sampled at, up to one second past the end."""
    return np.asarray(np.arange(round((duration_s + 1.0) * CONTROL_HZ)) / CONTROL_HZ, np.float32)


def wandering(rng: Rng, duration_s: float, *, rest_share: float = 0.3) -> Curve:
    """A smooth curve in 0..1 that swells, fades and, for about `rest_share` of the time, stays at zero."""
    t = control_times(duration_s)
    knots = np.arange(-1.0, duration_s + 3.0, rng.uniform(0.55, 1.0))
    heights = rng.uniform(0.25, 1.0, knots.size)
    heights[rng.random(knots.size) < rest_share] = 0.0
    position = np.interp(t, knots, np.arange(knots.size))
    left = np.minimum(position.astype(int), knots.size - 2)
    blend = position - left
    blend = blend * blend * (3.0 - 2.0 * blend)
    return Curve((heights[left] * (1 - blend) + heights[left + 1] * blend).astype(np.float32))


def switching(rng: Rng, duration_s: float, *, on_s: tuple[float, float], off_s: tuple[float, float]) -> Curve:
    """A curve that is 1 or 0, changing within a twentieth of a second."""
    t = control_times(duration_s)
    values = np.zeros_like(t)
    is_on = rng.random() < 0.75
    time_s = -rng.uniform(0.0, 1.0)
    while time_s < t[-1]:
        span_s = rng.uniform(*(on_s if is_on else off_s))
        if is_on:
            rise = np.clip((t - time_s) / 0.05, 0, 1) * np.clip((time_s + span_s - t) / 0.05, 0, 1)
            values = np.maximum(values, rise)
        is_on = not is_on
        time_s += span_s
    return Curve(values.astype(np.float32))


def steady_times(rng: Rng, duration_s: float, gap_s: tuple[float, float]) -> list[float]:
    """Events at a constant pace, with occasional pauses."""
    gap = rng.uniform(*gap_s)
    time_s = rng.uniform(0.05, gap)
    times = []
    while time_s < duration_s + 1.0:
        times.append(float(time_s))
        time_s += gap + (rng.uniform(0.8, 1.6) if rng.random() < 0.1 else 0.0)
    return times


def grouped_times(
    rng: Rng,
    duration_s: float,
    *,
    counts: tuple[int, int],
    gap_s: tuple[float, float],
    rest_s: tuple[float, float],
) -> list[float]:
    """Events in groups, with rests between the groups."""
    time_s = rng.uniform(0.1, rest_s[1])
    times = []
    while time_s < duration_s + 1.0:
        gap = rng.uniform(*gap_s)
        for _ in range(rng.integers(counts[0], counts[1] + 1)):
            times.append(float(time_s))
            time_s += gap * rng.uniform(0.92, 1.08)
        time_s += rng.uniform(*rest_s)
    return times


def since_last(times_s: Sequence[float], t: FloatArray) -> FloatArray:
    """Seconds since the latest event at or before each instant (a large number before the first)."""
    events = np.concatenate([[-1e3], np.asarray(times_s, float)])
    return np.asarray(t - events[np.searchsorted(events, t, side="right") - 1], np.float32)


def until_next(times_s: Sequence[float], t: FloatArray) -> FloatArray:
    """Seconds until the next event after each instant (a large number after the last)."""
    events = np.concatenate([np.asarray(times_s, float), [1e3]])
    return np.asarray(events[np.searchsorted(events, t, side="right")] - t, np.float32)


def away(times_s: Sequence[float], t: FloatArray, *, before_s: float, after_s: float) -> FloatArray:
    """0 at each event, 1 when it is more than `after_s` past and the next more than `before_s` ahead."""
    return np.asarray(
        np.minimum(np.minimum(until_next(times_s, t) / before_s, since_last(times_s, t) / after_s), 1.0),
        np.float32,
    )
