"""How this program starts processes of its own: with which interpreter, and detached from what.

Most functions return what `subprocess.run` and `subprocess.Popen` are given; `run_json_task` starts one and waits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_SHOWN_CHARS = 500

# Windows process creation flags (learn.microsoft.com, "Process Creation Flags"). `subprocess` defines them on Windows
# only; spelt out, the Windows branch is tested on every system.
CREATE_NEW_PROCESS_GROUP = 0x0000_0200
CREATE_BREAKAWAY_FROM_JOB = 0x0100_0000
CREATE_NO_WINDOW = 0x0800_0000


_CALLERS_OWN = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "VIRTUAL_ENV"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "DYLD_FRAMEWORK_PATH"),
)


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` for a process with our own interpreter, without what leads it to other modules and libraries.

    Studios set these variables for their own tools, and hosts for theirs; our interpreter finds all it needs beside itself,
    and fails to load, or loads another version, with them.
    """
    return {name: value for name, value in environment.items() if name.upper() not in _CALLERS_OWN}


def python_executable(
    *, executable: str | None = None, prefix: str | None = None, platform: str = sys.platform
) -> str:
    """The interpreter to run our modules with.

    Inside a host application `sys.executable` is the host itself (Resolve embeds Python): starting that would open a
    second host. The interpreter is then the one of the installation or virtual environment that `sys.prefix` names.
    """
    executable = sys.executable if executable is None else executable
    if _stem(executable).startswith("python"):
        return executable
    folder = Path(sys.prefix if prefix is None else prefix)
    if platform != "win32":
        return str(folder / "bin" / "python3")
    # A virtual environment has its interpreter in Scripts, an installation at its top.
    in_environment = folder / "Scripts" / "python.exe"
    return str(in_environment if in_environment.is_file() else folder / "python.exe")


def windowless_python_executable(*, python: str | None = None, platform: str = sys.platform) -> str:
    """The interpreter for a long-lived process that a host application starts.

    On Windows python.exe opens a console window that stays as long as the process runs; pythonw.exe, beside it in most
    installations, opens none. Where it is missing, and on other systems, the same as `python_executable`.
    """
    found = python_executable(platform=platform) if python is None else python
    windowless = Path(found).with_name("pythonw.exe")
    return str(windowless) if platform == "win32" and windowless.is_file() else found


def popen_options(
    *, own_group: bool = False, leave_job: bool = False, platform: str = sys.platform
) -> dict[str, Any]:
    """Keyword arguments for `subprocess.run` and `subprocess.Popen`: on Windows no console window is opened.

    own_group: Ctrl-C in this process's terminal, and on POSIX the terminal's end, does not reach the child.
    leave_job: on Windows the child also leaves the job object of this process, which some hosts end with all processes
    in it. Starting raises PermissionError where the job forbids that; POSIX has no such thing.
    """
    if platform != "win32":
        return {"start_new_session": True} if own_group else {}
    flags = CREATE_NO_WINDOW
    if own_group:
        flags |= CREATE_NEW_PROCESS_GROUP
    if leave_job:
        flags |= CREATE_BREAKAWAY_FROM_JOB
    return {"creationflags": flags}


class ChildTaskError(Exception):
    """A process that did not answer. status: as it ended; None where it ran out of time. last_line: the last it wrote to standard
    error, which often names a fault of a library and not of the file.
    """

    def __init__(self, status: int | None, last_line: str) -> None:
        super().__init__(status, last_line)
        self.status = status
        self.last_line = last_line


def run_json_task(module: str, task: Mapping[str, Any], *, timeout_s: float | None = None) -> dict[str, Any]:
    """Run a module of ours as a process of its own, a JSON object on its standard input, and return the one it prints.

    Not as arguments: Windows lets a command line be 32,767 characters. Raises ChildTaskError where the process crashed, printed
    anything else, or took longer than `timeout_s`.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [python_executable(), "-m", module],
            input=json.dumps(task).encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=own_environment(os.environ),
            **popen_options(),
        )
        reply = json.loads(done.stdout)
    except subprocess.TimeoutExpired as exc:
        raise ChildTaskError(None, "") from exc
    except ValueError as exc:
        raise ChildTaskError(done.returncode, _last_line(done.stderr)) from exc
    if not isinstance(reply, dict):
        raise ChildTaskError(done.returncode, _last_line(done.stderr))
    return reply


def _last_line(output: bytes) -> str:
    return output.decode(errors="replace").strip().rpartition("\n")[2].strip()[:MAX_SHOWN_CHARS]


def _stem(executable: str) -> str:
    """File name without folders, in lower case; both separators count, whatever this system is."""
    return executable.replace("\\", "/").rpartition("/")[2].lower()
