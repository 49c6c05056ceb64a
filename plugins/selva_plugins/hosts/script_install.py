"""Installing scripts into a host application: the part that is the same for every host.

A host's own `install` module knows the folders and settings of that host. Here are the place that our scripts are shipped
in, copying them whole, the record of what was copied, the command that starts the bridge, a folder that a script can open on
Windows, and the report.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import psutil

import selva_core
from selva_core.base.atomic_write import write_atomic
from selva_core.base.child_process import popen_options, windowless_python_executable
from selva_plugins.errors import HostSetupError
from selva_plugins.handed_settings import build_options


@dataclass(kw_only=True)
class SetupReport:
    """What was done in one installation of a host, and what is left to do for the user; one sentence each."""

    resource_path: Path
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def is_any_running(names: Collection[str]) -> bool:
    """Whether a program with one of these names (lower case) runs, of any user whose processes we may list."""
    running = (process.info["name"] or "" for process in psutil.process_iter(["name"]))
    return any(name.lower() in names for name in running)


def windows_short_path(path: Path) -> str:
    """The 8.3 name of something that exists; its own name where the volume keeps no short names, and on other systems."""
    if sys.platform != "win32":
        return str(path)
    import ctypes  # noqa: PLC0415 - its windll is there on Windows only

    buffer = ctypes.create_unicode_buffer(32_768)
    length = ctypes.windll.kernel32.GetShortPathNameW(str(path), buffer, len(buffer))
    return buffer.value if length else str(path)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What installing asks of the system, so that the rules of every system can be tested on any.

    platform: as `sys.platform`. is_running(names): whether a program of one of these names runs. short_path(path): the
    8.3 name on Windows.
    """

    platform: str = sys.platform
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)
    is_running: Callable[[Collection[str]], bool] = is_any_running
    short_path: Callable[[Path], str] = windows_short_path


# Our scripts ----------------------------------------------------------------------------------------------------------


def find_shipped(host: str, name: str) -> Path:
    """A script, or a folder of scripts, that is shipped for a host: `selva_plugins/HOST_scripts` of an installed package,
    `plugins/HOST` of a source tree. Raises HostSetupError.
    """
    package = Path(__file__).parents[1]
    for place in (package / f"{host}_scripts" / name, package.parent / host / name):
        if place.exists():
            return place
    raise HostSetupError(f"{name} for {host} is missing from this installation ({package}); install it again")


@dataclass(frozen=True, kw_only=True)
class ScriptFolder:
    """A folder of the host application that our scripts lie in, and the file that records which ones are ours.

    record: JSON with `version` and `scripts`, names relative to `folder` with forward slashes. Only what it lists is ever
    deleted, so that files of the user's between ours stay.
    """

    folder: Path
    record: Path

    def read_record(self) -> list[str]:
        """The names of the scripts that were installed; none where there is no record that can be read."""
        try:
            names = json.loads(self.record.read_text(encoding="utf-8"))["scripts"]
            return [name for name in names if isinstance(name, str) and _is_inside(name)]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def install(self, scripts: Mapping[str, bytes]) -> int:
        """Write the scripts that are missing or differ, delete those of an earlier version that are shipped no more, and
        record all of it. Returns how many files were written or deleted. Raises OSError.

        Each file appears whole: the host may be loading one at this moment.
        """
        num_changed = 0
        for name, content in scripts.items():
            target = self.folder / name
            if not (target.is_file() and target.read_bytes() == content):
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(target, content)
                num_changed += 1
        num_changed += self._delete([name for name in self.read_record() if name not in scripts])
        write_json_file(self.record, {"version": selva_core.__version__, "scripts": list(scripts)})
        return num_changed

    def remove(self) -> list[str]:
        """Delete what the record lists, then the record, then the folders that are empty now, the script folder
        included. Returns the names that were listed. Raises OSError.
        """
        names = self.read_record()
        if names:
            self._delete(names)
            remove_if_empty(self.folder)
            self.record.unlink()
        return names

    def _delete(self, names: Collection[str]) -> int:
        found = [self.folder / name for name in names if (self.folder / name).is_file()]
        for path in found:
            path.unlink()
        for folder in sorted({(self.folder / name).parent for name in names}, reverse=True):
            if folder != self.folder:
                remove_if_empty(folder)
        return len(found)


def _is_inside(name: str) -> bool:
    """Whether a recorded name stays below the folder; a record is a file that others may have edited."""
    path = PurePath(name)
    return not path.is_absolute() and not path.drive and ".." not in path.parts


def remove_if_empty(folder: Path) -> None:
    """Raises OSError."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def write_json_file(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file that only our own programs read, in ASCII whatever the paths in it are, and the folder it lies in.
    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(values, indent=1).encode("ascii"))


# The bridge -----------------------------------------------------------------------------------------------------------


def build_bridge_command(
    host: str,
    *options: str,
    platform: str = sys.platform,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """The command a script of `host` starts the bridge with, one word per argument, without a console window on Windows.

    With the interpreter and `-m` rather than the command `selva`, because a host started from a dock has hardly any PATH.
    """
    python = windowless_python_executable(platform=platform)
    handed = build_options(os.environ if environment is None else environment)
    return [python, "-m", "selva_daemon", "host", host, *options, *handed]


def run_without_streams(command: Sequence[str], *, timeout_s: float) -> int:
    """Run a command as a host application starts the bridge: no terminal, and no standard streams at all. Returns its exit
    status. Raises OSError, subprocess.TimeoutExpired.

    pythonw on Windows has none by itself; elsewhere they are closed by the shell.
    """
    if sys.platform == "win32":
        done = subprocess.run(command, close_fds=True, timeout=timeout_s, check=False, **popen_options())  # noqa: S603
    else:
        line = f"exec {shlex.join(command)} <&- >&- 2>&-"
        done = subprocess.run(["/bin/sh", "-c", line], timeout=timeout_s, check=False)  # noqa: S603
    return done.returncode


# Folders that scripts can open -----------------------------------------------------------------------------------------


def choose_ascii_folder(folder: Path, fallback: Path, machine: Machine) -> Path:
    """`folder` where its path, or on Windows its short name, is plain ASCII; else `fallback`.

    Lua opens files by the ANSI code page on Windows: a path it does not hold cannot be opened. The folder is made where
    a short name is wanted, because only what exists has one. Raises OSError.
    """
    return folder if to_script_path(folder, machine).isascii() else fallback


def to_script_path(folder: Path, machine: Machine) -> str:
    """The folder's path as a script gets it: its own or, where that is beyond ASCII on Windows, its short one, for which the
    folder is made. Raises OSError.
    """
    if machine.platform != "win32" or str(folder).isascii():
        return str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return machine.short_path(folder)


def build_owner_tag(path: Path) -> str:
    """Twelve hex digits for a path of this user, as a name in a folder that all users of a machine share."""
    return hashlib.sha256(str(path).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def program_data_folder(machine: Machine) -> Path:
    """The folder of Windows for what belongs to no single user; its path is ASCII."""
    return Path(machine.environment.get("PROGRAMDATA") or "C:\\ProgramData")
