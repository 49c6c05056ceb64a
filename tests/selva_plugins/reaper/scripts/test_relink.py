"""Stems that go where their picture is now, after the cut was changed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.selva_plugins.reaper.double import Item, Project, Source, Track, World
from tests.selva_plugins.reaper.scenes import (
    MOVE_TO_PICTURE,
    bikes_item,
    edit_values,
    place,
    plan_for,
    project_with,
    run_action,
)


def open_placed_scene(world: World, *items: Item) -> tuple[Project, list[Item]]:
    """A project in which every item has its stem; returns the stems in the order of the items."""
    project = project_with(world, *items)
    place(world, lambda: [plan_for(world, item, cue=f"cue-{n}") for n, item in enumerate(items, start=1)])
    world.quit()
    world.messages.clear()
    stems = project.track_named("Dog").items
    for item in project.items:
        item.is_selected = False
    return project, list(stems)


def move_stems(world: World) -> str:
    run_action(world, MOVE_TO_PICTURE)
    assert world.is_idle
    return world.messages.pop()


def position_of(stem: Item) -> tuple[float, float, float]:
    return stem.position_s, stem.length_s, stem.active_take.values["D_STARTOFFS"]


def test_stem_goes_with_its_picture_in_one_undo_step(world: World) -> None:
    first, second = bikes_item(), bikes_item(position_s=20.0)
    project, (moved, stays) = open_placed_scene(world, first, second)
    edit_values(first, D_POSITION=31.25)()
    before = project.copy_content()
    num_steps = len(project.undo_steps)
    assert move_stems(world) == "1 stem moved to the picture, 1 in place already."
    assert (moved.position_s, stays.position_s, moved.length_s) == (31.25, 20.0, 4.0)
    assert [step.label for step in project.undo_steps[num_steps:]] == ["Selva: move 1 stem to the picture"]
    project.undo()
    assert project.content == before


@pytest.mark.parametrize(
    ("edits", "position_s"),
    [
        ({"D_STARTOFFS": 2.5}, 8.5),
        ({"D_POSITION": 12.0, "D_STARTOFFS": 3.0, "D_LENGTH": 2.0}, 10.0),
        ({"D_POSITION": 52.0, "D_STARTOFFS": 3.0, "D_LENGTH": 2.0}, 50.0),
        ({"D_LENGTH": 1.0}, 10.0),
    ],
    ids=["slipped", "start trimmed", "start trimmed and moved", "end trimmed"],
)
def test_sound_stays_on_its_picture_and_edges_stay_as_they_are(
    world: World, edits: dict[str, float], position_s: float
) -> None:
    item = bikes_item()
    _, (stem,) = open_placed_scene(world, item)
    edit_values(item, **edits)()
    move_stems(world)
    assert position_of(stem) == pytest.approx((position_s, 4.0, 0.0))


def test_slip_of_a_fast_item_counts_in_seconds_of_the_timeline(world: World) -> None:
    item = bikes_item(play_rate=2.0)
    _, (stem,) = open_placed_scene(world, item)
    edit_values(item, D_STARTOFFS=3.0)()
    move_stems(world)
    assert stem.position_s == pytest.approx(9.0)


def test_trimmed_stem_keeps_its_edges_on_the_way(world: World) -> None:
    item = bikes_item()
    _, (stem,) = open_placed_scene(world, item)
    edit_values(stem, D_POSITION=11.0, D_STARTOFFS=1.0, D_LENGTH=2.0)()
    edit_values(item, D_POSITION=40.0)()
    move_stems(world)
    assert position_of(stem) == (41.0, 2.0, 1.0)


def test_stem_that_was_moved_along_is_in_place(world: World) -> None:
    item = bikes_item()
    project, (stem,) = open_placed_scene(world, item)
    edit_values(item, D_POSITION=40.0)()
    edit_values(stem, D_POSITION=40.0)()
    num_steps = len(project.undo_steps)
    assert move_stems(world) == "0 stems moved to the picture, 1 in place already."
    assert len(project.undo_steps) == num_steps


def test_stem_moved_by_hand_is_left_alone_unless_it_is_selected(world: World) -> None:
    item = bikes_item()
    _, (stem,) = open_placed_scene(world, item)
    edit_values(stem, D_POSITION=10.08)()
    assert "Dog: bikes.mp4: you moved it by hand; select it to have it moved" in move_stems(world)
    assert stem.position_s == 10.08
    stem.is_selected = True
    move_stems(world)
    assert stem.position_s == pytest.approx(10.0)


def test_only_selected_stems_are_moved(world: World) -> None:
    items = bikes_item(), bikes_item(position_s=20.0)
    _, stems = open_placed_scene(world, *items)
    for item in items:
        item.values["D_POSITION"] += 100.0
    stems[1].is_selected = True
    assert move_stems(world) == "1 stem moved to the picture, 0 in place already."
    assert [stem.position_s for stem in stems] == [10.0, 120.0]


def split(project: Project, item: Item, at_s: float) -> Item:
    """What splitting in REAPER leaves: the right part has a new identity and a copy of everything else."""
    right = copy.deepcopy(item)
    right.guid = "{" + "9" * 8 + item.guid[9:]
    left_s = at_s - item.position_s
    rate = item.active_take.values["D_PLAYRATE"]
    edit_values(
        right,
        D_POSITION=at_s,
        D_LENGTH=item.length_s - left_s,
        D_STARTOFFS=item.active_take.values["D_STARTOFFS"] + left_s * rate,
    )()
    item.values["D_LENGTH"] = left_s
    project.track_of(item).items.append(right)
    return right


def test_parts_of_a_split_stem_find_the_parts_of_their_split_picture(world: World) -> None:
    item = bikes_item()
    project, (stem,) = open_placed_scene(world, item)
    right_picture, right_stem = split(project, item, 12.0), split(project, stem, 12.0)
    right_picture.values["D_POSITION"] = 70.0
    assert move_stems(world) == "1 stem moved to the picture, 1 in place already."
    assert position_of(stem) == (10.0, 2.0, 0.0)
    assert position_of(right_stem) == pytest.approx((70.0, 2.0, 2.0))


def test_whole_stem_stays_with_the_part_of_the_picture_it_was_made_for(world: World) -> None:
    item = bikes_item()
    project, (stem,) = open_placed_scene(world, item)
    split(project, item, 10.5).values["D_POSITION"] = 70.0
    move_stems(world)
    assert position_of(stem) == (10.0, 4.0, 0.0)


def gone(project: Project, item: Item) -> None:
    project.track_of(item).items.remove(item)


def other_rate(project: Project, item: Item) -> None:
    item.active_take.values["D_PLAYRATE"] = 1.1


def other_file(project: Project, item: Item) -> None:
    item.active_take.source = Source.video("/media/other.mp4", 10.0)


@pytest.mark.parametrize("change", [gone, other_rate, other_file])
def test_stem_without_its_picture_is_left_alone_and_named(world: World, change: Any) -> None:
    item, other = bikes_item(), bikes_item(position_s=20.0)
    project, stems = open_placed_scene(world, item, other)
    change(project, item)
    message = move_stems(world)  # the other item shows the same picture, and has its own stem
    assert "1 left alone:\nDog: bikes.mp4: no item shows its picture at its rate any more" in message
    assert [stem.position_s for stem in stems] == [10.0, 20.0]


def test_stem_finds_its_picture_that_was_cut_and_pasted(world: World) -> None:
    item = bikes_item()
    project, (stem,) = open_placed_scene(world, item)
    project.tracks[0].items.clear()
    project.tracks[0].items.append(bikes_item(position_s=80.0))
    assert move_stems(world) == "1 stem moved to the picture, 0 in place already."
    project.tracks[0].items.append(bikes_item(position_s=5.0))
    assert move_stems(world) == "0 stems moved to the picture, 1 in place already."
    assert position_of(stem) == (80.0, 4.0, 0.0)


def test_new_takes_move_with_their_item(world: World) -> None:
    item = bikes_item()
    _, (stem,) = open_placed_scene(world, item)
    stem.takes.append(copy.deepcopy(stem.active_take))
    stem.active = 1
    item.values["D_POSITION"] = 15.0
    move_stems(world)
    assert stem.position_s == 15.0
    assert [take.values["D_STARTOFFS"] for take in stem.takes if take] == [0.0, 0.0]


def test_handles_before_the_item_do_not_shift_the_sound(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item, source_offset_s=0.5)])
    world.quit()
    stem = project.track_named("Dog").items[0]
    assert move_stems(world) == "0 stems moved to the picture, 1 in place already."
    item.values["D_POSITION"] = 33.0
    move_stems(world)
    assert position_of(stem) == (33.0, 4.0, 0.5)


def test_stem_placed_after_its_item_had_moved_is_in_place(world: World) -> None:
    item = bikes_item()
    project_with(world, item)
    place(
        world, lambda: [plan_for(world, item)], meanwhile=edit_values(item, D_POSITION=60.0, D_STARTOFFS=2.0)
    )
    world.quit()
    assert move_stems(world) == "0 stems moved to the picture, 1 in place already."


def test_project_without_stems_gets_a_message(world: World) -> None:
    project = project_with(world, bikes_item())
    project.tracks.append(Track(name="Dog", items=[Item()]))
    assert move_stems(world) == "There are no stems of Selva in this project."
    assert project.undo_steps == []
