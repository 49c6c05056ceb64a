"""Following requests in the background: what the user sees, what they may do meanwhile, and what survives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .double import Item, Profile, Project, World
from .scenes import (
    BIKES,
    GENERATE,
    JOB_LIST,
    REGIONS,
    FakeBridge,
    plan_for,
    project_with,
    put_script,
    run_action,
    type_in,
    type_sounds,
)


def ask(world: World, *sounds: str, name: str = GENERATE) -> None:
    world.input_answers.append(type_sounds(*sounds or ("Dog: bark",)))
    run_action(world, name)
    world.tick(3)


def open_scene(world: World) -> tuple[Project, Item, FakeBridge]:
    item = Item.showing(BIKES, position_s=10.0, length_s=4.0)
    return project_with(world, item), item, FakeBridge(world)


def stems_of(project: Project) -> list[float]:
    return [item.position_s for track in project.tracks if track.name == "Dog" for item in track.items]


# What is seen ---------------------------------------------------------------------------------------------------------


def test_window_shows_stage_percent_and_time_left(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world, "Dog: bark", "Steps: boots")
    bridge.say("bikes.mp4: sampling (step 12 of 25)", 0.43, 12.3)
    world.tick(12)
    assert world.canvas.says("Dog: bark; Steps: boots")
    assert world.canvas.says("bikes.mp4: sampling (step 12 of 25)")
    assert world.canvas.says("43 %  about 13 s left")
    bridge.say("bikes.mp4: sampling", 0.1, 400)
    world.tick(12)
    assert world.canvas.says("10 %  about 7 min left")


def test_window_closes_by_itself_when_all_went_well(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert world.canvas.says("1 stem placed on 1 track")
    world.tick(30 * 5)
    assert (world.canvas.title, world.is_idle, stems_of(project)) == (None, True, [10.0])


def test_window_stays_while_there_is_something_to_read(world: World) -> None:
    _, item, bridge = open_scene(world)
    ask(world)
    bridge.finish([plan_for(world, item)], notices=["the prompt is far from what selva-nano was trained for"])
    world.tick(30 * 60)
    assert world.canvas.says("far from what selva-nano was trained for")
    world.canvas.press_escape()
    world.tick(3)
    assert world.is_idle


def test_closed_window_does_not_stop_the_work(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    world.canvas.close()
    world.tick(30)
    assert world.canvas.title is None
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]
    world.tick(5)
    assert world.is_idle


def test_long_words_are_shortened_and_wrapped_inside_the_window(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world, "Dog: " + "a small dog with a very long tail " * 20)
    bridge.say("日本語のとても長い名前" * 30 + ".mp4: sampling", 0.5)
    world.tick(12)
    for stroke in world.canvas.strokes:
        if stroke.kind == "text":
            assert stroke.x + stroke.width <= 560


def test_many_rows_can_be_scrolled(world: World) -> None:
    _, _, bridge = open_scene(world)
    for number in range(6):
        ask(world, f"Dog {number}: bark")
    bridge.say("working")
    world.tick(30)
    first = next(stroke.y for stroke in world.canvas.strokes if stroke.text.startswith("Dog 5"))
    world.canvas.scroll(-240)
    world.tick(3)
    assert next(stroke.y for stroke in world.canvas.strokes if stroke.text.startswith("Dog 5")) < first


# Cancel, failure ------------------------------------------------------------------------------------------------------


def test_cancel_reaches_the_bridge(world: World) -> None:
    project, _, bridge = open_scene(world)
    ask(world)
    bridge.say("sampling")
    world.tick(12)
    world.canvas.click("Cancel")
    world.tick(3)
    assert bridge.folder.is_cancelled()
    bridge.folder.say_cancelled()
    world.tick(30 * 6)
    assert (world.is_idle, [track.name for track in project.tracks]) == (True, ["Video"])


def fail(bridge: FakeBridge, message: str) -> None:
    from selva_plugins.errors import NothingToRenderError  # noqa: PLC0415

    bridge.folder.say_failed(NothingToRenderError(message), [])


def test_failure_is_told_and_can_be_tried_again_with_the_same_picture(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    fail(bridge, "the disk is full")
    world.tick(12)
    assert world.canvas.says("the disk is full")
    before = (bridge.folders[-1] / "snapshot.json").read_bytes()
    item.values["D_POSITION"] = 99.0
    world.canvas.click("Try again")
    world.tick(12)
    assert len(bridge.started) == len(bridge.folders) == 2
    assert (bridge.folders[-1] / "snapshot.json").read_bytes() == before
    item.values["D_POSITION"] = 10.0
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]


def test_plan_that_cannot_be_read_is_told(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world)
    (bridge.folders[-1] / "plan.json").write_text('{"placements": [')
    bridge.folder.say_ready("ready", [])
    world.tick(30)
    assert world.canvas.says("the placement plan cannot be read: not JSON at byte")


def test_bridge_that_falls_silent_is_started_again_and_then_given_up(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world)
    bridge.say("sampling")
    world.tick(30 * 29)
    assert len(bridge.started) == 1
    world.tick(30 * 5)
    assert bridge.started[1:] == [bridge.started[0]]
    world.tick(30 * 130)
    assert len(bridge.started) == 4
    assert world.canvas.says("the bridge stopped answering")


def test_bridge_that_never_speaks_is_given_up_too(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world)
    world.tick(30 * 130)
    assert len(bridge.started) == 4
    assert world.canvas.says("the bridge stopped answering")


def test_bridge_that_counts_on_is_left_alone(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world)
    for _ in range(60):
        bridge.say("sampling")
        world.tick(30)
    assert len(bridge.started) == 1


def test_time_asleep_or_in_a_dialog_does_not_count_as_silence(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world)
    bridge.say("sampling")
    for _ in range(20):
        world.tick(2)
        world.clock_s += 600.0
    assert len(bridge.started) == 1


# Tabs, recording, closing REAPER --------------------------------------------------------------------------------------


def test_stems_wait_while_another_tab_is_in_front(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    other = world.add_project(world.home / "other.rpp")
    world.active = 1
    plan = [plan_for(world, item)]
    bridge.finish(plan)
    world.tick(60)
    assert (other.tracks, stems_of(project)) == ([], [])
    assert world.canvas.says("waits until you switch to the project tab film.rpp")
    world.active = 0
    world.tick(60)
    assert stems_of(project) == [10.0]


def test_stems_wait_while_recording(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    project.play_state = 5
    bridge.finish([plan_for(world, item)])
    world.tick(60)
    assert (stems_of(project), world.canvas.says("waits until recording stops")) == ([], True)
    project.play_state = 1
    world.tick(60)
    assert stems_of(project) == [10.0]


def test_result_waits_for_a_closed_reaper_and_is_offered(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    plan = [plan_for(world, item)]
    world.quit()
    bridge.finish(plan)
    run_action(world, JOB_LIST)
    world.tick(60)
    assert stems_of(project) == []
    assert world.canvas.says("it was asked for before REAPER was last started")
    world.canvas.click("Place")
    world.tick(30)
    assert stems_of(project) == [10.0]


def test_result_for_a_project_that_is_not_open_names_it(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    plan = [plan_for(world, item)]
    world.quit()
    bridge.finish(plan)
    world.projects.clear()
    world.add_project(world.home / "other.rpp")
    run_action(world, JOB_LIST)
    world.tick(30)
    assert world.canvas.says("waits for its project to be opened: film.rpp")
    world.projects.append(project)
    world.active = 1
    world.tick(30)
    world.canvas.click("Place")
    world.tick(30)
    assert stems_of(project) == [10.0]


def test_unfinished_request_of_an_earlier_run_is_taken_up(world: World) -> None:
    _, _, bridge = open_scene(world)
    ask(world)
    bridge.say("sampling")
    world.quit()
    run_action(world, JOB_LIST)
    world.tick(3)
    assert bridge.started == [bridge.started[0]] * 2


def test_waiting_results_of_an_earlier_run_show_up_beside_a_new_request(world: World) -> None:
    _, item, bridge = open_scene(world)
    ask(world)
    bridge.finish([plan_for(world, item)])
    world.quit()
    world.clock_s += 10
    ask(world, "Steps: boots")
    world.tick(60)
    assert world.canvas.says("Dog: bark")
    assert world.canvas.says("Steps: boots")


# Several scripts at once ----------------------------------------------------------------------------------------------


def test_second_request_takes_over_and_both_are_placed(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    first = bridge.folder
    ask(world, "Steps: boots")
    expected = [] if world.profile.lua == "5.4" else ["ReaScript task control"]  # REAPER 6 asks
    assert world.messages == expected
    first.write_plan([plan_for(world, item)])
    first.say_ready("ready", [])
    bridge.finish([plan_for(world, item, track="Steps", cue="cue-2")])
    world.tick(60)
    assert [track.name for track in project.tracks] in (
        ["Video", "Selva", "Dog", "Steps"],
        ["Video", "Selva", "Steps", "Dog"],
    )
    assert sorted(len(track.items) for track in project.tracks) == [0, 1, 1, 1]
    assert sum(1 for script in world.scripts if not script.is_over) <= 1


def test_other_action_takes_over_from_a_running_one(world: World) -> None:
    project, item, bridge = open_scene(world)
    ask(world)
    run_action(world, JOB_LIST)
    world.tick(30)
    assert [script.is_over for script in world.scripts] == [True, False]
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]
    assert world.messages == []


def test_job_list_shows_what_was_done_before(world: World) -> None:
    _, item, bridge = open_scene(world)
    ask(world)
    bridge.finish([plan_for(world, item)])
    world.tick(30 * 8)
    assert world.is_idle
    run_action(world, JOB_LIST)
    world.tick(3)
    assert world.canvas.says("1 stem placed on 1 track")
    assert not world.canvas.says("Place anyway")


def test_empty_job_list_says_how_to_begin(world: World) -> None:
    open_scene(world)
    run_action(world, JOB_LIST)
    world.tick(3)
    assert world.canvas.says("Select video items and run the action")


# Before anything starts ----------------------------------------------------------------------------------------------


def test_missing_bridge_is_explained(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1))
    run_action(world, GENERATE)
    assert "selva host install reaper" in world.messages[0]


@pytest.mark.parametrize("version", ["0.0.9", "9.9.9"])
def test_bridge_of_another_protocol_is_explained(world: World, version: str) -> None:
    from .scenes import write_bridge_file  # noqa: PLC0415

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
    from .double import Span  # noqa: PLC0415

    project = project_with(world, Item.showing(BIKES, position_s=0, length_s=1, is_selected=False))
    project.content.spans.append(Span("Dog: bark", 1.0, 2.0, number=7))
    bridge = FakeBridge(world)
    world.input_answers.append(type_in({"Takes": "2"}))
    run_action(world, REGIONS)
    assert [row["name"] for row in bridge.snapshot["regions"]] == ["Dog: bark"]
    assert len(bridge.snapshot["items"]) == 1
    assert bridge.request["wishes"]["sounds"] == []


def test_peaks_of_placed_stems_are_built_in_slices(world: World) -> None:
    _, item, bridge = open_scene(world)
    ask(world)
    bridge.finish([plan_for(world, item, num_takes=2)])
    world.tick(60)
    assert world.num_peaks_built == 2


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
