"""Conform on cuts that were edited at random, against what every frame of the new cut should sound like."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import pytest

from selva_otio.conform import plan, stem_fitting
from tests.selva_otio.conform.random_cuts import EDITS, RandomPair, check


@pytest.mark.parametrize(
    ("seeds", "max_edits"),
    [
        *((range(first, first + 10), 5) for first in (0, 10, 20)),
        pytest.param(range(1000, 2000), 7, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
    ids=lambda value: f"from {value[0]}" if isinstance(value, range) else "",
)
def test_every_frame_keeps_its_sample_and_only_what_no_stem_reaches_is_rendered(
    seeds: range, max_edits: int
) -> None:
    counts: Counter[str] = Counter()
    edits: Counter[str] = Counter()
    for seed in seeds:
        pair = RandomPair.build(seed, num_edits=1 + seed % max_edits)
        edits.update(pair.edits)
        counts += check(pair)
    assert counts["samples checked"] > 300 * len(seeds)
    assert counts["rendered frames"] > 10 * len(seeds)
    assert set(edits) <= set(EDITS)


def test_the_check_sees_a_stem_that_lies_one_sample_off(monkeypatch: pytest.MonkeyPatch) -> None:
    original = stem_fitting.fit_stem

    def one_sample_late(*arguments: Any, **options: Any) -> stem_fitting.FittedStem:
        fitted = original(*arguments, **options)
        return stem_fitting.FittedStem(
            heard_s=fitted.heard_s,
            file_start_s=fitted.file_start_s - Fraction(1, 48_000),
            missing=fitted.missing,
        )

    monkeypatch.setattr(plan, "fit_stem", one_sample_late)
    with pytest.raises(AssertionError):
        check(RandomPair.build(1))


def test_the_check_sees_a_stem_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*arguments: Any, **options: Any) -> stem_fitting.FittedStem:
        return stem_fitting.FittedStem(heard_s=None, file_start_s=Fraction(0))

    monkeypatch.setattr(plan, "fit_stem", lost)
    with pytest.raises(AssertionError, match="lost its stem"):
        check(RandomPair.build(1))
