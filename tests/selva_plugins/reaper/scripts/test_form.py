"""The form of a request: dialogs, what is remembered in the project, and ReaImGui."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.selva_plugins.reaper.double import Item, Profile, World
from tests.selva_plugins.reaper.scenes import (
    BIKES,
    GENERATE,
    NEW_TAKES,
    FakeBridge,
    open_scene,
    project_with,
    request_stems,
    run_action,
    type_sounds,
)


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


def test_shown_look_alikes_turn_back_into_what_was_typed(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world, "Dog: the dog's bowl (small")
    ask_again = lambda dialog: list(dialog.values)  # noqa: E731
    world.input_answers.append(ask_again)
    run_action(world, GENERATE)
    assert bridge.request["wishes"]["sounds"] == ["Dog: the dog's bowl (small"]


def test_form_that_reaper_cuts_off_is_shown_again(world: World) -> None:
    _, _, bridge = open_scene(world)
    long_sounds = [f"Hund {number}: " + "犬の鳴き声" * 12 for number in range(9)]
    world.input_answers.append(type_sounds(*long_sounds, Takes="3"))
    world.input_answers.append(type_sounds("Dog: bark", Takes="3"))
    run_action(world, GENERATE)
    assert "the end of it is gone" in world.messages[0]
    assert world.input_dialogs[1].values[:4] == long_sounds[:4]
    assert (bridge.request["wishes"]["sounds"], bridge.request["wishes"]["takes"]) == (["Dog: bark"], "3")


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


def test_a_project_that_was_closed_under_the_reaimgui_window_is_named(tmp_path: Path) -> None:
    world = World(Profile(has_imgui=True), tmp_path)
    project, _, bridge = open_scene(world)
    run_action(world, GENERATE)
    world.tick(3)
    world.close_project(project)
    world.imgui.pressed = "Generate"
    world.tick(3)
    assert world.messages[-1].startswith("The project was closed meanwhile.")
    assert (bridge.started, world.is_idle) == ([], True)
    world.assert_clean()
