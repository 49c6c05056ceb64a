"""Agreement of takes: what they have in common, in onsets and in the course of their level."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from selva_core.audio.events import LevelCurve
from selva_core.audio.take_agreement import match_onsets, measure_agreement


def knocks(*times_s: float, seconds: float = 4.0) -> LevelCurve:
    """A knock at each of these times, which rings for 0.2 s."""
    levels = np.full(round(seconds * 100), 1e-6, np.float32)
    for time_s in times_s:
        start = round(time_s * 100)
        levels[start : start + 20] = 0.5 * np.exp(-np.arange(20) / 5)
    return LevelCurve(levels=levels, hop_s=Fraction(1, 100))


def known(takes: Sequence[LevelCurve]) -> list[float]:
    found = [each for each in measure_agreement(takes) if each is not None]
    assert len(found) == len(takes)
    return found


def test_takes_with_an_imagined_or_a_missed_event_agree_less_than_those_without() -> None:
    usual, imagined, missed = (0.5, 1.5, 2.5), (0.5, 1.0, 1.5, 2.5), (0.5, 2.5)
    one, other, more, fewer = known([knocks(*usual), knocks(*usual), knocks(*imagined), knocks(*missed)])
    assert one == other > max(more, fewer)


def test_events_within_80_ms_are_the_same_and_later_ones_are_not() -> None:
    near = known([knocks(1.0, 2.0), knocks(1.0, 2.0), knocks(1.06, 2.06)])
    far = known([knocks(1.0, 2.0), knocks(1.0, 2.0), knocks(1.12, 2.12)])
    assert near[2] > far[2] + 0.4


def test_agreement_does_not_depend_on_the_order_of_takes() -> None:
    """The nearest onset is not always the one that leaves most pairs: that to 0.56 s is at 0.62 s, which 0.68 s needs."""
    takes = [knocks(0.5, 0.62, 2.0), knocks(0.56, 0.68, 2.0), knocks(2.0, 3.0)]
    forward, backward = known(takes), known(takes[::-1])
    assert forward == pytest.approx(backward[::-1])
    assert match_onsets([0.5, 0.62], [0.57, 0.69]) == match_onsets([0.57, 0.69], [0.5, 0.62]) == (2, 2, 2)
    assert match_onsets([0.62, 0.5], [0.57, 0.71]) == (1, 2, 2)


def test_equal_takes_agree_wholly_also_where_all_are_silent() -> None:
    assert known([knocks(1.0, 2.0)] * 3) == pytest.approx([1.0] * 3)
    assert known([knocks()] * 3) == [1.0] * 3
    silent = known([knocks(), knocks(1.0), knocks(1.0)])
    assert silent[0] == 0.0 < silent[1]


@pytest.mark.parametrize("num_takes", [0, 1, 2])
def test_fewer_than_three_takes_agree_with_nobody(num_takes: int) -> None:
    assert measure_agreement([knocks(1.0)] * num_takes) == [None] * num_takes


def test_takes_of_other_lengths_and_none_at_all_are_compared_over_what_both_have() -> None:
    whole, part, empty = knocks(1.0), knocks(1.0, seconds=3.0), knocks(seconds=0.0)
    assert known([whole, part, part]) == pytest.approx([1.0] * 3)
    assert known([whole, whole, empty])[2] == 0.0
