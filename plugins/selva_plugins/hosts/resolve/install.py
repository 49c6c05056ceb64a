"""Puts the Lua agent where Resolve lists scripts, fills in what it must know, and takes it away again.

Workspace > Scripts > Selva shows one entry per action; each is the whole agent with its action filled in, because a script
that loads another one fails on Windows when the path is not ASCII.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import selva_core
from selva_core.base.atomic_write import explain_os_error
from selva_core.base.command_line import selva_command
from selva_plugins.errors import HostSetupError
from selva_plugins.handed_settings import collect
from selva_plugins.hosts.resolve.agent.lua_literals import to_lua
from selva_plugins.hosts.resolve.agent.source import AGENT_FILE, PARTS_FOLDER, assemble_agent
from selva_plugins.hosts.resolve.errors import ResolveNotFoundError
from selva_plugins.hosts.resolve.homes import MENU_FOLDER, ResolveHome, choose_homes
from selva_plugins.hosts.resolve.scripting.library import find_library
from selva_plugins.hosts.script_install import (
    SetupReport,
    build_bridge_command,
    find_shipped,
    remove_if_empty,
    windows_short_path,
)

ENTRIES = {
    "generate": "Generate stems",
    "panel": "Open the panel",
    "place": "Place finished stems",
    "conform": "Conform stems",
    "stop": "Stop rendering",
    "remove": "Remove stems",
}
IDLE_EXIT_S = 900
# Resolve sets these for its own libraries and Python; our Python would load the wrong ones.
_RESOLVE_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
_BLOCK = re.compile(r"^-- selva:installed \{\n.*?^-- selva:installed \}\n", re.DOTALL | re.MULTILINE)


# Installing -----------------------------------------------------------------------------------------------------------


def install(resource_path: Path | None = None) -> list[SetupReport]:
    """Put the agent into every Resolve of this user, or the one whose Fusion folder is named.

    Doing it again repairs, and changes nothing else. Raises HostSetupError.
    """
    source = load_agent_source()
    return [_install_into(home, source) for home in choose_homes(resource_path)]


def _install_into(home: ResolveHome, source: str) -> SetupReport:
    report = SetupReport(resource_path=home.fusion_folder)
    had_resolve = home.has_resolve
    try:
        install_agent(home, source, version=selva_core.__version__, command=watch_command())
    except OSError as error:
        raise HostSetupError(f"cannot install into {home.menu_folder}: {explain_os_error(error)}") from error
    report.done.append(f"{len(ENTRIES)} entries in {home.label}: Workspace > Scripts > {MENU_FOLDER}")
    report.done.append(f"agent and bridge exchange messages in {home.exchange.folder}")
    report.done.append(_describe_studio())
    if not had_resolve:
        report.left.append("start Resolve once: it has not run for this user yet")
    command = watch_command()
    if build_start_command(command):
        report.left.append(
            f"on Resolve 21.1 free keep the bridge running yourself: {selva_command('host', 'resolve', '--watch')}"
        )
    else:
        report.left.append(describe_unstartable(command))
    return report


def describe_unstartable(command: Sequence[str]) -> str:
    """Why no Resolve of this machine can start the bridge, and what to do."""
    return (
        f"Resolve cannot start the bridge: {command[0]} has characters that its scripts cannot pass on, and no short name. "
        f"Keep the bridge running yourself: {selva_command('host', 'resolve', '--watch')}; or install Selva in another folder"
    )


def _describe_studio() -> str:
    try:
        return f"Studio can also be scripted from outside, through {find_library()}"
    except ResolveNotFoundError:
        return "Resolve's scripting library was not found, so that Studio cannot be scripted from outside"


def install_agent(home: ResolveHome, agent_source: str, *, version: str, command: Sequence[str]) -> None:
    """Write the menu entries; doing it again repairs them. `command` starts the bridge. Raises OSError."""
    home.exchange.ensure()
    exchange = home.exchange.folder
    scripts = {
        _entry_file(title): fill_agent(
            agent_source, action=action, version=version, exchange=exchange, command=command
        ).encode()
        for action, title in ENTRIES.items()
    }
    home.menu.install(scripts)


# Removing -------------------------------------------------------------------------------------------------------------


def remove(resource_path: Path | None = None) -> list[SetupReport]:
    """Take back what `install` did; stems and what is on timelines stay. Raises HostSetupError."""
    reports = []
    for home in choose_homes(resource_path):
        report = SetupReport(resource_path=home.fusion_folder)
        try:
            removed = remove_agent(home)
            _remove_exchange(home)
        except OSError as error:
            raise HostSetupError(
                f"cannot remove from {home.menu_folder}: {explain_os_error(error)}"
            ) from error
        report.done.append(f"{len(removed)} menu entries removed" if removed else "nothing was installed")
        reports.append(report)
    return reports


def remove_agent(home: ResolveHome) -> list[str]:
    """Delete the menu entries, and the folders that are empty then; what the user put beside them stays. Returns their names.

    Entries that version 0.1.0 installed are in no record. Raises OSError.
    """
    present = [name for name in map(_entry_file, ENTRIES.values()) if (home.menu_folder / name).is_file()]
    removed = dict.fromkeys([*home.menu.remove(), *present])
    for name in removed:
        (home.menu_folder / name).unlink(missing_ok=True)
    scripts = home.fusion_folder / "Scripts"
    for folder in (
        home.menu_folder,
        home.menu_folder.parent,
        scripts,
        home.fusion_folder,
        home.fusion_folder.parent,
    ):
        remove_if_empty(folder)
    return list(removed)


def _remove_exchange(home: ResolveHome) -> None:
    """Another installation that is still recorded there uses the same folder."""
    if not any(home.exchange.folder.glob("installed-*.json")):
        shutil.rmtree(home.exchange.folder, ignore_errors=True)


# The agent ------------------------------------------------------------------------------------------------------------


def load_agent_source() -> str:
    """The agent: one file of an installed package, assembled from its parts in a source tree. Raises HostSetupError."""
    try:
        return find_shipped("resolve", AGENT_FILE).read_text(encoding="utf-8")
    except HostSetupError:
        return assemble_agent(find_shipped("resolve", PARTS_FOLDER))


def fill_agent(source: str, *, action: str, version: str, exchange: Path, command: Sequence[str]) -> str:
    """The agent with what the installation knows. Raises ValueError when the source has no place for it."""
    values = {
        "action": action,
        "version": version,
        "exchange": exchange.as_posix(),
        "command": build_start_command(command),
        "handed": collect(os.environ),
        "terminal_commands": {
            "install": selva_command("host", "install", "resolve"),
            "watch": selva_command("host", "resolve", "--watch"),
        },
    }
    block = f"-- selva:installed {{\nlocal INSTALLED = {to_lua(values)}\n-- selva:installed }}\n"
    filled, count = _BLOCK.subn(lambda _match: block, source)
    if count != 1:
        raise ValueError(f"{AGENT_FILE} has no block 'selva:installed' to fill in")
    return filled


def find_installed_version(home: ResolveHome) -> str | None:
    """The version in the menu entry, or None where nothing is installed."""
    entry = home.menu_folder / _entry_file(ENTRIES["generate"])
    if not entry.is_file():
        return None
    match = re.search(r'\["version"\]="([^"]*)"', entry.read_text(encoding="utf-8", errors="replace"))
    return match[1] if match else None


def read_handed(entry: str) -> dict[str, str]:
    """The variables that the bridge is started with from an installed entry; none in one of an earlier version."""
    found = re.search(r'\["handed"\]=\{(.*?)\}', entry, re.DOTALL)
    rows = re.findall(r'\["(\w+)"\]="([^"]*)"', found[1] if found else "")
    return {name: re.sub(r"\\(\d{3})", lambda code: chr(int(code[1])), value) for name, value in rows}


def _entry_file(title: str) -> str:
    return f"{title}.lua"


def _plain_argument(argument: str, short_path: Callable[[Path], str]) -> str:
    """An argument, or the path behind the last = of an option, by its short name where it is beyond ASCII."""
    if argument.isascii():
        return argument
    option, sign, path = argument.rpartition("=")
    return f"{option}{sign}{short_path(Path(path))}"


# Starting the bridge --------------------------------------------------------------------------------------------------


def watch_command() -> list[str]:
    """How the agent starts the bridge where its Resolve lets it; the bridge ends by itself when it has nothing to do."""
    return build_bridge_command("resolve", "--watch", "--idle-exit", str(IDLE_EXIT_S))


def build_start_command(
    arguments: Sequence[str],
    *,
    platform: str = sys.platform,
    short_path: Callable[[Path], str] = windows_short_path,
) -> str:
    """One line for os.execute that starts a program and does not wait for it; empty for no arguments, and where no such line
    can be written.

    `start` takes its first quoted word for the title of a window, hence the empty one. Lua passes the line on in the ANSI
    code page, so that a path beyond ASCII goes by its short name; a volume may keep none.
    """
    if not arguments:
        return ""
    if platform == "win32":
        plain = [_plain_argument(argument, short_path) for argument in arguments]
        is_plain = all(argument.isascii() for argument in plain)
        return 'start "" /B ' + " ".join(f'"{argument}"' for argument in plain) if is_plain else ""
    unset = " ".join(f"-u {name}" for name in _RESOLVE_VARIABLES)
    return f"env {unset} {shlex.join(arguments)} >/dev/null 2>&1 &"
