"""Plans: the markers that go with stems, what is reported of a placement, and JSON there and back."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest

from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.resolve.plan import PlanTarget, build_plan, list_place_notices
from selva_plugins.hosts.resolve.plan_schema import (
    ListedTimeline,
    PlacementPlan,
    PlacementReport,
    PlanStem,
    RemovalReport,
    StemResult,
    parse_plan_stems,
)

DOG = PlanStem(
    id="c-1",
    file="/stems/größe.wav",
    track="Dog",
    record_frame=86410,
    duration_frames=24,
    source_start_frame=12,
    take=2,
    is_muted=True,
    max_missing_frames=2,
    fade_in_frames=3,
    fade_out_frames=4,
    gain_db=-3.5,
    prompt="small dog barking",
    comment="Selva: small dog barking (take 2, seed 43)",
)
STEPS = dataclasses.replace(DOG, id="c-2", track="Steps", duration_frames=48, prompt="boots on gravel")
LATER = dataclasses.replace(DOG, id="c-3", record_frame=86500)
TARGET = PlanTarget(
    timeline_id="t", timeline_name="Reel 1", rate=Fraction(24), wav_rate=Fraction(24), start_frame=86400
)
PLACED = StemResult(
    id="c-1", is_placed=True, track_index=2, track_name="Dog", record_frame=86410, duration_frames=24
)


def test_stems_that_begin_on_one_frame_share_a_marker_as_long_as_the_longest() -> None:
    target = dataclasses.replace(TARGET, marks_stems=True)
    plan = build_plan([DOG, STEPS, LATER], target)
    first, second = plan.markers
    assert (first.frame, first.duration_frames, first.name) == (10, 48, "Selva: Dog, Steps")
    assert first.note == "Dog: small dog barking\nSteps: boots on gravel"
    assert (second.frame, second.custom_data) == (100, "selva:stems:c-3")


def test_without_the_wish_for_markers_there_are_none() -> None:
    assert build_plan([DOG], TARGET).markers == ()


def test_a_plan_is_the_same_after_its_way_through_json() -> None:
    target = dataclasses.replace(TARGET, marks_stems=True, replaces=True)
    plan = build_plan([DOG, STEPS], target)
    assert PlacementPlan.from_json(plan.to_json()) == plan


def test_reports_are_the_same_after_their_way_through_json() -> None:
    held = StemResult(id="c-2", is_placed=False, reason="the track is locked")
    elsewhere = dataclasses.replace(PLACED, note="'Dog' was locked or occupied")
    report = PlacementReport(
        timeline_id="t",
        is_saved=False,
        stems=(PLACED, held, elsewhere),
        end_frames="inclusive",
        num_markers=2,
    )
    assert PlacementReport.from_json(report.to_json()) == report
    removal = RemovalReport(num_stems=1, num_tracks=2, num_clips=3, num_markers=4, num_kept=5)
    assert RemovalReport.from_json(removal.to_json()) == removal


@pytest.mark.parametrize("missing", ["id", "file", "track", "record_frame", "duration_frames"])
def test_an_entry_without_what_placing_needs_is_refused(missing: str) -> None:
    entry = DOG.to_json()
    assert parse_plan_stems([entry]) == (DOG,)
    del entry[missing]
    with pytest.raises(SnapshotError, match=missing):
        parse_plan_stems([entry])


def report_of(*results: StemResult, is_saved: bool = True) -> PlacementReport:
    return PlacementReport(timeline_id="t", is_saved=is_saved, stems=results)


def test_a_stem_placed_as_planned_is_no_notice() -> None:
    assert list_place_notices(report_of(PLACED), [DOG]) == []


@pytest.mark.parametrize(
    ("result", "notice"),
    [
        (StemResult(id="c-1", is_placed=False, reason="it is gone"), "Dog: not placed: it is gone"),
        (StemResult(id="other", is_placed=False, reason="it is gone"), "other: not placed: it is gone"),
        (dataclasses.replace(PLACED, duration_frames=21), "Dog: Resolve made it 3 frame(s) shorter"),
        (
            dataclasses.replace(PLACED, track_name="Dog 2", note="'Dog' was locked or occupied"),
            "Dog: lies on track 'Dog 2' because 'Dog' was locked or occupied",
        ),
    ],
    ids=["held", "unknown", "shorter", "elsewhere"],
)
def test_what_is_not_as_planned_is_a_notice(result: StemResult, notice: str) -> None:
    assert list_place_notices(report_of(result), [DOG]) == [notice]


def test_frames_that_the_rate_of_a_wav_takes_are_no_notice() -> None:
    shorter = dataclasses.replace(PLACED, duration_frames=24 - DOG.max_missing_frames)
    assert list_place_notices(report_of(shorter), [DOG]) == []


def test_a_project_that_was_not_saved_is_a_notice() -> None:
    assert "save it yourself" in list_place_notices(report_of(PLACED, is_saved=False), [DOG])[0]


def test_a_listed_timeline_is_read_from_what_the_scripting_process_writes() -> None:
    values = {"id": "t", "name": "Reel 1", "is_current": True}
    assert ListedTimeline.from_json(values) == ListedTimeline(id="t", name="Reel 1", is_current=True)
