"""Cues in the metadata of timelines, tracks and clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import load_cue_sheet
from selva_otio.errors import CueError
from tests.selva_otio.cues.spotted import clips_of, cue_rows, spot


def test_metadata_of_a_clip_has_precedence_over_its_track_and_the_timeline(
    timeline: otio.schema.Timeline,
) -> None:
    timeline.metadata["selva"] = {"tracks": {"Dog": "any dog", "Wind": "wind"}}
    timeline.tracks[0].metadata["selva"] = {"tracks": {"Dog": "big dog"}}
    clips_of(timeline)[0].metadata["selva"] = {
        "tracks": {"Dog": {"prompt": "puppy", "takes": 3, "gain_db": -6}}
    }
    sheet = spot(timeline)
    assert [row[:3] for row in cue_rows(sheet)] == [
        ("a", "Dog", "puppy"),
        ("a", "Wind", "wind"),
        ("b", "Dog", "big dog"),
        ("b", "Wind", "wind"),
    ]
    puppy = next(cue for cue in sheet.cues if cue.prompt == "puppy")
    assert (puppy.num_takes, puppy.gain_db) == (3, -6.0)


def test_a_list_keeps_the_order_of_the_tracks(timeline: otio.schema.Timeline) -> None:
    rows = [{"track": "Wind", "prompt": "wind"}, {"track": "Dog", "prompt": "dog", "takes": 2}]
    timeline.metadata["selva"] = {"tracks": rows}
    assert spot(timeline).tracks == ("Wind", "Dog")
    timeline.metadata["selva"] = {"tracks": {"Wind": "wind", "Dog": "dog"}}
    assert spot(timeline).tracks == ("Dog", "Wind"), "the twin: a map is sorted by OpenTimelineIO"


def test_a_cue_sheet_in_metadata_ranks_after_the_cue_sheet_file(
    tmp_path: Path, timeline: otio.schema.Timeline
) -> None:
    carried = {"track": "Dog", "prompt": "carried", "clip": "a", "to": 1.0, "takes": 2}
    timeline.metadata["selva"] = {"cues": [carried], "tracks": {"Dog": "everywhere"}}
    assert cue_rows(spot(timeline)) == [("a", "Dog", "carried", 0, 24), ("b", "Dog", "everywhere", 60, 108)]
    path = tmp_path / "cues.csv"
    path.write_text("track,prompt,clip\nDog,given,a\n", encoding="utf-8")
    assert cue_rows(spot(timeline, rows=load_cue_sheet(path)))[0] == ("a", "Dog", "given", 0, 48)
    for wrong in ("Dog", [5], [{"track": "Dog"}], [{**carried, "volume": 3}]):
        timeline.metadata["selva"] = {"cues": wrong}
        with pytest.raises(CueError, match="metadata"):
            spot(timeline)


@pytest.mark.parametrize(
    "value",
    [
        ["Dog"],
        [{"track": "Dog", "promt": "x"}],
        [{"prompt": "x"}],
        {"Dog": 5},
        {"Dog": {"promt": "x"}},
        {"Dog": ""},
        {"Dog": {"prompt": None}},
        {"Dog": {"prompt": "x", "takes": "many"}},
    ],
)
def test_malformed_metadata_is_refused_with_its_origin(timeline: otio.schema.Timeline, value: Any) -> None:
    clips_of(timeline)[0].metadata["selva"] = {"tracks": value}
    with pytest.raises(CueError, match="metadata of clip 'a'"):
        spot(timeline)


@pytest.mark.parametrize(("wrong", "right"), [("track", "tracks"), ("Tracks", "tracks"), ("cue", "cues")])
def test_a_misspelt_entry_is_refused_instead_of_passed_over(
    timeline: otio.schema.Timeline, wrong: str, right: str
) -> None:
    timeline.metadata["selva"] = {wrong: {"Dog": "small dog barking"}}
    with pytest.raises(CueError, match=f"did you mean selva.{right}"):
        spot(timeline)
