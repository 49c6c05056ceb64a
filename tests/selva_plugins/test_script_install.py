"""What installing shares between hosts: copying scripts whole, the record of them, start commands, ASCII folders."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import selva_core
from selva_plugins.errors import HostSetupError
from selva_plugins.hosts.script_install import (
    Machine,
    ScriptFolder,
    build_bridge_command,
    build_owner_tag,
    choose_ascii_folder,
    find_shipped,
    is_any_running,
    program_data_folder,
    to_script_path,
)

SCRIPTS = {"Main.lua": b"-- main\n", "lib/a.lua": b"-- a\n"}


@pytest.fixture
def target(tmp_path: Path) -> ScriptFolder:
    return ScriptFolder(folder=tmp_path / "Scripts" / "Selva", record=tmp_path / "Selva" / "installed.json")


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Copying and the record -----------------------------------------------------------------------------------------------


def test_scripts_are_copied_and_recorded(target: ScriptFolder) -> None:
    assert target.install(SCRIPTS) == 2
    assert {name: (target.folder / name).read_bytes() for name in SCRIPTS} == SCRIPTS
    assert json.loads(target.record.read_text()) == {
        "version": selva_core.__version__,
        "scripts": list(SCRIPTS),
    }


def test_second_copy_writes_no_script(target: ScriptFolder) -> None:
    target.install(SCRIPTS)
    before = (target.folder / "Main.lua").stat().st_mtime_ns
    assert target.install(SCRIPTS) == 0
    assert (target.folder / "Main.lua").stat().st_mtime_ns == before


def test_file_that_is_shipped_no_more_goes_with_its_folder(target: ScriptFolder) -> None:
    target.install({**SCRIPTS, "lib/old.lua": b"", "lib/drawn/older.lua": b""})
    assert target.install(SCRIPTS) == 2
    assert names_below(target.folder) == ["Main.lua", "lib", "lib/a.lua"]
    assert target.read_record() == list(SCRIPTS)


def test_file_of_the_users_stays_beside_ours(target: ScriptFolder) -> None:
    target.install({**SCRIPTS, "lib/old.lua": b""})
    own = target.folder / "lib" / "mine.lua"
    own.write_bytes(b"mine")
    target.install(SCRIPTS)
    assert target.remove() == list(SCRIPTS)
    assert (names_below(target.folder), own.read_bytes()) == (["lib", "lib/mine.lua"], b"mine")


def test_removing_leaves_nothing(target: ScriptFolder, tmp_path: Path) -> None:
    target.install(SCRIPTS)
    target.remove()
    assert names_below(tmp_path) == ["Scripts", "Selva"]
    assert target.remove() == []


@pytest.mark.parametrize("name", ["../outside.lua", "lib/../../outside.lua", "ABSOLUTE"])
def test_record_that_names_a_file_elsewhere_deletes_nothing_there(target: ScriptFolder, name: str) -> None:
    outside = target.folder.parent / "outside.lua"
    target.install(SCRIPTS)
    outside.write_bytes(b"mine")
    name = str(outside) if name == "ABSOLUTE" else name
    target.record.write_text(json.dumps({"scripts": [name, 7, "Main.lua"]}))
    assert target.remove() == ["Main.lua"]
    assert outside.read_bytes() == b"mine"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"scripts": 5}', "\udcff"])
def test_record_that_cannot_be_read_counts_as_none(target: ScriptFolder, text: str) -> None:
    target.install(SCRIPTS)
    target.record.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert target.read_record() == []
    assert target.install(SCRIPTS) == 0
    assert target.read_record() == list(SCRIPTS)


def test_script_that_cannot_be_written_keeps_its_old_content(
    target: ScriptFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.install(SCRIPTS)

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="cannot write"):
            target.install({**SCRIPTS, "Main.lua": b"-- new\n"})
    assert (target.folder / "Main.lua").read_bytes() == SCRIPTS["Main.lua"]
    assert names_below(target.folder) == ["Main.lua", "lib", "lib/a.lua"]
    assert target.install({**SCRIPTS, "Main.lua": b"-- new\n"}) == 1
    assert (target.folder / "Main.lua").read_bytes() == b"-- new\n"


@pytest.mark.parametrize(("host", "name"), [("reaper", "Selva"), ("resolve", "agent")])
def test_scripts_of_both_hosts_are_found_in_this_tree(host: str, name: str) -> None:
    assert find_shipped(host, name).name == name


def test_missing_scripts_are_refused_with_what_to_do() -> None:
    with pytest.raises(HostSetupError, match=r"Nothing\.lua for reaper is missing .* install it again"):
        find_shipped("reaper", "Nothing.lua")


# Machine and paths ----------------------------------------------------------------------------------------------------


def test_bridge_is_started_by_interpreter_and_module() -> None:
    command = build_bridge_command("resolve", "--watch", platform="linux")
    assert command[1:] == ["-m", "selva_daemon", "host", "resolve", "--watch"]
    assert Path(command[0]).is_file()


def test_running_program_is_found_by_its_name() -> None:
    own_name = Path(sys.executable).resolve().name.lower()
    assert is_any_running({own_name, Path(sys.executable).name.lower()})
    assert not is_any_running({"no-program-has-this-name"})


@pytest.mark.parametrize(
    ("platform", "name", "short", "is_chosen"),
    [
        ("win32", "plain", "", True),
        ("win32", "Jörg", "C:\\JRG~1", True),
        ("win32", "Jörg", "C:\\Jörg", False),
        ("darwin", "plain", "", True),
        ("darwin", "Jörg", "C:\\JRG~1", False),
    ],
)
def test_folder_is_chosen_where_its_path_can_be_written_in_ascii(
    tmp_path: Path, platform: str, name: str, short: str, is_chosen: bool
) -> None:
    machine = Machine(platform=platform, short_path=lambda path: short)
    folder, fallback = tmp_path / name, tmp_path / "fallback"
    assert choose_ascii_folder(folder, fallback, machine) == (folder if is_chosen else fallback)
    if platform == "win32":
        assert to_script_path(folder, machine) == (short or str(folder))
    else:
        assert to_script_path(folder, machine) == str(folder)


def test_each_user_has_a_tag_of_their_own() -> None:
    tags = {build_owner_tag(Path("/home") / name) for name in ("Jörg", "Юрий")}
    assert len(tags) == 2
    assert all(len(tag) == 12 and tag.isascii() for tag in tags)


def test_program_data_is_taken_from_the_environment() -> None:
    assert program_data_folder(Machine(environment={"PROGRAMDATA": "D:/Data"})) == Path("D:/Data")
    assert str(program_data_folder(Machine(environment={}))) == "C:\\ProgramData"
