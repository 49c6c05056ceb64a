"""Watching requests in the background: what the window shows, what the user may do meanwhile, and what survives a restart."""

from __future__ import annotations

from selva_plugins.errors import FormError, NothingToRenderError
from tests.selva_plugins.reaper.double import World
from tests.selva_plugins.reaper.scenes import (
    CHECK,
    JOB_LIST,
    FakeBridge,
    open_scene,
    plan_for,
    request_stems,
    run_action,
    stems_of,
    type_sounds,
)

# What is seen ---------------------------------------------------------------------------------------------------------


def test_window_shows_stage_percent_and_time_left(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world, "Dog: bark", "Steps: boots")
    bridge.report_progress("bikes.mp4: sampling (step 12 of 25)", 0.43, 12.3)
    world.tick(12)
    assert world.canvas.says("Dog: bark; Steps: boots")
    assert world.canvas.says("bikes.mp4: sampling (step 12 of 25)")
    assert world.canvas.says("43 %  about 13 s left")
    bridge.report_progress("bikes.mp4: sampling", 0.1, 400)
    world.tick(12)
    assert world.canvas.says("10 %  about 7 min left")


def test_window_closes_by_itself_when_all_went_well(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert world.canvas.says("1 stem placed on 1 track")
    world.tick(30 * 5)
    assert (world.canvas.title, world.is_idle, stems_of(project)) == (None, True, [10.0])


def test_window_stays_while_there_is_something_to_read(world: World) -> None:
    _, item, bridge = open_scene(world)
    request_stems(world)
    bridge.finish([plan_for(world, item)], notices=["the prompt is far from what selva-nano was trained for"])
    world.tick(4 * 60, seconds=0.25)
    assert world.canvas.says("far from what selva-nano was trained for")
    world.canvas.press("escape")
    world.tick(3)
    assert world.is_idle


def test_closed_window_does_not_stop_the_work(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
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
    request_stems(world, "Dog: " + "a small dog with a very long tail " * 20)
    bridge.report_progress("日本語のとても長い名前" * 30 + ".mp4: sampling", 0.5)
    world.tick(12)
    for stroke in world.canvas.strokes:
        if stroke.kind == "text":
            assert stroke.x + stroke.width <= 560


def test_many_rows_can_be_scrolled(world: World) -> None:
    _, _, bridge = open_scene(world)
    for number in range(6):
        request_stems(world, f"Dog {number}: bark")
    bridge.report_progress("working")
    world.tick(30)
    first = next(stroke.y for stroke in world.canvas.strokes if stroke.text.startswith("Dog 5"))
    world.canvas.scroll(-240)
    world.tick(3)
    assert next(stroke.y for stroke in world.canvas.strokes if stroke.text.startswith("Dog 5")) < first


# Cancel, failure ------------------------------------------------------------------------------------------------------


def test_cancel_reaches_the_bridge(world: World) -> None:
    project, _, bridge = open_scene(world)
    request_stems(world)
    bridge.report_progress("sampling")
    world.tick(12)
    world.canvas.click("Cancel")
    world.tick(3)
    assert bridge.folder.is_cancelled()
    bridge.folder.write_cancelled()
    world.tick(30 * 6)
    assert (world.is_idle, [track.name for track in project.tracks]) == (True, ["Video"])


def fail(bridge: FakeBridge, message: str) -> None:
    bridge.folder.write_failed(NothingToRenderError(message), [])


def test_failed_request_can_be_tried_again_with_the_same_picture(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
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


def test_refused_form_is_shown_again_and_watched_in_the_same_loop(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world, "Dog; bark")
    world.input_answers.append(type_sounds("Dog: bark"))
    bridge.folder.write_failed(FormError('a sound reads "Track: prompt"'), [])
    world.tick(12)
    assert world.messages == ['a sound reads "Track: prompt"']
    assert world.input_dialogs[1].values[0] == "Dog; bark"
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]


def test_plan_that_cannot_be_read_is_reported(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world)
    (bridge.folders[-1] / "plan.json").write_text('{"placements": [')
    bridge.folder.write_ready("ready", [])
    world.tick(30)
    assert world.canvas.says("the placement plan cannot be read: not JSON at byte")


def test_plan_of_an_unknown_shape_is_reported(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    plan = plan_for(world, item)
    del plan["takes"]
    bridge.finish([plan])
    world.tick(30)
    assert world.canvas.says("the stems cannot be placed")
    assert (world.is_idle, stems_of(project)) == (False, [])


def test_bridge_whose_heartbeat_stops_is_started_again_and_then_given_up(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world)
    bridge.report_progress("sampling")
    world.tick(4 * 29, seconds=0.25)
    assert len(bridge.started) == 1
    world.tick(4 * 5, seconds=0.25)
    assert bridge.started[1:] == [bridge.started[0]]
    world.tick(4 * 130, seconds=0.25)
    assert len(bridge.started) == 4
    assert world.canvas.says("the bridge stopped answering")


def test_bridge_that_never_writes_a_status_is_given_up(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world)
    world.tick(4 * 65, seconds=0.25)
    assert len(bridge.started) == 2
    assert world.canvas.says("the bridge does not start; run this in a terminal")


def test_bridge_with_a_heartbeat_is_not_started_again(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world)
    for _ in range(60):
        bridge.report_progress("sampling")
        world.tick(4, seconds=0.25)
    assert len(bridge.started) == 1


def test_time_asleep_or_in_a_dialog_does_not_count_as_silence(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world)
    bridge.report_progress("sampling")
    for _ in range(20):
        world.tick(2)
        world.clock_s += 600.0
    assert len(bridge.started) == 1


# Tabs, recording, closing REAPER --------------------------------------------------------------------------------------


def test_stems_wait_while_another_tab_is_in_front(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
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
    request_stems(world)
    project.play_state = 5
    bridge.finish([plan_for(world, item)])
    world.tick(60)
    assert (stems_of(project), world.canvas.says("waits until recording stops")) == ([], True)
    project.play_state = 1
    world.tick(60)
    assert stems_of(project) == [10.0]


def test_result_waits_for_a_closed_reaper_and_is_offered(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    plan = [plan_for(world, item)]
    world.quit()
    bridge.finish(plan)
    run_action(world, JOB_LIST)
    world.tick(60)
    assert stems_of(project) == []
    assert world.canvas.says("it was requested before REAPER was last started")
    world.canvas.click("Place")
    world.tick(30)
    assert stems_of(project) == [10.0]


def test_result_for_a_project_that_is_not_open_names_it(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
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


def test_unfinished_request_of_an_earlier_run_is_continued(world: World) -> None:
    _, _, bridge = open_scene(world)
    request_stems(world)
    bridge.report_progress("sampling")
    world.quit()
    run_action(world, JOB_LIST)
    world.tick(3)
    assert bridge.started == [bridge.started[0]] * 2


def test_waiting_results_of_an_earlier_run_show_up_beside_a_new_request(world: World) -> None:
    _, item, bridge = open_scene(world)
    request_stems(world)
    bridge.finish([plan_for(world, item)])
    world.quit()
    world.clock_s += 10
    request_stems(world, "Steps: boots")
    world.tick(60)
    assert world.canvas.says("Dog: bark")
    assert world.canvas.says("Steps: boots")


# Several scripts at once ----------------------------------------------------------------------------------------------


def test_second_request_takes_over_and_both_are_placed(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    first = bridge.folder
    request_stems(world, "Steps: boots")
    expected = [] if world.profile.lua == "5.4" else ["ReaScript task control"]  # REAPER 6 asks
    assert world.messages == expected
    first.write_plan([plan_for(world, item)])
    first.write_ready("ready", [])
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
    request_stems(world)
    run_action(world, JOB_LIST)
    world.tick(30)
    assert [script.is_over for script in world.scripts] == [True, False]
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]
    assert world.messages == []


def test_job_list_shows_what_was_done_before(world: World) -> None:
    _, item, bridge = open_scene(world)
    request_stems(world)
    bridge.finish([plan_for(world, item)])
    world.tick(30 * 8)
    assert world.is_idle
    run_action(world, JOB_LIST)
    world.tick(3)
    assert world.canvas.says("1 stem placed on 1 track")
    assert not world.canvas.says("Place anyway")


def test_check_is_no_job_and_does_not_stop_later_ones(world: World) -> None:
    project, item, bridge = open_scene(world)
    run_action(world, CHECK)
    world.tick(3)
    bridge.folder.write_ready("checked", [], checks=[])
    world.canvas.close()
    world.tick(3)
    request_stems(world)
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]
    run_action(world, JOB_LIST)
    world.tick(30)
    assert not world.canvas.says("Check")


def test_request_that_cannot_be_read_does_not_stop_others(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world, "Steps: boots")
    broken = bridge.folders[-1] / "status.json"
    request_stems(world)
    broken.write_text('{"state": "failed"}')
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]
    assert world.canvas.says("this request cannot be read")


def test_empty_job_list_says_how_to_begin(world: World) -> None:
    open_scene(world)
    run_action(world, JOB_LIST)
    world.tick(3)
    assert world.canvas.says("Select video items and run the action")
