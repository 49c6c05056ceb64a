"""Sounds of stem items as take markers: where the bridge found them, once, in one undo step, on our stems only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from selva_core.base.errors import SelvaError
from selva_plugins.bridge import answer_request
from selva_plugins.errors import HostError
from selva_plugins.hosts.resolve.adapter import find_events
from selva_plugins.request_folder import HostRequest, read_status
from tests.selva_core.audio.test_events import bursts
from tests.selva_plugins.reaper.double import Item, Project, World
from tests.selva_plugins.reaper.scenes import (
    MARK_SOUNDS,
    FakeBridge,
    bikes_item,
    place,
    plan_for,
    project_with,
    run_action,
)


def placed_stem(world: World) -> tuple[Project, Item]:
    """A project whose stem item is the only one that is selected."""
    picture = bikes_item()
    project = project_with(world, picture)
    place(world, lambda: [plan_for(world, picture)])
    [stem] = project.track_named("Dog").items
    picture.is_selected, stem.is_selected = False, True
    return project, stem


def entry(stem: Item, *events: tuple[float, str]) -> dict[str, object]:
    take = stem.active_take
    return {"item_guid": stem.guid, "take_guid": take.guid, "events": [list(event) for event in events]}


def mark(world: World, *entries: dict[str, object]) -> None:
    bridge = FakeBridge(world)
    run_action(world, MARK_SOUNDS)
    bridge.finish(entries)
    world.tick(4)


def test_each_sound_gets_a_marker_in_one_undo_step(world: World) -> None:
    project, stem = placed_stem(world)
    before = len(project.undo_steps)
    mark(world, entry(stem, (0.5, "-9 dB"), (1.25, "-20 dB")))
    assert stem.active_take.markers == [(0.5, "-9 dB"), (1.25, "-20 dB")]
    assert [step.label for step in project.undo_steps[before:]] == ["Selva: mark sounds"]
    assert world.messages[-1].startswith("2 sounds were marked in 1 item")
    project.undo()
    [stem] = project.track_named("Dog").items
    assert stem.active_take.markers == []


def test_markers_that_are_there_are_not_doubled(world: World) -> None:
    _, stem = placed_stem(world)
    for _ in range(2):
        mark(world, entry(stem, (0.5, "-9 dB")))
    assert stem.active_take.markers == [(0.5, "-9 dB")]
    assert world.messages[-1].startswith("0 sounds were marked")


def test_another_take_that_plays_meanwhile_gets_no_markers(world: World) -> None:
    _, stem = placed_stem(world)
    mark(world, {**entry(stem, (0.5, "-9 dB")), "take_guid": "{OTHER}"})
    assert stem.active_take.markers == []


def test_the_request_names_the_items_and_is_not_listed_as_a_job(world: World) -> None:
    _, stem = placed_stem(world)
    bridge = FakeBridge(world)
    run_action(world, MARK_SOUNDS)
    assert bridge.request["action"] == "events"
    assert [item["guid"] for item in bridge.snapshot["items"]] == [stem.guid]
    assert bridge.request["id"].startswith("events-")


def test_without_a_stem_nothing_is_requested(world: World) -> None:
    project_with(world, bikes_item())
    bridge = FakeBridge(world)
    run_action(world, MARK_SOUNDS)
    assert bridge.started == []
    assert "Select stem items" in world.messages[-1]


def test_what_the_bridge_refuses_is_shown(world: World) -> None:
    _, stem = placed_stem(world)
    bridge = FakeBridge(world)
    run_action(world, MARK_SOUNDS)
    bridge.folder.write_failed(HostError("the file is gone"), [])
    world.tick(4)
    assert world.messages[-1] == "the file is gone"
    assert stem.active_take.markers == []


def test_the_bridge_finds_the_sounds_of_the_files(world: World) -> None:
    if world.profile.is_windows:
        pytest.skip("the files of this double's Windows have no path here")
    _, stem = placed_stem(world)
    source = stem.active_take.source
    assert source is not None
    soundfile.write(source.file, bursts((0.5, 0.5), (1.5, 0.25)), 48_000)
    bridge = FakeBridge(world)
    run_action(world, MARK_SOUNDS)
    folder = bridge.folder.path
    answer_request(folder)
    [found] = json.loads((folder / "plan.json").read_text(encoding="utf-8"))["placements"]
    assert found["item_guid"] == stem.guid
    assert [at for at, _ in found["events"]] == pytest.approx([0.5, 1.5], abs=0.011)
    world.tick(4)
    assert len(stem.active_take.markers) == 2


def test_the_bridge_says_why_there_is_nothing_to_mark(world: World) -> None:
    if world.profile.is_windows:
        pytest.skip("the files of this double's Windows have no path here")
    _, stem = placed_stem(world)
    source = stem.active_take.source
    assert source is not None
    Path(source.file).unlink()
    bridge = FakeBridge(world)
    run_action(world, MARK_SOUNDS)
    answer_request(bridge.folder.path)
    status = read_status(bridge.folder.path)
    assert status is not None
    assert status.state == "failed"
    assert "there is no file" in status.message


def test_resolve_is_pointed_to_the_file_that_it_imports() -> None:
    request = HostRequest(
        id="x", host="resolve", action="events", label="", script_version="", script_folder="",
        form_values={}, stems_folder=None, project_name="", snapshot="",
    )  # fmt: skip
    with pytest.raises(SelvaError, match="selva events"):
        find_events(request)


def test_a_project_that_was_closed_meanwhile_is_named_and_the_script_ends(world: World) -> None:
    project, stem = placed_stem(world)
    bridge = FakeBridge(world)
    run_action(world, MARK_SOUNDS)
    bridge.finish([entry(stem, (0.5, "-9 dB"))])
    world.close_project(project)
    world.tick(4)
    assert world.messages[-1] == "The project was closed meanwhile."
    assert stem.active_take.markers == []
