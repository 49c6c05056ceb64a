"""Where the agent is installed on each system, what is filled into it, and that it is removed again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selva_core.base.paths import is_private
from selva_plugins.errors import HostSetupError
from selva_plugins.hosts.resolve.agent.messages import MessageFolder
from selva_plugins.hosts.resolve.homes import ResolveHome, find_homes
from selva_plugins.hosts.resolve.install import (
    ENTRIES,
    build_start_command,
    fill_agent,
    find_installed_version,
    install,
    install_agent,
    remove,
    remove_agent,
)
from selva_plugins.hosts.script_install import Machine
from tests.selva_plugins.resolve.access import AGENT_SOURCE
from tests.selva_plugins.resolve.double.interpreters import INTERPRETERS, lua_command
from tests.support.daemons import wait_until


def home_at(folder: Path) -> ResolveHome:
    return ResolveHome("DaVinci Resolve", folder / "Fusion", MessageFolder(folder / "exchange"))


def test_on_linux_the_agent_lies_in_the_users_own_tree(tmp_path: Path) -> None:
    (home,) = find_homes(tmp_path / "state", Machine(platform="linux", home=tmp_path))
    assert home.menu_folder == tmp_path / ".local/share/DaVinciResolve/Fusion/Scripts/Utility/Selva"
    assert home.profiles_folder == tmp_path / ".local/share/DaVinciResolve/Fusion/Profiles"
    assert home.exchange.folder == tmp_path / "state" / "resolve"


def test_on_windows_the_users_tree_has_a_support_part(tmp_path: Path) -> None:
    environment = {"APPDATA": str(tmp_path / "Roaming"), "PROGRAMDATA": str(tmp_path / "ProgramData")}
    (home,) = find_homes(tmp_path / "state", Machine(platform="win32", environment=environment))
    tree = tmp_path / "Roaming" / "Blackmagic Design" / "DaVinci Resolve" / "Support"
    assert home.menu_folder == tree / "Fusion" / "Scripts" / "Utility" / "Selva"


def test_on_macos_app_store_containers_get_the_agent_and_an_exchange_of_their_own(tmp_path: Path) -> None:
    plain = tmp_path / "Library/Containers/com.blackmagic-design.DaVinciResolveLite/Data"
    vendored = tmp_path / "Library/Containers/com.blackmagic-design.DaVinciResolveAppStore/Data"
    (plain / "Library/Application Support/Fusion").mkdir(parents=True)
    (vendored / "Library/Application Support/Blackmagic Design/DaVinci Resolve").mkdir(parents=True)
    homes = find_homes(tmp_path / "state", Machine(platform="darwin", home=tmp_path))
    assert [home.fusion_folder for home in homes] == [
        tmp_path / "Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion",
        vendored / "Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion",
        plain / "Library/Application Support/Fusion",
    ]
    assert [home.exchange.folder.is_relative_to(tmp_path / "Library/Containers") for home in homes] == [
        False,
        True,
        True,
    ]


def test_a_container_with_both_trees_gets_the_agent_in_both_and_one_exchange(tmp_path: Path) -> None:
    data = tmp_path / "Library/Containers/com.blackmagic-design.DaVinciResolveLite/Data"
    support = data / "Library/Application Support"
    (support / "Blackmagic Design/DaVinci Resolve").mkdir(parents=True)
    (support / "Fusion/Profiles").mkdir(parents=True)
    homes = find_homes(tmp_path / "state", Machine(platform="darwin", home=tmp_path))[1:]
    assert [home.fusion_folder.relative_to(support).as_posix() for home in homes] == [
        "Blackmagic Design/DaVinci Resolve/Fusion",
        "Fusion",
    ]
    assert {home.exchange.folder for home in homes} == {data / "selva-bridge"}
    assert len({home.menu.record for home in homes}) == 2


def test_a_container_whose_resolve_has_not_run_yet_gets_the_agent_in_both_trees(tmp_path: Path) -> None:
    (tmp_path / "Library/Containers/com.blackmagic-design.DaVinciResolveLite/Data").mkdir(parents=True)
    assert len(find_homes(tmp_path / "state", Machine(platform="darwin", home=tmp_path))) == 3


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SELVA_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


@pytest.mark.parametrize("inside", ["", "raw", "DaVinciResolve", "Resolve/Support"])
def test_a_folder_that_is_of_no_resolve_is_refused_and_left_alone(inside: str, own_state: Path) -> None:
    folder = own_state / "photos"
    (folder / inside).mkdir(parents=True)
    with pytest.raises(HostSetupError, match=r"is not of a Resolve: the folder to name is called Fusion"):
        install(folder)
    assert [path.name for path in folder.iterdir()] == ([Path(inside).parts[0]] if inside else [])


@pytest.mark.parametrize("above", [".", "Support"])
def test_the_folder_above_is_refused_with_the_one_that_is_meant(above: str, own_state: Path) -> None:
    fusion = own_state / "DaVinci Resolve" / above / "Fusion"
    fusion.mkdir(parents=True)
    with pytest.raises(HostSetupError) as raised:
        install(own_state / "DaVinci Resolve")
    assert f"is it {fusion}?" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "inside"), [("Fusion", None), ("fusion", None), ("Portable", "Profiles"), ("P", "Scripts")]
)
def test_a_folder_that_resolve_uses_is_taken(name: str, inside: str | None, own_state: Path) -> None:
    folder = own_state / name
    (folder / inside if inside else folder).mkdir(parents=True)
    (report,) = install(folder)
    assert report.resource_path == folder
    assert (folder / "Scripts" / "Utility" / "Selva" / "Generate stems.lua").is_file()


def test_on_windows_a_program_beyond_ascii_is_started_by_its_short_name_or_not_at_all() -> None:
    arguments = ["C:\\Users\\Юрий\\selva\\pythonw.exe", "-m", "selva_daemon"]
    short = build_start_command(
        arguments, platform="win32", short_path=lambda _path: "C:\\Users\\6F00~1\\selva\\pythonw.exe"
    )
    assert short == 'start "" /B "C:\\Users\\6F00~1\\selva\\pythonw.exe" "-m" "selva_daemon"'
    assert not build_start_command(arguments, platform="win32", short_path=str)
    assert "Юрий" in build_start_command(arguments, platform="linux")


def test_what_the_agent_cannot_start_is_reported_by_the_installer(
    own_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_state / "Fusion").mkdir()
    usual = install(own_state / "Fusion")[0].left
    assert any("on Resolve 21.1 free keep the bridge running" in sentence for sentence in usual)
    monkeypatch.setattr(
        "selva_plugins.hosts.resolve.install.build_start_command", lambda _arguments, **_more: ""
    )
    left = install(own_state / "Fusion")[0].left
    assert any(
        "cannot start the bridge" in sentence and "selva host resolve --watch" in sentence
        for sentence in left
    )


@pytest.mark.parametrize(
    ("platform", "start"),
    [
        ("linux", "/var/tmp/"),  # noqa: S108
        ("darwin", "/Users/Shared/"),
        ("win32", "C:/ProgramData/SelvaBridge/"),
    ],
)
def test_a_name_outside_ascii_moves_the_exchange_to_a_plain_path(
    platform: str, start: str, tmp_path: Path
) -> None:
    environment = {"APPDATA": str(tmp_path), "PROGRAMDATA": "C:/ProgramData"}
    states = [tmp_path / "Jürgen", tmp_path / "Юрий"]
    homes = [
        find_homes(state, Machine(platform=platform, environment=environment, home=tmp_path))[0]
        for state in states
    ]
    folders = [home.exchange.folder.as_posix() for home in homes]
    assert all(folder.isascii() and folder.startswith(start) for folder in folders)
    assert len(set(folders)) == 2


def test_each_action_is_a_menu_entry_that_knows_where_to_write(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    install_agent(
        home, AGENT_SOURCE, version="1.2.3", command=["/opt/selva/selva", "host", "resolve", "--watch"]
    )
    assert {path.name for path in home.menu_folder.iterdir()} == {
        f"{title}.lua" for title in ENTRIES.values()
    }
    for action, title in ENTRIES.items():
        entry = (home.menu_folder / f"{title}.lua").read_text(encoding="utf-8")
        assert f'["action"]="{action}"' in entry
        assert f'["exchange"]="{home.exchange.folder.as_posix()}"' in entry
    assert find_installed_version(home) == "1.2.3"
    assert home.exchange.outbox.is_dir()
    assert is_private(home.exchange.folder)


def test_an_entry_of_an_earlier_version_that_is_no_longer_shipped_is_deleted(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    home.exchange.ensure()
    home.menu.install({"Make stems.lua": b"-- an entry under an earlier title"})
    install_agent(home, AGENT_SOURCE, version="1.0.0", command=[])
    assert {path.stem for path in home.menu_folder.iterdir()} == set(ENTRIES.values())


def test_entries_of_an_installation_without_a_record_are_removed_too(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    install_agent(home, AGENT_SOURCE, version="0.1.0", command=[])
    home.menu.record.unlink()
    assert len(remove_agent(home)) == len(ENTRIES)
    assert not home.menu_folder.exists()


def test_removing_one_of_two_installations_keeps_the_exchange_that_both_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELVA_STATE_DIR", str(tmp_path / "state"))
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        (folder / "Profiles").mkdir(parents=True)
        install(folder)
    exchange = tmp_path / "state" / "resolve"
    remove(folders[0])
    assert exchange.is_dir()
    remove(folders[1])
    assert not exchange.exists()


def test_installing_again_replaces_and_removing_leaves_what_is_not_ours(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    install_agent(home, AGENT_SOURCE, version="1.0.0", command=[])
    install_agent(home, AGENT_SOURCE, version="2.0.0", command=[])
    assert len(list(home.menu_folder.iterdir())) == len(ENTRIES)
    assert find_installed_version(home) == "2.0.0"
    (home.menu_folder / "mine.lua").touch()
    assert len(remove_agent(home)) == len(ENTRIES)
    assert [path.name for path in home.menu_folder.iterdir()] == ["mine.lua"]
    (home.menu_folder / "mine.lua").unlink()
    install_agent(home, AGENT_SOURCE, version="2.0.0", command=[])
    remove_agent(home)
    assert not home.menu_folder.exists()
    assert find_installed_version(home) is None


def test_where_resolve_never_ran_nothing_is_left_and_that_is_known(tmp_path: Path) -> None:
    home = ResolveHome(
        "DaVinci Resolve", tmp_path / "DaVinciResolve" / "Fusion", MessageFolder(tmp_path / "exchange")
    )
    install_agent(home, AGENT_SOURCE, version="1.0.0", command=[])
    assert not home.has_resolve
    remove_agent(home)
    assert not (tmp_path / "DaVinciResolve").exists()
    (tmp_path / "DaVinciResolve" / "configs").mkdir(parents=True)
    assert home.has_resolve
    install_agent(home, AGENT_SOURCE, version="1.0.0", command=[])
    remove_agent(home)
    assert [path.name for path in (tmp_path / "DaVinciResolve").iterdir()] == ["configs"]


def test_a_source_without_the_block_is_refused() -> None:
    with pytest.raises(ValueError, match="selva:installed"):
        fill_agent("print('hello')", action="generate", version="1", exchange=Path("/x"), command=[])


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_odd_characters_in_paths_survive_the_filling(interpreter: str, tmp_path: Path) -> None:
    exchange = "/srv/it's %d \\1 ]] -- 犬"
    filled = fill_agent(
        "-- selva:installed {\n-- selva:installed }\nio.write(INSTALLED.exchange)\n",
        action="generate",
        version='1"\\2',
        exchange=Path(exchange),
        command=["/o'dd/selva"],
    )
    script = tmp_path / "agent.lua"
    script.write_text(filled, encoding="utf-8")
    printed = subprocess.run(
        lua_command(interpreter, script), capture_output=True, check=True
    ).stdout.decode()
    assert printed == exchange


def test_the_start_command_does_not_wait(tmp_path: Path) -> None:
    mark = tmp_path / "it's here"
    command = build_start_command(
        ["sh", "-c", f'sleep 0.2; echo "[$PYTHONHOME]" > "{mark}"'], platform="linux"
    )
    environment = {**os.environ, "PYTHONHOME": "/opt/resolve/python"}
    subprocess.run(command, shell=True, check=True, timeout=10, env=environment)  # noqa: S602 - as os.execute does
    assert not mark.exists()
    wait_until(lambda: mark.exists() and mark.read_text() == "[]\n", "the program that was started")
    assert (
        build_start_command(["C:\\Selva\\selva.exe", "host"], platform="win32")
        == 'start "" /B "C:\\Selva\\selva.exe" "host"'
    )
    assert build_start_command([]) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of a Linux user")
def test_the_commands_install_answer_once_and_remove(tmp_path: Path) -> None:
    folders = {f"SELVA_{name}_DIR": str(tmp_path / name.lower()) for name in ("STATE", "CACHE", "CONFIG")}
    environment = {**os.environ, **folders, "HOME": str(tmp_path)}

    def selva(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "selva_daemon", "host", *arguments],
            capture_output=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    menu = tmp_path / ".local/share/DaVinciResolve/Fusion/Scripts/Utility/Selva"
    assert "Workspace > Scripts > Selva" in selva("install", "resolve")
    assert len(list(menu.iterdir())) == len(ENTRIES)
    assert str(tmp_path / "state" / "resolve") in selva("resolve")
    assert f"{len(ENTRIES)} menu entries removed" in selva("remove", "resolve")
    assert not menu.exists()
    assert not (tmp_path / "state" / "resolve").exists()
