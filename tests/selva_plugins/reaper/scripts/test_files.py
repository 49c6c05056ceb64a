"""Paths on Windows: folders that Lua can open, and separators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.selva_plugins.reaper.double import Profile, World
from tests.selva_plugins.reaper.scenes import (
    JOB_LIST,
    open_scene,
    plan_for,
    request_stems,
    run_action,
    stems_of,
)


def windows(tmp_path: Path, folder: str) -> World:
    world = World(Profile(system="Win64"), tmp_path)
    world.resource_folder = tmp_path / folder / "REAPER"
    world.resource_folder.mkdir(parents=True)
    return world


@pytest.mark.parametrize("folder", ["Users", "Users/Jörg Müller"])
def test_windows_gets_plain_paths_and_its_own_separators(tmp_path: Path, folder: str) -> None:
    world = windows(tmp_path, folder)
    project, item, bridge = open_scene(world)
    request_stems(world)
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


def test_folder_that_lua_cannot_open_is_explained_and_one_with_a_short_name_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(Profile(version="7.78", system="Win64", lua="5.4"), tmp_path)
    world.resource_folder = tmp_path / "Users" / "Jörg" / "REAPER"
    world.resource_folder.mkdir(parents=True)
    run_action(world, JOB_LIST)
    assert "is not set up" in world.messages[-1]
    monkeypatch.setattr(world, "answer_short_name", lambda command: command.split('"')[1])
    run_action(world, JOB_LIST)
    assert "selva host install reaper" in world.messages[-1]
    assert "no short names" in world.messages[-1]
    world.assert_clean()
