"""The machine REAPER runs on: how paths read, which renames are refused, which programs start."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from .registry import RuleViolation


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Which REAPER is simulated. Lua is 5.3 before version 7."""

    version: str = "7.78"
    system: str = "Other"
    lua: str = "5.4"
    has_imgui: bool = False
    has_osara: bool = False

    @property
    def is_windows(self) -> bool:
        return self.system.startswith("Win")


class System:
    """Files and processes by the rules of the simulated system, on real folders below `home`."""

    def __init__(self, profile: Profile, home: Path) -> None:
        self.profile = profile
        self.home = home
        self.command_lines: list[str] = []
        self.on_command: Callable[[list[str]], bool] | None = None
        self.environment: dict[str, str] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self._short_names: dict[str, str] = {}

    def host_path(self, path: Path) -> str:
        """How a real path reads on the simulated system: C:\\... stands for the home folder on Windows."""
        if not self.profile.is_windows:
            return str(path)
        return str(PureWindowsPath("C:\\") / path.relative_to(self.home))

    def real_path(self, text: str) -> Path:
        if not self.profile.is_windows:
            return Path(text)
        windows = PureWindowsPath(text)
        if windows.drive != "C:":
            raise RuleViolation(f"a path on drive C: is needed; got {text!r}")
        return self.home.joinpath(*(self._short_names.get(part, part) for part in windows.parts[1:]))

    def real_path_for_lua(self, path: bytes) -> Any:
        """A path as Lua's own io takes it: (real path) or (None, problem)."""
        if self.profile.is_windows and not path.isascii():
            return None, path + b": No such file or directory"  # the ANSI code page garbles UTF-8
        try:
            return os.fsencode(self.real_path(path.decode("utf-8", "surrogateescape")))
        except RuleViolation as violation:
            return None, str(violation).encode()

    def refuses_rename(self, target: bytes) -> bool:
        return self.profile.is_windows and os.path.exists(target)

    def start_process(self, command_line: str) -> bool:
        """What ExecProcess does without waiting; tests may answer with `on_command` instead of a real process."""
        self.command_lines.append(command_line)
        command = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', command_line)]
        program = command[0] if command else ""
        if not (program.startswith("/") or re.match(r"[A-Za-z]:\\", program)):
            raise RuleViolation(
                f"a full path to the program is needed, REAPER has no PATH to search; got {program!r}"
            )
        if self.on_command is not None:
            return self.on_command(command)
        if not Path(program).is_file():
            return False
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        self.processes.append(subprocess.Popen(command, cwd=os.sep, env=self.environment, **quiet))
        return True

    def stop_processes(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def answer_short_name(self, command_line: str) -> str | None:
        """What cmd.exe says to the question for a folder's 8.3 name; other commands are not answered here."""
        match = re.fullmatch(r'cmd\.exe /Q /C for %I in \("([^"]+)"\) do @echo %~sI', command_line)
        if match is None or not self.profile.is_windows:
            return None
        parts = []
        for part in PureWindowsPath(match[1]).parts[1:]:
            plain = re.sub(r"\W", "", part.encode("ascii", "ignore").decode())
            alias = part if part.isascii() else plain[:6] + "~1"
            self._short_names[alias] = part
            parts.append(alias)
        return str(PureWindowsPath("C:\\", *parts))
