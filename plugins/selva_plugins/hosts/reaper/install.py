"""Puts the REAPER scripts where REAPER looks for them, tells them how to start the bridge, and takes all of it back.

<resource path>/Scripts/Selva/...         the scripts, unless ReaPack has put them there already
<resource path>/Selva/bridge.json         how the bridge is started, and where requests go
<resource path>/Selva/installed.json      what was installed, for the next run and for remove
<resource path>/reaper-kb.ini             one line per action, while REAPER is not running
<resource path>/Scripts/__startup.lua     on request one line, which offers finished stems when REAPER starts
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import selva_core
from selva_core.base.child_process import python_executable
from selva_core.base.paths import ensure_private_folder
from selva_plugins.errors import HostSetupError
from selva_plugins.hosts.reaper.action_list import (
    PACKAGE_SCRIPT,
    SCRIPT_FOLDER,
    register_actions,
    unregister_actions,
)
from selva_plugins.hosts.reaper.machine import (
    FLATPAK_ID,
    Machine,
    SetupReport,
    choose_resource_paths,
    is_flatpak,
    scripts_folder,
    write_whole,
)
from selva_plugins.hosts.reaper.startup import (
    is_startup_line_there,
    remove_startup_line,
    write_startup_line,
)
from selva_plugins.request_folder import PROTOCOL

BRIDGE_SCHEMA = "selva.bridge/1"

# How a program inside Flatpak's sandbox starts one outside; only there is such a file.
SANDBOX_EXIT = ["/usr/bin/flatpak-spawn", "--host"]

_VERSION = re.compile(r"^-- @version\s+(\S+)", re.MULTILINE)


# Installing -----------------------------------------------------------------------------------------------------------


def install(
    chosen: Path | None, machine: Machine | None = None, *, at_startup: bool | None = None
) -> list[SetupReport]:
    """Install into every REAPER found, or the one named; doing it again changes nothing. Raises HostSetupError.

    `at_startup` says whether finished stems are offered when REAPER starts; None leaves that as it is.
    """
    machine = machine or Machine()
    paths = choose_resource_paths(chosen, machine)
    return [_install_into(path, machine, at_startup=at_startup) for path in paths]


def _install_into(resource_path: Path, machine: Machine, *, at_startup: bool | None) -> SetupReport:
    report = SetupReport(resource_path=resource_path)
    command, requests = _plan_bridge(resource_path, machine)
    try:
        scripts = scripts_folder(resource_path)
        package = scripts / SCRIPT_FOLDER
        foreign = [copy for copy in list_script_copies(scripts) if copy.parent != package]
        if foreign:
            package = foreign[0].parent
            _tell_about_package(foreign[0], report)
            _remove_scripts(resource_path, report)
            unregister_actions(resource_path, machine, report)
        else:
            _copy_scripts(resource_path, scripts, report)
            register_actions(resource_path, machine, report)
        _write_bridge_file(resource_path, machine, command, requests, report)
        if at_startup or (at_startup is None and is_startup_line_there(resource_path)):
            write_startup_line(package / "lib", resource_path, machine, report)
        else:
            remove_startup_line(resource_path, report)
    except OSError as error:
        raise HostSetupError(f"cannot install into {resource_path}: {error}") from error
    return report


def _tell_about_package(copy: Path, report: SetupReport) -> None:
    version = read_script_version(copy)
    report.done.append(f"the scripts are there already, through ReaPack, in {copy.parent}")
    if version != selva_core.__version__:
        report.left.append(
            f"ReaPack's scripts are version {version}, this is {selva_core.__version__}: in REAPER, run "
            "Extensions > ReaPack > Synchronize packages"
        )


def _copy_scripts(resource_path: Path, scripts: Path, report: SetupReport) -> None:
    source, target = find_script_source(), scripts / SCRIPT_FOLDER
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.lua"))
    for name in set(_read_installed(resource_path)) - set(names):
        (target / name).unlink(missing_ok=True)
    changed = 0
    for name in names:
        content = (source / name).read_bytes()
        place = target / name
        if not place.is_file() or place.read_bytes() != content:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_whole(place, content)
            changed += 1
    _write_own(resource_path, "installed.json", {"version": selva_core.__version__, "scripts": names})
    report.done.append(f"{len(names)} script files in {target}" + ("" if changed else " (unchanged)"))


def _plan_bridge(resource_path: Path, machine: Machine) -> tuple[list[str], Path]:
    """How the bridge is started, and the folder for requests. Raises HostSetupError for what no command line can hold."""
    command, requests = bridge_command(resource_path, machine), choose_request_folder(resource_path, machine)
    for word in [*command, str(requests)]:
        if '"' in word or "\n" in word:
            raise HostSetupError(
                f"a path with a double quote or a line break cannot be handed to REAPER: {word!r}"
            )
    return command, requests


def _write_bridge_file(
    resource_path: Path, machine: Machine, command: list[str], requests: Path, report: SetupReport
) -> None:
    ensure_private_folder(requests)
    _write_own(
        resource_path,
        "bridge.json",
        {
            "schema": BRIDGE_SCHEMA,
            "protocol": PROTOCOL,
            "version": selva_core.__version__,
            "command": command,
            "request_folder": _as_plain_text(requests, machine),
        },
    )
    report.done.append(f"the bridge is started with {command[0]}")
    if is_flatpak(resource_path):
        report.left.append(
            "REAPER runs in a Flatpak sandbox; let it start the bridge outside: "
            f"flatpak override --user --talk-name=org.freedesktop.Flatpak {FLATPAK_ID}"
        )


def bridge_command(resource_path: Path, machine: Machine) -> list[str]:
    """How REAPER starts the bridge, without a console window on Windows and out of the sandbox of Flatpak."""
    python = Path(python_executable())
    if machine.platform == "win32":
        windowless = python.with_name("pythonw.exe")
        python = windowless if windowless.is_file() else python
    words = [str(python), "-m", "selva_daemon", "host", "reaper"]
    return [*SANDBOX_EXIT, *words] if is_flatpak(resource_path) else words


def choose_request_folder(resource_path: Path, machine: Machine) -> Path:
    """Inside the resource path, which a sandboxed REAPER can reach too; elsewhere when Windows cannot spell it plainly.

    REAPER's Lua opens files by the ANSI code page there, so the path must be ASCII, by its short name if need be.
    """
    folder = resource_path / "Selva" / "requests"
    if machine.platform != "win32" or _as_plain_text(folder, machine).isascii():
        return folder
    person = hashlib.sha256(str(machine.home).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return (
        Path(machine.environment.get("PROGRAMDATA", "C:\\ProgramData")) / "Selva Bridge" / person / "requests"
    )


def _as_plain_text(folder: Path, machine: Machine) -> str:
    text = str(folder)
    if machine.platform != "win32" or text.isascii():
        return text
    folder.mkdir(parents=True, exist_ok=True)  # only what exists has a short name
    return machine.short_path(folder)


# Removing -------------------------------------------------------------------------------------------------------------


def remove(chosen: Path | None, machine: Machine | None = None) -> list[SetupReport]:
    """Take back what `install` did; projects and stems stay. Raises HostSetupError."""
    machine = machine or Machine()
    reports = []
    for resource_path in choose_resource_paths(chosen, machine):
        report = SetupReport(resource_path=resource_path)
        try:
            remove_startup_line(resource_path, report)
            _remove_scripts(resource_path, report)
            unregister_actions(resource_path, machine, report)
            own = resource_path / "Selva"
            shutil.rmtree(choose_request_folder(resource_path, machine), ignore_errors=True)
            (own / "bridge.json").unlink(missing_ok=True)
            _remove_if_empty(own)
        except OSError as error:
            raise HostSetupError(f"cannot remove from {resource_path}: {error}") from error
        if not (report.done or report.left):
            report.done.append("nothing was installed")
        reports.append(report)
    return reports


def _remove_scripts(resource_path: Path, report: SetupReport) -> None:
    """Only files we put there; a file of the user's beside them keeps its folder."""
    installed = _read_installed(resource_path)
    if not installed:
        return
    target = scripts_folder(resource_path) / SCRIPT_FOLDER
    for name in installed:
        (target / name).unlink(missing_ok=True)
    for folder in sorted({(target / name).parent for name in installed}, reverse=True):
        _remove_if_empty(folder)
    _remove_if_empty(target)
    (resource_path / "Selva" / "installed.json").unlink(missing_ok=True)
    report.done.append(f"{len(installed)} script files removed from {target}")


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


# Scripts --------------------------------------------------------------------------------------------------------------


def find_script_source() -> Path:
    """The folder of our own Lua files: inside the installed package, or beside it in a source tree. Raises HostSetupError."""
    package = Path(__file__).parents[1]
    for folder in (package / "reaper_scripts", package.parent / "reaper" / SCRIPT_FOLDER):
        if (folder / PACKAGE_SCRIPT).is_file():
            return folder
    raise HostSetupError(
        f"the REAPER scripts are missing from this installation ({package}); install it again"
    )


def list_script_copies(scripts: Path) -> list[Path]:
    """Every copy of the package script below REAPER's script folder."""
    return sorted(scripts.rglob(PACKAGE_SCRIPT)) if scripts.is_dir() else []


def read_script_version(script: Path) -> str:
    match = _VERSION.search(script.read_text(encoding="utf-8", errors="replace"))
    return match[1] if match else "unknown"


def _read_installed(resource_path: Path) -> list[str]:
    try:
        values = json.loads((resource_path / "Selva" / "installed.json").read_text(encoding="utf-8"))
        return [name for name in values["scripts"] if isinstance(name, str) and ".." not in Path(name).parts]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _write_own(resource_path: Path, name: str, values: Mapping[str, Any]) -> None:
    folder = resource_path / "Selva"
    folder.mkdir(exist_ok=True)
    write_whole(folder / name, json.dumps(values, indent=1).encode("ascii"))
