"""The machine that REAPER is installed on: where its resource paths are, and what differs from system to system."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from selva_plugins.errors import HostSetupError
from selva_plugins.request_folder import replace_patiently

FLATPAK_ID = "fm.reaper.Reaper"


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
    return [path for path in candidates if _is_resource_path(path)]


def choose_resource_paths(chosen: Path | None, machine: Machine) -> list[Path]:
    """The one that was named, or all that are found. Raises HostSetupError when there is none."""
    if chosen is not None:
        _check_resource_path(chosen)
        return [chosen.absolute()]
    found = find_resource_paths(machine)
    if not found:
        raise HostSetupError(
            "REAPER was not found. Start it once, or name its resource path (in REAPER: Options > Show REAPER resource "
            "path in explorer/finder): selva host install reaper --resource-path DIR"
        )
    return found


def _check_resource_path(folder: Path) -> None:
    """Raises HostSetupError for what is no resource path, before anything is written into it."""
    if _is_resource_path(folder):
        return
    near = next((parent for parent in folder.absolute().parents if _is_resource_path(parent)), None)
    advice = (
        f"do you mean {near}?"
        if near
        else "in REAPER, Options > Show REAPER resource path opens the right one"
    )
    if not folder.is_dir():
        raise HostSetupError(f"there is no folder {folder}; {advice}")
    raise HostSetupError(
        f"{folder} is no resource path of REAPER, there is no reaper.ini in it (a REAPER that is new here writes it when "
        f"it is started once); {advice}"
    )


def _is_resource_path(folder: Path) -> bool:
    return (folder / "reaper.ini").is_file()


def is_reaper_running() -> bool:
    """Whether a REAPER of any user we can see runs."""
    names = {"reaper", "reaper.exe", "reaper5", "reaper64"}
    return any((process.info["name"] or "").lower() in names for process in psutil.process_iter(["name"]))


def windows_short_path(folder: Path) -> str:
    """The 8.3 name of a folder; its own name where the volume keeps no short names, and on other systems."""
    if sys.platform != "win32":
        return str(folder)
    import ctypes  # noqa: PLC0415 - its windll is there on Windows only

    buffer = ctypes.create_unicode_buffer(32_768)
    length = ctypes.windll.kernel32.GetShortPathNameW(str(folder), buffer, len(buffer))
    return buffer.value if length else str(folder)


def is_flatpak(resource_path: Path) -> bool:
    return FLATPAK_ID in resource_path.parts


def scripts_folder(resource_path: Path) -> Path:
    """REAPER's own spelling where it is there already: "Scripts", and on some Linux installations "scripts"."""
    for child in _iter_folders(resource_path):
        if child.name.lower() == "scripts":
            return child
    return resource_path / "Scripts"


def _iter_folders(folder: Path) -> Iterator[Path]:
    return (child for child in sorted(folder.iterdir()) if child.is_dir())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole, in place of the one that was there. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_bytes(content)
    replace_patiently(temporary, path)
