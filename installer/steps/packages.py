"""The packages: installed into the new environment, loaded once, and marked as whole."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from environment import SetupError
from foundation import isolation
from foundation.record import write_whole
from foundation.runner import without_credentials
from foundation.torch_build import DISK_BYTES, TorchBuild, choose_torch
from steps.setup import Setup
from steps.step import Step

MARKER = "selva-installed.json"
"""Written when all packages are there and load; an environment without it is unfinished."""
ENVIRONMENT_BYTES = 100 * 10**6
"""What an environment takes before packages are in it: pip above all."""
LOADED = "torch tokenizers av soundfile soxr zmq opentimelineio selva_cli.app"
LOAD_ALL = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
QUESTION = """
import json
from selva_core.base.paths import AppPaths
from selva_core.models.catalog import default_models_dir
found = AppPaths.find()
print(json.dumps({"state": str(found.state), "cache": str(found.cache), "config": str(found.config),
                  "settings": str(found.settings_file), "models": str(default_models_dir())}))
"""
"""Where the installed product keeps its files, by its own rules."""


def extras_to_install(setup: Setup) -> list[str]:
    """Those asked for; of a bundle only what it holds."""
    held = setup.require_source().manifest.get("extras")
    extras = setup.choices.extras or []
    return [extra for extra in extras if held is None or extra in held]


def torch_of(setup: Setup) -> TorchBuild:
    """Which build is installed, and why; a folder of wheels holds one already. Raises SetupError."""
    source = setup.require_source()
    if source.wheels is not None:
        return TorchBuild("index", "the build that lies in the folder of wheels")
    if setup.choices.torch_index:
        return TorchBuild("index", "from the index that you named")
    return choose_torch(setup.choices.torch, setup.machine)


def wanted_stamp(setup: Setup) -> str:
    """Changes with everything that decides what is installed. Raises SetupError."""
    source, digest = setup.require_source(), hashlib.sha256()
    for text in (source.digest, ",".join(extras_to_install(setup)), torch_of(setup).name):
        digest.update(text.encode() + b"\0")
    for path in (setup.choices.constraints, source.constraints):
        digest.update(path.read_bytes() if path else b"")
    return digest.hexdigest()


def has_right_packages(setup: Setup, environment: Path | None) -> bool:
    """Whether an environment is whole and holds what is wanted; for a repair, every file of it."""
    if environment is None:
        return False
    marker = _read_marker(environment)
    if marker.get("stamp") != wanted_stamp(setup) or not setup.python_of(environment).exists():
        return False
    if not setup.is_repair or environment.name in setup.repaired:
        return True
    faults = list(iter_damaged_files(environment))
    for fault in faults[:5]:
        setup.say(f"  damaged: {fault}")
    setup.runner.log.write("\n".join(f"damaged: {fault}" for fault in faults))
    return not faults


def _read_marker(environment: Path) -> dict[str, Any]:
    try:
        content = json.loads((environment / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def iter_damaged_files(environment: Path) -> Iterator[str]:
    """Files of packages that are missing or have another size than their package recorded. Compiled modules are not
    looked at: Python writes them itself; nor are packages inside of packages, as setuptools has them, of which only a part
    is there."""
    folders = {*environment.glob("lib/python*/site-packages"), *environment.glob("Lib/site-packages")}
    for record in sorted(path for folder in folders for path in folder.glob("*.dist-info/RECORD")):
        site = record.parent.parent
        with record.open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream):
                if len(row) < 3 or not row[2] or row[0].endswith(".pyc"):
                    continue
                path = site / row[0]
                try:
                    size = path.stat().st_size
                except OSError:
                    yield f"{path} is missing"
                    continue
                if size != int(row[2]):
                    yield f"{path} has {size} bytes, not {row[2]}"


def check_disk(setup: Setup) -> None:
    """Before anything large is written: room for the environment, with what is fetched beside it. Raises SetupError."""
    source = setup.require_source()
    if source.wheels is not None:
        needed = ENVIRONMENT_BYTES + 4 * sum(path.stat().st_size for path in source.wheels.glob("*.whl"))
    else:
        needed = DISK_BYTES["large" if torch_of(setup).is_large(setup.machine.platform) else "small"]
    free = shutil.disk_usage(str(setup.prefix)).free
    if free < needed:
        raise SetupError(
            f"{free / 1e9:.2f} GB are free on the disk of {setup.prefix}, and the packages need {needed / 1e9:.1f} GB; "
            "free some, or name a folder on another disk with --prefix"
        )


class PackagesStep(Step):
    """Into an environment that nothing uses yet."""

    name, title = "packages", "packages"

    def plan(self, setup: Setup) -> list[str]:
        build = torch_of(setup)
        size = "6 GB" if build.is_large(setup.machine.platform) else "1.5 GB"
        return [
            f"install {setup.require_source().describe()}",
            f"torch: {build.name} ({build.reason}), about {size}",
        ]

    def is_done(self, setup: Setup) -> bool:
        return has_right_packages(setup, setup.new_environment)

    def apply(self, setup: Setup) -> None:
        environment = setup.new_environment
        assert environment is not None, "the step before makes it"
        build = torch_of(setup)
        setup.say(f"  torch: {build.name} - {build.reason}")
        check_disk(setup)
        (environment / MARKER).unlink() if (environment / MARKER).exists() else None
        self._install(setup, environment, build)
        python = str(setup.python_of(environment))
        setup.say("  loading every package once")
        setup.runner.run(
            [python, "-X", "utf8", "-I", "-c", LOAD_ALL, *LOADED.split()],
            purpose="the packages were installed and do not load",
        )
        found = setup.runner.run(
            [python, "-X", "utf8", "-I", "-c", QUESTION], purpose="the product does not start"
        )
        setup.record.remember(
            self.name, paths=json.loads(found.output.strip().splitlines()[-1]), torch=build.name
        )
        marker = {"stamp": wanted_stamp(setup), "version": setup.require_source().version}
        write_whole(environment / MARKER, json.dumps(marker).encode("ascii"))
        if setup.is_repair:
            setup.repaired.append(environment.name)

    def _install(self, setup: Setup, environment: Path, build: TorchBuild) -> None:
        uv = setup.record.recall("uv", "command")
        if uv and setup.require_source().wheels is None:
            self._run(setup, self._uv_command(setup, uv, environment, build), environment)
            return
        if (
            build.name == "cpu"
            and build.is_large(setup.machine.platform) is False
            and not setup.choices.torch_index
        ):
            setup.note(
                "without uv the package index decides on the build of torch, which on Linux brings CUDA (6 GB instead of "
                "1.5); for another name an index that has it: --torch-index URL"
            )
        self._run(setup, self._pip_command(setup, environment), environment)

    def _run(self, setup: Setup, command: list[str], environment: Path) -> None:
        from steps.private_python import honoured_pip  # noqa: PLC0415 - that module knows this one

        is_offline = setup.require_source().wheels is not None
        variables = {} if is_offline else honoured_pip(setup, str(setup.python_of(environment)))
        variables["UV_CACHE_DIR"] = str(setup.downloads / "uv")
        variables["TMPDIR"] = variables["TEMP"] = variables["TMP"] = str(setup.downloads / "tmp")
        (setup.downloads / "tmp").mkdir(parents=True, exist_ok=True)
        try:
            setup.runner.run(
                command, variables=variables, shows_steps=True, purpose="the packages could not be installed"
            )
        except SetupError as exc:
            if "--torch-backend" in command and "network" in str(exc).lower():
                raise SetupError(
                    f"{exc} torch's own index may be what is out of reach: take the build of yours with --torch index, or name "
                    "a mirror with --torch-index URL."
                ) from exc
            raise

    def _uv_command(self, setup: Setup, uv: str, environment: Path, build: TorchBuild) -> list[str]:
        command = [uv, "pip", "install", "--python", str(setup.python_of(environment))]
        if build.name != "index":
            command += ["--torch-backend", build.name]
        if setup.choices.index_url:
            command += ["--default-index", setup.choices.index_url]
        if setup.choices.torch_index:
            command += ["--index", setup.choices.torch_index, "--index-strategy", "unsafe-best-match"]
        return [*command, *self._constraints(setup), self._target(setup), "pip"]

    def _pip_command(self, setup: Setup, environment: Path) -> list[str]:
        from steps.private_python import bundled_pip  # noqa: PLC0415

        python, wheels = str(setup.python_of(environment)), setup.require_source().wheels
        has_pip = setup.runner.run([python, "-I", "-c", "import pip"]).status == 0
        pip = bundled_pip(setup)
        command = [python, "-m", "pip"] if has_pip else [python, f"{pip}/pip"]
        command += ["install", "--cache-dir", str(setup.downloads / "pip")]
        if wheels is not None:
            command += ["--no-index", "--find-links", str(wheels)]
        if setup.choices.index_url:
            command += ["--index-url", setup.choices.index_url]
        if setup.choices.torch_index:
            command += ["--extra-index-url", setup.choices.torch_index]
        return [*command, *self._constraints(setup), self._target(setup), *([] if has_pip else ["pip"])]

    def _constraints(self, setup: Setup) -> list[str]:
        path = setup.choices.constraints or setup.require_source().constraints
        return ["--constraint", str(path)] if path else []

    def _target(self, setup: Setup) -> str:
        source, extras = setup.require_source(), extras_to_install(setup)
        bracket = f"[{','.join(extras)}]" if extras else ""
        name, equals, version = source.requirement.partition("==")
        return f"{name}{bracket}{equals}{version}" if source.wheels else f"{source.requirement}{bracket}"


def describe_isolation(setup: Setup, cleared: list[str]) -> None:
    """Say which of the caller's variables do not reach the programs that are started."""
    isolation.check_variables(setup.machine.environment)
    if cleared:
        setup.note(
            f"variables of your environment that are not passed on: {', '.join(map(without_credentials, cleared))}"
        )
