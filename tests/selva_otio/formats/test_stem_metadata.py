"""Stem metadata as files and editors may leave it: values of another shape are passed over, never raised."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio.formats.stem_metadata import iter_takes, read_fade_s, read_gain_db, to_plain_value


@pytest.mark.parametrize(
    ("value", "gain_db"),
    [(-6.0, -6.0), (3, 3.0), (None, 0.0), ("loud", 0.0), (True, 0.0), (float("inf"), 0.0)],
)
def test_a_gain_that_is_not_a_number_is_none(value: Any, gain_db: float) -> None:
    assert read_gain_db({"gain_db": value}) == gain_db


@pytest.mark.parametrize(
    ("pair", "fade_s"),
    [
        ([1, 24], Fraction(1, 24)),
        ([-1, 24], Fraction(0)),
        ([1, 0], Fraction(0)),
        ([1], Fraction(0)),
        ("1/24", Fraction(0)),
        (None, Fraction(0)),
    ],
)
def test_a_fade_that_is_not_a_rational_is_none(pair: Any, fade_s: Fraction) -> None:
    assert read_fade_s({"fade_in_s": pair}, "fade_in_s") == fade_s


def test_takes_of_another_shape_are_passed_over() -> None:
    takes = [{"take": 1, "url": "a.wav"}, {"take": "2", "url": "b.wav"}, "c.wav", {"take": 3}]
    assert list(iter_takes({"takes": takes})) == [(1, "a.wav")]
    assert list(iter_takes({"takes": "a.wav"})) == []
    assert list(iter_takes({})) == []


def test_metadata_of_opentimelineio_becomes_plain_json() -> None:
    clip = otio.schema.Clip()
    clip.metadata["selva"] = {"takes": [{"take": 1}], "at": otio.opentime.RationalTime(1, 24)}
    plain = to_plain_value(clip.metadata["selva"])
    assert plain["takes"] == [{"take": 1}]
    assert isinstance(plain["at"], str)
    json.dumps(plain)
