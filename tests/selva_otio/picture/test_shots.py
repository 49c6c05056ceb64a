"""Shots found by record time, and layers of them over one another."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from selva_otio.picture.shots import Picture, ShotIndex, overlay_picture
from tests.selva_otio.shots import build_dissolving_shots, build_shot


@pytest.mark.parametrize("seed", range(5))
def test_shots_in_a_record_range_are_those_visible_there(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    shots = build_dissolving_shots(chance, 40)
    by_time = ShotIndex(shots)
    for tenth in range(0, 450, 3):
        start_s, end_s = Fraction(tenth, 10), Fraction(tenth + 7, 10)
        expected = [shot for shot in shots if shot.record_start_s < end_s and shot.record_end_s > start_s]
        assert list(by_time.iter_overlapping(start_s, end_s)) == expected
        on_screen = [shot for shot in shots if shot.record_start_s <= start_s < shot.record_end_s]
        assert list(by_time.iter_at(start_s)) == on_screen


def test_a_layer_of_many_shots_hides_what_lies_under_each() -> None:
    below = Picture(shots=[build_shot(Fraction(i), Fraction(i + 1)) for i in range(10)])
    above = Picture(
        shots=[build_shot(i + Fraction(1, 4), i + Fraction(1, 2)) for i in map(Fraction, range(10))]
    )
    overlay_picture(below, above)
    left = [(shot.record_start_s, shot.record_end_s) for shot in below.shots[:-10]]
    assert left == [
        edge
        for i in map(Fraction, range(10))
        for edge in ((i, i + Fraction(1, 4)), (i + Fraction(1, 2), i + 1))
    ]
