"""The interpreter, the variables around it, and which `selva` the shell finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from selva_cli.doctor.finding import Finding, System
from selva_core.base.command_line import reinstall_command, selva_command
from selva_core.base.environment import iter_unknown_variables

OLDEST, NEWEST = (3, 10), (3, 13)
"""As pyproject.toml has it; OpenTimelineIO publishes no wheels for a later Python."""
_LEADS_ASTRAY = {
    "PYTHONHOME": "it names another Python's library, and ours may fail to start with it",
    "PYTHONPATH": "in a Python of your own, its modules come before those that were installed with Selva",
    "LD_PRELOAD": "it puts a library before those of torch and FFmpeg",
    "DYLD_INSERT_LIBRARIES": "it puts a library before those of torch and FFmpeg",
    "LD_LIBRARY_PATH": "its libraries come before those of torch and FFmpeg",
    "DYLD_LIBRARY_PATH": "its libraries come before those of torch and FFmpeg",
}


def check_python(system: System) -> Iterator[Finding]:
    """Version, word size, and an interpreter of another processor than the machine's."""
    version = ".".join(map(str, system.python_version))
    title = f"Python {version}"
    if not OLDEST <= system.python_version <= NEWEST:
        allowed = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        text = f"Selva runs on {allowed}. Install one of these, and Selva with it once more"
        yield Finding(title=title, text=text, level="fault", remedy="python3.12 installer/install.py")
    elif not system.is_64_bit:
        text = "It is a 32-bit Python, for which there is no torch. Install a 64-bit one, and Selva with it once more"
        yield Finding(title=title, text=text, level="fault", remedy="py -3.12 installer/install.py")
    elif system.platform == "darwin" and _is_translated(system):
        text = "It is translated by Rosetta, where Apple's GPU is not seen. Install a Python for arm64"
        yield Finding(
            title=title, text=text, level="warning", remedy="arch -arm64 python3 installer/install.py"
        )
    else:
        yield Finding(title=title, text=system.executable)


def _is_translated(system: System) -> bool:
    """Apple answers 1 for a process of another processor's code."""
    answer = system.run(("sysctl", "-in", "sysctl.proc_translated"), 2.0)
    return answer.stdout.strip() == "1"


def check_variables(system: System) -> Iterator[Finding]:
    """Variables of other programs that lead Python or its libraries elsewhere, and misspelt ones of ours."""
    values = system.environment
    odd = [name for name in _LEADS_ASTRAY if values.get(name)]
    for name in odd:
        yield Finding(
            title=name,
            text=f"It is set to {values[name]}: {_LEADS_ASTRAY[name]}. The daemon is started without it; commands are not",
            level="warning",
            remedy=system.unset_command(name),
        )
    active = values.get("VIRTUAL_ENV") or values.get("CONDA_PREFIX")
    if active and not _is_same_folder(active, system.prefix):
        odd.append(active)
        text = f"The shell has {active} activated, and this Selva is installed in {system.prefix}. That is fine unless you "
        yield Finding(title="Activated environment", text=f"{text}meant the other one")
    for sentence in iter_unknown_variables(values):
        odd.append(sentence)
        name = next(word for word in sentence.replace(";", " ").split() if word.startswith("SELVA_"))
        yield Finding(title=name, text=f"{sentence}", level="warning", remedy=system.unset_command(name))
    if not odd:
        yield Finding(title="Variables", text="none that leads Python elsewhere")


def check_command(system: System) -> Iterator[Finding]:
    """Which `selva` the shell runs."""
    title, found = "Command selva", system.which("selva")
    if found is None:
        yield Finding(title=title, text=f"not on the PATH; {selva_command()} runs it from anywhere")
        return
    own = Path(system.prefix) / ("Scripts" if system.platform == "win32" else "bin")
    if _is_same_folder(str(Path(os.path.realpath(found)).parent), str(own)):
        yield Finding(title=title, text=found)
    else:
        text = f"The shell runs {found}, of another installation than this one in {system.prefix}"
        yield Finding(title=title, text=text, level="warning", remedy=f"{selva_command('--version')}")


def check_package(_system: System) -> Iterator[Finding]:
    """Whether the package and its declared requirements are installed."""
    from importlib.metadata import PackageNotFoundError, distribution, requires  # noqa: PLC0415

    title = "Packages"
    try:
        needed = [line.split(";")[0] for line in requires("selva-bridge") or () if "extra ==" not in line]
    except PackageNotFoundError:
        yield Finding(title=title, text="run from a source tree")
        return
    missing = []
    for line in needed:
        name = line.strip().split("[")[0]
        for separator in "<>=!~ ":
            name = name.split(separator)[0]
        try:
            distribution(name)
        except PackageNotFoundError:
            if name != "tomli":  # for Python 3.10 only
                missing.append(name)
    if missing:
        text = f"Missing: {', '.join(missing)}. The installation is not whole"
        yield Finding(title=title, text=text, level="fault", remedy=reinstall_command())
    else:
        yield Finding(title=title, text=f"{len(needed)} that Selva needs are installed")


def _is_same_folder(first: str, second: str) -> bool:
    return os.path.normcase(os.path.realpath(first)) == os.path.normcase(os.path.realpath(second))
