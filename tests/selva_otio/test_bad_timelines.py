"""Timelines that are broken, hostile or absurd: a clear error or sense, in bounded time."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selva_otio import CueSheet, Stem, StemTrack, load_timeline, place_stems, spot_timeline
from selva_otio.errors import TimelineError, TimelineReadError
from tests.selva_otio.cuts import CutBuilder

Json = dict[str, Any]
DOG = StemTrack(name="Dog", prompt="small dog barking")


@pytest.fixture
def timeline_json(cut_at_24: CutBuilder) -> Json:
    """A sound timeline of two clips, as JSON."""
    cut = cut_at_24
    track = cut.track(cut.clip("a", offset=0, frames=20), cut.gap(3), cut.clip("b", offset=4, frames=20))
    parsed: Json = json.loads(cut.timeline(track).to_json_string())
    return parsed


def spot(timeline_json: Json, folder: Path) -> CueSheet:
    path = folder / "cut.otio"
    path.write_text(json.dumps(timeline_json), encoding="utf-8")
    return spot_timeline(load_timeline(path), [DOG], base_folder=folder)


def first_clip(timeline_json: Json) -> Json:
    clip: Json = timeline_json["tracks"]["children"][0]["children"][0]
    return clip


def with_value(*path: str, value: object) -> Callable[[Json], None]:
    def change(timeline_json: Json) -> None:
        place = first_clip(timeline_json)
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def warp(scalar: float) -> Callable[[Json], None]:
    effect = {
        "OTIO_SCHEMA": "LinearTimeWarp.1",
        "name": "",
        "effect_name": "",
        "metadata": {},
        "time_scalar": scalar,
    }
    return with_value("effects", value=[effect])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_value("source_range", "duration", "value", value=math.inf), "clip 'a': a time is a finite"),
        (with_value("source_range", "duration", "value", value=-20), "clip 'a' has a negative duration"),
        (with_value("source_range", "duration", "rate", value=0), "a rate lies between"),
        (with_value("source_range", "duration", "rate", value=-24), "a rate lies between"),
        (with_value("source_range", "duration", "rate", value=1e300), "a rate lies between"),
        (with_value("source_range", value=5), "not an OpenTimelineIO file"),
    ],
)
def test_impossible_times_are_refused(
    timeline_json: Json, tmp_path: Path, change: Callable[[Json], None], message: str
) -> None:
    assert len(spot(copy.deepcopy(timeline_json), tmp_path).cues) == 2
    change(timeline_json)
    with pytest.raises(TimelineError, match=message):
        spot(timeline_json, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (warp(math.nan), "a speed of nan"),
        (warp(1e30), "a speed of 1e+30"),
        (with_value("media_references", value={}), "offline"),
        (with_value("active_media_reference_key", value="none"), "offline"),
        (
            with_value("media_references", "DEFAULT_MEDIA", "target_url", value="gopher://a"),
            "file on this machine",
        ),
    ],
)
def test_an_impossible_clip_is_skipped_alone(
    timeline_json: Json, tmp_path: Path, change: Callable[[Json], None], message: str
) -> None:
    change(timeline_json)
    sheet = spot(timeline_json, tmp_path)
    assert [clip.name for clip in sheet.clips] == ["b"]
    assert sheet.clips[0].record_start_s * 24 == 23
    (left_out,) = sheet.skipped
    assert left_out.is_fault
    assert message in left_out.reason


@pytest.mark.parametrize(
    "change",
    [
        with_value("source_range", "duration", "value", value=0),
        with_value("source_range", "duration", "value", value=1e15),
        with_value("name", value="n" * 100_000),
        with_value("media_references", "DEFAULT_MEDIA", "target_url", value="/" + "a/" * 20_000),
        warp(1e-30),
    ],
)
def test_strange_but_harmless_values_are_accepted(
    timeline_json: Json, tmp_path: Path, change: Callable[[Json], None]
) -> None:
    change(timeline_json)
    assert "b" in [clip.name for clip in spot(timeline_json, tmp_path).clips]


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_nesting_that_would_crash_the_reader_is_refused(tmp_path: Path, opening: str) -> None:
    closing = "}" if opening.startswith("{") else "]"
    path = tmp_path / "deep.otio"
    path.write_text(opening * 200_000 + "1" + closing * 200_000, encoding="utf-8")
    with pytest.raises(TimelineReadError, match="nested too deeply"):
        load_timeline(path)


def test_a_truncated_timeline_is_refused(timeline_json: Json, tmp_path: Path) -> None:
    text = json.dumps(timeline_json)
    path = tmp_path / "cut.otio"
    for length in range(0, len(text) - 1, 97):
        path.write_text(text[:length], encoding="utf-8")
        with pytest.raises(TimelineReadError, match=r"cut\.otio"):
            load_timeline(path)


@pytest.mark.parametrize("tracks", [None, 5, [], {"OTIO_SCHEMA": "Clip.2"}])
def test_a_timeline_without_tracks_is_refused(timeline_json: Json, tmp_path: Path, tracks: object) -> None:
    timeline_json["tracks"] = tracks
    with pytest.raises(TimelineError):
        spot(timeline_json, tmp_path)


def test_thousands_of_clips_are_spotted_and_placed(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    clips = [cut.clip(f"c{number}", offset=number % 50, frames=10) for number in range(2000)]
    timeline = cut.timeline(cut.track(*clips))
    sheet = spot_timeline(timeline, [DOG], base_folder=Path("/"))
    stems = [
        Stem(
            cue=cue.id,
            take=1,
            seed=1,
            file=Path("/s.wav").absolute(),
            sample_rate_hz=48_000,
            num_samples=20_000,
        )
        for cue in sheet.cues
    ]
    placed = place_stems(timeline, sheet, stems).timeline
    assert len(placed.tracks[1]) == 2000
