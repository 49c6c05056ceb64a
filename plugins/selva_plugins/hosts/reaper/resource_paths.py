"""Where REAPER keeps its resources on each system, and what differs from one REAPER to another."""

from __future__ import annotations

from pathlib import Path

from selva_core.base.command_line import selva_command
from selva_plugins.errors import HostSetupError
from selva_plugins.hosts.script_install import Machine

FLATPAK_ID = "fm.reaper.Reaper"
PROGRAM_NAMES = frozenset({"reaper", "reaper.exe", "reaper5", "reaper64"})


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
            f"path in explorer/finder): {selva_command('host', 'install', 'reaper', '--resource-path', 'DIR')}"
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


def is_reaper_running(machine: Machine) -> bool:
    """REAPER keeps its lists in memory and writes them when it ends, so that what is changed meanwhile is lost."""
    return machine.is_running(PROGRAM_NAMES)


def is_flatpak(resource_path: Path) -> bool:
    return FLATPAK_ID in resource_path.parts


def scripts_folder(resource_path: Path) -> Path:
    """REAPER's own spelling where it is there already: "Scripts", and on some Linux installations "scripts"."""
    folders = (child for child in sorted(resource_path.iterdir()) if child.is_dir())
    named = (folder for folder in folders if folder.name.lower() == "scripts")
    return next(named, resource_path / "Scripts")
