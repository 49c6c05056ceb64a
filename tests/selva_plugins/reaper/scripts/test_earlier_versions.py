"""REAPER 6.0 to 6.36, whose functions took other arguments: each action runs there as in the versions of today."""

from __future__ import annotations

import pytest

from tests.selva_plugins.reaper.double import Profile, World
from tests.selva_plugins.reaper.double.table import load_signatures, signatures_of
from tests.selva_plugins.reaper.scenes import (
    CHECK,
    JOB_LIST,
    MOVE_TO_PICTURE,
    NEW_TAKES,
    REGIONS,
    FakeBridge,
    open_scene,
    plan_for,
    project_with,
    request_stems,
    run_action,
    stems_of,
    type_in,
)


@pytest.fixture(params=["6.00", "6.09", "6.34", "6.35", "6.36", "6.37", "6.83"])
def profile(request: pytest.FixtureRequest) -> Profile:
    return Profile(version=str(request.param), lua="5.3")


@pytest.fixture
def lua() -> str:
    """REAPER 6 has Lua 5.3."""
    return "5.3"


def has_peaks(world: World) -> bool:
    return world.profile.version >= "6.35"


def test_stems_are_placed_with_the_peaks_that_scripts_can_build(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    assert bridge.snapshot["project"]["name"] == "film.rpp"
    assert bridge.snapshot["items"][0]["active_take"][0]["sources"][0]["type"] == "VIDEO"
    assert bridge.request["stems_folder"] == world.host_path(world.home / "Film" / "Media" / "Selva")
    bridge.finish([plan_for(world, item)])
    world.tick(60)
    assert (stems_of(project), world.num_peaks_built) == ([10.0], 1 if has_peaks(world) else 0)
    assert world.canvas.says("1 stem placed on 1 track")


def test_other_actions_run(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    bridge.finish([plan_for(world, item)])
    world.tick(60)
    item.values["D_POSITION"] = 20.0
    run_action(world, MOVE_TO_PICTURE)
    assert stems_of(project) == [20.0]
    for other in project.items:
        other.is_selected = other is not item
    for name in (NEW_TAKES, REGIONS):
        world.input_answers.append(type_in({}))
        run_action(world, name)
        world.tick(12)
    run_action(world, JOB_LIST)
    run_action(world, CHECK)
    world.tick(12)
    assert [folder.name[:5] for folder in bridge.folders].count("check") == 1


def test_project_that_was_never_saved_is_asked_for_its_folder(world: World) -> None:
    project_with(world, saved=False)
    FakeBridge(world)
    world.message_answers.append(2)  # Cancel
    world.input_answers.append(type_in({}))
    run_action(world, REGIONS)
    assert "REAPER Media" in world.messages[-1]


def test_double_knows_what_each_version_had() -> None:
    """The twin of the tests above: a script that is written for today's REAPER only would fail in them."""
    today = load_signatures()
    assert signatures_of("6.09", today)["GetProjectName"].arguments == ("project", "string")
    assert signatures_of("6.37", today)["GetProjectName"].arguments == ("project",)
    assert "PCM_Source_BuildPeaks" not in signatures_of("6.34", today)
    assert "PCM_Source_BuildPeaks" in signatures_of("6.35", today)
