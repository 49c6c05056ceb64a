"""Evidence as a value: when a thing is seen, and the file that is written of it."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from selva_core.base.evidence import Evidence


def build_evidence(
    presence: tuple[float, ...], *, whole: float = 0.9, threshold: float | None = 0.5
) -> Evidence:
    steps = len(presence)
    return Evidence(
        rate_hz=Fraction(25, 2),
        presence=presence,
        x=(0.25,) * steps,
        y=(0.75,) * steps,
        spread=(0.1,) * steps,
        rows=2,
        columns=2,
        heat=bytes([0, 255, 10, 20]) * steps,
        whole=whole,
        threshold=threshold,
    )


def test_spans_are_the_times_in_which_the_thing_is_seen() -> None:
    evidence = build_evidence((0.1,) * 10 + (0.9,) * 25 + (0.2,) * 15)
    assert evidence.seen_spans_s == ((0.8, 2.8),)


def test_short_gaps_are_closed_and_short_spans_left_out() -> None:
    flicker = (0.9,) * 20 + (0.1,) * 2 + (0.9,) * 20 + (0.1,) * 20 + (0.9,) * 2 + (0.1,) * 20
    assert build_evidence(flicker).seen_spans_s == ((0.0, 42 / 12.5),)


def test_a_clip_shorter_than_the_shortest_span_can_be_seen_whole() -> None:
    assert build_evidence((0.9, 0.8)).seen_spans_s == ((0.0, 0.16),)
    assert build_evidence((0.9, 0.1)).seen_spans_s == ()


@pytest.mark.parametrize(
    ("whole", "threshold", "is_absent"), [(0.4, 0.5, True), (0.5, 0.5, False), (0.0, None, False)]
)
def test_only_a_calibrated_presence_says_that_a_thing_is_absent(
    whole: float, threshold: float | None, is_absent: bool
) -> None:
    assert build_evidence((0.1,), whole=whole, threshold=threshold).is_absent is is_absent


def test_the_file_says_it_all_and_is_read_back() -> None:
    evidence = build_evidence((0.1234, 0.9), threshold=None)
    content = json.loads(json.dumps(evidence.to_json()))
    assert content["rate_hz"] == 12.5
    assert content["presence"] == [0.1234, 0.9]
    assert (content["x"], content["y"], content["spread"]) == ([0.25] * 2, [0.75] * 2, [0.1] * 2)
    assert Evidence.from_json(content) == evidence


@pytest.mark.parametrize(
    "change",
    [
        {"x": [0.5]},
        {"presence": None},
        {"map": {"rows": 2, "columns": 2, "uint8_base64": "!"}},
        {"rate_hz": float("inf")},
        {"map": 3},
    ],
)
def test_a_file_that_is_no_evidence_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="evidence"):
        Evidence.from_json({**build_evidence((0.1, 0.2)).to_json(), **change})
