"""Labels, samples and the mix, as the page reckons them: judged by OpenTimelineIO and by exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import opentimelineio as otio
import pytest

from selva_core.base.evidence import Evidence
from selva_core.base.pan import TOLERANCE, pan_curve
from tests.selva_panel.page.conftest import RunScript

MINUTES_AND_TENS = [
    0, 1, 29, 30, 59, 1799, 1800, 1801, 3597, 3598, 3599, 17981, 17982, 17983, 35963, 35964, 107891, 107892, 107893,
    1078919, 1078920, 2073599,
]  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "drop_frame"),
    [((30000, 1001), True), ((60000, 1001), True), ((30000, 1001), False), ((25, 1), False), ((24000, 1001), False)],
)  # fmt: skip
def test_ruler_labels_are_those_of_opentimelineio(
    rate: tuple[int, int], drop_frame: bool, run_node: RunScript
) -> None:
    rate_hz = rate[0] / rate[1]
    seen = run_node("labels.mjs", MINUTES_AND_TENS, rate, drop_frame)
    expected = [
        otio.opentime.RationalTime(frame, rate_hz).to_timecode(rate_hz, drop_frame)
        for frame in MINUTES_AND_TENS
    ]
    assert seen["labels"] == expected
    assert seen["parsed"] == MINUTES_AND_TENS
    assert seen["refused"] == [None] * 5


def test_label_that_drop_frame_leaves_out_is_the_frame_after_it(run_node: RunScript) -> None:
    assert run_node("labels.mjs", [1800], (30000, 1001), True)["leftOut"] == 1800
    assert run_node("labels.mjs", [1800], (30000, 1001), False)["leftOut"] == 1800


def test_frames_begin_at_the_samples_at_which_stems_are_placed(run_node: RunScript) -> None:
    frames = [*MINUTES_AND_TENS, 90001, 123456789]
    seen = run_node("labels.mjs", frames, (30000, 1001), True)["samples"]
    assert seen == [math.floor(Fraction(frame * 1001 * 48000, 30000) + Fraction(1, 2)) for frame in frames]


def test_stems_are_read_to_the_last_bit(run_node: RunScript) -> None:
    seen = run_node("sound.mjs")
    assert seen["layout"]["frames"] == 480
    assert (seen["layout"]["bits"], seen["layout"]["sampleRateHz"]) == (24, 48000)
    assert seen["largestError"] == 0
    assert seen["headTooShort"] == {"needFrom": 36}
    assert None not in seen["refusals"]


def test_mix_is_what_solo_mute_choice_and_position_say(run_node: RunScript) -> None:
    seen = run_node("sound.mjs")
    assert seen["audible"] == [["a"], ["b"]]
    assert seen["chosen"] == [["2"], ["2"], []]
    assert seen["starts"] == [math.floor(Fraction(108000 * 1001 * 48000, 30000) + Fraction(1, 2))]
    assert seen["offGrid"] == [3600 * 48000 + 20736]
    assert seen["positions"] == [50, 50, 100, 149, 50, 100, 150]


def test_pan_is_the_curve_that_is_placed(run_node: RunScript) -> None:
    """Sent with the stem, or else made from the evidence in the way in which it is made for what is placed."""
    rate_hz = Fraction(25, 2)
    presence = [0.1 if index < 10 else 0.9 for index in range(40)]
    x = [0.2 if index % 7 else 0.6 for index in range(20)] + [0.8] * 20
    seen = run_node("sound.mjs", {"x": x, "presence_curve": presence, "rate_hz": float(rate_hz)})
    assert seen["placedPan"] == [{"sample": 0, "pan": -1}, {"sample": 48000, "pan": 0.5}]
    evidence = Evidence(
        rate_hz=rate_hz,
        whole=0.9,
        threshold=0.5,
        presence=tuple(presence),
        x=tuple(x),
        y=(0.5,) * 40,
        spread=(0.2,) * 40,
        rows=1,
        columns=1,
        heat=bytes(40),
    )
    curve = pan_curve(evidence)
    for index, pan in enumerate(seen["seenPan"]):
        assert pan == pytest.approx(curve.at((index + 0.5) / float(rate_hz)), abs=2 * TOLERANCE)
    assert seen["noPan"] == [[], [], []]
    assert seen["panAt"] == [-1, -1, 0, 1, 1]


def test_a_track_is_named_by_a_whole_phrase_of_its_prompt(run_node: RunScript) -> None:
    names = {
        "ball bouncing on the floor": "Ball bouncing on the floor",
        "a ball bouncing on the floor of a hall": "Ball bouncing on the floor",
        "keys jingling and a door closing behind a man": "Keys jingling",
        "a person running up a wooden staircase quickly": "Person running",
        "Schritte auf nassem Kies, langsam": "Schritte auf nassem Kies",
        "女性の足音が廊下に響く": "女性の足音が廊下に響く",
        "": "",
    }
    assert run_node("names.mjs", list(names))["names"] == list(names.values())


def test_edits_of_two_pages_are_brought_together(run_node: RunScript) -> None:
    """Rows as id and name: before, as one page has them, as the other has them, and both."""
    cases = {
        ("a1 b1", "a2 b1", "a1 b2"): ("a2 b2", False),
        ("a1 b1", "a2 b1", "a3 b1"): ("a3 b1", True),
        ("a1 b1", "a2 b1", "a2 b1"): ("a2 b1", False),
        ("a1 b1", "a1 b1 c1", "a1 b1 d1"): ("a1 b1 c1 d1", False),
        ("a1 b1", "b1", "a1 b2"): ("b2", False),
        ("a1 b1", "a2 b1", "b1"): ("b1", False),
        ("a1 b1 c1", "c1 a1 b1", "a2 b1 x1 c1"): ("c1 a2 b1 x1", False),
        ("", "a1", ""): ("a1", False),
    }
    assert run_node("merge.mjs", list(cases))["merged"] == [list(expected) for expected in cases.values()]
