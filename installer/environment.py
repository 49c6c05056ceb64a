"""The virtual environment: find a Python, make `.venv`, install what pyproject.toml and constraints.txt say.

Standard library only, and simple enough for an old Python to run it as far as the message that it is too old.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

MINIMUM_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 13)
"""The latest for which every package has a wheel; OpenTimelineIO has none for 3.14."""
USER_EXTRAS = ("plot",)
DEVELOPMENT_EXTRAS = ("plot", "test", "train")
FREE_DISK_NEEDED_BYTES = {"large": 8 * 10**9, "small": 3 * 10**9}
"""With the torch of Linux, which brings CUDA, or that of an index with CUDA; without."""
_STAMP_NAME = "selva-installed.txt"


class SetupError(Exception):
    """Something that must be corrected before the installation can continue; the message says what."""


def printed_command(arguments: Sequence[str | Path], *, os_name: str = os.name) -> str:
    """A command as one line that runs where it is printed, also when the tree lies in a folder with blanks."""
    texts = [str(argument) for argument in arguments]
    return subprocess.list2cmdline(texts) if os_name == "nt" else " ".join(map(shlex.quote, texts))


def venv_python(venv: Path, *, os_name: str = os.name) -> Path:
    """The interpreter inside a virtual environment on this system."""
    return venv / ("Scripts/python.exe" if os_name == "nt" else "bin/python")


def find_base_python(*, os_name: str = os.name) -> str:
    """A Python that the packages support: the running one, or the newest such one that is found and starts.

    A Python later than all of those is taken when there is no other: pip then builds what has no wheel from source.
    Raises SetupError when there is none.
    """
    if MINIMUM_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable
    for command in _python_commands(os_name):
        found = try_python(command)
        if found is not None:
            return found
    got = platform.python_version()
    if sys.version_info >= MINIMUM_PYTHON:
        print(
            f"Python {got} is later than any this project is tested with; some packages may have to be built"
        )
        return sys.executable
    raise SetupError(
        f"Python 3.10 or later is needed; this is {got} and no newer one that starts is on the PATH.\n"
        "Install one from https://www.python.org/downloads/ and run the command again."
    )


def _python_commands(os_name: str) -> Iterable[list[str]]:
    """What may start a supported Python, newest first; of one name all on the PATH, since the first may be an empty shim."""
    minors = range(NEWEST_PYTHON[1], MINIMUM_PYTHON[1] - 1, -1)
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for name in [*(f"python3.{minor}" for minor in minors), "python3", "python"]:
        for folder in folders:
            found = shutil.which(name, path=folder)
            if found:
                yield [found]
    launcher = shutil.which("py") if os_name == "nt" else None
    if launcher:
        yield from ([launcher, f"-3.{minor}"] for minor in minors)


def try_python(command: Sequence[str]) -> str | None:
    """The interpreter that a command starts, when it is a supported one with `venv`; else None.

    It is tried because what lies on the PATH may be a shim of pyenv for a version that is not selected, or the Microsoft
    Store's invitation to install Python: both exist and start nothing.
    """
    question = "import sys, venv; print(sys.version_info[0], sys.version_info[1], sys.executable)"
    try:
        done = subprocess.run(
            [*command, "-c", question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=utf8_environment(),
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = re.fullmatch(r"(\d+) (\d+) (.+)", done.stdout.strip())
    if done.returncode != 0 or answer is None:
        return None
    version = (int(answer[1]), int(answer[2]))
    return answer[3] if MINIMUM_PYTHON <= version <= NEWEST_PYTHON else None


def installation_stamp(root: Path, extras: tuple[str, ...], torch_index: str | None) -> str:
    """What is written after a finished installation: when any of this changes, pip runs again."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "hatch_build.py", "constraints.txt"):
        digest.update((root / name).read_bytes())
    digest.update(repr((sorted(extras), torch_index, os.fsencode(root.resolve()))).encode())
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
    stamp_path = venv / _STAMP_NAME
    stamp = installation_stamp(root, extras, torch_index)
    if python.exists() and stamp_path.exists() and stamp_path.read_text(encoding="utf-8") == stamp:
        print(f"Reusing {venv}")
        return python
    before = installed_packages(python)
    if before is None or not has_pinned_torch(root, before):
        _check_disk(root, torch_index)
    if before is None:
        _create_venv(root, venv)
    else:
        print(f"Updating {venv}")
        _ensure_pip(python, venv)
        before = installed_packages(python)
    old_stamp = stamp_path.read_text(encoding="utf-8") if stamp_path.exists() else None
    stamp_path.unlink(missing_ok=True)
    try:
        if torch_index is None and cuda_wheels_needed():
            _install_cuda_torch(root, python, extras, venv / "torch.log")
        _run_pip(python, pip_arguments(root, extras, torch_index), venv / "install.log")
    except (SetupError, KeyboardInterrupt) as error:
        if old_stamp is None or installed_packages(python) != before:
            raise
        stamp_path.write_text(old_stamp, encoding="utf-8")
        if isinstance(error, KeyboardInterrupt):
            raise
        selva = printed_command([python.parent / "selva", "--version"])
        raise SetupError(
            f"{error}\nWhat was installed before is unchanged and can be used: {selva}"
        ) from error
    stamp_path.write_text(stamp, encoding="utf-8")
    return python


def installed_packages(python: Path) -> dict[str, str] | None:
    """Name and version of each package that an interpreter sees; None when it does not start.

    A virtual environment whose base Python went away does not start.
    """
    question = (
        "import json; from importlib.metadata import distributions as d;"
        "print(json.dumps({str(p.metadata['Name']).lower(): p.version for p in d()}))"
    )
    try:
        done = subprocess.run(
            [str(python), "-c", question],
            capture_output=True,
            encoding="utf-8",
            env=utf8_environment(),
            check=False,
        )
    except OSError:
        return None
    if done.returncode != 0:
        return None
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def has_pinned_torch(root: Path, installed: dict[str, str]) -> bool:
    """Whether torch, which needs nearly all of the disk, is there in the version that constraints.txt names."""
    pins = re.findall(
        r"^torch==([^\s;]+)", (root / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    return installed.get("torch", "").partition("+")[0] in pins


def _ensure_pip(python: Path, venv: Path) -> None:
    """Give pip to an environment without it, as uv makes them, or an interrupted set-up leaves them."""
    if subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False).returncode == 0:
        return
    done = subprocess.run(
        [str(python), "-m", "ensurepip"], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        raise SetupError(
            f"{venv} has no pip, and it could not be added:\n{done.stdout}{done.stderr}".rstrip()
            + f"\nRename or delete {venv} and run the command again to make a new one."
        )


def utf8_environment() -> dict[str, str]:
    """For the Pythons started here: a folder called 犬 must not break them where the locale is C."""
    return {**os.environ, "PYTHONUTF8": "1"}


def _create_venv(root: Path, venv: Path) -> None:
    """Make the environment anew; what was there before is put back when that fails."""
    base = find_base_python()
    print(f"Making {venv} with {base}", flush=True)
    aside = venv.with_name(f"{venv.name}.before")
    if venv.is_dir() and not venv.is_symlink() and not aside.exists():
        try:
            venv.rename(aside)
        except OSError as error:
            raise SetupError(f"{venv} cannot be replaced, a program uses it: {error}") from error
    try:
        _run_venv(root, venv, base)
    except (SetupError, KeyboardInterrupt):
        if aside.exists():
            shutil.rmtree(venv, ignore_errors=True)
            aside.rename(venv)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _run_venv(root: Path, venv: Path, base: str) -> None:
    made = subprocess.run(
        [base, "-m", "venv", "--clear", str(venv)],
        capture_output=True,
        text=True,
        errors="replace",
        env=utf8_environment(),
        check=False,
        cwd=root,
    )
    if made.returncode != 0:
        hint = ""
        if "ensurepip" in made.stdout + made.stderr and shutil.which("apt"):
            version = re.search(r"python(3\.\d+)", made.stdout + made.stderr + os.path.realpath(base))
            hint = f"\nInstall what is missing: sudo apt install python{version[1] if version else '3'}-venv"
        raise SetupError(
            f"the virtual environment could not be made:\n{made.stdout}{made.stderr}{hint}".rstrip()
        )


def _check_disk(root: Path, torch_index: str | None, *, system: str | None = None) -> None:
    is_large = (system or platform.system()) == "Linux" or cuda_wheels_needed(system=system)
    if torch_index:
        is_large = "/cpu" not in torch_index
    needed = FREE_DISK_NEEDED_BYTES["large" if is_large else "small"]
    free = shutil.disk_usage(root).free
    if free < needed:
        raise SetupError(
            f"{free / 1e9:.1f} GB are free on the disk of {root}; the packages (torch above all) need "
            f"{needed / 1e9:.0f} GB. Free some space and run the command again."
        )


_CAUSES = (
    (
        "No space left on device|Errno 28|not enough space on the disk",
        "The disk is full. Free some space and run the command again.",
    ),
    (
        "NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|SSLError|ProtocolError|"
        "Failed to establish a new connection|name resolution|getaddrinfo failed|Network is unreachable|"
        "Connection refused|Read timed out|Max retries exceeded|"
        "dns error|error sending request|Failed to fetch|tcp connect error",  # uv's words
        "The network is the cause: the package index could not be reached. Check the connection, and the proxy if there "
        "is one (HTTPS_PROXY), and run the command again.",
    ),
    (
        "from versions: none|there are no versions of",
        "pip found no version at all of a package, as when the package index cannot be reached: check the connection.",
    ),
)


def cause_of_failure(output: Iterable[str]) -> str | None:
    """What pip's output since its last step forward says of the cause, for those who do not read such output; None when
    it says nothing known. A connection that failed and was made on a later try is not the cause.
    """
    recent: list[str] = []
    for line in output:
        recent = [] if _STEP.match(line) else [*recent, line]
    text = "".join(recent)
    return next((advice for pattern, advice in _CAUSES if re.search(pattern, text)), None)


_STEP = re.compile(r"\s*(Collecting|Downloading|Using cached|Installing|Building|Successfully)\s+(\S+)")


def uv_torch_arguments(root: Path, python: Path, extras: tuple[str, ...]) -> list[str]:
    """Arguments after `python -m uv` that install torch, and torchaudio where it is wanted, in the build for this machine's
    driver: uv knows where each build lies. pip then finds them there.
    """
    names = ["torch", *(["torchaudio"] if {"train", "test"} & set(extras) else [])]
    arguments = ["pip", "install", "--python", str(python), "--torch-backend", "auto"]
    return [*arguments, "-c", str(root / "constraints.txt"), *names]


def _install_cuda_torch(root: Path, python: Path, extras: tuple[str, ...], log_path: Path) -> None:
    _run_pip(python, ["install", "--disable-pip-version-check", "uv"], log_path)
    _run_pip(python, uv_torch_arguments(root, python, extras), log_path, module="uv")


def _run_pip(python: Path, arguments: list[str], log_path: Path, *, module: str = "pip") -> None:
    """Run pip, or uv, with a line per package on the screen and everything in the log."""
    print("Installing packages (torch is large: 3 GB on Linux); the full log goes to", log_path, flush=True)
    # Where pip installs into another folder or for the user, the environment would stay empty.
    elsewhere = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in elsewhere}
    environment.update(PYTHONUTF8="1", PIP_PROGRESS_BAR="off", PIP_NO_INPUT="1")
    command = [str(python), "-m", module, *arguments]
    output: list[str] = []
    # One `with` in another: Python 3.8 must be able to parse this file, to say that it is too old.
    with log_path.open("w", encoding="utf-8") as log:  # noqa: SIM117
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
        ) as pip:
            assert pip.stdout is not None
            for line in pip.stdout:
                log.write(line)
                output.append(line)
                step = _STEP.match(line)
                if step:
                    print(f"  {step[1]} {step[2].rsplit('/', 1)[-1]}", flush=True)
    if pip.returncode != 0:
        cause = cause_of_failure(output)
        raise SetupError(
            f"{module} could not install the packages (full log: {log_path}):\n{''.join(output[-12:])}".rstrip()
            + (f"\n{cause}" if cause else "")
        )
