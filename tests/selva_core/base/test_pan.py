"""Pan and distance: curves that stand still with what stands still, follow what moves, and have few points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from selva_core.base.errors import RequestError
from selva_core.base.evidence import Evidence
from selva_core.base.pan import Curve, distance_curve, pan_curve, plan_panning
from selva_core.base.render_options import PanOptions

NUM_STEPS = 100
FRAMES_S = [(frame + 0.5) / 25 for frame in range(200)]


def build_evidence(
    x: Sequence[float],
    *,
    presence: Sequence[float] = (),
    maps: Sequence[bytes] = (),
    threshold: float | None = 0.5,
    whole: float = 1.0,
) -> Evidence:
    steps = len(x)
    return Evidence(
        rate_hz=Fraction(25, 2),
        presence=tuple(presence) or (1.0,) * steps,
        x=tuple(x),
        y=(0.5,) * steps,
        spread=(0.25,) * steps,
        rows=1,
        columns=len(maps[0]) if maps else 1,
        heat=b"".join(maps) or bytes(steps),
        whole=whole,
        threshold=threshold,
    )


def jittering(centre: Callable[[float], float], *, seed: int = 1) -> list[float]:
    """Centres with the noise of selva-nano's attention: normal, 0.05 of the width."""
    noise = np.random.default_rng(seed).normal(0.0, 0.05, NUM_STEPS)
    return [centre((step + 0.5) / 12.5) + float(noise[step]) for step in range(NUM_STEPS)]


def _every_step(evidence: Evidence) -> list[tuple[float, float]]:
    """The smoothed pan at the middle of each time step, with a tolerance of nothing."""
    weights = [math.exp(-0.5 * (step / 5.0) ** 2) for step in range(-15, 16)]
    points = []
    for index in range(len(evidence.x)):
        steps = [step for step in range(index - 15, index + 16) if 0 <= step < len(evidence.x)]
        total = sum(weights[step - index + 15] for step in steps)
        centre = sum(weights[step - index + 15] * evidence.x[step] for step in steps) / total
        points.append(((index + 0.5) / 12.5, 2 * centre - 1))
    return points


def places(curve: Curve) -> list[float]:
    """Where the curve is at each frame, 0 left to 1 right."""
    return [(curve.at(time_s) + 1.0) / 2.0 for time_s in FRAMES_S]


@pytest.mark.parametrize("seed", range(5))
def test_a_thing_that_stands_still_does_not_jitter(seed: int) -> None:
    evidence = build_evidence(jittering(lambda _: 0.3, seed=seed))
    raw = max(abs(later - earlier) for earlier, later in pairwise(evidence.x)) / 2
    placed = places(pan_curve(evidence))
    assert raw > 0.04
    assert max(abs(later - earlier) for earlier, later in pairwise(placed)) < 0.02
    assert all(abs(place - 0.3) < 0.06 for place in placed)


def test_a_thing_that_crosses_the_picture_is_followed_by_few_points() -> None:
    curve = pan_curve(build_evidence(jittering(lambda time_s: 0.1 + 0.1 * time_s)))
    errors = [
        abs(place - (0.1 + 0.1 * time_s)) for place, time_s in zip(places(curve), FRAMES_S, strict=True)
    ]
    assert sum(errors) / len(errors) < 0.03
    assert len(curve.points) < 20


def test_steps_in_which_nothing_is_seen_do_not_pull_the_place_away() -> None:
    presence = [1.0] * 40 + [0.0] * 20 + [1.0] * 40
    away = build_evidence([0.2] * 40 + [0.9] * 20 + [0.2] * 40, presence=presence)
    seen = build_evidence([0.2] * 40 + [0.9] * 20 + [0.2] * 40)
    assert max(places(pan_curve(away))) < 0.35
    assert max(places(pan_curve(seen))) > 0.7


def test_the_width_narrows_the_pan_around_the_middle() -> None:
    left = build_evidence([0.0] * 50)
    assert pan_curve(left).at(2.0) == -1.0
    assert pan_curve(left, width=0.5).at(2.0) == -0.5
    assert pan_curve(left, width=0.0).at(2.0) == 0.0


def test_straight_lines_stay_within_a_hundredth_of_the_smoothed_places() -> None:
    evidence = build_evidence(jittering(lambda time_s: 0.5 + 0.3 * (time_s % 4 > 2), seed=3))
    few, all_points = pan_curve(evidence), _every_step(evidence)
    assert len(few.points) < len(all_points) / 3
    assert all(abs(few.at(time_s) - pan) < 0.0201 for time_s, pan in all_points)


def looked_at(*places: int) -> bytes:
    """A map of a hundred places."""
    return bytes(255 if place in places else 0 for place in range(100))


@pytest.mark.parametrize(
    ("num_places", "level_db"), [(100, 0.0), (40, 0.0), (20, -3.0), (10, -6.0), (4, -10.0), (1, -12.0)]
)
def test_what_is_seen_small_is_quieter_down_to_a_limit(num_places: int, level_db: float) -> None:
    evidence = build_evidence([0.5] * 50, maps=[looked_at(*range(num_places))] * 50)
    assert distance_curve(evidence).at(2.0) == pytest.approx(level_db, abs=0.05)


def test_the_parts_of_a_thing_that_are_looked_at_one_after_the_other_are_its_area() -> None:
    """Thirteen places by turns: all in a second, one in a step. What is not seen does not count."""
    turns = [looked_at(7 * (step % 13)) for step in range(120)]
    by_turns = distance_curve(build_evidence([0.5] * 120, maps=turns))
    assert by_turns.at(4.0) == pytest.approx(-4.9, abs=0.3)
    is_seen = [float(step % 13 == 0) for step in range(120)]
    seldom = build_evidence([0.5] * 120, maps=turns, presence=is_seen)
    assert distance_curve(seldom).at(4.0) == pytest.approx(-12.0, abs=0.4)


def test_maps_without_a_marked_place_are_an_even_look() -> None:
    assert distance_curve(build_evidence([0.5] * 20, maps=[bytes(100)] * 20)).at(1.0) == 0.0


def test_a_part_of_a_curve_begins_and_ends_with_its_values_there() -> None:
    curve = Curve(((1.0, -1.0), (3.0, 1.0), (4.0, 0.0)))
    assert curve.span(2.0, 1.5) == ((0.0, 0.0), (1.0, 1.0), (1.5, 0.5))
    assert curve.span(0.0, 0.5) == ((0.0, -1.0), (0.5, -1.0))
    assert curve.span(5.0, 1.0) == ((0.0, 0.0), (1.0, 0.0))


@pytest.mark.parametrize(
    "points", [(), ((1.0, 0.0), (1.0, 1.0)), ((2.0, 0.0), (1.0, 0.0)), ((0.0, float("nan")),)]
)
def test_points_that_are_no_curve_are_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="curve"):
        Curve(points)


def test_a_stem_is_panned_where_its_thing_is_seen_and_the_mode_says_so() -> None:
    seen = build_evidence([0.0] * 50)
    absent = build_evidence([0.0] * 50, whole=0.1)
    hint = build_evidence([0.0] * 50, whole=0.1, threshold=None)
    assert plan_panning(PanOptions(), seen).pan is None
    assert plan_panning(PanOptions(mode="envelope"), seen).pan == pan_curve(seen)
    assert plan_panning(PanOptions(mode="envelope"), hint).pan is not None
    for mode, num_channels in (("envelope", 1), ("stereo", 2)):
        for evidence in (absent, None):
            panning = plan_panning(PanOptions(mode=mode, distance=True), evidence)
            assert (panning.num_channels, panning.pan, panning.level_db) == (num_channels, None, None)
    assert plan_panning(PanOptions(distance=True), seen).level_db is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "wide"}, "off, envelope, stereo"),
        ({"width": 1.01}, "0 to 1"),
        ({"width": float("nan")}, "0 to 1"),
    ],
)
def test_a_mode_or_width_that_is_none_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        PanOptions(**options)  # type: ignore[arg-type]
    assert PanOptions(mode="stereo", width=0.0).width == 0.0


def test_a_long_clip_has_a_curve_of_few_points() -> None:
    long = build_evidence([0.5 + 0.2 * ((step // 400) % 2) for step in range(5_000)])
    assert len(pan_curve(long).points) < 200
