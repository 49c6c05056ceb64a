"""What a check is given and what it finds."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from selva_core.base.child_process import own_environment, popen_options, python_executable
from selva_core.base.paths import AppPaths

Level = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line. remedy: a command that works in the shell of this system, or "". fix: does the same, where that is safe:
    nothing of the user's is changed, and the daemon and its jobs go on; it gives a sentence on what was done.
    """

    title: str
    text: str
    level: Level = "ok"
    remedy: str = ""
    fix: Callable[[], str] | None = None


@dataclass(frozen=True, kw_only=True)
class ProgramOutput:
    """How a program that was run for a check ended. status: None where it could not be started or took too long."""

    status: int | None
    stdout: str = ""
    stderr: str = ""


def run_program(
    command: Sequence[str], limit_s: float, variables: Mapping[str, str] | None = None
) -> ProgramOutput:
    """Run a program without a terminal and without the caller's Python variables; it is ended after `limit_s`.

    variables: of the environment, beside this program's own.
    """
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system and our own modules, as argv
            list(command),
            env={**own_environment(os.environ), "PYTHONUTF8": "1", **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit_s,
            check=False,
            **popen_options(),
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return ProgramOutput(status=None, stderr=str(exc))
    return ProgramOutput(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


def run_module(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of ours as a program of its own."""
    return (python_executable(), "-m", module, *arguments)


@dataclass(frozen=True, kw_only=True)
class System:
    """The machine as checks see it, so that the rules of all three systems can be tested on one.

    platform: as `sys.platform`. machine: as `platform.machine()`. clock: seconds since 1970.
    """

    platform: str = sys.platform
    machine: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)
    paths: AppPaths = field(default_factory=AppPaths.find)
    executable: str = sys.executable
    prefix: str = sys.prefix
    python_version: tuple[int, int] = sys.version_info[:2]
    is_64_bit: bool = sys.maxsize > 2**32
    which: Callable[[str], str | None] = shutil.which
    run: Callable[..., ProgramOutput] = run_program
    clock: Callable[[], float] = time.time

    def unset_command(self, name: str) -> str:
        """How a variable is taken away in the shell of this system."""
        if self.platform != "win32":
            return f"unset {name}"
        return f"set {name}=" if "PROMPT" in self.environment else f"Remove-Item Env:{name}"

    def private_command(self, path: Path) -> str:
        """How a file or folder is closed to others."""
        if self.platform != "win32":
            return f"chmod {'700' if path.is_dir() else '600'} {shlex.quote(str(path))}"
        user = self.environment.get("USERNAME", "")
        rights = "(OI)(CI)F" if path.is_dir() else "F"
        return f'icacls "{path}" /inheritance:r /grant:r "{user}:{rights}"'


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to the system. run: gives the lines; what it raises becomes a line as well. limit_s: after so long the line
    says that it took too long.
    """

    name: str
    group: str
    run: Callable[[System], Iterable[Finding]]
    limit_s: float = 10.0
