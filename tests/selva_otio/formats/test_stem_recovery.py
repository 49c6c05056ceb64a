"""Timelines that come back from a host: stems are known again, and what an editor did to them stays."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.media import MediaInfo
from selva_otio import (
    PlacementResult,
    Stem,
    StemTrack,
    load_timeline,
    measure_span,
    place_stems,
    spot_timeline,
    write_timeline,
)
from selva_otio.errors import UnsupportedFormatError
from selva_otio.formats.profiles import PROFILES, find_profile
from selva_otio.metadata import STEM_SCHEMA, TRACK_SCHEMA, read_selva_metadata
from selva_otio.timelines import check_timeline_target
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking", gain_db=-6.0)


def render(timeline: otio.schema.Timeline, folder: Path, run: str, *, takes: int = 2) -> PlacementResult:
    sheet = spot_timeline(timeline, [DOG], base_folder=folder)
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=folder / "stems" / f"{cue.clip.name}-{run}-{take}.wav",
            sample_rate_hz=48_000,
            num_samples=measure_span(cue.clip, sheet.clock, 48_000).num_samples,
        )
        for cue in sheet.cues
        for take in range(1, takes + 1)
    ]
    return place_stems(timeline, sheet, stems)


@pytest.fixture
def timeline(cut_at_24: CutBuilder) -> otio.schema.Timeline:
    cut = cut_at_24
    track = cut.track(cut.clip("a", offset=0, frames=20), cut.gap(5), cut.clip("b", offset=50, frames=30))
    return cut.timeline(track)


def sounds(timeline: otio.schema.Timeline) -> list[tuple[str, str, float]]:
    """Track, file and length of each sound."""
    return [
        (track.name, Path(clip.media_reference.target_url).stem, clip.duration().value)
        for track in timeline.audio_tracks()
        for clip in track.find_clips()
    ]


def through_xml(timeline: otio.schema.Timeline, folder: Path) -> Path:
    """Out of a host that read and wrote Final Cut Pro 7 XML: another name, another folder."""
    write_timeline(timeline, folder / "out.xml")
    returned = folder / "exports" / "Reel v2.xml"
    returned.parent.mkdir()
    shutil.copy(folder / "out.xml", returned)
    return returned


def through_resolve(timeline: otio.schema.Timeline, folder: Path) -> Path:
    """Out of Resolve as OpenTimelineIO: no word of ours is left, paths are plain, sounds count from a timecode."""
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
    """Written for Resolve and given back as it was written."""
    write_timeline(timeline, folder / "out.otio", profile=find_profile("resolve"))
    return folder / "out.otio"


Way = Callable[[otio.schema.Timeline, Path], Path]


@pytest.mark.parametrize("way", [through_xml, through_resolve, not_through_a_host])
def test_stems_are_known_again_with_all_their_takes(
    timeline: otio.schema.Timeline, tmp_path: Path, way: Way
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    back = load_timeline(way(placed, tmp_path))
    assert sounds(back) == sounds(placed)
    (track,) = back.audio_tracks()
    assert list(read_selva_metadata(track, TRACK_SCHEMA)["prompts"]) == ["small dog barking"]
    for ours, theirs in zip(placed.find_clips(), back.find_clips(), strict=True):
        assert read_selva_metadata(theirs, STEM_SCHEMA).get("cue") == read_selva_metadata(
            ours, STEM_SCHEMA
        ).get("cue")
        assert set(theirs.media_references()) == set(ours.media_references())
        assert not theirs.markers


@pytest.mark.parametrize("way", [through_xml, through_resolve, not_through_a_host])
def test_a_second_render_replaces_only_its_own_stems(
    timeline: otio.schema.Timeline, tmp_path: Path, way: Way
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    back = load_timeline(way(placed, tmp_path))
    again = render(back, tmp_path, "two")
    assert again.edited_cues == ()
    assert [name for _, name, _ in sounds(again.timeline)] == ["a-two-1", "b-two-1"]


@pytest.mark.parametrize("way", [through_xml, through_resolve, not_through_a_host])
def test_what_an_editor_changed_stays(timeline: otio.schema.Timeline, tmp_path: Path, way: Way) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    clip = next(clip for clip in placed.audio_tracks()[0].find_clips())
    returned = way(placed, tmp_path)
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


def test_without_the_file_beside_it_new_tracks_are_added(
    timeline: otio.schema.Timeline, tmp_path: Path
) -> None:
    placed = render(timeline, tmp_path, "one", takes=1).timeline
    returned = through_xml(placed, tmp_path)
    (tmp_path / "out.xml.selva.json").unlink()
    again = render(load_timeline(returned), tmp_path, "two", takes=1)
    assert [name for _, name, _ in sounds(again.timeline)] == ["a-one-1", "b-one-1", "a-two-1", "b-two-1"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": "selva.sidecar/1", "stems": [1, {"facts": []}]}', "[" * 9999]
)
def test_a_broken_file_beside_it_does_no_harm(
    timeline: otio.schema.Timeline, tmp_path: Path, content: str
) -> None:
    returned = through_xml(render(timeline, tmp_path, "one").timeline, tmp_path)
    returned.with_name(returned.name + ".selva.json").write_text(content)
    assert read_selva_metadata(load_timeline(returned).audio_tracks()[0], TRACK_SCHEMA)


def test_a_plain_timeline_needs_no_file_beside_it(timeline: otio.schema.Timeline, tmp_path: Path) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    written = write_timeline(placed, tmp_path / "out.otio")
    assert (written.sidecar, written.losses) == (None, ())
    assert load_timeline(tmp_path / "out.otio").to_json_string() == placed.to_json_string()
    assert [path.name for path in tmp_path.iterdir()] == ["out.otio"]


def test_resolve_gets_clip_1_its_channels_and_the_prompt_in_markers(
    timeline: otio.schema.Timeline, tmp_path: Path
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    written = write_timeline(placed, tmp_path / "out.otio", profile=find_profile("resolve"))
    assert written.sidecar == tmp_path / "out.otio.selva.json"
    content = json.loads((tmp_path / "out.otio").read_text(encoding="utf-8"))
    assert content["metadata"]["Resolve_OTIO"] == {"Resolve OTIO Meta Version": "1.0"}
    picture, dog, takes = content["tracks"]["children"]
    assert "Resolve_OTIO" not in picture["metadata"]
    assert [track["name"] for track in (dog, takes)] == ["Dog", "Dog (take 2)"]
    assert dog["metadata"]["Resolve_OTIO"] == {"Audio Type": "Mono", "Locked": False, "SoloOn": False}
    clip = dog["children"][0]
    assert clip["OTIO_SCHEMA"] == "Clip.1"
    assert clip["metadata"]["Resolve_OTIO"] == {"Channels": [{"Source Channel ID": 0, "Source Track ID": 0}]}
    (marker,) = clip["markers"]
    assert marker["name"] == "Dog: small dog barking"
    assert "take 1" in marker["metadata"]["Resolve_OTIO"]["Note"]
    assert not takes["children"][0]["enabled"]


def test_premiere_gets_channels_and_a_link_of_its_own_for_each_stem(
    timeline: otio.schema.Timeline, tmp_path: Path
) -> None:
    placed = render(timeline, tmp_path, "one", takes=1).timeline
    write_timeline(placed, tmp_path / "out.otio", profile=find_profile("premiere"))
    read = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    clips = [clip.metadata["PremierePro_OTIO"] for clip in read.audio_tracks()[0].find_clips()]
    assert [clip["AudioChannels"]["ChannelType"] for clip in clips] == ["Mono", "Mono"]
    assert len({clip["LinkID"] for clip in clips}) == 2


def test_writing_for_a_host_leaves_the_timeline_as_it_was(
    timeline: otio.schema.Timeline, tmp_path: Path
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    before = placed.to_json_string()
    for profile in PROFILES:
        write_timeline(placed, tmp_path / f"{profile.name}.otio", profile=profile)
    write_timeline(placed, tmp_path / "out.xml")
    assert placed.to_json_string() == before


def test_a_host_is_not_given_what_it_does_not_import(tmp_path: Path) -> None:
    check_timeline_target(tmp_path / "out.rpp", profile=find_profile("reaper"))
    with pytest.raises(UnsupportedFormatError, match=r"REAPER does not import \.otio; write \.rpp"):
        check_timeline_target(tmp_path / "out.otio", profile=find_profile("reaper"))
    with pytest.raises(UnsupportedFormatError, match="known hosts are resolve, premiere"):
        find_profile("avid")


@pytest.mark.parametrize(
    ("host", "starts_at"), [("resolve", 864_000), ("kdenlive", 864_000), ("premiere", 0)]
)
def test_picture_counts_from_its_timecode_for_hosts_that_look_for_it(
    cut_at_24: CutBuilder, tmp_path: Path, host: str, starts_at: int
) -> None:
    cut = cut_at_24
    media = tmp_path / "shot.mov"
    media.write_bytes(b"picture")
    first, stamped = (cut.clip(name, offset=7, frames=20, url=media.as_uri()) for name in ("a", "b"))
    stamped.media_reference.available_range = cut.span(48, 1000)  # what counts already is left alone
    timeline = cut.timeline(cut.track(first, stamped))

    def ask(path: Path) -> MediaInfo | None:
        return MediaInfo(
            path=path, duration_s=Fraction(60), frame_rate_hz=Fraction(24), timecode="10:00:00:00"
        )

    target = tmp_path / "out.otio"
    write_timeline(timeline, target, profile=find_profile(host), probe=ask)
    one, two = otio.adapters.read_from_file(str(target)).find_clips()
    assert one.source_range.start_time.value == starts_at + 7
    assert one.media_reference.available_range.start_time.value == starts_at
    assert two.source_range.start_time.value == 7
    plain = spot_timeline(timeline, [DOG], base_folder=tmp_path).clips[0]
    read = spot_timeline(load_timeline(target), [DOG], base_folder=tmp_path).clips[0]
    assert read.media_start_s == plain.media_start_s


@pytest.mark.parametrize("suffix", [".otio", ".otioz", ".xml", ".fcpxml", ".rpp", ".edl", ".mlt"])
def test_takes_come_through_or_are_said_to_be_lost(
    timeline: otio.schema.Timeline, tmp_path: Path, suffix: str
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    written = write_timeline(placed, tmp_path / f"out{suffix}")
    if any("has no takes" in loss for loss in written.losses):
        return
    back = load_timeline(written.files[0])
    urls = [
        reference.target_url
        for track in back.audio_tracks()
        for clip in track.find_clips()
        for reference in clip.media_references().values()
    ]
    assert {Path(url).stem for url in urls} == {f"{name}-one-{take}" for name in "ab" for take in (1, 2)}


def test_kdenlive_is_told_what_it_leaves_out(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cut = cut_at_24
    nest = cut.nest(cut.track(cut.clip("n", offset=5, frames=60)))
    timeline = cut.timeline(cut.track(cut.clip("a", offset=9, frames=24), cut.dissolve(2, 2), nest))
    losses = write_timeline(timeline, tmp_path / "out.otio", profile=find_profile("kdenlive")).losses
    assert losses == (
        "Kdenlive has no transitions: they become cuts (1)",
        "Kdenlive has no nested sequences: they are left out (1)",
    )
