"""Which items, regions and markers become cues, and over which picture."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from selva_plugins.errors import NothingToRenderError
from selva_plugins.hosts.reaper.adapter import prepare
from selva_plugins.hosts.reaper.snapshot import (
    ReaperMarker,
    ReaperTrack,
)
from tests.selva_plugins.reaper.snapshots import item_of, request_of, snapshot_text


def test_every_sound_is_a_cue_over_every_item_also_one_under_another(tmp_path: Path) -> None:
    lower = ReaperTrack(guid="{L}", name="Lower", number=2, is_muted=False)
    text = snapshot_text(item_of(), item_of(track=lower), item_of(position_s=8.0, name="b.mov"))
    request = request_of("items", text, tmp_path, sounds=["Dog: bark", "Steps: boots"], model="selva-echo")
    (task,) = prepare(request).tasks
    assert len(task.sheet.cues) == 6
    assert len({cue.id for cue in task.sheet.cues}) == 6


def test_regions_that_name_no_sound_are_listed(tmp_path: Path) -> None:
    markers = (ReaperMarker(name="Act one", is_region=True, number=1, start_s=0.0, end_s=9.0),)
    with pytest.raises(NothingToRenderError, match="'Act one'"):
        prepare(request_of("regions", snapshot_text(item_of(), markers=markers), tmp_path))


def test_region_without_picture_is_in_the_notices(tmp_path: Path) -> None:
    markers = (
        ReaperMarker(name="Dog: bark", is_region=True, number=1, start_s=50.0, end_s=51.0),
        ReaperMarker(name="Bell: ring", is_region=True, number=1, start_s=1.0, end_s=2.0),
    )
    prepared = prepare(
        request_of("regions", snapshot_text(item_of(), markers=markers), tmp_path, model="selva-echo")
    )
    assert list(prepared.notices) == ["region 'Dog: bark' has no picture under it"]
    (cue,) = prepared.tasks[0].sheet.cues
    assert cue.track == "Bell"
    assert {cue.clip.record_start_s, cue.clip.duration_s, cue.clip.media_start_s} == {Fraction(1)}


def test_two_regions_of_one_sound_on_one_item_are_two_cues(tmp_path: Path) -> None:
    markers = tuple(
        ReaperMarker(name="Dog: bark", is_region=True, number=1, start_s=start, end_s=start + 1.0)
        for start in (0.5, 2.5)
    )
    prepared = prepare(
        request_of("regions", snapshot_text(item_of(), markers=markers), tmp_path, model="selva-echo")
    )
    assert [cue.clip.record_start_s for cue in prepared.tasks[0].sheet.cues] == [
        Fraction(1, 2),
        Fraction(5, 2),
    ]


@pytest.mark.parametrize(
    ("names", "tracks"),
    [
        (["Scene 3: INT. HOUSE", "Dog: bark"], ["Dog"]),
        (["Dog: bark", "Selva Bell: ring"], ["Bell"]),
        (["Dog: bark", "Bell: ring"], ["Bell", "Dog"]),
    ],
    ids=["a note", "named for us", "all"],
)
def test_which_regions_count_is_the_rule_for_markers_everywhere(
    tmp_path: Path, names: list[str], tracks: list[str]
) -> None:
    markers = tuple(
        ReaperMarker(name=name, is_region=True, number=1, start_s=0.0, end_s=2.0) for name in names
    )
    prepared = prepare(
        request_of("regions", snapshot_text(item_of(), markers=markers), tmp_path, model="selva-echo")
    )
    assert sorted(cue.track for cue in prepared.tasks[0].sheet.cues) == tracks


@pytest.mark.parametrize("frame_rate_hz", [23.976, 25.0, 59.94])
def test_rationals_of_odd_items_fit_the_protocol(tmp_path: Path, frame_rate_hz: float) -> None:
    odd = item_of(
        position_s=10.123456789123, length_s=2.34567891, start_offset_s=0.7654321987, play_rate=1.059463094359
    )
    values = json.loads(snapshot_text(odd))
    values["project"]["frame_rate_hz"] = frame_rate_hz
    text = json.dumps(values)
    request = request_of("items", text, tmp_path, sounds=["Dog: bark"], model="selva-echo", handles_s="0.3")
    (task,) = prepare(request).tasks
    (cue,) = task.sheet.cues
    clip = cue.clip
    for value in (clip.sound_media_start_s, clip.sound_duration_s, clip.speed):
        assert value.denominator < 2**31
