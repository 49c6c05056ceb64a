"""The window by keys alone, and what a screen reader speaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from selva_plugins.errors import NothingToRenderError
from tests.selva_plugins.reaper.double import Profile, World
from tests.selva_plugins.reaper.scenes import (
    CHECK,
    JOB_LIST,
    FakeBridge,
    open_scene,
    plan_for,
    request_stems,
    run_action,
    stems_of,
)


@pytest.fixture
def profile(lua: str) -> Profile:
    return Profile(version="6.83" if lua == "5.3" else "7.78", lua=lua, has_osara=True)


@pytest.fixture
def world_without_osara(tmp_path: Path) -> Iterator[World]:
    """A REAPER without OSARA."""
    world = World(Profile(), tmp_path)
    yield world
    world.quit()
    world.assert_clean()


def press(world: World, key: str, *, shift: bool = False) -> None:
    world.canvas.press(key, shift=shift)
    world.tick()


def focused(world: World) -> list[str]:
    """The labels of buttons with a frame: the box drawn around one is four points larger than it."""
    strokes = world.canvas.strokes
    return [
        strokes[index + 2].text
        for index, stroke in enumerate(strokes)
        if stroke.kind == "rect" and (stroke.width, stroke.height) == (88, 28)
    ]


def test_progress_is_spoken_by_quarters_and_the_result_in_full(world: World) -> None:
    _, item, bridge = open_scene(world)
    request_stems(world)
    for percent in range(0, 100, 5):
        bridge.report_progress("bikes.mp4: sampling", percent / 100)
        world.tick(4, seconds=0.25)
    bridge.finish([plan_for(world, item)])
    world.tick(8, seconds=0.25)
    assert world.spoken == [
        "Dog: bark: starting",
        *(f"Dog: bark: {percent} percent" for percent in (0, 25, 50, 75)),
        "Dog: bark: 1 stem placed on 1 track",
    ]


def test_tab_finds_cancel_and_enter_presses_it(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world)
    bridge.report_progress("bikes.mp4: sampling")
    world.tick(12)
    press(world, "enter")
    assert not bridge.folder.is_cancelled()
    press(world, "tab")
    assert world.spoken[-1] == "Cancel, button. Dog: bark. bikes.mp4: sampling"
    assert focused(world) == ["Cancel"]
    press(world, "enter")
    assert bridge.folder.is_cancelled()


def test_focus_goes_round_in_both_directions_and_stays_on_its_button(world: World) -> None:
    open_scene(world)
    run_action(world, CHECK)
    world.tick(3)
    seen = []
    for key, shift in (("tab", False), ("right", False), ("down", False), ("tab", True), ("up", False)):
        press(world, key, shift=shift)
        seen += focused(world)
    assert seen == ["Defaults...", "Check again", "Defaults...", "Check again", "Defaults..."]
    press(world, "left")
    press(world, "r")
    assert focused(world) == ["Check again"]


def test_waiting_result_can_be_placed_by_keys(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    plan = [plan_for(world, item)]
    world.quit()
    bridge.finish(plan)
    run_action(world, JOB_LIST)
    world.tick(30)
    press(world, "tab")
    press(world, "enter")
    world.tick(30)
    assert stems_of(project) == [10.0]


def test_r_reads_everything_in_one_message(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world)
    bridge.folder.write_failed(NothingToRenderError("the disk is full"), [])
    request_stems(world, "Steps: boots")
    run_action(world, JOB_LIST)
    world.tick(12)
    press(world, "r")
    assert sorted(world.spoken[-1].split(". ")) == [
        "Dog: bark",
        "Steps: boots",
        "starting",
        "the disk is full",
    ]


def test_results_of_a_check_are_spoken_together(world: World) -> None:
    open_scene(world)
    bridge = FakeBridge(world)
    run_action(world, CHECK)
    world.tick(3)
    results = [{"title": title, "text": "fine", "level": "ok"} for title in ("Bridge 1", "Daemon 1")]
    bridge.folder.write_ready("checked", [], checks=results)
    world.tick(3)
    assert world.spoken[-1].endswith("Set up. Bridge 1: fine. Daemon 1: fine")
    num_spoken = len(world.spoken)
    world.tick(30)
    assert len(world.spoken) == num_spoken


def test_focus_below_the_window_scrolls_there(world: World) -> None:
    _, _, bridge = open_scene(world)
    for number in range(5):
        request_stems(world, f"Dog {number}: bark")
        bridge.report_progress("working")
    world.tick(30)
    press(world, "up")  # backwards from the top: the last button
    press(world, "r")
    frame = next(stroke for stroke in world.canvas.strokes if stroke.kind == "rect" and stroke.height == 28)
    assert 0 <= frame.y < 290
    press(world, "page up")
    world.tick(2)
    assert not any(
        stroke.kind == "rect" and stroke.height == 28 and stroke.y < 290 for stroke in world.canvas.strokes
    )


def test_screen_reader_gets_reapers_dialog_where_reaimgui_is_installed(tmp_path: Path) -> None:
    world = World(Profile(has_osara=True, has_imgui=True), tmp_path)
    open_scene(world)
    request_stems(world)
    assert [dialog.title for dialog in world.input_dialogs] == ["Selva: stems for 1 item"]
    world.quit()
    world.assert_clean()


def test_keys_work_without_a_screen_reader(world_without_osara: World) -> None:
    _, _, bridge = open_scene(world_without_osara)
    request_stems(world_without_osara)
    bridge.report_progress("sampling")
    world_without_osara.tick(12)
    press(world_without_osara, "tab")
    press(world_without_osara, "enter")
    assert (bridge.folder.is_cancelled(), world_without_osara.spoken) == (True, [])
