"""What a join adds, with its interval: pairs of changes at joins and at the same places without one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench" / "takes"))

from join_intervals import PairedChange, compare_pairs


def pairs_with(factor: float, *, num_clips: int = 12) -> list[PairedChange]:
    """Two joins a clip that change `factor` times as much as their places do without a join, a tenth more or less."""
    rng = np.random.default_rng(5)
    alone = rng.uniform(0.5, 2.0, 2 * num_clips)
    noise = rng.uniform(0.9, 1.1, 2 * num_clips)
    return [
        PairedChange(
            clip=index // 2, join=float(factor * noise[index] * alone[index]), alone=float(alone[index])
        )
        for index in range(2 * num_clips)
    ]


def interval(found: dict[str, Any]) -> tuple[float, float]:
    low, high = found["interval_90"]
    return low, high


def test_joins_that_change_as_much_as_their_places_do_have_an_interval_around_one() -> None:
    found = compare_pairs(pairs_with(1.0))
    low, high = interval(found)
    assert low < 1.0 < high
    assert 6 <= found["num_larger_than_alone"] <= 18  # type: ignore[operator]
    assert (found["num"], found["num_clips"]) == (24, 12)


def test_joins_that_change_more_have_an_interval_above_one() -> None:
    found = compare_pairs(pairs_with(2.0))
    low, high = interval(found)
    assert 1.0 < low < 2.0 < high
    assert found["num_larger_than_alone"] == 24


def test_joins_of_one_clip_give_no_width_to_the_interval() -> None:
    found = compare_pairs(
        [PairedChange(clip=3, join=3.0, alone=1.0), PairedChange(clip=3, join=1.0, alone=1.0)]
    )
    assert interval(found) == (2.0, 2.0)  # only clips are drawn again: their joins depend on each other
    assert found["median_of_ratios"] == 2.0


def test_places_that_do_not_change_have_no_ratio() -> None:
    found = compare_pairs([PairedChange(clip=1, join=1.0, alone=0.0)])
    assert (found["ratio_of_medians"], found["interval_90"], found["median_of_ratios"]) == (None, None, None)
    assert found["num_larger_than_alone"] == 1


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one is needed"):
        compare_pairs([])
