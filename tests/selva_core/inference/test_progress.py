"""Progress within a long step is reported now and then, and asks each time whether to stop."""

from __future__ import annotations

import pytest

from selva_core.base.errors import RenderCancelled
from selva_core.engine import RenderProgress
from selva_core.inference.progress import (
    AUDIO_COST,
    REPORT_INTERVAL_S,
    SEGMENT_COST,
    STEP_COST,
    ProgressTracker,
    stage_weights,
)
from selva_core.models.arithmetic import arithmetic_of


class Watched:
    """A tracker of 100 units of sampling and as many of picture, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.is_cancelled = False
        self.seen: list[RenderProgress] = []
        self.tracker = ProgressTracker(
            {"picture": 100.0, "sampling": 100.0},
            on_progress=self.seen.append,
            is_cancelled=lambda: self.is_cancelled,
            clock=lambda: self.now_s,
        )


def test_work_in_a_long_step_is_reported_once_per_interval() -> None:
    watched = Watched()
    for _ in range(10):
        watched.now_s += REPORT_INTERVAL_S / 2
        watched.tracker.work("sampling", 2.0, step=1, num_steps=25)
    assert [progress.fraction for progress in watched.seen] == [0.02, 0.04, 0.06, 0.08, 0.1]
    assert {(progress.stage, progress.step, progress.num_steps) for progress in watched.seen} == {
        ("sampling", 1, 25)
    }


def test_work_in_a_short_step_is_reported_with_the_step() -> None:
    watched = Watched()
    watched.tracker.work("sampling", 40.0, step=1, num_steps=2)
    assert watched.seen == []
    watched.tracker.spend("sampling", 0.0, step=1, num_steps=2)
    assert [progress.fraction for progress in watched.seen] == [0.2]


def test_share_of_a_stage_counts_what_was_done_of_it_once() -> None:
    watched = Watched()
    watched.tracker.work("picture", 30.0)
    watched.tracker.spend_up_to("picture", 0.4)
    watched.tracker.spend_up_to("picture", 0.2)
    assert [progress.fraction for progress in watched.seen] == [0.2, 0.2]


def test_work_that_was_cancelled_stops_between_batches() -> None:
    watched = Watched()
    watched.tracker.work("picture", 1.0)
    watched.is_cancelled = True
    with pytest.raises(RenderCancelled):
        watched.tracker.work("picture", 1.0)


def test_a_stage_that_begins_is_shown_before_any_of_its_work_is_done() -> None:
    watched = Watched()
    watched.tracker.finish("picture")
    watched.tracker.begin("sampling", num_steps=25)
    assert [(each.stage, each.fraction, each.work_left) for each in watched.seen] == [
        ("picture", 0.5, {"picture": 0.0, "sampling": 100.0}),
        ("sampling", 0.5, {"picture": 0.0, "sampling": 100.0}),
    ]


def test_units_of_a_stage_are_weighed_where_they_are_expected_and_where_they_are_spent() -> None:
    seen: list[RenderProgress] = []
    tracker = ProgressTracker(
        {"picture": 100.0, "sampling": 100.0},
        weights={"sampling": 3.0},
        on_progress=seen.append,
        is_cancelled=lambda: False,
    )
    tracker.spend("picture", 100.0)
    tracker.spend("sampling", 50.0)
    tracker.spend_up_to("sampling", 0.75)
    tracker.finish("sampling")
    assert [progress.fraction for progress in seen] == [0.25, 0.625, 0.8125, 1.0]
    assert seen[1].work_left == {"picture": 0.0, "sampling": 150.0}


def test_stages_of_the_reference_measurement_take_as_long_as_their_costs_say() -> None:
    """62, 4.7, 20 and 9.5 s of selva-small-16k."""
    row = arithmetic_of("selva-small-16k")
    assert row is not None
    assert arithmetic_of("selva-nano") is None, "its time is not that of its arithmetic"
    weights, bare = stage_weights(row, num_prompts=1), stage_weights(row, num_prompts=0)
    picture = 24 * SEGMENT_COST
    measured = {
        "encoder": (62.0, picture * bare["picture"]),
        "steering": (4.7, picture * (weights["picture"] - bare["picture"])),
        "steps": (20.0, 25 * STEP_COST * weights["sampling"]),
        "sound": (9.5, AUDIO_COST * weights["sound"]),
    }
    per_unit = [seconds / cost for seconds, cost in measured.values()]
    assert max(per_unit) < 1.1 * min(per_unit)
