"""The virtual environment: find a Python, make `.venv`, install what pyproject.toml and constraints.txt say.

Standard library only, and simple enough for an old Python to run it as far as the message that it is too old.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

MINIMUM_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 13)
"""The latest for which every package has a wheel; OpenTimelineIO has none for 3.14."""
USER_EXTRAS = ("plot",)
DEVELOPMENT_EXTRAS = ("plot", "test", "train")
FREE_DISK_NEEDED_BYTES = 8 * 10**9
CUDA_WHEELS_URL = "https://download.pytorch.org/whl/cu128"
_STAMP_NAME = "selva-installed.txt"


class SetupError(Exception):
    """Something that must be corrected before the installation can continue; the message says what."""


def venv_python(venv: Path, *, os_name: str = os.name) -> Path:
    """The interpreter inside a virtual environment on this system."""
    return venv / ("Scripts/python.exe" if os_name == "nt" else "bin/python")


def find_base_python() -> str:
    """A Python that the packages support: the running one, or the newest such one found on PATH.

    A Python later than all of those is taken when there is no other: pip then builds what has no wheel from source.
    Raises SetupError when there is none.
    """
    if MINIMUM_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable
    for minor in range(NEWEST_PYTHON[1], MINIMUM_PYTHON[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    got = platform.python_version()
    if sys.version_info >= MINIMUM_PYTHON:
        print(
            f"Python {got} is later than any this project is tested with; some packages may have to be built"
        )
        return sys.executable
    raise SetupError(
        f"Python 3.10 or later is needed; this is {got} and no newer one is on the PATH.\n"
        "Install one from https://www.python.org/downloads/ and run the command again."
    )


def installation_stamp(root: Path, extras: tuple[str, ...], torch_index: str | None) -> str:
    """What is written after a finished installation: when any of this changes, pip runs again."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((root / name).read_bytes())
    digest.update(repr((sorted(extras), torch_index, str(root.resolve()))).encode())
    return digest.hexdigest()


def cuda_wheels_needed(*, system: str | None = None, has_nvidia: bool | None = None) -> bool:
    """Whether the package index serves a torch without CUDA to a machine that has an NVIDIA card.

    On Linux its torch brings CUDA; on Windows it does not.
    """
    system = platform.system() if system is None else system
    has_nvidia = shutil.which("nvidia-smi") is not None if has_nvidia is None else has_nvidia
    return system == "Windows" and has_nvidia


def pip_arguments(root: Path, extras: tuple[str, ...], torch_index: str | None) -> list[str]:
    """Arguments after `python -m pip` that install the project in place, with pinned versions."""
    target = f"{root}[{','.join(sorted(extras))}]" if extras else str(root)
    arguments = ["install", "--disable-pip-version-check", "-c", str(root / "constraints.txt"), "-e", target]
    if torch_index:
        arguments += ["--extra-index-url", torch_index]
    return arguments


def ensure_environment(root: Path, *, extras: tuple[str, ...], torch_index: str | None = None) -> Path:
    """Make or reuse `.venv` under `root`; returns its interpreter.

    Raises SetupError with what failed and where the whole log lies.
    """
    venv = root / ".venv"
    python = venv_python(venv)
    if torch_index is None and cuda_wheels_needed():
        torch_index = CUDA_WHEELS_URL
    stamp_path = venv / _STAMP_NAME
    stamp = installation_stamp(root, extras, torch_index)
    if python.exists() and stamp_path.exists() and stamp_path.read_text(encoding="utf-8") == stamp:
        print(f"Reusing {venv}")
        return python
    if not _works(python):
        _create_venv(root, venv)
    else:
        print(f"Updating {venv}")
    _check_disk(root)
    stamp_path.unlink(missing_ok=True)
    _run_pip(python, pip_arguments(root, extras, torch_index), venv / "install.log")
    stamp_path.write_text(stamp, encoding="utf-8")
    return python


def _works(python: Path) -> bool:
    """Whether the interpreter starts; a venv whose base Python went away does not."""
    if not python.exists():
        return False
    return subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False).returncode == 0


def _create_venv(root: Path, venv: Path) -> None:
    base = find_base_python()
    print(f"Making {venv} with {base}")
    made = subprocess.run(
        [base, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True, check=False, cwd=root
    )
    if made.returncode != 0:
        hint = ""
        if "ensurepip" in made.stdout + made.stderr:
            hint = "\nOn Debian and Ubuntu: sudo apt install python3-venv"
        raise SetupError(
            f"the virtual environment could not be made:\n{made.stdout}{made.stderr}{hint}".rstrip()
        )


def _check_disk(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < FREE_DISK_NEEDED_BYTES:
        raise SetupError(
            f"{free / 1e9:.1f} GB are free on the disk of {root}; the packages (torch above all) need "
            f"{FREE_DISK_NEEDED_BYTES / 1e9:.0f} GB. Free some space and run the command again."
        )


def _run_pip(python: Path, arguments: list[str], log_path: Path) -> None:
    """Run pip with a line per package on the screen and everything in the log."""
    print("Installing packages (torch is large: 3 GB on Linux); the full log goes to", log_path)
    environment = {**os.environ, "PYTHONUTF8": "1", "PIP_PROGRESS_BAR": "off"}
    command = [str(python), "-m", "pip", *arguments]
    # One `with` in another: Python 3.8 must be able to parse this file, to say that it is too old.
    with log_path.open("w", encoding="utf-8") as log:  # noqa: SIM117
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
        ) as pip:
            tail: list[str] = []
            assert pip.stdout is not None
            for line in pip.stdout:
                log.write(line)
                tail = [*tail[-11:], line]
                step = re.match(
                    r"\s*(Collecting|Downloading|Using cached|Installing|Building|Successfully)\s+(\S+)", line
                )
                if step:
                    print(f"  {step[1]} {step[2].rsplit('/', 1)[-1]}", flush=True)
    if pip.returncode != 0:
        raise SetupError(
            f"pip could not install the packages (full log: {log_path}):\n{''.join(tail)}".rstrip()
        )
