"""The actions up to a request: what is refused before one is written, and what is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selva_plugins.hosts.reaper.snapshot import parse_snapshot
from tests.selva_plugins.reaper.double import Item, World
from tests.selva_plugins.reaper.scenes import (
    BIKES,
    CHECK,
    GENERATE,
    FakeBridge,
    open_scene,
    plan_for,
    project_with,
    put_script,
    request_stems,
    run_action,
    stems_of,
    type_sounds,
    write_bridge_file,
)


def test_missing_bridge_is_explained(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1))
    run_action(world, GENERATE)
    assert "selva host install reaper" in world.messages[0]


@pytest.mark.parametrize("version", ["0.0.9", "9.9.9"])
def test_bridge_of_another_protocol_is_explained(world: World, version: str) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1))
    write_bridge_file(world, protocol=99, version=version)
    run_action(world, GENERATE)
    assert f"the installed bridge is version {version} (protocol 99)" in world.messages[0]
    assert "selva host install reaper" in world.messages[0]


def test_bridge_that_cannot_be_started_is_explained(world: World) -> None:
    open_scene(world)
    world.on_command = lambda command: False
    request_stems(world)
    assert "could not be started" in world.messages[0]
    assert world.is_idle


@pytest.mark.parametrize("name", [GENERATE, CHECK])
def test_reaper_that_was_moved_away_from_its_requests_is_explained(world: World, name: str) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1))
    gone = world.home / "was a folder"
    gone.touch()
    write_bridge_file(world, request_folder=str(gone / "requests"))
    world.input_answers.append(type_sounds("Dog: bark"))
    run_action(world, name)
    world.tick(3)
    shown = " ".join([*world.messages, *world.canvas.texts()])
    assert re.search(r"If this REAPER was moved, run this in a terminal .*:\s+.*host install reaper", shown)
    world.input_answers.clear()


def test_nothing_selected_is_explained(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1, is_selected=False))
    FakeBridge(world)
    run_action(world, GENERATE)
    assert world.messages == ["Select the video items that need sound, then run this action again."]


def test_cancelled_dialog_makes_no_request(world: World) -> None:
    _, _, bridge = open_scene(world)
    world.input_answers.append(lambda dialog: None)
    run_action(world, GENERATE)
    assert (bridge.started, bridge.folders, world.is_idle) == ([], [], True)


UNSAVED_ANSWERS = {"save": 6, "default folder": 7, "give up": 2}


@pytest.mark.parametrize("answer", UNSAVED_ANSWERS)
def test_unsaved_project_is_offered_to_be_saved(world: World, answer: str) -> None:
    project = project_with(world, Item.showing(BIKES, position_s=0, length_s=1), saved=False)
    bridge = FakeBridge(world)
    default_folder = project.media_folder
    world.message_answers.append(UNSAVED_ANSWERS[answer])
    world.save_path = world.home / "Saved" / "cut.rpp"
    request_stems(world)
    assert default_folder in world.messages[0]
    if answer == "give up":
        assert bridge.started == []
        return
    folder = bridge.request["stems_folder"]
    expected = world.home / "Saved" / "Media" if answer == "save" else Path(default_folder)
    assert folder == str(expected / "Selva")


def test_save_dialog_that_was_cancelled_makes_no_request(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1), saved=False)
    bridge = FakeBridge(world)
    world.message_answers.append(6)
    request_stems(world)
    assert bridge.started == []


def test_scripts_folder_may_have_any_name(world: World) -> None:
    world.resource_folder = world.home / "a;b?c %d 'q' 日本"
    world.resource_folder.mkdir()
    project, item, bridge = open_scene(world)
    assert put_script(world, GENERATE).is_file()
    request_stems(world)
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]


def test_request_holds_what_was_typed_and_selected(world: World) -> None:
    item = Item.showing(BIKES, position_s=1.5, length_s=4.0, start_offset_s=2.0, play_rate=0.5)
    project_with(world, item, Item.showing(BIKES, position_s=8, length_s=1, is_selected=False))
    bridge = FakeBridge(world)
    world.input_answers.append(type_sounds("Dog: small dog, barking", "Steps: boots", Takes="3", Seed="7"))
    run_action(world, GENERATE)
    assert bridge.request["wishes"]["sounds"] == ["Dog: small dog, barking", "Steps: boots"]
    assert (bridge.request["wishes"]["takes"], bridge.request["wishes"]["seed"]) == ("3", "7")
    snapshot = parse_snapshot(bridge.folder.read_request().snapshot)
    (selected,) = snapshot.items
    assert (selected.guid, selected.position_s) == (item.guid, 1.5)
    assert selected.take is not None
    assert selected.take.start_offset_s == 2.0
    assert bridge.started == [
        ["/opt/selva/python", "-m", "selva_daemon", "host", "reaper", str(bridge.folders[0])]
    ]
