"""Labels, samples and the mix, as the page reckons them: judged by OpenTimelineIO and by exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import opentimelineio as otio
import pytest

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
    assert seen["positions"] == [50, 50, 100, 149, 50, 100, 150]


def test_pan_follows_the_picture_only_where_the_row_asks_for_it(run_node: RunScript) -> None:
    seen = run_node("sound.mjs")
    assert seen["pan"] == [{"sample": 0, "pan": -1}, {"sample": 24000, "pan": 0}, {"sample": 48000, "pan": 1}]
    assert seen["noPan"] == []
