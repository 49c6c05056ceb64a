"""Timelines that come back from a host: stems are recognized, and what an editor changed stays."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import (
    load_timeline,
    write_timeline,
)
from selva_otio.formats.profiles import find_profile
from selva_otio.metadata import STEM_SCHEMA, TRACK_SCHEMA, read_selva_metadata
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.rendered_cuts import render, two_clip_cut


@pytest.fixture
def timeline(cut_at_24: CutBuilder) -> otio.schema.Timeline:
    return two_clip_cut(cut_at_24)


def sounds(timeline: otio.schema.Timeline) -> list[tuple[str, str, float]]:
    """Track, file and length of each sound."""
    return [
        (track.name, Path(clip.media_reference.target_url).stem, clip.duration().value)
        for track in timeline.audio_tracks()
        for clip in track.find_clips()
    ]


def through_xml(timeline: otio.schema.Timeline, folder: Path) -> Path:
    """As a host exports Final Cut Pro 7 XML: under another name, in another folder."""
    write_timeline(timeline, folder / "out.xml")
    returned = folder / "exports" / "Reel v2.xml"
    returned.parent.mkdir()
    shutil.copy(folder / "out.xml", returned)
    return returned


def through_resolve(timeline: otio.schema.Timeline, folder: Path) -> Path:
    """As Resolve exports OpenTimelineIO: no metadata under "selva" is left, paths are plain, sounds count from a timecode."""
    write_timeline(timeline, folder / "out.otio", profile=find_profile("resolve"))
    read = otio.adapters.read_from_file(str(folder / "out.otio"))
    read.metadata.clear()
    for owner in read.find_children():
        owner.metadata.clear()
        for marker in getattr(owner, "markers", []):
            marker.metadata.clear()
    for clip in [clip for track in read.audio_tracks() for clip in track.find_clips()]:
        reference = clip.media_reference
        reference.metadata.clear()
        reference.target_url = reference.target_url.removeprefix("file://")
        shift = otio.opentime.RationalTime(86_400, 24)
        reference.available_range = otio.opentime.TimeRange(shift, reference.available_range.duration)
        clip.source_range = otio.opentime.TimeRange(
            clip.source_range.start_time + shift, clip.source_range.duration
        )
    returned = folder / "exports" / "Timeline 1.otio"
    returned.parent.mkdir()
    otio.adapters.write_to_file(read, str(returned))
    return returned


def not_through_a_host(timeline: otio.schema.Timeline, folder: Path) -> Path:
    """Written for Resolve and read again unchanged."""
    write_timeline(timeline, folder / "out.otio", profile=find_profile("resolve"))
    return folder / "out.otio"


Journey = Callable[[otio.schema.Timeline, Path], Path]


@pytest.mark.parametrize("journey", [through_xml, through_resolve, not_through_a_host])
def test_stems_are_recognized_with_all_their_takes(
    timeline: otio.schema.Timeline, tmp_path: Path, journey: Journey
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    back = load_timeline(journey(placed, tmp_path))
    assert sounds(back) == sounds(placed)
    (track,) = back.audio_tracks()
    assert list(read_selva_metadata(track, TRACK_SCHEMA)["prompts"]) == ["small dog barking"]
    for original, returned in zip(placed.find_clips(), back.find_clips(), strict=True):
        assert read_selva_metadata(returned, STEM_SCHEMA).get("cue") == read_selva_metadata(
            original, STEM_SCHEMA
        ).get("cue")
        assert set(returned.media_references()) == set(original.media_references())
        assert not returned.markers


@pytest.mark.parametrize("journey", [through_xml, through_resolve, not_through_a_host])
def test_a_second_render_replaces_only_its_own_stems(
    timeline: otio.schema.Timeline, tmp_path: Path, journey: Journey
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    back = load_timeline(journey(placed, tmp_path))
    again = render(back, tmp_path, "two")
    assert again.edited_cues == ()
    assert [name for _, name, _ in sounds(again.timeline)] == ["a-two-1", "b-two-1"]


@pytest.mark.parametrize("journey", [through_xml, through_resolve, not_through_a_host])
def test_a_stem_that_an_editor_changed_stays(
    timeline: otio.schema.Timeline, tmp_path: Path, journey: Journey
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    clip = next(clip for clip in placed.audio_tracks()[0].find_clips())
    returned = journey(placed, tmp_path)
    if returned.suffix == ".xml":
        tree = ET.parse(returned)  # noqa: S314 - our own file
        for item in tree.findall(".//audio/track/clipitem"):
            if item.findtext("name") == clip.name and item.findtext("enabled") == "TRUE":
                item.find("end").text = "15"  # type: ignore[union-attr]
                item.find("out").text = "15"  # type: ignore[union-attr]
        tree.write(returned, encoding="utf-8", xml_declaration=True)
    else:
        read = otio.adapters.read_from_file(str(returned))
        first = next(item for item in read.audio_tracks()[0] if isinstance(item, otio.schema.Clip))
        first.source_range = otio.opentime.TimeRange(
            first.source_range.start_time, otio.opentime.RationalTime(15, 24)
        )
        first_index = read.audio_tracks()[0].index(first)
        read.audio_tracks()[0].insert(
            first_index + 1,
            otio.schema.Gap(source_range=otio.opentime.TimeRange(duration=otio.opentime.RationalTime(5, 24))),
        )
        otio.adapters.write_to_file(read, str(returned))
    again = render(load_timeline(returned), tmp_path, "two")
    assert [cue.clip.name for cue in again.edited_cues] == ["a"]
    heard = [(name, length) for track, name, length in sounds(again.timeline) if track == "Dog"]
    assert heard == [("a-one-1", 15), ("b-two-1", 30)]


def test_without_the_sidecar_new_tracks_are_added(timeline: otio.schema.Timeline, tmp_path: Path) -> None:
    placed = render(timeline, tmp_path, "one", takes=1).timeline
    returned = through_xml(placed, tmp_path)
    (tmp_path / "out.xml.selva.json").unlink()
    again = render(load_timeline(returned), tmp_path, "two", takes=1)
    assert [name for _, name, _ in sounds(again.timeline)] == ["a-one-1", "b-one-1", "a-two-1", "b-two-1"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": "selva.sidecar/1", "stems": [1, {"facts": []}]}', "[" * 9999]
)
def test_a_damaged_sidecar_is_passed_over(
    timeline: otio.schema.Timeline, tmp_path: Path, content: str
) -> None:
    returned = through_xml(render(timeline, tmp_path, "one").timeline, tmp_path)
    returned.with_name(returned.name + ".selva.json").write_text(content)
    assert read_selva_metadata(load_timeline(returned).audio_tracks()[0], TRACK_SCHEMA)


def test_a_timeline_without_stems_gets_no_sidecar(timeline: otio.schema.Timeline, tmp_path: Path) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    written = write_timeline(placed, tmp_path / "out.otio")
    assert (written.sidecar, written.losses) == (None, ())
    assert load_timeline(tmp_path / "out.otio").to_json_string() == placed.to_json_string()
    assert [path.name for path in tmp_path.iterdir()] == ["out.otio"]
