"""Installs the REAPER scripts where REAPER looks for them, with the file that says how the bridge is started; and removes them.

<resource path>/Scripts/Selva/...         the scripts, unless ReaPack has put them there already
<resource path>/Selva/bridge.json         how the bridge is started, and where requests go
<resource path>/Selva/installed.json      what was installed, for the next run and for remove
<resource path>/reaper-kb.ini             one line per action, while REAPER is not running
<resource path>/Scripts/__startup.lua     on request one line, which offers finished stems when REAPER starts
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import selva_core
from selva_core.base.atomic_write import explain_os_error
from selva_core.base.command_line import selva_command
from selva_core.base.paths import ensure_private_folder
from selva_plugins.errors import HostSetupError
from selva_plugins.hosts.reaper.action_list import (
    PACKAGE_SCRIPT,
    SCRIPT_FOLDER,
    register_actions,
    unregister_actions,
)
from selva_plugins.hosts.reaper.resource_paths import (
    FLATPAK_ID,
    choose_resource_paths,
    find_resource_paths,
    is_flatpak,
    scripts_folder,
)
from selva_plugins.hosts.reaper.startup import (
    is_startup_line_there,
    remove_startup_line,
    write_startup_line,
)
from selva_plugins.hosts.script_install import (
    Machine,
    ScriptFolder,
    SetupReport,
    build_bridge_command,
    build_owner_tag,
    choose_ascii_folder,
    find_shipped,
    program_data_folder,
    remove_if_empty,
    to_script_path,
    write_json_file,
)
from selva_plugins.request_folder import PROTOCOL

BRIDGE_SCHEMA = "selva.bridge/1"

# How a program inside Flatpak's sandbox starts one outside; the file exists only inside the sandbox.
SANDBOX_EXIT = ["/usr/bin/flatpak-spawn", "--host"]

_VERSION = re.compile(r"^-- @version\s+(\S+)", re.MULTILINE)


# Installing -----------------------------------------------------------------------------------------------------------


def install(
    chosen: Path | None, machine: Machine | None = None, *, at_startup: bool | None = None
) -> list[SetupReport]:
    """Install into every REAPER found, or the one named; doing it again changes nothing. Raises HostSetupError.

    at_startup: whether finished stems are offered when REAPER starts; None leaves that as it is.
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
        other_copies = [copy for copy in list_script_copies(scripts) if copy.parent != package]
        if other_copies:
            package = other_copies[0].parent
            _report_package(other_copies[0], report)
            _remove_scripts(resource_path, report)
            unregister_actions(resource_path, machine, report)
        else:
            _copy_scripts(resource_path, report)
            register_actions(resource_path, machine, report)
        _write_bridge_file(resource_path, machine, command, requests, report)
        unopenable = describe_unopenable(package, machine)
        if unopenable is not None:
            report.left.append(unopenable)
        if at_startup or (at_startup is None and is_startup_line_there(resource_path)):
            write_startup_line(package / "lib", resource_path, machine, report)
        else:
            remove_startup_line(resource_path, report)
    except OSError as error:
        raise HostSetupError(f"cannot install into {resource_path}: {explain_os_error(error)}") from error
    return report


def describe_unopenable(package: Path, machine: Machine) -> str | None:
    """Why Lua cannot open the scripts in a folder, and the remedy; None where it can."""
    if to_script_path(package, machine).isascii() or machine.platform != "win32":
        return None
    return (
        f"REAPER cannot run scripts in {package}: Lua on Windows cannot open names beyond ASCII, and this drive keeps no short "
        "names (8.3). Install REAPER as portable into a folder with a plain name, such as C:\\REAPER, then run: "
        f"{selva_command('host', 'install', 'reaper', '--resource-path', 'C:/REAPER')}"
    )


def _report_package(copy: Path, report: SetupReport) -> None:
    version = read_script_version(copy)
    report.done.append(f"the scripts are there already, through ReaPack, in {copy.parent}")
    if version != selva_core.__version__:
        report.left.append(
            f"ReaPack's scripts are version {version}, this is {selva_core.__version__}: in REAPER, run "
            "Extensions > ReaPack > Synchronize packages"
        )


def _copy_scripts(resource_path: Path, report: SetupReport) -> None:
    source, target = find_script_source(), _script_folder(resource_path)
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.lua"))
    num_changed = target.install({name: (source / name).read_bytes() for name in names})
    unchanged = "" if num_changed else " (unchanged)"
    report.done.append(f"{len(names)} script files in {target.folder}{unchanged}")


def _script_folder(resource_path: Path) -> ScriptFolder:
    return ScriptFolder(
        folder=scripts_folder(resource_path) / SCRIPT_FOLDER,
        record=resource_path / "Selva" / "installed.json",
    )


# The bridge -----------------------------------------------------------------------------------------------------------


def _plan_bridge(resource_path: Path, machine: Machine) -> tuple[list[str], Path]:
    """How the bridge is started, and the folder for requests. Raises HostSetupError for what no command line can hold.

    The script puts each argument between double quotes (`ExecProcess` takes one line, and no escape is documented).
    """
    command, requests = bridge_command(resource_path, machine), choose_request_folder(resource_path, machine)
    for argument in [*command, str(requests)]:
        if '"' in argument or "\n" in argument:
            raise HostSetupError(
                f"a path with a double quote or a line break cannot be handed to REAPER: {argument!r}"
            )
    return command, requests


def _write_bridge_file(
    resource_path: Path, machine: Machine, command: list[str], requests: Path, report: SetupReport
) -> None:
    ensure_private_folder(requests)
    write_json_file(
        resource_path / "Selva" / "bridge.json",
        {
            "schema": BRIDGE_SCHEMA,
            "protocol": PROTOCOL,
            "version": selva_core.__version__,
            "command": command,
            "request_folder": to_script_path(requests, machine),
            "terminal_commands": {
                name: selva_command("host", name, "reaper", *_own_resource_path(resource_path, machine))
                for name in ("install", "check")
            },
        },
    )
    report.done.append(f"the bridge is started with {command[0]}")
    if is_flatpak(resource_path):
        report.left.append(
            "REAPER runs in a Flatpak sandbox; let it start the bridge outside: "
            f"flatpak override --user --talk-name=org.freedesktop.Flatpak {FLATPAK_ID}"
        )


def _own_resource_path(resource_path: Path, machine: Machine) -> list[str]:
    """The option that names this REAPER, where it is a portable one that is not found by itself."""
    found = find_resource_paths(machine)
    return [] if resource_path in found else ["--resource-path", str(resource_path)]


def bridge_command(resource_path: Path, machine: Machine) -> list[str]:
    """How REAPER starts the bridge, one element per argument; out of its sandbox where it is a Flatpak."""
    command = build_bridge_command("reaper", platform=machine.platform, environment=machine.environment)
    return [*SANDBOX_EXIT, *command] if is_flatpak(resource_path) else command


def choose_request_folder(resource_path: Path, machine: Machine) -> Path:
    """Inside the resource path, which a sandboxed REAPER can reach too; elsewhere where Lua on Windows cannot open it."""
    folder = resource_path / "Selva" / "requests"
    if machine.platform != "win32":
        return folder
    shared = program_data_folder(machine) / "Selva Bridge" / build_owner_tag(machine.home) / "requests"
    return choose_ascii_folder(folder, shared, machine)


# Removing -------------------------------------------------------------------------------------------------------------


def remove(chosen: Path | None, machine: Machine | None = None) -> list[SetupReport]:
    """Undo what `install` did; projects and stems stay. Raises HostSetupError."""
    machine = machine or Machine()
    return [_remove_from(path, machine) for path in choose_resource_paths(chosen, machine)]


def _remove_from(resource_path: Path, machine: Machine) -> SetupReport:
    report = SetupReport(resource_path=resource_path)
    own_folder = resource_path / "Selva"
    try:
        remove_startup_line(resource_path, report)
        _remove_scripts(resource_path, report)
        unregister_actions(resource_path, machine, report)
        requests = choose_request_folder(resource_path, machine)
        shutil.rmtree(requests, ignore_errors=True)
        (own_folder / "bridge.json").unlink(missing_ok=True)
        for folder in (requests.parent, own_folder):
            remove_if_empty(folder)
    except OSError as error:
        raise HostSetupError(f"cannot remove from {resource_path}: {explain_os_error(error)}") from error
    if not (report.done or report.left):
        report.done.append("nothing was installed")
    return report


def _remove_scripts(resource_path: Path, report: SetupReport) -> None:
    target = _script_folder(resource_path)
    removed = target.remove()
    if removed:
        report.done.append(f"{len(removed)} script files removed from {target.folder}")


# Scripts --------------------------------------------------------------------------------------------------------------


def find_script_source() -> Path:
    """The folder of our own Lua files. Raises HostSetupError."""
    return find_shipped("reaper", SCRIPT_FOLDER)


def list_script_copies(scripts: Path) -> list[Path]:
    """Every copy of the package script below REAPER's script folder."""
    return sorted(scripts.rglob(PACKAGE_SCRIPT)) if scripts.is_dir() else []


def read_script_version(script: Path) -> str:
    match = _VERSION.search(script.read_text(encoding="utf-8", errors="replace"))
    return match[1] if match else "unknown"
