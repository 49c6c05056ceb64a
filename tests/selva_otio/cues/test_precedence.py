"""Which of several sources of cues counts on a track and a clip."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_cue_sheet
from selva_otio.errors import CueError
from tests.selva_otio.cues.spotted import DOG, clips_of, heard, marker, spot
from tests.selva_otio.cuts import CutBuilder


def test_on_one_track_and_clip_the_first_source_that_speaks_is_heard(
    tmp_path: Path, cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    path = tmp_path / "cues.csv"
    path.write_text("track,prompt,clip\nDog,from the sheet,a\n", encoding="utf-8")
    rows = load_cue_sheet(path)
    first = clips_of(timeline)[0]
    first.metadata["selva"] = {"tracks": {"Dog": "from metadata"}}
    assert [row[2] for row in heard(spot(timeline, DOG))] == ["from metadata", DOG.prompt]
    first.markers.append(marker(cut, "dog: from a marker", 86_410, 12))
    assert [row[2:] for row in heard(spot(timeline, DOG))] == [
        ("from a marker", 0, 12),
        (DOG.prompt, 60, 108),
    ]
    assert [row[2] for row in heard(spot(timeline, DOG, rows=rows))] == ["from the sheet", DOG.prompt]


def test_other_tracks_are_not_touched_by_what_is_said_of_one(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    clips_of(timeline)[0].markers.append(marker(cut, "Rain: rain", 86_410, 12))
    assert [row[:2] for row in heard(spot(timeline, DOG))] == [("a", "Dog"), ("a", "Rain"), ("b", "Dog")]


def test_several_cues_of_one_source_all_stand(cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
    first = clips_of(timeline)[0]
    first.markers.append(marker(cut, "Dog: barks", 86_410, 12))
    first.markers.append(marker(cut, "Dog: growls", 86_430, 12))
    assert heard(spot(timeline)) == [("a", "Dog", "barks", 0, 12), ("a", "Dog", "growls", 20, 32)]


def test_names_are_one_track_whatever_their_case(cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
    clips_of(timeline)[0].markers.append(marker(cut, "DOG: barks", 86_410, 48))
    sheet = spot(timeline, DOG)
    assert sheet.tracks == ("Dog",)
    assert {cue.track for cue in sheet.cues} == {"Dog"}


def test_a_fault_of_a_clip_that_nobody_asks_for_is_a_note(
    tmp_path: Path, cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    timeline.tracks[0].append(
        otio.schema.Clip("lost", otio.schema.MissingReference(), source_range=cut.span(0, 10))
    )
    path = tmp_path / "cues.csv"
    path.write_text("track,prompt,clip\nDog,barking,a\n", encoding="utf-8")
    asked_for_one = spot(timeline, rows=load_cue_sheet(path))
    assert [item.is_fault for item in asked_for_one.skipped] == [False]
    assert [item.is_fault for item in spot(timeline, DOG).skipped] == [True]


def test_cues_that_lie_on_no_picture_are_refused(cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
    timeline.tracks.markers.append(marker(cut, "Rain: rain", 49, 9))
    with pytest.raises(CueError, match="no cue lies on a clip"):
        spot(timeline)
