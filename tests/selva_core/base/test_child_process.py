"""Which interpreter runs our modules, and how a process is started apart from this one, on three systems."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from selva_core.base.child_process import (
    CREATE_BREAKAWAY_FROM_JOB,
    CREATE_NEW_PROCESS_GROUP,
    CREATE_NO_WINDOW,
    popen_options,
    python_executable,
    windowless_python_executable,
)

PRINT_SESSION = "import os; print(os.getsid(0) == os.getpid())"


def test_the_interpreter_that_runs_this_is_used() -> None:
    assert python_executable() == sys.executable


@pytest.mark.parametrize(
    ("executable", "platform"),
    [
        ("/usr/bin/python3.12", "linux"),
        (
            "/Library/Frameworks/Python.framework/Versions/3.12/Resources/Python.app/Contents/MacOS/Python",
            "darwin",
        ),
        (r"C:\Program Files\Python312\pythonw.exe", "win32"),
    ],
)
def test_an_executable_named_python_is_the_interpreter(executable: str, platform: str) -> None:
    assert python_executable(executable=executable, prefix="/nowhere", platform=platform) == executable


@pytest.mark.parametrize(
    ("executable", "platform", "expected"),
    [
        ("/opt/resolve/bin/resolve", "linux", "/usr/local/bin/python3"),
        ("/Applications/python tools/Resolve", "darwin", "/usr/local/bin/python3"),
        ("", "linux", "/usr/local/bin/python3"),
        (r"C:\python\Resolve.exe", "win32", "/usr/local/python.exe"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the expected paths are written for POSIX")
def test_inside_a_host_application_the_interpreter_of_the_prefix_is_used(
    executable: str, platform: str, expected: str
) -> None:
    assert python_executable(executable=executable, prefix="/usr/local", platform=platform) == expected


def test_inside_a_windows_host_the_interpreter_of_a_virtual_environment_is_found(tmp_path: Path) -> None:
    python = tmp_path / "Scripts" / "python.exe"
    python.parent.mkdir()
    python.touch()
    found = python_executable(executable=r"C:\Resolve.exe", prefix=str(tmp_path), platform="win32")
    assert found == str(python)


def test_on_windows_the_windowless_interpreter_beside_is_used(tmp_path: Path) -> None:
    python, windowless = tmp_path / "python.exe", tmp_path / "pythonw.exe"
    assert windowless_python_executable(python=str(python), platform="win32") == str(python)
    windowless.touch()
    assert windowless_python_executable(python=str(python), platform="win32") == str(windowless)
    assert windowless_python_executable(python=str(python), platform="linux") == str(python)


@pytest.mark.parametrize(
    ("own_group", "leave_job", "flags"),
    [
        (False, False, CREATE_NO_WINDOW),
        (True, False, CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP),
        (True, True, CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP | CREATE_BREAKAWAY_FROM_JOB),
    ],
)
def test_on_windows_no_child_opens_a_console_window(own_group: bool, leave_job: bool, flags: int) -> None:
    options = popen_options(own_group=own_group, leave_job=leave_job, platform="win32")
    assert options == {"creationflags": flags}


@pytest.mark.skipif(sys.platform != "win32", reason="subprocess defines the flags on Windows only")
def test_the_flags_are_those_of_windows() -> None:
    for name, flag in (
        ("CREATE_NO_WINDOW", CREATE_NO_WINDOW),
        ("CREATE_NEW_PROCESS_GROUP", CREATE_NEW_PROCESS_GROUP),
        ("CREATE_BREAKAWAY_FROM_JOB", CREATE_BREAKAWAY_FROM_JOB),
    ):
        assert getattr(subprocess, name) == flag


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_on_posix_only_a_group_of_its_own_needs_an_option(platform: str) -> None:
    assert popen_options(platform=platform) == {}
    assert popen_options(leave_job=True, platform=platform) == {}
    assert popen_options(own_group=True, platform=platform) == {"start_new_session": True}


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are POSIX")
@pytest.mark.parametrize(("own_group", "printed"), [(True, "True"), (False, "False")])
def test_a_child_in_its_own_group_leads_a_session_of_its_own(own_group: bool, printed: str) -> None:
    done = subprocess.run(
        [python_executable(), "-c", PRINT_SESSION],
        capture_output=True,
        text=True,
        check=True,
        **popen_options(own_group=own_group),
    )
    assert done.stdout.strip() == printed
