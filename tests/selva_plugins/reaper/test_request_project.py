"""Which open project the stems of a request go to: the file that they were asked for in, and no other without being asked."""

from __future__ import annotations

import copy

from tests.selva_plugins.reaper.double import Item, Project, World
from tests.selva_plugins.reaper.double.state import UndoStep
from tests.selva_plugins.reaper.scenes import (
    BIKES,
    FakeBridge,
    open_scene,
    plan_for,
    project_with,
    request_stems,
    stems_of,
)


def add_earlier_step(project: Project) -> None:
    """A step of another script, made before anything of ours was written; undoing it takes away all that came after."""
    project.undo_steps.append(UndoStep("a script's step", project.copy_content(), True, True, True))


def open_other_version(world: World, project: Project, name: str = "film_v1") -> Project:
    """A copy of the project file, and so with its id, whose tab comes to the front."""
    other = copy.deepcopy(project)
    other.path = project.path.replace("film", name)
    world.projects.insert(0, other)
    return other


def test_saved_project_is_found_after_an_undo_took_its_id(world: World) -> None:
    project, item, bridge = open_scene(world)
    add_earlier_step(project)
    request_stems(world)
    plan = plan_for(world, item)
    project.undo()
    bridge.finish([plan])
    world.tick(60)
    assert stems_of(project) == [10.0]


def test_project_that_was_never_saved_is_found_after_an_undo_took_its_id(world: World) -> None:
    item = Item.showing(BIKES, position_s=10.0, length_s=4.0)
    project = project_with(world, item, saved=False)
    bridge = FakeBridge(world)
    add_earlier_step(project)
    world.message_answers.append(7)  # No: keep the stems in REAPER's default folder
    request_stems(world)
    bridge.report_progress("sampling")
    world.tick(12)
    plan = plan_for(world, item)
    project.undo()
    bridge.finish([plan])
    world.tick(60)
    assert stems_of(project) == [10.0]


def test_other_version_with_the_same_id_in_front_gets_no_stems(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    plan = plan_for(world, item)
    other = open_other_version(world, project)
    bridge.finish([plan])
    world.tick(60)
    assert [track.name for track in other.tracks] == ["Video"]
    assert world.canvas.says("waits until you switch to the project tab film")
    world.active = 1
    world.tick(60)
    assert (stems_of(project), stems_of(other)) == ([10.0], [])


def test_other_version_alone_gets_stems_only_when_the_user_says_so(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    plan = plan_for(world, item)
    other = open_other_version(world, project)
    world.projects.remove(project)
    bridge.finish([plan])
    world.tick(60)
    assert stems_of(other) == []
    assert world.canvas.says("film_v1")
    world.canvas.click("Place here")
    world.tick(60)
    assert stems_of(other) == [10.0]
