"""Settings and check: what the user sees of versions, daemon and models, and the defaults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import selva_core
from selva_cli.app import app
from selva_core.base.command_line import selva_command
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_plugins.hosts.reaper import check as reaper_check
from selva_plugins.hosts.reaper import install as reaper_install
from selva_plugins.hosts.script_install import Machine
from selva_plugins.request_folder import HostRequest
from tests.selva_plugins.reaper.double import Item, World
from tests.selva_plugins.reaper.scenes import (
    BIKES,
    CHECK,
    GENERATE,
    FakeBridge,
    project_with,
    run_action,
    type_in,
)

RESULTS = [
    {"title": "Bridge 0.1.0", "text": "Protocol 1", "level": "ok"},
    {"title": "Daemon 0.0.9", "text": "The bridge is 0.1.0. Run: selva daemon stop", "level": "warning"},
    {"title": "Models", "text": "Installed: none.", "level": "fault"},
]


def test_results_are_shown_with_their_colours(world: World) -> None:
    project_with(world)
    bridge = FakeBridge(world)
    run_action(world, CHECK)
    world.tick(3)
    assert world.canvas.says("asking the bridge")
    assert (bridge.request["action"], bridge.request["script_version"]) == ("check", selva_core.__version__)
    bridge.folder.write_ready("checked", [], checks=RESULTS)
    world.tick(3)
    for result in RESULTS:
        assert world.canvas.says(result["title"])
        assert world.canvas.says(result["text"])
    colours = {stroke.text: stroke.colour for stroke in world.canvas.strokes if stroke.kind == "text"}
    assert len({colours[result["text"]] for result in RESULTS}) == 3
    world.canvas.close()
    world.tick(3)
    assert world.is_idle


def test_missing_bridge_is_explained_in_the_window(world: World) -> None:
    project_with(world)
    run_action(world, CHECK)
    world.tick(3)
    assert world.canvas.says("selva host install reaper")
    assert world.canvas.says(f"REAPER scripts {selva_core.__version__}")
    world.canvas.press("escape")
    world.tick()


def test_bridge_without_answer_is_reported_after_a_minute(world: World) -> None:
    project_with(world)
    FakeBridge(world)
    run_action(world, CHECK)
    world.tick(4 * 62, seconds=0.25)
    assert world.canvas.says("The bridge does not answer")
    world.canvas.click("Check again")
    world.tick(3)
    assert world.canvas.says("asking the bridge")


def test_defaults_are_what_new_requests_start_from(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1))
    bridge = FakeBridge(world)
    run_action(world, CHECK)
    world.tick(3)
    world.input_answers.append(type_in({"Takes": "4", "Not to be": 'music, "speech"'}))
    world.canvas.click("Defaults...")
    world.tick(3)
    world.quit()
    world.input_answers.append(lambda dialog: ["Dog: bark", *dialog.values[1:]])
    run_action(world, GENERATE)
    form_values = bridge.request["wishes"]
    assert (form_values["takes"], form_values["avoid"], form_values["seed"]) == ("4", 'music, "speech"', "")


def request_from(folder: Path, version: str = selva_core.__version__) -> HostRequest:
    return HostRequest(
        id="x",
        host="reaper",
        action="check",
        label="Check",
        script_version=version,
        script_folder=str(folder),
        form_values={},
        stems_folder=None,
        project_name="",
        snapshot="",
    )


@pytest.fixture
def _no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: Any) -> Client:
        raise DaemonUnavailableError("no daemon is running")

    monkeypatch.setattr(Client, "connect", refuse)


@pytest.mark.usefixtures("_no_daemon")
def test_version_mismatch_is_a_warning(tmp_path: Path) -> None:
    (bridge, *_) = reaper_check.check_installation(request_from(tmp_path, version="0.0.1"))
    assert bridge["level"] == "warning"
    assert bridge["text"].startswith(
        f"The scripts are version 0.0.1, the bridge is {selva_core.__version__}."
    )
    (same, *_) = reaper_check.check_installation(request_from(tmp_path))
    assert same["level"] == "ok"


@pytest.mark.usefixtures("_no_daemon")
def test_daemon_that_does_not_run_is_no_fault(tmp_path: Path) -> None:
    results = {result["title"]: result for result in reaper_check.check_installation(request_from(tmp_path))}
    assert results["Daemon"]["level"] == "ok"
    assert "starts with the first request" in results["Daemon"]["text"]


@pytest.mark.usefixtures("_no_daemon")
def test_second_copy_of_the_scripts_is_a_warning(tmp_path: Path) -> None:
    scripts = tmp_path / "Scripts"
    for place in ("Selva", "ReaPack/Selva"):
        (scripts / place / "lib").mkdir(parents=True)
        (scripts / place / GENERATE).write_text("-- @version 0.1.0\n")
    results = reaper_check.check_installation(request_from(scripts / "Selva" / "lib"))
    assert [result["level"] for result in results if result["title"].startswith("More than one copy")] == [
        "warning"
    ]
    (scripts / "ReaPack/Selva" / GENERATE).unlink()
    results = reaper_check.check_installation(request_from(scripts / "Selva" / "lib"))
    assert not any(result["title"].startswith("More than one copy") for result in results)


@pytest.mark.usefixtures("_no_daemon")
def test_libraries_of_models_that_do_not_load_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon starts all the same, and until then the first request said it."""
    resource_path = resource_path_of(tmp_path / "REAPER", is_installed=True)
    assert "fault" not in {result["level"] for result in reaper_check.check_setup(resource_path)}
    monkeypatch.setattr("selva_plugins.checks.find_broken_library", lambda paths: "no torch. Install: pip")
    for results in (
        reaper_check.check_setup(resource_path),
        reaper_check.check_installation(request_from(tmp_path)),
    ):
        [fault] = [result for result in results if result["level"] == "fault"]
        assert (fault["title"], fault["text"]) == ("Installation", "No torch. Install: pip")


# From outside REAPER --------------------------------------------------------------------------------------------------


def resource_path_of(folder: Path, *, is_installed: bool) -> Path:
    folder.mkdir()
    (folder / "reaper.ini").write_text("[REAPER]\n")
    if is_installed:
        reaper_install.install(folder, Machine(is_running=lambda names: False))
    return folder


@pytest.mark.usefixtures("_no_daemon")
def test_sound_installation_has_no_fault(tmp_path: Path) -> None:
    results = reaper_check.check_setup(resource_path_of(tmp_path / "REAPER", is_installed=True))
    assert {result["level"] for result in results} == {"ok"}
    assert any(f"Version {selva_core.__version__}" in result["text"] for result in results)


@pytest.mark.usefixtures("_no_daemon")
def test_sandboxed_reaper_passes_though_flatpak_spawn_exists_only_inside_it(tmp_path: Path) -> None:
    folder = tmp_path / ".var" / "app" / "fm.reaper.Reaper" / "config"
    folder.mkdir(parents=True)
    resource_path = resource_path_of(folder / "REAPER", is_installed=True)
    assert {result["level"] for result in reaper_check.check_setup(resource_path)} == {"ok"}
    break_program(resource_path, at=2)
    assert "fault" in {result["level"] for result in reaper_check.check_setup(resource_path)}


def break_scripts(resource_path: Path) -> None:
    reaper_install.remove(resource_path, Machine(is_running=lambda names: False))


def break_program(resource_path: Path, *, at: int = 0) -> None:
    file = resource_path / "Selva" / "bridge.json"
    values = json.loads(file.read_text())
    values["command"][at] = "/gone/python"
    file.write_text(json.dumps(values))


def break_bridge_file(resource_path: Path) -> None:
    (resource_path / "Selva" / "bridge.json").write_text("{")


def remove_bridge_file(resource_path: Path) -> None:
    (resource_path / "Selva" / "bridge.json").unlink()


def break_requests(resource_path: Path) -> None:
    (resource_path / "Selva" / "requests").rmdir()


def break_version(resource_path: Path) -> None:
    script = resource_path / "Scripts" / "Selva" / GENERATE
    script.write_text("-- @version 0.0.1\n")


def break_actions(resource_path: Path) -> None:
    (resource_path / "reaper-kb.ini").unlink()


@pytest.mark.usefixtures("_no_daemon")
@pytest.mark.parametrize(
    ("break_it", "level", "message"),
    [
        (break_scripts, "fault", f"Missing. Run: {selva_command('host', 'install', 'reaper')}"),
        (break_program, "fault", "Missing: "),
        (break_requests, "fault", "the folder for requests"),
        (remove_bridge_file, "fault", "bridge.json. Run: "),
        (break_bridge_file, "fault", "cannot be used"),
        (break_version, "warning", "Version 0.0.1"),
        (break_actions, "warning", "11 of 11 are not in the action list"),
    ],
)
def test_fault_of_the_installation_is_named_with_its_remedy(
    tmp_path: Path, break_it: Callable[[Path], None], level: str, message: str
) -> None:
    resource_path = resource_path_of(tmp_path / "REAPER", is_installed=True)
    break_it(resource_path)
    results = reaper_check.check_setup(resource_path)
    assert [result["level"] for result in results if message in result["text"]] == [level]


@pytest.mark.usefixtures("_no_daemon")
def test_command_line_checks_and_exits_with_a_status(tmp_path: Path) -> None:
    resource_path = resource_path_of(tmp_path / "REAPER", is_installed=False)
    runner = CliRunner()
    arguments = ["host", "check", "reaper", "--resource-path", str(resource_path)]
    refused = runner.invoke(app, arguments)
    assert (refused.exit_code, "fault" in refused.stdout) == (1, True)
    reaper_install.install(resource_path, Machine(is_running=lambda names: False))
    done = runner.invoke(app, [*arguments, "--json"])
    assert (done.exit_code, {result["level"] for result in json.loads(done.stdout)}) == (0, {"ok"})
