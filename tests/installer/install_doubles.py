"""A machine, and a runner that starts nothing: programs are replaced by the effects that matter to the installer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from tests.installer.fake_wheels import write_wheels
from tests.installer.scripts import INSTALLER, load_step_module

command = load_step_module("steps.command")
record_module = load_step_module("foundation.record")
machine_module = load_step_module("foundation.machine")
runner_module = load_step_module("foundation.runner")
Machine = machine_module.Machine


class Interruption:
    """Raises KeyboardInterrupt at the n-th moment; counts them where there is none. Moments are before a program is started
    and before the record is written: what lies between two of them is one change."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.count = 0

    def moment(self) -> None:
        self.count += 1
        if self.at is not None and self.count > self.at:
            raise KeyboardInterrupt


class Double:
    """A home of one user, a folder of wheels, and what the programs that were started have done.

    broken: a text in a command -> what the program prints while it fails.
    """

    def __init__(self, folder: Path, *, platform: str = "linux", wheels: Path | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.prefix = folder / "Büro 犬" / "selva"
        self.wheels = wheels or write_wheels(folder / "wheels")
        self.platform = platform
        self.commands: list[list[str]] = []
        self.variables: list[dict[str, str]] = []
        self.broken: dict[str, str] = {}
        self.interruption = Interruption()
        self.pip_config = ""
        reaper = self.home / ".config" / "REAPER"
        reaper.mkdir(parents=True)
        (reaper / "reaper.ini").touch()
        (reaper / "reaper-kb.ini").write_text("KEY the user's\n", encoding="utf-8")
        (self.home / ".local" / "share").mkdir(parents=True)

    @property
    def machine(self) -> Any:
        environment = {"PATH": str(self.home / ".local" / "bin"), "HOME": str(self.home), "USERNAME": "ed"}
        return Machine(
            platform=self.platform,
            architecture="x86_64",
            environment=environment,
            home=self.home,
            is_root=False,
            user_id=1000,
            ask=lambda arguments: None,
            has_path=lambda path: False,
        )

    @property
    def daemon_file(self) -> Path:
        return self.home / "state" / "running"

    def run(self, *arguments: str, machine: Any = None, installer: Path = INSTALLER) -> int:
        """The installer's exit status."""
        line = ["--prefix", str(self.prefix), "--yes", *arguments]
        if "--uninstall" not in line:
            line += ["--offline", str(self.wheels)]
        save = record_module.Record.save

        def save_at_a_moment(record: Any) -> None:
            self.interruption.moment()
            save(record)

        saving = mock.patch.object(record_module.Record, "save", save_at_a_moment)
        with saving, mock.patch.object(record_module.os, "fsync"):  # hundreds of runs would wait for the disk
            status = command.main(
                line, machine or self.machine, installer=installer, runner_class=self.runner_class()
            )
        return int(status)

    def runner_class(self) -> type:
        double = self

        class FakeRunner(runner_module.Runner):  # type: ignore[misc, name-defined]
            def _run(
                self, arguments: Sequence[str], environment: Mapping[str, str], shows_steps: bool
            ) -> Any:
                double.interruption.moment()
                double.commands.append(list(arguments))
                double.variables.append(dict(environment))
                status, output = double.perform(list(arguments))
                self.log.write(output)
                return runner_module.Finished(status, output)

        return FakeRunner

    def perform(self, arguments: list[str]) -> tuple[int, str]:
        line = " ".join(arguments)
        for text, output in self.broken.items():
            if text in line:
                return 1, output
        if "selva_cli" in arguments:
            return self._selva(arguments[arguments.index("selva_cli") + 1 :], arguments[0])
        effects: list[tuple[str, Callable[[list[str]], str]]] = [
            ("-m venv", self._make_environment),
            ("pip config list", lambda _: self.pip_config),
            ("pip install", self._install_packages),
            ("AppPaths", lambda _: json.dumps(self.product_paths())),
        ]
        for text, effect in effects:
            if text in line:
                return 0, effect(arguments)
        return 0, ""

    def product_paths(self) -> dict[str, str]:
        folders = {"state": "state", "cache": ".cache/selva-bridge", "config": "config", "models": "models"}
        return {
            **{name: str(self.home / folder) for name, folder in folders.items()},
            "settings": str(self.home / "config" / "config.toml"),
        }

    def _python(self, environment: Path) -> Path:
        return environment / ("Scripts/python.exe" if self.platform == "win32" else "bin/python")

    def _make_environment(self, arguments: list[str]) -> str:
        python = self._python(Path(arguments[-1]))
        python.parent.mkdir(parents=True)
        python.touch()
        return ""

    def _install_packages(self, arguments: list[str]) -> str:
        environment = Path(arguments[0]).parents[1]
        info = environment / "lib" / "python3.12" / "site-packages" / "selva_bridge-9.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info.parent / "module.py").write_text("x = 1\n", encoding="utf-8")
        (info / "RECORD").write_text("module.py,sha256=x,6\n__pycache__/module.pyc,,\n", encoding="utf-8")
        (Path(arguments[0]).parent / "selva").touch()
        return "Collecting selva\n"

    def _selva(self, arguments: list[str], python: str) -> tuple[int, str]:
        settings, reaper = self.home / "config" / "config.toml", self.home / ".config" / "REAPER"
        scripts = reaper / "Scripts" / "Selva"
        if arguments[:2] == ["daemon", "status"]:
            return (0 if self.daemon_file.exists() else 1), ""
        if arguments[:2] == ["daemon", "stop"]:
            self.daemon_file.unlink()
        elif arguments[:2] == ["daemon", "start"]:
            self.daemon_file.parent.mkdir(parents=True, exist_ok=True)
            self.daemon_file.write_text(python, encoding="utf-8")
        elif arguments[:2] == ["config", "set"]:
            settings.parent.mkdir(parents=True, exist_ok=True)
            before = settings.read_text(encoding="utf-8") if settings.exists() else ""
            others = [line for line in before.splitlines() if not line.startswith(arguments[2])]
            settings.write_text(
                "\n".join([*others, f"{arguments[2]} = {arguments[3]}", ""]), encoding="utf-8"
            )
        elif arguments[:2] == ["host", "install"]:
            scripts.mkdir(parents=True, exist_ok=True)
            (scripts / "selva.lua").write_text(python, encoding="utf-8")
            keys = reaper / "reaper-kb.ini"
            if "SCR" not in keys.read_text(encoding="utf-8"):
                keys.write_text(keys.read_text(encoding="utf-8") + "SCR ours\n", encoding="utf-8")
            return 0, json.dumps([{"done": [], "left": ["restart REAPER"]}])
        elif arguments[:2] == ["host", "remove"]:
            (scripts / "selva.lua").unlink(missing_ok=True)
            keys = reaper / "reaper-kb.ini"
            keys.write_text(keys.read_text(encoding="utf-8").replace("SCR ours\n", ""), encoding="utf-8")
        return 0, ""


def snapshot(folder: Path) -> dict[str, str]:
    """Every file, link and folder below, with its content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found
