"""Rounding half up, and rationals as pairs of integers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from selva_core.base.rational import from_pair, is_whole_product, round_half_up, to_pair


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(1, 2), 1),
        (Fraction(3, 2), 2),
        (Fraction(5, 2), 3),  # Python's round() goes to the even 2
        (Fraction(-1, 2), 0),
        (Fraction(-3, 2), -1),
        (Fraction(49_999, 100_000), 0),
        (Fraction(7), 7),
    ],
)
def test_halves_go_up_everything_else_to_the_nearest(value: Fraction, expected: int) -> None:
    assert round_half_up(value) == expected


def test_rounding_is_exact_where_a_float_is_not() -> None:
    just_under_half = Fraction(2**60 * 2 + 1, 2) - Fraction(1, 10**20)
    assert round_half_up(just_under_half) == 2**60
    assert round_half_up(Fraction(2**60 * 2 + 1, 2)) == 2**60 + 1


@pytest.mark.parametrize("value", [Fraction(24_000, 1001), Fraction(0), Fraction(-7, 3), Fraction(10**18)])
def test_a_pair_gives_back_the_rational_it_was_made_from(value: Fraction) -> None:
    assert from_pair(to_pair(value)) == value


def test_a_pair_is_in_lowest_terms_with_the_sign_on_top() -> None:
    assert to_pair(Fraction(4, -6)) == [-2, 3]


@pytest.mark.parametrize(
    ("pair", "error"),
    [
        ([1.0, 2], TypeError),
        ([1, "2"], TypeError),
        ([True, 2], TypeError),
        ([1, True], TypeError),
        ([1], ValueError),
        ([1, 2, 3], ValueError),
        (7, TypeError),
        ([1, 0], ZeroDivisionError),
    ],
)
def test_what_is_no_pair_of_integers_is_refused(pair: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        from_pair(pair)


@pytest.mark.parametrize("rate_hz", [Fraction(24), Fraction(24_000, 1001), Fraction(25)])
@pytest.mark.parametrize("frames", [Fraction(0), Fraction(7), Fraction(-3), Fraction(15, 2), Fraction(1, 3)])
def test_an_instant_lies_on_a_frame_when_its_frames_are_whole(rate_hz: Fraction, frames: Fraction) -> None:
    assert is_whole_product(frames / rate_hz, rate_hz) is (frames.denominator == 1)
