"""Puts the Lua agent where Resolve lists scripts, fills in what it must know, and takes it away again.

Workspace > Scripts > Selva shows one entry per action; each is the whole agent with its action filled in,
because a script that loads another one fails on Windows when the path is not ASCII. Folders: Blackmagic's
scripting README, and what users found where it is wrong (the user tree on Windows has a `Support` part,
the App Store edition lives in a container).
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import selva_core
from selva_core.base.child_process import python_executable
from selva_core.base.paths import AppPaths
from selva_plugins.errors import HostSetupError
from selva_plugins.hosts.resolve.child import find_library
from selva_plugins.hosts.resolve.errors import ResolveNotFoundError
from selva_plugins.hosts.resolve.messages import MessageFolder, to_lua

ENTRIES = {
    "generate": "Generate stems",
    "place": "Place finished stems",
    "stop": "Stop rendering",
    "remove": "Remove stems",
}
MENU_FOLDER = "Selva"
IDLE_EXIT_S = 900
# What Resolve sets for its own libraries and Python, which would break ours.
_RESOLVES_OWN_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
_BLOCK = re.compile(r"^-- selva:installed \{\n.*?^-- selva:installed \}\n", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class ResolveHome:
    """Where one installation of Resolve keeps its Fusion folders for one user, and where to meet its
    scripts.
    """

    label: str
    fusion_folder: Path
    exchange: MessageFolder

    @property
    def menu_folder(self) -> Path:
        return self.fusion_folder / "Scripts" / "Utility" / MENU_FOLDER

    @property
    def profiles_folder(self) -> Path:
        return self.fusion_folder / "Profiles"

    @property
    def has_resolve(self) -> bool:
        """Whether Resolve has ever run for this user; a folder that only holds our own scripts does not count."""
        tree = self.fusion_folder.parent
        others = [entry for entry in tree.iterdir() if entry != self.fusion_folder] if tree.is_dir() else []
        return self.profiles_folder.is_dir() or bool(others)


@dataclass(kw_only=True)
class SetupReport:
    """What was done, one sentence each, and what is left to do for the user."""

    resource_path: Path
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def install(resource_path: Path | None = None) -> list[SetupReport]:
    """Put the agent into every Resolve of this user, or the one whose Fusion folder is named.

    Doing it again replaces what was there. Raises HostSetupError.
    """
    source = find_agent_source().read_text(encoding="utf-8")
    return [_install_into(home, source) for home in choose_homes(resource_path)]


def remove(resource_path: Path | None = None) -> list[SetupReport]:
    """Take back what `install` did; stems and what is on timelines stay. Raises HostSetupError."""
    reports = []
    for home in choose_homes(resource_path):
        report = SetupReport(resource_path=home.fusion_folder)
        try:
            removed = remove_agent(home)
            shutil.rmtree(home.exchange.folder, ignore_errors=True)
        except OSError as error:
            raise HostSetupError(f"cannot remove from {home.menu_folder}: {error}") from error
        report.done.append(f"{len(removed)} menu entries removed" if removed else "nothing was installed")
        reports.append(report)
    return reports


def choose_homes(resource_path: Path | None) -> list[ResolveHome]:
    """Every Resolve of this user, or the one whose Fusion folder is named. Raises HostSetupError."""
    homes = find_homes(AppPaths.find().state)
    if resource_path is None:
        return homes
    if not resource_path.is_dir():
        raise HostSetupError(
            f"there is no folder {resource_path}; name the folder Fusion of a Resolve, which holds Scripts and Profiles"
        )
    return [replace(homes[0], fusion_folder=resource_path.absolute())]


def watch_command() -> list[str]:
    """How the agent starts the bridge where its Resolve lets it; the bridge leaves when there is nothing to
    do.
    """
    python = Path(python_executable())
    if sys.platform == "win32" and python.with_name("pythonw.exe").is_file():
        python = python.with_name("pythonw.exe")
    return [str(python), "-m", "selva_daemon", "host", "resolve", "--watch", "--idle-exit", str(IDLE_EXIT_S)]


def find_agent_source() -> Path:
    """Selva.lua: inside the installed package, or beside it in a source tree. Raises HostSetupError."""
    package = Path(__file__).parents[2]
    for place in (package / "resolve_scripts" / "Selva.lua", package.parent / "resolve" / "Selva.lua"):
        if place.is_file():
            return place
    raise HostSetupError(
        f"the agent Selva.lua is missing from this installation ({package}); install it again"
    )


def _install_into(home: ResolveHome, source: str) -> SetupReport:
    report = SetupReport(resource_path=home.fusion_folder)
    had_resolve = home.has_resolve
    try:
        written = install_agent(home, source, version=selva_core.__version__, command=watch_command())
    except OSError as error:
        raise HostSetupError(f"cannot install into {home.menu_folder}: {error}") from error
    report.done.append(f"{len(written)} entries in {home.label}: Workspace > Scripts > {MENU_FOLDER}")
    report.done.append(f"agent and bridge meet in {home.exchange.folder}")
    report.done.append(_tell_about_studio())
    if not had_resolve:
        report.left.append("start Resolve once: it has not run for this user yet")
    report.left.append("on Resolve 21.1 free keep the bridge running yourself: selva host resolve --watch")
    return report


def _tell_about_studio() -> str:
    try:
        return f"Studio can also be scripted from outside, through {find_library()}"
    except ResolveNotFoundError:
        return "Resolve's scripting library was not found, so that Studio cannot be scripted from outside"


def find_homes(
    state_folder: Path, *, platform: str = sys.platform, environment: Mapping[str, str] | None = None
) -> list[ResolveHome]:
    """The places for scripts on this system: the user's own, and on macOS each App Store container."""
    values = os.environ if environment is None else environment
    exchange = MessageFolder(_ascii_folder(state_folder / "resolve", platform, values))
    if platform == "win32":
        tree = Path(values["APPDATA"]) / "Blackmagic Design" / "DaVinci Resolve" / "Support"
        return [ResolveHome("DaVinci Resolve", tree / "Fusion", exchange)]
    home = Path(values.get("HOME") or Path.home())
    if platform != "darwin":
        tree = home / ".local" / "share" / "DaVinciResolve"
        return [ResolveHome("DaVinci Resolve", tree / "Fusion", exchange)]
    inner = Path("Library", "Application Support")
    vendor = Path("Blackmagic Design", "DaVinci Resolve")
    homes = [ResolveHome("DaVinci Resolve", home / inner / vendor / "Fusion", exchange)]
    for container in sorted(home.glob("Library/Containers/com.blackmagic-design.*/Data")):
        support = container / inner
        tree = support / vendor if (support / vendor).is_dir() else support
        homes.append(
            ResolveHome(
                "DaVinci Resolve (App Store)", tree / "Fusion", MessageFolder(container / "selva-bridge")
            )
        )
    return homes


def install_agent(
    home: ResolveHome, agent_source: str, *, version: str, command: Sequence[str]
) -> list[Path]:
    """Write the menu entries; running it again replaces them. `command` starts the bridge. Raises
    OSError.
    """
    home.exchange.ensure()
    home.menu_folder.mkdir(parents=True, exist_ok=True)
    written = []
    for action, title in ENTRIES.items():
        target = home.menu_folder / f"{title}.lua"
        text = fill_agent(
            agent_source, action=action, version=version, exchange=home.exchange.folder, command=command
        )
        _write_whole(target, text)
        written.append(target)
    return written


def remove_agent(home: ResolveHome) -> list[Path]:
    """Take the menu entries away, and the folders that are empty then; what the user put beside them stays."""
    removed = []
    for title in ENTRIES.values():
        target = home.menu_folder / f"{title}.lua"
        if target.exists():
            target.unlink()
            removed.append(target)
    scripts = home.fusion_folder / "Scripts"
    for folder in (
        home.menu_folder,
        home.menu_folder.parent,
        scripts,
        home.fusion_folder,
        home.fusion_folder.parent,
    ):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return removed


def find_installed_version(home: ResolveHome) -> str | None:
    """The version in the menu entry, or None where nothing is installed."""
    target = home.menu_folder / f"{ENTRIES['generate']}.lua"
    if not target.is_file():
        return None
    match = re.search(r'\["version"\]="([^"]*)"', target.read_text(encoding="utf-8", errors="replace"))
    return match[1] if match else None


def fill_agent(source: str, *, action: str, version: str, exchange: Path, command: Sequence[str]) -> str:
    """The agent with what the installation knows. Raises ValueError when the source has no place for it."""
    facts = {
        "action": action,
        "version": version,
        "exchange": exchange.as_posix(),
        "command": build_start_command(command),
    }
    block = f"-- selva:installed {{\nlocal INSTALLED = {to_lua(facts)}\n-- selva:installed }}\n"
    filled, count = _BLOCK.subn(lambda _match: block, source)
    if count != 1:
        raise ValueError("Selva.lua has no block 'selva:installed' to fill in")
    return filled


def build_start_command(words: Sequence[str], *, platform: str = sys.platform) -> str:
    """One line for os.execute that starts a program and does not wait for it; empty for no words."""
    if not words:
        return ""
    if platform == "win32":
        return 'start "" /B ' + " ".join(f'"{word}"' for word in words)
    strange = " ".join(f"-u {name}" for name in _RESOLVES_OWN_VARIABLES)
    return f"env {strange} {shlex.join(words)} >/dev/null 2>&1 &"


def _ascii_folder(folder: Path, platform: str, environment: Mapping[str, str]) -> Path:
    """The folder itself, or one with an ASCII path that only this user uses."""
    if str(folder).isascii():
        return folder
    owner = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    if platform == "win32":
        return Path(environment.get("PROGRAMDATA", "C:/ProgramData")) / "SelvaBridge" / owner
    return Path("/Users/Shared" if platform == "darwin" else "/var/tmp") / f"selva-bridge-{owner}"  # noqa: S108


def _write_whole(target: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, prefix=".", suffix=".part", encoding="utf-8", newline="\n", delete=False
    ) as file:
        file.write(text)
    os.replace(file.name, target)
