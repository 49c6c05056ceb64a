"""Timelines as Resolve and Premiere need them."""

from __future__ import annotations

import json
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import write_timeline
from selva_otio.formats.profiles import PROFILES, find_profile
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.rendered_cuts import render, two_clip_cut


@pytest.fixture
def timeline(cut_at_24: CutBuilder) -> otio.schema.Timeline:
    return two_clip_cut(cut_at_24)


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
