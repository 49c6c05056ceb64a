"""Installing into REAPER: everywhere it can lie, never twice, and gone again without a trace."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selva_cli.app import app
from selva_plugins.errors import HostSetupError
from selva_plugins.hosts.reaper.action_list import ACTIONS, PACKAGE_SCRIPT, action_id
from selva_plugins.hosts.reaper.install import install, remove
from selva_plugins.hosts.script_install import Machine
from selva_plugins.request_folder import PROTOCOL

PLACES = {
    "linux": ("linux", ".config/REAPER"),
    "flatpak": ("linux", ".var/app/fm.reaper.Reaper/config/REAPER"),
    "macos": ("darwin", "Library/Application Support/REAPER"),
    "windows": ("win32", "AppData/Roaming/REAPER"),
}
USERS_KEYBOARD = b'SCR 4 0 RSabc "Custom: mine.lua" "mine/mine.lua"\r\nKEY 9 65 _RSabc 0 # Main : Ctrl+A\r\n'


def machine(home: Path, platform: str = "linux", *, is_running: bool = False, short: str = "") -> Machine:
    return Machine(
        platform=platform,
        environment={"APPDATA": str(home / "AppData" / "Roaming"), "PROGRAMDATA": str(home / "ProgramData")},
        home=home,
        is_running=lambda names: is_running,
        short_path=lambda folder: short or str(folder),
    )


def put_reaper(home: Path, place: str = "linux") -> Path:
    resource_path = home / PLACES[place][1]
    resource_path.mkdir(parents=True)
    (resource_path / "reaper.ini").write_text("[REAPER]\n")
    return resource_path


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def bridge_file(resource_path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((resource_path / "Selva" / "bridge.json").read_text())
    return values


@pytest.mark.parametrize("place", PLACES)
def test_reaper_is_found_where_each_system_keeps_it(tmp_path: Path, place: str) -> None:
    resource_path = put_reaper(tmp_path, place)
    (report,) = install(None, machine(tmp_path, PLACES[place][0]))
    assert report.resource_path == resource_path
    assert (resource_path / "Scripts" / "Selva" / PACKAGE_SCRIPT).is_file()
    assert (resource_path / "Scripts" / "Selva" / "lib" / "selva.lua").is_file()
    values = bridge_file(resource_path)
    assert (values["protocol"], values["command"][-3:]) == (PROTOCOL, ["selva_daemon", "host", "reaper"])
    assert Path(values["request_folder"]).is_dir()


def test_sandboxed_reaper_starts_the_bridge_outside_its_sandbox(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path, "flatpak")
    (report,) = install(None, machine(tmp_path))
    assert bridge_file(resource_path)["command"][:2] == ["/usr/bin/flatpak-spawn", "--host"]
    assert "flatpak override" in report.left[-1]


def test_portable_installation_is_named(tmp_path: Path) -> None:
    portable = tmp_path / "Stick" / "REAPER portable"
    portable.mkdir(parents=True)
    (portable / "reaper.ini").touch()
    (report,) = install(portable, machine(tmp_path))
    assert report.resource_path == portable
    assert (portable / "Scripts" / "Selva" / PACKAGE_SCRIPT).is_file()


def test_missing_reaper_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HostSetupError, match="--resource-path DIR"):
        install(None, machine(tmp_path))
    with pytest.raises(HostSetupError, match="there is no folder"):
        install(tmp_path / "nowhere", machine(tmp_path))


def test_folder_that_is_no_resource_path_is_refused_and_left_alone(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    wrong = tmp_path / "Music"
    inside = resource_path / "Scripts"
    for folder in (wrong, inside):
        folder.mkdir()
        with pytest.raises(HostSetupError, match=r"no reaper\.ini in it") as refusal:
            install(folder, machine(tmp_path))
        assert list(folder.iterdir()) == []
    assert f"do you mean {resource_path}?" in refusal.value.message
    with pytest.raises(HostSetupError, match="do you mean"):
        install(resource_path / "reaper.ini", machine(tmp_path))


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    install(None, machine(tmp_path))
    before = files_below(resource_path)
    (report,) = install(None, machine(tmp_path))
    assert files_below(resource_path) == before
    assert any("unchanged" in sentence for sentence in report.done)


def test_installing_repairs_a_broken_file_and_removes_one_of_an_older_version(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    install(None, machine(tmp_path))
    before = files_below(resource_path)
    library = resource_path / "Scripts" / "Selva" / "lib"
    (library / "json.lua").write_text("broken")
    (library / "gone.lua").write_text("of an older version")
    record = resource_path / "Selva" / "installed.json"
    values = json.loads(record.read_text())
    values["scripts"].append("lib/gone.lua")
    record.write_text(json.dumps(values))
    install(None, machine(tmp_path))
    assert files_below(resource_path) == before


def test_actions_join_the_list_beside_the_users_own(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    keyboard = resource_path / "reaper-kb.ini"
    keyboard.write_bytes(USERS_KEYBOARD)
    install(None, machine(tmp_path))
    lines = keyboard.read_bytes().decode().split("\r\n")
    assert keyboard.read_bytes().startswith(USERS_KEYBOARD)
    assert (
        f'SCR 4 0 {action_id(PACKAGE_SCRIPT)} "Custom: {ACTIONS[PACKAGE_SCRIPT]}" "Selva/{PACKAGE_SCRIPT}"'
        in lines
    )
    assert sum(line.startswith("SCR") for line in lines) == 1 + len(ACTIONS)


def test_actions_that_were_loaded_by_hand_are_not_listed_twice(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    by_hand = f'SCR 4 0 RS0123 "Custom: {PACKAGE_SCRIPT}" "Selva\\{PACKAGE_SCRIPT}"\n'
    (resource_path / "reaper-kb.ini").write_text(by_hand)
    install(None, machine(tmp_path))
    listed = (resource_path / "reaper-kb.ini").read_text()
    assert listed.startswith(by_hand)
    assert (listed.count(PACKAGE_SCRIPT), len(listed.splitlines())) == (2, len(ACTIONS))
    remove(None, machine(tmp_path))
    assert not (resource_path / "reaper-kb.ini").exists()


def test_running_reaper_keeps_its_list_and_the_report_says_so(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    (resource_path / "reaper-kb.ini").write_bytes(USERS_KEYBOARD)
    (report,) = install(None, machine(tmp_path, is_running=True))
    assert (resource_path / "reaper-kb.ini").read_bytes() == USERS_KEYBOARD
    assert "Load ReaScript" in report.left[0]


def test_scripts_of_reapack_are_used_and_not_doubled(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    install(None, machine(tmp_path))
    package = resource_path / "Scripts" / "Selva Bridge" / "Video"
    package.mkdir(parents=True)
    (package / PACKAGE_SCRIPT).write_text("-- @version 0.0.9\n")
    (report,) = install(None, machine(tmp_path))
    assert not (resource_path / "Scripts" / "Selva").exists()
    assert "through ReaPack" in report.done[0]
    assert "Synchronize packages" in report.left[0]
    assert bridge_file(resource_path)["protocol"] == PROTOCOL
    assert not (resource_path / "reaper-kb.ini").exists()


def test_remove_leaves_only_what_was_there_before(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    (resource_path / "reaper-kb.ini").write_bytes(USERS_KEYBOARD)
    (resource_path / "Scripts").mkdir()
    before = files_below(resource_path)
    install(None, machine(tmp_path))
    (resource_path / "Selva" / "requests" / "x").mkdir()
    remove(None, machine(tmp_path))
    assert files_below(resource_path) == before
    assert sorted(path.name for path in resource_path.iterdir()) == ["Scripts", "reaper-kb.ini", "reaper.ini"]
    (report,) = remove(None, machine(tmp_path))
    assert report.done == ["nothing was installed"]


def test_actions_are_removed_once_reaper_is_closed(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    install(None, machine(tmp_path))
    (report,) = remove(None, machine(tmp_path, is_running=True))
    assert "close it and run this again" in report.left[0]
    (report,) = remove(None, machine(tmp_path))
    assert report.done == ["the actions are off the action list"]
    assert not (resource_path / "reaper-kb.ini").exists()


def test_remove_keeps_a_file_of_the_users_among_ours(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    install(None, machine(tmp_path))
    own = resource_path / "Scripts" / "Selva" / "my notes.txt"
    own.write_text("keep")
    remove(None, machine(tmp_path))
    assert [path.name for path in own.parent.iterdir()] == ["my notes.txt"]


def test_lower_case_scripts_folder_is_used_as_it_is(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    (resource_path / "scripts").mkdir()
    install(None, machine(tmp_path))
    assert not (resource_path / "Scripts").exists() or (resource_path / "scripts").samefile(
        resource_path / "Scripts"
    )
    assert (resource_path / "scripts" / "Selva" / PACKAGE_SCRIPT).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such names")
def test_path_that_no_command_line_can_hold_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" folder'
    folder.mkdir()
    (folder / "reaper.ini").touch()
    with pytest.raises(HostSetupError, match="a double quote or a line break cannot be handed to REAPER"):
        install(folder, machine(tmp_path))
    assert [path.name for path in folder.iterdir()] == ["reaper.ini"]


@pytest.mark.parametrize(("short", "is_inside"), [("C:\\JRG~1\\requests", True), ("", False)])
def test_windows_name_beyond_ascii_gets_a_plain_folder(tmp_path: Path, short: str, is_inside: bool) -> None:
    home = tmp_path / "Jörg"
    resource_path = put_reaper(home, "windows")
    install(None, machine(home, "win32", short=short))
    folder = bridge_file(resource_path)["request_folder"]
    assert (folder == short) is is_inside
    assert is_inside or "ProgramData" in folder


def test_command_line_installs_reports_and_removes(tmp_path: Path) -> None:
    resource_path = put_reaper(tmp_path)
    runner = CliRunner()
    done = runner.invoke(app, ["host", "install", "reaper", "--resource-path", str(resource_path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["resource_path"] == str(resource_path)
    gone = runner.invoke(app, ["host", "remove", "reaper", "--resource-path", str(resource_path)])
    assert (gone.exit_code, (resource_path / "Scripts" / "Selva").exists()) == (0, False)
    unknown = runner.invoke(app, ["host", "install", "protools"])
    assert unknown.exit_code != 0
    assert "reaper" in unknown.output


@pytest.mark.parametrize(("short", "is_named"), [("C:\\JRG~1\\Selva", False), ("", True)])
def test_scripts_that_lua_cannot_open_are_named_with_the_remedy(
    tmp_path: Path, short: str, is_named: bool
) -> None:
    folder = tmp_path / "Jörg"
    folder.mkdir()
    (folder / "reaper.ini").write_text("[REAPER]\n")
    (report,) = install(folder, machine(folder, "win32", short=short))
    assert any("cannot run scripts" in sentence for sentence in report.left) is is_named


def test_plain_folder_has_nothing_to_say_about_short_names(tmp_path: Path) -> None:
    folder = tmp_path / "REAPER"
    folder.mkdir()
    (folder / "reaper.ini").write_text("[REAPER]\n")
    (report,) = install(folder, machine(folder, "win32"))
    assert not any("cannot run scripts" in sentence for sentence in report.left)
