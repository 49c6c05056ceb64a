"""Asking: what is checked and remembered before a request goes out, on every system and with every dialog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .double import Item, Profile, Span, Track, World
from .scenes import (
    BIKES,
    CHECK,
    GENERATE,
    NEW_TAKES,
    REGIONS,
    FakeBridge,
    ask,
    open_scene,
    plan_for,
    project_with,
    put_script,
    run_action,
    stems_of,
    type_in,
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
    world.on_command = lambda words: False
    ask(world)
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
    told = " ".join([*world.messages, *world.canvas.texts()])
    assert "If this REAPER was moved, run `selva host install reaper`" in told
    world.input_answers.clear()


def test_nothing_selected_is_explained(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1, is_selected=False))
    FakeBridge(world)
    run_action(world, GENERATE)
    assert world.messages == [
        "Select the video items that sounds are wanted for, then run this action again."
    ]


def test_cancelled_dialog_asks_for_nothing(world: World) -> None:
    _, _, bridge = open_scene(world)
    world.input_answers.append(lambda dialog: None)
    run_action(world, GENERATE)
    assert (bridge.started, bridge.folders, world.is_idle) == ([], [], True)


def test_sounds_and_settings_are_remembered_per_project(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1))
    FakeBridge(world)
    world.input_answers.append(type_sounds("Dog: the dog's bowl (small", "Steps: boots, wet", Takes="3"))
    run_action(world, GENERATE)
    world.tick(3)
    world.quit()
    world.input_answers.append(lambda dialog: None)
    run_action(world, GENERATE)
    shown = world.input_dialogs[-1].values
    assert shown[:3] == ["Dog: the dog\u2019s bowl \uff08small", "Steps: boots, wet", ""]
    assert "3" in shown
    world.add_project(world.home / "other.rpp")
    world.active = 1
    world.projects[1].tracks.append(world.projects[0].tracks[0])
    world.input_answers.append(lambda dialog: None)
    run_action(world, GENERATE)
    assert world.input_dialogs[-1].values[0] == ""


def test_shown_stand_ins_turn_back_into_what_was_typed(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world, "Dog: the dog's bowl (small")
    ask_again = lambda dialog: list(dialog.values)  # noqa: E731
    world.input_answers.append(ask_again)
    run_action(world, GENERATE)
    assert bridge.request["wishes"]["sounds"] == ["Dog: the dog's bowl (small"]


def test_words_that_reaper_cuts_off_are_told_and_asked_for_again(world: World) -> None:
    _, _, bridge = open_scene(world)
    long_sounds = [f"Hund {number}: " + "犬の鳴き声" * 12 for number in range(9)]
    world.input_answers.append(type_sounds(*long_sounds, Takes="3"))
    world.input_answers.append(type_sounds("Dog: bark", Takes="3"))
    run_action(world, GENERATE)
    assert "the end of it is gone" in world.messages[0]
    assert world.input_dialogs[1].values[:4] == long_sounds[:4]
    assert (bridge.request["wishes"]["sounds"], bridge.request["wishes"]["takes"]) == (["Dog: bark"], "3")


UNSAVED_ANSWERS = {"save": 6, "default folder": 7, "give up": 2}


@pytest.mark.parametrize("answer", UNSAVED_ANSWERS)
def test_unsaved_project_is_offered_to_be_saved(world: World, answer: str) -> None:
    project = project_with(world, Item.showing(BIKES, position_s=0, length_s=1), saved=False)
    bridge = FakeBridge(world)
    default_folder = project.media_folder
    world.message_answers.append(UNSAVED_ANSWERS[answer])
    world.save_path = world.home / "Saved" / "cut.rpp"
    ask(world)
    assert default_folder in world.messages[0]
    if answer == "give up":
        assert bridge.started == []
        return
    folder = bridge.request["stems_folder"]
    expected = world.home / "Saved" / "Media" if answer == "save" else Path(default_folder)
    assert folder == str(expected / "Selva")


def test_save_dialog_that_was_cancelled_asks_for_nothing(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1), saved=False)
    bridge = FakeBridge(world)
    world.message_answers.append(6)
    ask(world)
    assert bridge.started == []


def test_regions_action_sends_items_and_regions(world: World) -> None:
    project = project_with(world, Item.showing(BIKES, position_s=0, length_s=1, is_selected=False))
    project.content.spans.append(Span("Dog: bark", 1.0, 2.0, number=7))
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
    ask(world)
    assert [item["muted"] for item in bridge.snapshot["items"]] == [False, True, False]
    world.quit()
    world.assert_clean()


@pytest.mark.parametrize(("prompts", "shown"), [(("bark", "bark"), "bark"), (("bark", "howl"), ""), ((), "")])
def test_new_takes_start_from_the_prompt_that_the_stems_share(
    world: World, prompts: tuple[str, ...], shown: str
) -> None:
    stems = [Item.showing(BIKES, position_s=n, length_s=1) for n in range(len(prompts) or 1)]
    for stem, prompt in zip(stems, prompts, strict=False):
        stem.active_take.ext["selva"] = json.dumps({"prompt": prompt})
    if not prompts:
        stems[0].active_take.ext["selva"] = "no recipe"
    project_with(world, *stems)
    FakeBridge(world)
    world.input_answers.append(lambda dialog: None)
    run_action(world, NEW_TAKES)
    assert world.input_dialogs[0].values[0] == shown


def test_peaks_of_placed_stems_are_built_in_slices(world: World) -> None:
    _, item, bridge = open_scene(world)
    ask(world)
    bridge.finish([plan_for(world, item, num_takes=2)])
    world.tick(60)
    assert world.num_peaks_built == 2


def test_stem_that_is_deleted_while_its_peaks_are_built_is_let_go(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    bridge.finish([plan_for(world, item, num_takes=2)])
    world.tick_until(lambda: bool(world.peaks_left), limit_s=5)
    project.track_named("Dog").items.clear()
    world.tick(60)
    assert world.num_peaks_built == 0


# Windows --------------------------------------------------------------------------------------------------------------


def windows(tmp_path: Path, folder: str) -> World:
    world = World(Profile(system="Win64"), tmp_path)
    world.resource_folder = tmp_path / folder / "REAPER"
    world.resource_folder.mkdir(parents=True)
    return world


@pytest.mark.parametrize("folder", ["Users", "Users/Jörg Müller"])
def test_windows_gets_plain_paths_and_its_own_separators(tmp_path: Path, folder: str) -> None:
    world = windows(tmp_path, folder)
    project, item, bridge = open_scene(world)
    ask(world)
    request: dict[str, Any] = json.loads((bridge.folders[-1] / "request.json").read_text())
    assert request["stems_folder"] == "C:\\Film\\Media\\Selva"
    word = bridge.started[0][-1]
    assert word.isascii()
    assert word.startswith("C:\\Users\\")
    bridge.finish([plan_for(world, item, num_takes=2)])
    world.tick(60)
    assert stems_of(project) == [10.0]
    world.quit()
    world.assert_clean()


# ReaImGui -------------------------------------------------------------------------------------------------------------


def test_sound_list_is_a_text_box_where_reaimgui_is_there(tmp_path: Path, lua: str) -> None:
    world = World(Profile(lua=lua, has_imgui=True), tmp_path)
    _, _, bridge = open_scene(world)
    run_action(world, GENERATE)
    world.tick(3)
    assert world.imgui.title == "Selva: stems for 1 item"
    world.imgui.typed["##sounds"] = "Dog: bark\r\n\n  Steps: the cook's boots (wet  \n" + "\n".join(
        f"S{n}: x" for n in range(20)
    )
    world.imgui.typed["Takes of each sound (1 to 16)"] = "4"
    world.tick()
    world.imgui.pressed = "Generate"
    world.tick(3)
    sounds = bridge.request["wishes"]["sounds"]
    assert (sounds[:2], len(sounds), bridge.request["wishes"]["takes"]) == (
        ["Dog: bark", "Steps: the cook's boots (wet"],
        22,
        "4",
    )
    assert world.input_dialogs == []
    world.quit()
    world.assert_clean()


@pytest.mark.parametrize("how", ["Cancel", "close"])
def test_reaimgui_window_can_be_left(tmp_path: Path, how: str) -> None:
    world = World(Profile(has_imgui=True), tmp_path)
    _, _, bridge = open_scene(world)
    run_action(world, GENERATE)
    world.tick(3)
    if how == "close":
        world.imgui.is_open = False
    else:
        world.imgui.pressed = how
    world.tick(3)
    assert (bridge.started, world.is_idle) == ([], True)
    world.assert_clean()


def test_scripts_folder_may_have_any_name(world: World) -> None:
    world.resource_folder = world.home / "a;b?c %d 'q' 日本"
    world.resource_folder.mkdir()
    project, item, bridge = open_scene(world)
    assert put_script(world, GENERATE).is_file()
    ask(world)
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]
