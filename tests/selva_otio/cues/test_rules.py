"""Which rules apply to a shot: the precedence of sources, and the index that finds rules."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_cue_sheet
from selva_otio.cues.rules import CUE_SHEET, MARKER, CueRule, CueRuleIndex, choose_rules
from selva_otio.errors import CueError
from selva_otio.picture.shots import Shot, ShotIndex
from tests.selva_otio.cues.spotted import DOG, build_marker, clips_of, cue_rows, spot
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.shots import build_dissolving_shots, build_shot

MEDIA = Path("/media/A001.mov")


def test_on_one_track_and_clip_the_first_source_with_a_rule_is_used(
    tmp_path: Path, cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    path = tmp_path / "cues.csv"
    path.write_text("track,prompt,clip\nDog,from the sheet,a\n", encoding="utf-8")
    rows = load_cue_sheet(path)
    first = clips_of(timeline)[0]
    first.metadata["selva"] = {"tracks": {"Dog": "from metadata"}}
    assert [row[2] for row in cue_rows(spot(timeline, DOG))] == ["from metadata", DOG.prompt]
    first.markers.append(build_marker(cut, "dog: from a marker", 86_410, 12))
    assert [row[2:] for row in cue_rows(spot(timeline, DOG))] == [
        ("from a marker", 0, 12),
        (DOG.prompt, 60, 108),
    ]
    assert [row[2] for row in cue_rows(spot(timeline, DOG, rows=rows))] == ["from the sheet", DOG.prompt]


def test_a_rule_for_one_track_leaves_other_tracks_alone(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    clips_of(timeline)[0].markers.append(build_marker(cut, "Rain: rain", 86_410, 12))
    assert [row[:2] for row in cue_rows(spot(timeline, DOG))] == [("a", "Dog"), ("a", "Rain"), ("b", "Dog")]


def test_several_cues_of_one_source_are_all_used(cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
    first = clips_of(timeline)[0]
    first.markers.append(build_marker(cut, "Dog: barks", 86_410, 12))
    first.markers.append(build_marker(cut, "Dog: growls", 86_430, 12))
    assert cue_rows(spot(timeline)) == [("a", "Dog", "barks", 0, 12), ("a", "Dog", "growls", 20, 32)]


def test_track_names_that_differ_in_case_are_one_track(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    clips_of(timeline)[0].markers.append(build_marker(cut, "DOG: barks", 86_410, 48))
    sheet = spot(timeline, DOG)
    assert sheet.tracks == ("Dog",)
    assert {cue.track for cue in sheet.cues} == {"Dog"}


def test_a_fault_of_a_clip_without_cue_is_a_note(
    tmp_path: Path, cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    timeline.tracks[0].append(
        otio.schema.Clip("lost", otio.schema.MissingReference(), source_range=cut.span(0, 10))
    )
    path = tmp_path / "cues.csv"
    path.write_text("track,prompt,clip\nDog,barking,a\n", encoding="utf-8")
    with_one_cue = spot(timeline, rows=load_cue_sheet(path))
    assert [item.is_fault for item in with_one_cue.skipped] == [False]
    assert [item.is_fault for item in spot(timeline, DOG).skipped] == [True]


def test_cues_that_lie_on_no_picture_are_refused(cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
    timeline.tracks.markers.append(build_marker(cut, "Rain: rain", 49, 9))
    with pytest.raises(CueError, match="no cue lies on a clip"):
        spot(timeline)


def build_rule(chance: random.Random, shots: list[Shot]) -> CueRule:
    start_s, end_s = sorted(Fraction(chance.randint(0, 400), 10) for _ in range(2))
    pattern = chance.choice([None, "YARD", "garden", "h*", "a[1]", "a?1?", "a001.mov", "nobody"])
    return CueRule(
        source=chance.choice([CUE_SHEET, MARKER]),
        stem_track=DOG,
        origin="a test",
        clip_pattern=pattern,
        record_start_s=chance.choice([None, start_s]),
        record_end_s=chance.choice([None, end_s]),
        only_on=chance.choice([None, None, None, *shots[:3]]),
    )


@pytest.mark.parametrize("seed", range(20))
def test_rules_found_by_the_index_give_the_matches_of_all_rules(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    shots = build_dissolving_shots(chance, 30)
    rules = [build_rule(chance, shots) for _ in range(60)]
    index = CueRuleIndex(rules, ShotIndex(shots))
    for shot in shots:
        found = index.find(shot, MEDIA)
        assert list(choose_rules(shot, MEDIA, found)) == list(choose_rules(shot, MEDIA, rules))


def test_the_index_finds_only_the_rules_of_a_shot() -> None:
    shots = [build_shot(Fraction(i), Fraction(i + 1), f"clip {i}") for i in range(1000)]
    by_time = [
        CueRule(
            source=MARKER,
            stem_track=DOG,
            origin="m",
            record_start_s=Fraction(i),
            record_end_s=Fraction(i + 1),
        )
        for i in range(1000)
    ]
    by_name = [
        CueRule(source=CUE_SHEET, stem_track=DOG, origin="c", clip_pattern=f"clip {i}") for i in range(1000)
    ]
    index = CueRuleIndex([*by_time, *by_name], ShotIndex(shots))
    assert index.find(shots[500], MEDIA) == [by_time[500], by_name[500]]
