"""The program uv, and the private environment: found or fetched, and made beside the one in use."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from environment import SetupError, find_base_python
from foundation import isolation
from steps.packages import check_disk, has_right_packages, wanted_stamp
from steps.setup import Setup
from steps.step import Step

UV_REQUIREMENT = "uv==0.13.9"
OLDEST_UV = (0, 8)
"""The first that knows all the builds of torch that are chosen here."""
MANAGED_PYTHON = "3.12"


def find_python(os_name: str = os.name) -> str | None:
    """A supported Python on this machine, outside any virtual environment that the caller has activated; else None."""
    try:
        found = find_base_python(os_name=os_name)
    except SetupError:
        return None
    inside = sys.prefix != sys.base_prefix and Path(found) == Path(sys.executable)
    base = getattr(sys, "_base_executable", None)
    # An environment that is made from another one breaks when that one is removed.
    return str(base) if inside and base and Path(base).is_file() else found


class UvStep(Step):
    """uv knows where the builds of torch lie and fetches a Python; without it pip does what it can."""

    name, title = "uv", "uv, which installs packages"

    def plan(self, setup: Setup) -> list[str]:
        return [
            f"fetch {UV_REQUIREMENT} into {setup.prefix / 'tools'}, unless a new enough uv is on the PATH"
        ]

    def is_done(self, setup: Setup) -> bool:
        if not needs_uv(setup):
            return True
        found = setup.record.recall(self.name, "command")
        return setup.record.is_finished(self.name) and (found is None or Path(found).is_file())

    def apply(self, setup: Setup) -> None:
        found = self._find(setup) or self._fetch(setup)
        setup.record.remember(self.name, command=found)
        if found is None and setup.choices.installs_with == "uv":
            raise SetupError(
                "uv could not be fetched from the package index; use --with pip, or install uv yourself"
            )

    def undo(self, setup: Setup) -> None:
        setup.remove_tree(setup.prefix / "tools")

    def _find(self, setup: Setup) -> str | None:
        command = shutil.which("uv", path=setup.machine.environment.get("PATH", ""))
        if command is None:
            return None
        version = re.search(r"uv (\d+)\.(\d+)", setup.runner.run([command, "--version"]).output)
        is_new = version is not None and (int(version[1]), int(version[2])) >= OLDEST_UV
        return command if is_new else None

    def _fetch(self, setup: Setup) -> str | None:
        target = setup.prefix / "tools"
        python = find_python(setup.machine.os_name) or sys.executable
        setup.record.will_make(self.name, target)
        setup.say(f"  fetching {UV_REQUIREMENT}")
        variables = honoured_pip(setup, python)
        index = ["--index-url", setup.choices.index_url] if setup.choices.index_url else []
        setup.runner.run(
            [
                python,
                "-m",
                "pip",
                "install",
                "--target",
                str(target),
                "--upgrade",
                "--no-cache-dir",
                *index,
                UV_REQUIREMENT,
            ],
            variables=variables,
        )
        for folder in ("bin", "Scripts"):
            for name in ("uv", "uv.exe"):
                if (target / folder / name).is_file():
                    return str(target / folder / name)
        setup.note("uv could not be fetched; pip installs the packages")
        return None


def needs_uv(setup: Setup) -> bool:
    return setup.choices.installs_with != "pip" and setup.require_source().wheels is None


def honoured_pip(setup: Setup, python: str) -> dict[str, str]:
    """Variables for pip and uv from the caller's own configuration of pip, and a note on what of it is not followed."""
    environment = dict(setup.machine.environment)
    for name in [name for name in environment if name.upper().startswith(("PYTHON", "CONDA"))]:
        del environment[name]
    runner = setup.runner
    listing = type(runner)(runner.log, environment, runner.say).run([python, "-m", "pip", "config", "list"])
    options = isolation.parse_pip_config(listing.output) if listing.status == 0 else {}
    ignored = [name for name in isolation.ignored_options(options) if name != "disable-pip-version-check"]
    if ignored:
        setup.note(f"options of pip's configuration that are not used: {', '.join(ignored)}")
    variables = isolation.honoured_variables(options, setup.machine.environment)
    followed = sorted({name for name in isolation.HONOURED_PIP if options.get(name)})
    if followed:
        setup.note(f"options of pip's configuration that are used: {', '.join(followed)}")
    return variables


class PythonStep(Step):
    """A virtual environment, of a Python that is here or that uv fetches. A new one for each version: the one in use stays as
    it is until the new one is proven."""

    name, title = "python", "private Python environment"

    def plan(self, setup: Setup) -> list[str]:
        return [f"make {setup.prefix / self._next_name(setup)}"]

    def is_done(self, setup: Setup) -> bool:
        if has_right_packages(setup, setup.current_environment):
            return True
        new = setup.new_environment
        if new is None or new == setup.current_environment or not setup.record.is_finished(self.name):
            return False
        is_wanted = setup.record.recall(self.name, "stamp") == wanted_stamp(setup)
        return is_wanted and setup.runner.run([str(setup.python_of(new)), "-I", "-c", ""]).status == 0

    def apply(self, setup: Setup) -> None:
        name = self._next_name(setup)
        target = setup.prefix / name
        setup.remove_tree(target)
        check_disk(setup)
        setup.record.will_make(self.name, target)
        setup.record.remember(self.name, environment=name, stamp=wanted_stamp(setup))
        base = find_python(setup.machine.os_name) or self._fetch_python(setup)
        setup.say(f"  {target} with {base}")
        made = setup.runner.run([base, "-m", "venv", "--clear", str(target)])
        if made.status != 0:
            self._make_without_ensurepip(setup, base, target, made.output)

    def undo(self, setup: Setup) -> None:
        for path in sorted(setup.prefix.glob("env-*")):
            setup.remove_tree(path)
        for name in ("python", "downloads"):
            setup.remove_tree(setup.prefix / name)

    def plan_undo(self, setup: Setup) -> list[str]:
        found = [*sorted(setup.prefix.glob("env-*")), setup.prefix / "python", setup.downloads]
        return [f"remove {path}" for path in found if path.exists()]

    def _next_name(self, setup: Setup) -> str:
        """The folder after the one in use; one that was begun and never used is made anew."""
        current = setup.current_environment
        return f"env-{int(current.name.rpartition('-')[2]) + 1}" if current else "env-1"

    def _make_without_ensurepip(self, setup: Setup, base: str, target: Path, output: str) -> None:
        """Debian's Python comes without ensurepip unless python3-venv is installed; uv and a bundle's pip need none."""
        has_installer = setup.record.recall("uv", "command") or bundled_pip(setup)
        if "ensurepip" not in output or not has_installer:
            hint = ""
            if "ensurepip" in output and shutil.which("apt"):
                version = re.search(r"python(3\.\d+)", os.path.realpath(base))
                hint = (
                    f"; install what is missing: sudo apt install python{version[1] if version else '3'}-venv"
                )
            cause = output.strip().splitlines()[-1] if output.strip() else "it printed nothing"
            raise SetupError(f"{base} could not make the environment: {cause}{hint}")
        setup.runner.run(
            [base, "-m", "venv", "--clear", "--without-pip", str(target)],
            purpose="the environment could not be made",
        )

    def _fetch_python(self, setup: Setup) -> str:
        """Raises SetupError where there is no uv, or no network."""
        uv = setup.record.recall("uv", "command")
        if not uv:
            find_base_python(os_name=setup.machine.os_name)  # says what is missing
            raise SetupError("no Python from 3.10 to 3.13 was found; install one and run the command again")
        folder = setup.prefix / "python"
        setup.record.will_make(self.name, folder)
        setup.say(f"  fetching Python {MANAGED_PYTHON}: none from 3.10 to 3.13 is on this machine")
        variables = {"UV_PYTHON_INSTALL_DIR": str(folder), "UV_CACHE_DIR": str(setup.downloads / "uv")}
        setup.runner.run(
            [uv, "python", "install", "--no-bin", MANAGED_PYTHON],
            variables=variables,
            purpose=f"Python {MANAGED_PYTHON} could not be fetched; install Python 3.10 to 3.13 yourself",
        )
        found = setup.runner.run(
            [uv, "python", "find", "--managed-python", MANAGED_PYTHON],
            variables=variables,
            purpose="the Python that uv fetched cannot be found",
        )
        return found.output.strip().splitlines()[-1]


def bundled_pip(setup: Setup) -> Path | None:
    """pip's own wheel in a folder of wheels; it runs from there."""
    wheels = setup.require_source().wheels
    return next(iter(sorted(wheels.glob("pip-*.whl"), reverse=True)), None) if wheels else None
