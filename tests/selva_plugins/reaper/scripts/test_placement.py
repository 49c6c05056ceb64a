"""Placing a plan: exact, in one undo step, and without changing anything of the user's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.selva_plugins.reaper.double import Item, Project, Source, Take, Track, World
from tests.selva_plugins.reaper.scenes import (
    BIKES,
    NEW_TAKES,
    FakeBridge,
    bikes_item,
    edit_values,
    place,
    plan_for,
    project_with,
    run_action,
    type_in,
)


def names_and_depths(project: Project) -> list[tuple[str, int]]:
    return [(track.name, track.depth) for track in project.tracks]


def test_stem_gets_its_own_track_in_a_folder_below_the_picture(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    project.tracks.append(Track(name="Music"))
    place(world, lambda: [plan_for(world, item)])
    assert names_and_depths(project) == [("Video", 0), ("Selva", 1), ("Dog", -1), ("Music", 0)]


def test_stem_item_is_plain_and_lies_exactly_on_its_picture(world: World) -> None:
    item = bikes_item(position_s=3600.0417083750417, length_s=2.002)
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item, source_offset_s=0.5)])
    (stem,) = project.track_named("Dog").items
    assert (stem.position_s, stem.length_s) == (item.position_s, item.length_s)
    assert (stem.values["B_LOOPSRC"], stem.values["D_FADEINLEN"], stem.values["D_FADEOUTLEN"]) == (0, 0, 0)
    take = stem.active_take
    assert (take.values["D_STARTOFFS"], take.values["D_PLAYRATE"], take.name) == (0.5, 1.0, "Dog take 1")
    assert json.loads(take.ext["selva"])["seed"] == 42


def test_takes_become_takes_of_one_item_with_the_first_active(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item, num_takes=3)])
    (stem,) = project.track_named("Dog").items
    assert [take.name for take in stem.takes if take] == ["Dog take 1", "Dog take 2", "Dog take 3"]
    assert stem.active == 0


def test_undo_brings_back_the_exact_prior_state(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    before = []
    place(
        world,
        lambda: [plan_for(world, item, num_takes=2), plan_for(world, item, track="Steps", cue="cue-2")],
        meanwhile=lambda: before.append(project.copy_content()),
    )
    assert project.content != before[0]
    assert [step.label for step in project.undo_steps] == ["Selva: place 2 stems"]
    project.undo()
    assert project.content == before[0]


def test_second_run_uses_the_folder_and_tracks_that_are_there(world: World) -> None:
    first, second = bikes_item(), bikes_item(position_s=20.0)
    project = project_with(world, first, second)
    place(world, lambda: [plan_for(world, first)])
    place(
        world,
        lambda: [plan_for(world, second, cue="cue-2"), plan_for(world, second, track="Steps", cue="cue-3")],
    )
    assert names_and_depths(project) == [("Video", 0), ("Selva", 1), ("Dog", 0), ("Steps", -1)]
    assert [item.position_s for item in project.track_named("Dog").items] == [10.0, 20.0]


def test_renamed_stem_track_is_still_found(world: World) -> None:
    first, second = bikes_item(), bikes_item(position_s=20.0)
    project = project_with(world, first, second)
    place(world, lambda: [plan_for(world, first)])
    project.track_named("Dog").name = "FX barks"
    place(world, lambda: [plan_for(world, second, cue="cue-2")])
    assert len(project.track_named("FX barks").items) == 2


def test_users_own_track_of_that_name_is_left_alone(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    own = Track(name="Dog")
    project.tracks.append(own)
    place(world, lambda: [plan_for(world, item)])
    assert own.items == []
    assert [track.name for track in project.tracks] == ["Video", "Selva", "Dog", "Dog"]


def test_occupied_place_sends_the_stem_to_a_second_track_of_that_name(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item)])
    place(world, lambda: [plan_for(world, item, cue="other-words")])
    assert names_and_depths(project) == [("Video", 0), ("Selva", 1), ("Dog", 0), ("Dog", -1)]
    assert [len(track.items) for track in project.tracks[2:]] == [1, 1]


def test_neighbours_that_touch_share_a_track(world: World) -> None:
    first, second = bikes_item(length_s=0.1 + 0.2), bikes_item(position_s=10.3, length_s=1.0)
    project = project_with(world, first, second)
    place(world, lambda: [plan_for(world, first), plan_for(world, second, cue="cue-2")])
    assert len(project.track_named("Dog").items) == 2


def test_stem_that_lies_there_already_is_not_placed_twice(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item)])
    report = place(world, lambda: [plan_for(world, item)])
    assert [row["cue"] for row in report["already"]] == ["cue-1"]
    assert len(project.track_named("Dog").items) == 1
    assert len(project.undo_steps) == 1


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ([("A", 1), ("Video", -1), ("B", 0)], [("A", 1), ("Video", -1), ("Selva", 1), ("Dog", -1), ("B", 0)]),
        (
            [("Video", 1), ("Child", 0), ("Last", -1), ("B", 0)],
            [("Video", 1), ("Child", 0), ("Last", -1), ("Selva", 1), ("Dog", -1), ("B", 0)],
        ),
        (
            [("A", 1), ("Video", 1), ("Last", -2), ("B", 0)],
            [("A", 1), ("Video", 1), ("Last", -2), ("Selva", 1), ("Dog", -1), ("B", 0)],
        ),
        (
            [("A", 1), ("Video", 0), ("Last", -1)],
            [("A", 1), ("Video", 0), ("Selva", 1), ("Dog", -1), ("Last", -1)],
        ),
    ],
    ids=["last in a folder", "a folder itself", "nested folder", "inside a folder"],
)
def test_users_folders_keep_their_depths(
    world: World, depths: list[tuple[str, int]], expected: list[tuple[str, int]]
) -> None:
    item = bikes_item()
    project = world.add_project(world.home / "film.rpp")
    for name, depth in depths:
        track = Track(name=name, items=[item] if name == "Video" else [])
        track.values["I_FOLDERDEPTH"] = float(depth)
        project.tracks.append(track)
    place(world, lambda: [plan_for(world, item)])
    assert names_and_depths(project) == expected


def test_users_track_at_the_end_of_our_folder_stays_at_its_end(world: World) -> None:
    first, second = bikes_item(), bikes_item(position_s=20.0)
    project = project_with(world, first, second)
    place(world, lambda: [plan_for(world, first)])
    project.track_named("Dog").values["I_FOLDERDEPTH"] = 0.0
    guest = Track(name="Guest")
    guest.values["I_FOLDERDEPTH"] = -1.0
    project.tracks.append(guest)
    place(world, lambda: [plan_for(world, second, track="Steps", cue="cue-2")])
    assert names_and_depths(project) == [("Video", 0), ("Selva", 1), ("Dog", 0), ("Steps", 0), ("Guest", -1)]


def test_folder_that_lost_its_stem_tracks_gets_a_new_one(world: World) -> None:
    first, second = bikes_item(), bikes_item(position_s=20.0)
    project = project_with(world, first, second)
    place(world, lambda: [plan_for(world, first)])
    project.tracks.remove(project.track_named("Dog"))
    project.track_named("Selva").values["I_FOLDERDEPTH"] = 0.0
    place(world, lambda: [plan_for(world, second, cue="cue-2")])
    assert names_and_depths(project) == [("Video", 0), ("Selva", 1), ("Dog", -1)]


# The user goes on editing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "position_s", "length_s", "offset_s"),
    [
        ({"D_POSITION": 30.0}, 30.0, 4.0, 0.0),
        ({"D_LENGTH": 2.5}, 10.0, 2.5, 0.0),
        ({"D_POSITION": 11.0, "D_LENGTH": 3.0, "D_STARTOFFS": 2.0}, 11.0, 3.0, 1.0),
        ({"D_POSITION": 31.0, "D_LENGTH": 2.0, "D_STARTOFFS": 2.0}, 31.0, 2.0, 1.0),
        ({"D_STARTOFFS": 0.5}, 10.5, 3.5, 0.0),
        ({"D_LENGTH": 6.0}, 10.0, 4.0, 0.0),
    ],
    ids=["moved", "end trimmed", "start trimmed", "moved and trimmed", "slipped", "made longer"],
)
def test_stem_stays_on_its_picture_when_the_item_was_edited_meanwhile(
    world: World, edits: dict[str, float], position_s: float, length_s: float, offset_s: float
) -> None:
    item = bikes_item()
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item)], meanwhile=edit_values(item, **edits))
    (stem,) = project.track_named("Dog").items
    placed = (stem.position_s, stem.length_s, stem.active_take.values["D_STARTOFFS"])
    assert placed == pytest.approx((position_s, length_s, offset_s), abs=1e-9)


def test_trim_of_a_fast_item_counts_in_seconds_of_the_timeline(world: World) -> None:
    item = bikes_item(play_rate=2.0)
    project = project_with(world, item)
    edits = edit_values(item, D_POSITION=11.0, D_LENGTH=3.0, D_STARTOFFS=3.0)
    place(world, lambda: [plan_for(world, item)], meanwhile=edits)
    (stem,) = project.track_named("Dog").items
    assert (stem.position_s, stem.length_s, stem.active_take.values["D_STARTOFFS"]) == (11.0, 3.0, 1.0)


def delete(project: Project, item: Item) -> Callable[[], object]:
    return lambda: project.track_of(item).items.remove(item)


def show_source(item: Item, source: Source) -> Callable[[], object]:
    def edit() -> None:
        item.active_take.source = source

    return edit


def play_another_take(item: Item) -> Callable[[], object]:
    def edit() -> None:
        item.takes.append(Take())
        item.active = 1

    return edit


# What was done to the picture item: (the edit, the reason that is given).
HELD: dict[str, tuple[Callable[[Project, Item], Callable[[], object]], str]] = {
    "deleted": (delete, "no longer in the project"),
    "other rate": (
        lambda project, item: edit_values(item, D_PLAYRATE=1.5),
        "play rate of its item changed from 1 to 1.5",
    ),
    "other file": (
        lambda project, item: show_source(item, Source.video("/media/other.mp4", 10.0)),
        "shows another picture now",
    ),
    "reversed": (
        lambda project, item: show_source(item, BIKES.section(0.0, 10.0, is_reversed=True)),
        "shows another picture now",
    ),
    "other take": (
        lambda project, item: play_another_take(item),
        "shows another picture now",
    ),
    "trimmed away": (
        lambda project, item: edit_values(item, D_STARTOFFS=9.0, D_POSITION=10.0),
        "was trimmed away",
    ),
}


@pytest.mark.parametrize("case", HELD, ids=str)
def test_stem_is_held_when_its_picture_is_gone_and_others_are_placed(world: World, case: str) -> None:
    change, reason = HELD[case]
    item, other = bikes_item(), bikes_item(position_s=20.0)
    project = project_with(world, item, other)
    report = place(
        world,
        lambda: [plan_for(world, item), plan_for(world, other, cue="cue-2")],
        meanwhile=change(project, item),
    )
    assert [(row["cue"], reason in row["reason"]) for row in report["held"]] == [("cue-1", True)]
    assert [stem.position_s for stem in project.track_named("Dog").items] == [20.0]
    world.tick(10)
    assert world.canvas.says("1 held (Dog: bikes.mp4")


def test_held_stem_can_be_placed_where_its_picture_was(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item)], meanwhile=delete(project, item))
    world.tick(10)
    world.canvas.click("Place anyway")
    world.tick(10)
    assert [stem.position_s for stem in project.track_named("Dog").items] == [10.0]
    assert world.canvas.says("1 stem placed on 1 track")


def test_stem_follows_beats_only_as_its_picture_does(world: World) -> None:
    free, tied = bikes_item(), bikes_item(position_s=20.0)
    tied.values["C_BEATATTACHMODE"] = 1.0
    project = project_with(world, free, tied)
    project.tracks[0].values["C_BEATATTACHMODE"] = 0.0
    place(world, lambda: [plan_for(world, free), plan_for(world, tied, cue="cue-2")])
    assert [item.values["C_BEATATTACHMODE"] for item in project.track_named("Dog").items] == [0.0, 1.0]


# Failure --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["missing", "unreadable"])
def test_unusable_file_leaves_the_project_untouched(world: World, fault: str) -> None:
    item = bikes_item()
    project = project_with(world, item)
    before = []

    def build() -> list[dict[str, Any]]:
        plan = [plan_for(world, item), plan_for(world, item, track="Steps", cue="cue-2")]
        file = world.real_path(plan[1]["takes"][0]["file"])
        file.unlink() if fault == "missing" else file.write_bytes(b"RIFF????WAVE")
        before.append(project.copy_content())
        return plan

    report = place(world, build)
    assert "REAPER cannot read the stem" in report["failed"]
    assert project.content == before[0]
    assert (project.undo_steps, world.loose_sources) == ([], [])


@pytest.mark.parametrize("after", [0, 1, 2])
def test_failure_in_the_middle_reverts_everything(world: World, after: int) -> None:
    item = bikes_item()
    project = project_with(world, item)
    before = []

    def build() -> list[dict[str, Any]]:
        world.fail("SetMediaItemTake_Source", after=after)
        before.append(project.copy_content())
        return [plan_for(world, item, num_takes=2), plan_for(world, item, track="Steps", cue="cue-2")]

    report = place(world, build)
    assert "REAPER refused the stem" in report["failed"]
    assert project.content == before[0]
    assert world.loose_sources == []
    world.tick(10)
    assert world.canvas.says("Nothing was placed")


def test_failure_beside_older_stems_leaves_those(world: World) -> None:
    first, second = bikes_item(), bikes_item(position_s=20.0)
    project = project_with(world, first, second)
    place(world, lambda: [plan_for(world, first)])
    before = []

    def build() -> list[dict[str, Any]]:
        world.fail("SetMediaItemTake_Source", after=1)
        before.append(project.copy_content())
        return [
            plan_for(world, second, track="Steps", cue="cue-2"),
            plan_for(world, second, track="Rain", cue="cue-3"),
        ]

    place(world, build)
    assert project.content == before[0]


# More takes -----------------------------------------------------------------------------------------------------------


def stem_item(world: World) -> tuple[Project, Item]:
    """A project with a placed stem that the user has trimmed and selected."""
    item = bikes_item(is_selected=True)
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item)])
    (stem,) = project.track_named("Dog").items
    edit_values(stem, D_POSITION=11.0, D_LENGTH=2.0, D_STARTOFFS=1.0)()
    item.is_selected, stem.is_selected = False, True
    return project, stem


def ask_for_takes(world: World) -> FakeBridge:
    bridge = FakeBridge(world)
    world.input_answers.append(type_in({"How many": "2"}))
    run_action(world, NEW_TAKES)
    world.tick(3)
    return bridge


def test_new_takes_lie_on_the_stem_item_as_its_active_take_does(world: World) -> None:
    project, stem = stem_item(world)
    bridge = ask_for_takes(world)
    assert len(bridge.snapshot["items"][0]["recipes"]) == 1
    before = project.copy_content()
    bridge.finish([plan_for(world, stem, cue="again", num_takes=2, into_item=stem.guid, anchor=None)])
    world.tick_until((bridge.folders[-1] / "report-1.json").exists, limit_s=5)
    assert [take.values["D_STARTOFFS"] for take in stem.takes if take] == [1.0, 1.0, 1.0]
    assert (stem.active, stem.position_s, stem.length_s) == (1, 11.0, 2.0)
    project.undo()
    assert project.content == before


def test_failed_new_take_leaves_the_stem_item_as_it_was(world: World) -> None:
    project, stem = stem_item(world)
    bridge = ask_for_takes(world)
    before = project.copy_content()
    world.fail("SetMediaItemTake_Source", after=1)
    bridge.finish([plan_for(world, stem, cue="again", num_takes=2, into_item=stem.guid, anchor=None)])
    world.tick_until((bridge.folders[-1] / "report-1.json").exists, limit_s=5)
    assert project.content == before


def test_new_takes_need_a_selected_stem(world: World) -> None:
    project_with(world, bikes_item())
    FakeBridge(world)
    run_action(world, NEW_TAKES)
    assert world.messages == ["Select stem items that Selva made, then run this action again."]
