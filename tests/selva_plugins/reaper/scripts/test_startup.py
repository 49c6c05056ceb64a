"""The line in __startup.lua: written on request, harmless to the user's own code, and what it does when REAPER starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from selva_cli.app import app
from selva_plugins.hosts.reaper.install import install, remove
from selva_plugins.hosts.script_install import Machine
from tests.selva_plugins.reaper.double import Profile, World
from tests.selva_plugins.reaper.scenes import open_scene, plan_for, request_stems, stems_of

USERS_OWN = {
    "none": None,
    "plain": b"reaper.SetExtState('mine', 'ran', 'yes', false)\n",
    "with a return": b"reaper.SetExtState('mine', 'ran', 'yes', false)\r\nreturn 1\r\n",
    "with a byte order mark": b"\xef\xbb\xbfreaper.SetExtState('mine', 'ran', 'yes', false)\n",
    "with a first line for the shell": b"#!/usr/bin/lua\nreaper.SetExtState('mine', 'ran', 'yes', false)",
}
QUIET = Machine(is_running=lambda names: False)


def startup_file(world: World) -> Path:
    return world.resource_folder / "Scripts" / "__startup.lua"


def set_up(world: World, users_own: bytes | None = None) -> None:
    """A REAPER with our scripts and their line at the start; requests go to the test's own bridge from then on."""
    (world.resource_folder / "reaper.ini").touch()
    if users_own is not None:
        startup_file(world).parent.mkdir()
        startup_file(world).write_bytes(users_own)
    install(world.resource_folder, QUIET, at_startup=True)


def start_reaper(world: World) -> None:
    world.run_script(startup_file(world))
    world.tick(4 * 5, seconds=0.25)


@pytest.mark.parametrize("users_own", USERS_OWN)
def test_startup_line_runs_beside_the_users_code_and_leaves_it_unchanged(
    world: World, users_own: str
) -> None:
    set_up(world, USERS_OWN[users_own])
    world.add_project()
    once = startup_file(world).read_bytes()
    install(world.resource_folder, QUIET, at_startup=True)
    install(world.resource_folder, QUIET)
    assert startup_file(world).read_bytes() == once
    start_reaper(world)
    assert world.ext_state.get(("MINE", "RAN")) == (None if users_own == "none" else ("yes", False))
    assert (world.is_idle, world.canvas.title, world.messages) == (True, None, [])
    remove(world.resource_folder, QUIET)
    left = startup_file(world).read_bytes() if startup_file(world).exists() else None
    assert left == USERS_OWN[users_own]


def test_finished_stems_of_an_earlier_run_are_offered(world: World) -> None:
    set_up(world)
    project, item, bridge = open_scene(world)
    request_stems(world)
    plan = [plan_for(world, item)]
    world.quit()
    bridge.finish(plan)
    start_reaper(world)
    assert world.canvas.says("it was requested before REAPER was last started")
    assert stems_of(project) == []
    world.canvas.click("Place")
    world.tick(30)
    assert stems_of(project) == [10.0]


def test_unfinished_request_of_an_earlier_run_is_continued_at_startup(world: World) -> None:
    set_up(world)
    _, _, bridge = open_scene(world)
    request_stems(world)
    bridge.report_progress("sampling")
    world.quit()
    start_reaper(world)
    assert bridge.started == [bridge.started[0]] * 2


def test_startup_does_nothing_when_no_request_waits_for_an_open_project(world: World) -> None:
    set_up(world)
    _, item, bridge = open_scene(world)
    request_stems(world)
    plan = [plan_for(world, item)]
    world.quit()
    bridge.finish(plan)
    world.projects.clear()
    world.add_project()
    start_reaper(world)
    assert (world.canvas.title, world.is_idle, len(bridge.started)) == (None, True, 1)


def test_startup_does_nothing_when_everything_was_placed(world: World) -> None:
    set_up(world)
    _, item, bridge = open_scene(world)
    request_stems(world)
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    world.quit()
    start_reaper(world)
    assert (world.canvas.title, world.is_idle) == (None, True)


def test_startup_line_without_scripts_does_nothing(world: World) -> None:
    set_up(world, USERS_OWN["plain"])
    world.add_project()
    (world.resource_folder / "Scripts" / "Selva" / "lib" / "selva.lua").unlink()
    start_reaper(world)
    assert world.ext_state["MINE", "RAN"] == ("yes", False)
    assert world.messages == []


def test_no_startup_removes_the_line_and_nothing_else(world: World) -> None:
    set_up(world, USERS_OWN["plain"])
    install(world.resource_folder, QUIET, at_startup=False)
    assert startup_file(world).read_bytes() == USERS_OWN["plain"]
    assert (world.resource_folder / "Scripts" / "Selva").is_dir()


@pytest.mark.parametrize("short", ["C:\\JRG~1\\REAPER\\Scripts\\Selva\\lib", "C:\\Jörg\\lib"])
def test_windows_folder_beyond_ascii_is_named_by_its_short_name_or_not_at_all(
    tmp_path: Path, short: str
) -> None:
    resource_path = tmp_path / "Jörg"
    resource_path.mkdir()
    (resource_path / "reaper.ini").touch()
    machine = Machine(platform="win32", is_running=lambda names: False, short_path=lambda folder: short)
    (report,) = install(resource_path, machine, at_startup=True)
    file = resource_path / "Scripts" / "__startup.lua"
    if short.isascii():
        assert 'local lib = "C:/JRG~1/REAPER/Scripts/Selva/lib/"' in file.read_text()
    else:
        assert not file.exists()
        assert "results wait in the action Selva: Open job list" in report.left[-1]


def test_command_line_offers_it_for_reaper_only(tmp_path: Path) -> None:
    (tmp_path / "reaper.ini").touch()
    runner = CliRunner()
    arguments = ["host", "install", "reaper", "--resource-path", str(tmp_path)]
    assert runner.invoke(app, [*arguments, "--startup"]).exit_code == 0
    assert (tmp_path / "Scripts" / "__startup.lua").is_file()
    assert runner.invoke(app, [*arguments, "--no-startup"]).exit_code == 0
    assert not (tmp_path / "Scripts" / "__startup.lua").exists()
    refused = runner.invoke(app, ["host", "install", "resolve", "--startup"])
    assert (refused.exit_code, "only reaper has a start-up script" in refused.output) == (2, True)


def test_windows_reaper_runs_the_line(tmp_path: Path) -> None:
    world = World(Profile(system="Win64"), tmp_path)
    set_up(world)
    _, item, bridge = open_scene(world)
    request_stems(world)
    plan = [plan_for(world, item)]
    world.quit()
    bridge.finish(plan)
    start_reaper(world)
    assert world.canvas.says("it was requested before REAPER was last started")
    world.quit()
    world.assert_clean()
