"""Where things go on each system; pure, so that the rules of all three are tried on any."""

from __future__ import annotations

from pathlib import Path

from foundation.machine import Machine

APP = "selva-bridge"
UNIT_NAME = f"{APP}.service"
AGENT_LABEL = f"org.{APP}.daemon"
TASK_NAME = "Selva Bridge"
FLATPAK_REAPER = Path(".var", "app", "fm.reaper.Reaper", "config", "REAPER")


def _folder(machine: Machine, variable: str, otherwise: Path) -> Path:
    """An empty or relative value of a variable counts as none, as the XDG specification has it."""
    value = machine.environment.get(variable, "")
    path = type(machine.home)(value)
    return path if value and path.is_absolute() else otherwise


def user_data_folder(machine: Machine) -> Path:
    """The folder that the product's own data lies in: models, and the program unless another folder is chosen."""
    if machine.is_windows:
        return _folder(machine, "LOCALAPPDATA", machine.home / "AppData" / "Local") / APP
    if machine.is_mac:
        return machine.home / "Library" / "Application Support" / APP
    return _folder(machine, "XDG_DATA_HOME", machine.home / ".local" / "share") / APP


def default_prefix(machine: Machine) -> Path:
    """Beside the models, not above them: removing the program leaves them."""
    return user_data_folder(machine) / "app"


def command_folder(machine: Machine) -> Path | None:
    """Where a shell finds a user's own commands; None on Windows, which has no such folder."""
    return None if machine.is_windows else machine.home / ".local" / "bin"


def default_models(machine: Machine) -> Path:
    """Where models go unless another folder is chosen, in the environment too."""
    return _folder(machine, "SELVA_MODELS_DIR", user_data_folder(machine) / "models")


def reaper_folders(machine: Machine) -> list[Path]:
    """Resource paths that a REAPER of this user may have."""
    if machine.is_windows:
        return [_folder(machine, "APPDATA", machine.home / "AppData" / "Roaming") / "REAPER"]
    if machine.is_mac:
        return [machine.home / "Library" / "Application Support" / "REAPER"]
    config = _folder(machine, "XDG_CONFIG_HOME", machine.home / ".config")
    return [config / "REAPER", machine.home / FLATPAK_REAPER]


def resolve_folders(machine: Machine) -> list[Path]:
    """Folders of Resolve's that hold its folder Fusion."""
    vendor = Path("Blackmagic Design", "DaVinci Resolve")
    if machine.is_windows:
        roaming = _folder(machine, "APPDATA", machine.home / "AppData" / "Roaming")
        return [roaming / vendor / "Support"]
    if machine.is_mac:
        support = Path("Library", "Application Support")
        containers = sorted(machine.home.glob("Library/Containers/com.blackmagic-design.*/Data"))
        inside = [container / support for container in containers]
        return [machine.home / support / vendor, *(folder / vendor for folder in inside), *inside]
    return [machine.home / ".local" / "share" / "DaVinciResolve"]


def host_files(machine: Machine) -> dict[str, list[Path]]:
    """Installed host: the files and folders in which its scripts are installed, so that they can be compared before and
    after. Hosts that are not there are left out.
    """
    found: dict[str, list[Path]] = {}
    reapers = [folder for folder in reaper_folders(machine) if (folder / "reaper.ini").is_file()]
    if reapers:
        inside = ("Scripts/Selva", "scripts/Selva", "Scripts/__startup.lua", "scripts/__startup.lua", "Selva")
        found["reaper"] = [
            path
            for folder in reapers
            for path in (*(folder / name for name in inside), folder / "reaper-kb.ini")
        ]
    resolves = [folder for folder in resolve_folders(machine) if folder.is_dir()]
    if resolves:
        found["resolve"] = [folder / "Fusion" / "Scripts" / "Utility" / "Selva" for folder in resolves]
    return found


def autostart_file(machine: Machine, prefix: Path) -> Path:
    """The file that starts the daemon when the user logs in; on Windows what the task was made from."""
    if machine.is_windows:
        return prefix / "autostart.xml"
    if machine.is_mac:
        return machine.home / "Library" / "LaunchAgents" / f"{AGENT_LABEL}.plist"
    return _folder(machine, "XDG_CONFIG_HOME", machine.home / ".config") / "systemd" / "user" / UNIT_NAME
