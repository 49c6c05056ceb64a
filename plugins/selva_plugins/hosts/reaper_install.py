"""Puts the REAPER scripts where REAPER looks for them, tells them how to start the bridge, and takes all of it back.

<resource path>/Scripts/Selva/...         the scripts, unless ReaPack has put them there already
<resource path>/Selva/bridge.json         how the bridge is started, and where requests go
<resource path>/Selva/installed.json      what was installed, for the next run and for remove
<resource path>/reaper-kb.ini             one line per action, while REAPER is not running
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from selva_daemon.launch import python_executable
from selva_daemon.places import ensure_private_folder

import selva_core
from selva_plugins.errors import HostSetupError
from selva_plugins.request_folder import PROTOCOL, replace_patiently

PACKAGE_SCRIPT = "Selva - Generate stems for selected items.lua"
ACTIONS = {
    PACKAGE_SCRIPT: "Selva: Generate stems for selected items...",
    "Selva - Generate stems from regions and markers.lua": "Selva: Generate stems from regions and markers...",
    "Selva - New takes for selected stem items.lua": "Selva: New takes for selected stem items...",
    "Selva - Open job list.lua": "Selva: Open job list",
    "Selva - Settings and check.lua": "Selva: Settings and check",
}
FLATPAK_ID = "fm.reaper.Reaper"
BRIDGE_SCHEMA = "selva.bridge/1"

_SCRIPT_FOLDER = "Selva"
_KB_LINE = re.compile(rb'SCR\s+\d+\s+\d+\s+(\S+)\s+"[^"]*"\s+"?([^"\r\n]*)"?\s*')
_VERSION = re.compile(r"^-- @version\s+(\S+)", re.MULTILINE)


@dataclass(kw_only=True)
class SetupReport:
    """What was done, one sentence each, and what is left to do for the user."""

    resource_path: Path
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What installing depends on, so that every system can be played on one."""

    platform: str = sys.platform
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)
    is_reaper_running: Callable[[], bool] = field(default_factory=lambda: is_reaper_running)
    short_path: Callable[[Path], str] = field(default_factory=lambda: windows_short_path)


def find_resource_paths(machine: Machine) -> list[Path]:
    """The resource paths of REAPER on this machine, ordinary before Flatpak; each has a reaper.ini."""
    home = machine.home
    if machine.platform == "win32":
        candidates = [Path(machine.environment.get("APPDATA", str(home / "AppData" / "Roaming"))) / "REAPER"]
    elif machine.platform == "darwin":
        candidates = [home / "Library" / "Application Support" / "REAPER"]
    else:
        config = Path(machine.environment.get("XDG_CONFIG_HOME") or home / ".config")
        candidates = [config / "REAPER", home / ".var" / "app" / FLATPAK_ID / "config" / "REAPER"]
    return [path for path in candidates if (path / "reaper.ini").is_file()]


def choose_resource_paths(chosen: Path | None, machine: Machine) -> list[Path]:
    """The one that was named, or all that are found. Raises HostSetupError when there is none."""
    if chosen is not None:
        if not chosen.is_dir():
            raise HostSetupError(
                f"there is no folder {chosen}; in REAPER, Options > Show REAPER resource path opens the right one"
            )
        return [chosen.absolute()]
    found = find_resource_paths(machine)
    if not found:
        raise HostSetupError(
            "REAPER was not found. Start it once, or name its resource path (in REAPER: Options > Show REAPER resource "
            "path in explorer/finder): selva host install reaper --resource-path DIR"
        )
    return found


# Installing -----------------------------------------------------------------------------------------------------------


def install(chosen: Path | None, machine: Machine | None = None) -> list[SetupReport]:
    """Install into every REAPER found, or the one named; doing it again changes nothing. Raises HostSetupError."""
    machine = machine or Machine()
    return [_install_into(path, machine) for path in choose_resource_paths(chosen, machine)]


def _install_into(resource_path: Path, machine: Machine) -> SetupReport:
    report = SetupReport(resource_path=resource_path)
    command, requests = _plan_bridge(resource_path, machine)
    try:
        scripts = scripts_folder(resource_path)
        foreign = [copy for copy in list_script_copies(scripts) if copy.parent != scripts / _SCRIPT_FOLDER]
        if foreign:
            _tell_about_package(foreign[0], report)
            _remove_scripts(resource_path, machine, report)
        else:
            _copy_scripts(resource_path, scripts, report)
            _register_actions(resource_path, machine, report)
        _write_bridge_file(resource_path, machine, command, requests, report)
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
    source, target = find_script_source(), scripts / _SCRIPT_FOLDER
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.lua"))
    for name in set(_read_installed(resource_path)) - set(names):
        (target / name).unlink(missing_ok=True)
    changed = 0
    for name in names:
        content = (source / name).read_bytes()
        place = target / name
        if not place.is_file() or place.read_bytes() != content:
            place.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(place, content)
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
    if _is_flatpak(resource_path):
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
    return ["/usr/bin/flatpak-spawn", "--host", *words] if _is_flatpak(resource_path) else words


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


def windows_short_path(folder: Path) -> str:
    """The 8.3 name of a folder; its own name where the volume keeps no short names, and on other systems."""
    if sys.platform != "win32":
        return str(folder)
    import ctypes  # noqa: PLC0415 - its windll is there on Windows only

    buffer = ctypes.create_unicode_buffer(32_768)
    length = ctypes.windll.kernel32.GetShortPathNameW(str(folder), buffer, len(buffer))
    return buffer.value if length else str(folder)


def _is_flatpak(resource_path: Path) -> bool:
    return FLATPAK_ID in resource_path.parts


# The list of actions -------------------------------------------------------------------------------------------------


def _register_actions(resource_path: Path, machine: Machine, report: SetupReport) -> None:
    keyboard_file = resource_path / "reaper-kb.ini"
    before = keyboard_file.read_bytes() if keyboard_file.is_file() else b""
    missing = [script for script in ACTIONS if action_id(script).encode() not in before]
    if not missing:
        report.done.append("the actions are in the action list")
    elif machine.is_reaper_running():
        report.left.append(
            "REAPER is running and would overwrite its list of actions: close it and run this again, or in REAPER choose "
            f"Actions > Show action list > New action > Load ReaScript and pick the {len(ACTIONS)} files in "
            f"{scripts_folder(resource_path) / _SCRIPT_FOLDER}"
        )
    else:
        line_end = b"\r\n" if b"\r\n" in before else b"\n"
        lines = [_keyboard_line(script).encode() + line_end for script in missing]
        if before and not before.endswith((b"\n", b"\r")):
            lines.insert(0, line_end)
        _write_whole(keyboard_file, before + b"".join(lines))
        report.done.append(f"{len(missing)} actions added to the action list")


def action_id(script: str) -> str:
    """The id REAPER knows the action by; the same each time, so that the user's shortcuts survive an update."""
    return "RS" + hashlib.sha1(f"selva-bridge/{script}".encode(), usedforsecurity=False).hexdigest()


def _keyboard_line(script: str) -> str:
    return f'SCR 4 0 {action_id(script)} "Custom: {ACTIONS[script]}" "{_SCRIPT_FOLDER}/{script}"'


def _unregister_actions(resource_path: Path, machine: Machine, report: SetupReport) -> None:
    keyboard_file = resource_path / "reaper-kb.ini"
    if not keyboard_file.is_file():
        return
    ids = {action_id(script).encode() for script in ACTIONS}
    lines = keyboard_file.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not ((match := _KB_LINE.fullmatch(line)) and match[1] in ids)]
    if len(kept) == len(lines):
        return
    if machine.is_reaper_running():
        report.left.append("REAPER is running: close it and run this again to take the actions off its list")
        return
    _write_whole(keyboard_file, b"".join(kept))
    report.done.append("the actions are off the action list")


def is_reaper_running() -> bool:
    """Whether a REAPER of any user we can see runs."""
    names = {"reaper", "reaper.exe", "reaper5", "reaper64"}
    return any((process.info["name"] or "").lower() in names for process in psutil.process_iter(["name"]))


# Removing -------------------------------------------------------------------------------------------------------------


def remove(chosen: Path | None, machine: Machine | None = None) -> list[SetupReport]:
    """Take back what `install` did; requests and stems of projects stay. Raises HostSetupError."""
    machine = machine or Machine()
    reports = []
    for resource_path in choose_resource_paths(chosen, machine):
        report = SetupReport(resource_path=resource_path)
        try:
            _remove_scripts(resource_path, machine, report)
            own = resource_path / "Selva"
            shutil.rmtree(choose_request_folder(resource_path, machine), ignore_errors=True)
            (own / "bridge.json").unlink(missing_ok=True)
            _remove_if_empty(own)
        except OSError as error:
            raise HostSetupError(f"cannot remove from {resource_path}: {error}") from error
        report.done = report.done or ["nothing was installed"]
        reports.append(report)
    return reports


def _remove_scripts(resource_path: Path, machine: Machine, report: SetupReport) -> None:
    """Only files we put there; a file of the user's beside them keeps its folder."""
    installed = _read_installed(resource_path)
    if not installed:
        return
    target = scripts_folder(resource_path) / _SCRIPT_FOLDER
    for name in installed:
        (target / name).unlink(missing_ok=True)
    for folder in sorted({(target / name).parent for name in installed}, reverse=True):
        _remove_if_empty(folder)
    _remove_if_empty(target)
    (resource_path / "Selva" / "installed.json").unlink(missing_ok=True)
    report.done.append(f"{len(installed)} script files removed from {target}")
    _unregister_actions(resource_path, machine, report)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


# Scripts --------------------------------------------------------------------------------------------------------------


def find_script_source() -> Path:
    """The folder of our own Lua files: inside the installed package, or beside it in a source tree. Raises HostSetupError."""
    package = Path(__file__).parents[1]
    for folder in (package / "reaper_scripts", package.parent / "reaper" / _SCRIPT_FOLDER):
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


def scripts_folder(resource_path: Path) -> Path:
    """REAPER's own spelling where it is there already: "Scripts", and on some Linux installations "scripts"."""
    for child in _iter_folders(resource_path):
        if child.name.lower() == "scripts":
            return child
    return resource_path / "Scripts"


def _iter_folders(folder: Path) -> Iterator[Path]:
    return (child for child in sorted(folder.iterdir()) if child.is_dir())


def _read_installed(resource_path: Path) -> list[str]:
    try:
        values = json.loads((resource_path / "Selva" / "installed.json").read_text(encoding="utf-8"))
        return [name for name in values["scripts"] if isinstance(name, str) and ".." not in Path(name).parts]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _write_own(resource_path: Path, name: str, values: Mapping[str, Any]) -> None:
    folder = resource_path / "Selva"
    folder.mkdir(exist_ok=True)
    _write_whole(folder / name, json.dumps(values, indent=1).encode("ascii"))


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_bytes(content)
    replace_patiently(temporary, path)
