"""Paths on Windows: folders that Lua can open, and separators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .double import Profile, World
from .scenes import (
    open_scene,
    plan_for,
    request_stems,
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
