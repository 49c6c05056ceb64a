"""Pan and level from where a model saw a thing: curves over time, few straight lines each.

The centre of what a model looks at jumps from step to step, by 0.15 of the picture's width at worst on still things. A Gaussian
of SMOOTHING_S, in which steps count by their presence, brings that below 0.02 a frame of 25 a second and follows a thing that
crosses the picture (docs/formats/pan.md has the numbers). This module is light: it imports neither torch nor numpy.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from selva_core.base.evidence import Evidence
from selva_core.base.render_options import OFF, STEREO, PanOptions

SMOOTHING_S = 0.4
_REACH = 3
"""Standard deviations of the Gaussian beyond which steps do not count: its tails hold 0.3 % of it."""
LEAST_WEIGHT = 0.01
"""Of a step in which nothing is seen, so that a place is known where nothing is seen for longer than the Gaussian reaches."""
TOLERANCE = 0.01
"""How far straight lines may lie from the smoothed curve: half of what one would hear, 1 degree of 60."""
NEAR_AREA = 0.4
"""Share of the picture's places from which on a thing counts as near: selva-nano has 0.3 to 0.4 where one fills the picture."""
AREA_S = 1.0
"""Over which maps are averaged before their area is taken: in each of them a model looks at a part of the thing only."""
MAX_DISTANCE_DB = -12.0
LEVEL_TOLERANCE_DB = 0.25

Point: TypeAlias = tuple[float, float]
"""Seconds, and the value there."""


@dataclass(frozen=True)
class Curve:
    """Points joined by straight lines; before the first and after the last point the value is theirs.

    points: in order of time, at least one. Times are seconds of a stem's file, handles included.
    """

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        times = [time_s for time_s, _ in self.points]
        if not times or any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError(f"a curve has points in order of time; got {self.points!r:.200}")
        if not all(math.isfinite(number) for point in self.points for number in point):
            raise ValueError(f"the points of a curve are finite; got {self.points!r:.200}")

    def at(self, time_s: float) -> float:
        """The value at a time."""
        after = bisect_right(self.points, time_s, key=lambda point: point[0])
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (start_s, first), (end_s, last) = self.points[after - 1], self.points[after]
        return first + (last - first) * (time_s - start_s) / (end_s - start_s)

    def span(self, start_s: float, duration_s: float) -> tuple[Point, ...]:
        """The points of a part, in seconds after its start: one at its start, one at its end, and those in between."""
        inner = [
            (time_s - start_s, value) for time_s, value in self.points if 0 < time_s - start_s < duration_s
        ]
        return ((0.0, self.at(start_s)), *inner, (duration_s, self.at(start_s + duration_s)))


@dataclass(frozen=True, kw_only=True)
class Panning:
    """How a mono sound becomes a stem's file.

    num_channels: 2 for a panned file. pan: None where the source was not seen, which is heard from the middle, or where nothing
    is panned. level_db: None where the level is left as it is.
    """

    num_channels: int = 1
    pan: Curve | None = None
    level_db: Curve | None = None


AS_MADE = Panning()


def plan_panning(options: PanOptions, evidence: Evidence | None) -> Panning:
    """How a stem is panned that was made with this evidence; None from an engine that does not look."""
    is_seen = evidence is not None and bool(evidence.presence) and not evidence.is_absent
    return Panning(
        num_channels=2 if options.mode == STEREO else 1,
        pan=pan_curve(evidence, width=options.width)
        if evidence and is_seen and options.mode != OFF
        else None,
        level_db=distance_curve(evidence) if evidence and is_seen and options.distance else None,
    )


def pan_curve(evidence: Evidence, *, width: float = 1.0) -> Curve:
    """Where a thing is heard: -1 left, 0 middle, 1 right, times `width` (0..1); 1 puts the picture's edges hard left and right.

    Times are the middles of the time steps.
    """
    centres = _smoothed(evidence.x, evidence)
    return _simplified(
        [(2.0 * centre - 1.0) * width for centre in centres], evidence, tolerance=2 * TOLERANCE * width
    )


def distance_curve(evidence: Evidence) -> Curve:
    """How far away a thing is, as a gain in dB from the area that is looked at: 0 for a thing that fills the picture, 6 less for
    one of half its width and height, at least MAX_DISTANCE_DB.
    """
    areas = _smoothed(list(_areas(evidence)), evidence)
    levels_db = [min(0.0, max(MAX_DISTANCE_DB, 10.0 * math.log10(area / NEAR_AREA))) for area in areas]
    return _simplified(levels_db, evidence, tolerance=LEVEL_TOLERANCE_DB)


def _areas(evidence: Evidence) -> Iterator[float]:
    """The share of all places over which the maps of AREA_S around each time step are spread: that of n places that are looked
    at equally is n of all (the inverse of the sum of squares).
    """
    num_places = evidence.rows * evidence.columns
    maps = [
        _shares(evidence.heat[first : first + num_places])
        for first in range(0, len(evidence.heat), num_places)
    ]
    weights = _weights(evidence)
    reach = round(AREA_S / 2 * float(evidence.rate_hz))
    total = [0.0] * num_places
    weight = 0.0
    for index in range(-reach, len(maps)):
        for step, sign in ((index + reach, 1.0), (index - reach - 1, -1.0)):
            if 0 <= step < len(maps):
                factor = sign * weights[step]
                weight += factor
                total = [whole + factor * share for whole, share in zip(total, maps[step], strict=True)]
        if index >= 0:
            yield weight * weight / (num_places * sum(share * share for share in total))


def _shares(heat: bytes) -> list[float]:
    """The places of one map, summing to 1; all alike where none is marked."""
    whole = sum(heat)
    return [value / whole for value in heat] if whole else [1.0 / len(heat)] * len(heat)


def _weights(evidence: Evidence) -> list[float]:
    """How much each time step counts: the more, the better the thing is seen."""
    return [max(presence, LEAST_WEIGHT) for presence in evidence.presence]


def _smoothed(values: Sequence[float], evidence: Evidence) -> list[float]:
    """Each value, averaged with its neighbours, those where the thing is seen more than others."""
    sigma = SMOOTHING_S * float(evidence.rate_hz)
    reach = math.ceil(_REACH * sigma)
    kernel = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(-reach, reach + 1)]
    weights = _weights(evidence)
    smoothed = []
    for index in range(len(values)):
        first, last = max(index - reach, 0), min(index + reach + 1, len(values))
        factors = [kernel[step - index + reach] * weights[step] for step in range(first, last)]
        total = sum(factor * values[step] for factor, step in zip(factors, range(first, last), strict=True))
        smoothed.append(total / sum(factors))
    return smoothed


def _simplified(values: Sequence[float], evidence: Evidence, *, tolerance: float) -> Curve:
    """Few of the values, at the middle of their time steps, between which straight lines come within `tolerance` of all."""
    rate_hz = float(evidence.rate_hz)
    chosen = [0, *_corners(values, tolerance)]
    return Curve(tuple((round((index + 0.5) / rate_hz, 6), round(values[index], 4)) for index in chosen))


def _corners(values: Sequence[float], tolerance: float) -> Iterator[int]:
    """Indices after the first between which straight lines suffice: from each, the cone of the lines that pass all values so far
    narrows until the next value lies outside of it.
    """
    start, steepest, flattest = 0, math.inf, -math.inf
    for index in range(1, len(values)):
        slope = (values[index] - values[start]) / (index - start)
        if not flattest <= slope <= steepest:
            start = index - 1
            yield start
            steepest, flattest = math.inf, -math.inf
        length = index - start
        steepest = min(steepest, (values[index] + tolerance - values[start]) / length)
        flattest = max(flattest, (values[index] - tolerance - values[start]) / length)
    if len(values) > 1:
        yield len(values) - 1
