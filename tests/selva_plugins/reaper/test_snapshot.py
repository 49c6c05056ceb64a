"""What the scripts write of a project, and how it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.reaper.snapshot import ReaperMarker, parse_snapshot
from tests.selva_plugins.reaper.double import Item, Marker, Profile, Track, World
from tests.selva_plugins.reaper.scenes import (
    BIKES,
    REGIONS,
    FakeBridge,
    project_with,
    request_stems,
    run_action,
    type_in,
)
from tests.selva_plugins.reaper.snapshots import file_source, item_of, section, snapshot_text


def test_regions_action_sends_items_and_regions(world: World) -> None:
    project = project_with(world, Item.showing(BIKES, position_s=0, length_s=1, is_selected=False))
    project.content.markers.append(Marker("Dog: bark", 1.0, 2.0, number=7))
    bridge = FakeBridge(world)
    world.input_answers.append(type_in({"Takes": "2"}))
    run_action(world, REGIONS)
    assert [row["name"] for row in bridge.snapshot["regions"]] == ["Dog: bark"]
    assert len(bridge.snapshot["items"]) == 1
    assert bridge.request["wishes"]["sounds"] == []


def test_item_on_a_lane_that_does_not_play_counts_as_muted(tmp_path: Path) -> None:
    world = World(Profile(), tmp_path)
    items = [Item.showing(BIKES, position_s=0, length_s=4) for _ in range(3)]
    project = project_with(world, *items[:2])
    project.tracks[0].values["I_FREEMODE"] = 2.0
    items[0].values["C_LANEPLAYS"] = 1.0
    project.tracks.append(Track(name="Plain", items=items[2:]))
    bridge = FakeBridge(world)
    request_stems(world)
    assert [item["muted"] for item in bridge.snapshot["items"]] == [False, True, False]
    world.quit()
    world.assert_clean()


def test_snapshot_reads_back_what_was_written() -> None:
    item = item_of(section(1.0, 2.0, is_reversed=True), file_source(), name='日本 "x"\n%s')
    marker = ReaperMarker(name="Dog: bark", is_region=True, number=1, start_s=1.0, end_s=2.0)
    snapshot = parse_snapshot(snapshot_text(item, markers=(marker,)))
    assert (snapshot.items, snapshot.markers, snapshot.project.sample_rate_hz) == ((item,), (marker,), 0.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"schema": "selva.snapshot/9"}, "schema"),
        ({"items": [{}]}, "items[0].track: this field is missing"),
        ({"regions": {}}, "regions: a list of 0 to"),
        ({"extra": 1}, "there is no such field"),
    ],
)
def test_faulty_snapshot_is_refused_by_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SnapshotError) as refusal:
        parse_snapshot(snapshot_text(**changed))
    assert message in str(refusal.value)


def test_numbers_out_of_range_are_refused() -> None:
    for name, value in (("position_s", 1e30), ("length_s", float("nan")), ("position_s", "1")):
        text = json.loads(snapshot_text(item_of()))
        text["items"][0][name] = value
        with pytest.raises(SnapshotError):
            parse_snapshot(json.dumps(text))
