"""What an order of takes is worth: measures of takes, and what is gained by the take that each of them puts first."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench" / "takes"))

from order_of_takes import ScoredStem, judge_measures, measure_takes

from selva_core.base.evidence import Evidence
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ

NUM_TAKES = 3


def stem(
    scene: int, agreement: list[float], *, measure: list[float], is_sustained: bool = False
) -> ScoredStem:
    """Less distance where takes agree more."""
    return ScoredStem(
        scene_seed=scene,
        is_sustained=is_sustained,
        measures={"first take": [-0.0, -1.0, -2.0], "measure": measure},
        agreement=agreement,
        distance=[1.0 - each for each in agreement],
    )


def rows_of(stems: list[ScoredStem]) -> dict[str, Any]:
    rows = judge_measures(stems)["measures"]
    assert isinstance(rows, dict)
    return rows


def test_a_measure_that_orders_as_the_truth_does_gains_what_the_oracle_gains() -> None:
    stems = [
        stem(seed, [0.2, 0.8, 0.5], measure=[1.0, 3.0, 2.0], is_sustained=seed % 2 == 0) for seed in range(6)
    ]
    rows = rows_of(stems)
    assert rows["measure"] == rows["oracle"]
    parts = ("agreement", "agreement_impact", "agreement_sustained")
    assert [rows["measure"][name] for name in parts] == [0.8] * 3
    assert rows["measure"]["gain"] == [0.3, 0.3, 0.3]  # every scene gains as much: the interval has no width
    assert rows["measure"]["gain_over_first"] == [0.6, 0.6, 0.6]
    assert rows["measure"]["gain_in_distance"] == [0.3, 0.3, 0.3]
    assert (rows["measure"]["agreement_correlation"], rows["measure"]["likeness_correlation"]) == (1.0, 1.0)


def test_a_measure_that_puts_the_worst_take_first_loses_and_the_first_take_gains_nothing_over_itself() -> (
    None
):
    rows = rows_of([stem(seed, [0.5, 0.2, 0.8], measure=[2.0, 3.0, 1.0]) for seed in range(6)])
    assert rows["measure"]["gain"] == [-0.3, -0.3, -0.3]
    assert rows["measure"]["agreement_correlation"] == -1.0
    assert rows["first take"]["gain_over_first"] == [0.0, 0.0, 0.0]
    assert rows["first take"]["agreement"] == 0.5
    assert rows["first take"]["agreement_sustained"] is None  # all are impacts


def test_a_measure_that_says_nothing_has_no_correlation_and_takes_the_first() -> None:
    rows = rows_of([stem(1, [0.4, 0.9, 0.2], measure=[5.0] * 3), stem(2, [0.6, 0.1, 0.2], measure=[5.0] * 3)])
    assert rows["measure"]["agreement_correlation"] is None
    assert rows["measure"]["agreement"] == rows["first take"]["agreement"] == 0.5


def test_the_interval_holds_the_spread_of_scenes_and_not_of_stems_of_one_scene() -> None:
    good, bad = [0.2, 0.8, 0.5], [0.8, 0.2, 0.5]
    unlike = [stem(seed, good if seed % 2 else bad, measure=[1.0, 3.0, 2.0]) for seed in range(8)]
    alone = [
        stem(7, agreement, measure=[1.0, 3.0, 2.0]) for agreement in (good, bad, good, bad)
    ]  # one scene: what is drawn again is always the same
    mean, low, high = rows_of(unlike)["measure"]["gain"]
    assert low < mean == 0.0 < high
    assert rows_of(alone)["measure"]["gain"] == [0.0, 0.0, 0.0]


def knocks(*times_s: float, level: float = 0.5) -> npt.NDArray[np.float32]:
    take = np.zeros(4 * SAMPLE_RATE_HZ, np.float32)
    ring = np.exp(-np.arange(SAMPLE_RATE_HZ // 5) / (SAMPLE_RATE_HZ / 20))
    tone = np.sin(2 * np.pi * 500 * np.arange(len(ring)) / SAMPLE_RATE_HZ)
    for time_s in times_s:
        start = round(time_s * SAMPLE_RATE_HZ)
        take[start : start + len(ring)] += (level * ring * tone).astype(np.float32)
    return take


def seen(first_s: float, end_s: float) -> Evidence:
    """Seen from `first_s` to before `end_s` of 4 s."""
    at_s = np.arange(100) / 25
    presence = np.where((at_s >= first_s) & (at_s < end_s), 0.95, 0.05)
    middle = (0.5,) * 100
    return Evidence(
        rate_hz=Fraction(25),
        presence=tuple(presence.tolist()),
        x=middle,
        y=middle,
        spread=middle,
        rows=1,
        columns=1,
        heat=bytes(100),
        whole=0.95,
    )


@pytest.mark.parametrize(
    ("measure", "best"),
    [
        ("agreement with the other takes", 0),
        ("onsets while seen", 0),
        ("number of onsets near that of all takes", 0),
        ("louder", 3),
        ("lower peak", 1),
        ("less silence", 3),
    ],
)
def test_each_measure_has_most_of_the_take_that_it_is_named_for(measure: str, best: int) -> None:
    takes = np.stack(
        [
            knocks(0.5, 1.0, 1.5),
            knocks(0.5, 1.0, level=0.05),
            knocks(0.52, 1.02, 1.52, 2.25, 3.75),
            knocks(0.5, 1.0, 1.75, 2.5, 3.0, 3.5, level=0.6),
        ]
    )
    found = measure_takes(takes, seen(0.0, 2.0), [seen(2.0, 4.0)])
    values = found[measure]
    assert len(values) == len(takes)
    assert values[best] == max(values)
    assert values[best] > min(values)


def test_a_measure_has_a_value_for_each_take_also_where_takes_are_silent() -> None:
    takes = np.zeros((NUM_TAKES, 4 * SAMPLE_RATE_HZ), np.float32)
    found = measure_takes(takes, seen(0.0, 2.0), [])
    assert {len(values) for values in found.values()} == {NUM_TAKES}
    assert np.isfinite([values for name, values in found.items() if name != "lower peak"]).all()
    assert found["onsets while seen"] == [0.0] * NUM_TAKES
    assert found["agreement with the other takes"] == [1.0] * NUM_TAKES
