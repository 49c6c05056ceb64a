"""What the person wants: options, the questions where there is a terminal, and what an earlier run was asked for."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from environment import SetupError
from foundation import locations, torch_build
from foundation.machine import Machine
from foundation.record import RECORD_NAME
from foundation.runner import without_credentials

EXTRAS = ("plot", "formats", "c2pa")
DEFAULT_EXTRAS = ("plot", "formats")
HOSTS = ("reaper", "resolve")
DEFAULTS: dict[str, Any] = {
    "models_dir": None,
    "cache_dir": None,
    "stems_dir": None,
    "torch": "auto",
    "extras": list(DEFAULT_EXTRAS),
    "hosts": "auto",
    "autostart": False,
    "command": True,
    "with": "auto",
    "constraints": None,
    "torch_index": None,
    "index_url": None,
}
"""What is remembered for the next run; addresses with a password in them are not."""


def build_parser() -> argparse.ArgumentParser:
    """Every option is None where it was not given, so that an earlier run's choice stays."""
    parser = argparse.ArgumentParser(
        prog="install.py",
        description="Install Selva Bridge for yourself. Run it again to go on after an interruption, or to repair.",
        epilog="Everything about it: docs/start/install.md",
        argument_default=None,
    )
    _add_action_options(parser)
    _add_folder_options(parser.add_argument_group("where things go"))
    _add_package_options(parser.add_argument_group("packages"))
    _add_system_options(parser.add_argument_group("the system"))
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--json", action="store_true", help="a summary as JSON on standard output")
    return parser


def _add_action_options(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--upgrade", action="store_true", help="install this version over an earlier one")
    actions.add_argument(
        "--repair", action="store_true", help="check every installed file, and replace what is damaged"
    )
    actions.add_argument("--uninstall", action="store_true", help="remove all of it; stems, and models, stay")
    parser.add_argument(
        "--with-models", action="store_true", help="with --uninstall: remove downloaded models too"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and touch nothing")


def _add_folder_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--prefix", metavar="DIR", help="the program itself (1.5 GB, or 6 GB with CUDA)")
    group.add_argument("--models-dir", metavar="DIR", help="models (up to 11 GB each)")
    group.add_argument("--cache-dir", metavar="DIR", help="finished sound and video features (up to 20 GB)")
    group.add_argument("--stems-dir", metavar="DIR", help="stems, where a command names no folder")


def _add_package_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--torch", metavar="BUILD", help=f"one of {', '.join(torch_build.list_builds())}")
    group.add_argument(
        "--torch-index", metavar="URL", help="a package index that has the build of torch you want"
    )
    group.add_argument("--index-url", metavar="URL", help="the package index, instead of the configured one")
    group.add_argument("--constraints", metavar="FILE", help="versions to take, instead of the tested ones")
    group.add_argument("--offline", metavar="WHEELS", help="a folder made by bundle.py: no network is used")
    group.add_argument(
        "--extras", metavar="NAMES", help=f"of {', '.join(EXTRAS)}; none (default: plot,formats)"
    )
    group.add_argument(
        "--with", choices=("auto", "uv", "pip"), help="what installs packages (default: uv if possible)"
    )


def _add_system_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--hosts", metavar="NAMES", help="reaper,resolve; none (default: those that are found)"
    )
    group.add_argument(
        "--autostart", action="store_true", default=None, help="start the daemon when you log in"
    )
    group.add_argument(
        "--no-autostart", dest="autostart", action="store_false", default=None, help="the default"
    )
    group.add_argument("--no-command", dest="command", action="store_false", default=None,
                        help="put no command `selva` into ~/.local/bin")  # fmt: skip


class Choices:
    """given: what this run was asked for. earlier: what the record of the installation says, or nothing."""

    def __init__(
        self, given: argparse.Namespace, machine: Machine, earlier: dict[str, Any] | None = None
    ) -> None:
        values: dict[str, Any] = {**DEFAULTS, **(earlier or {})}
        for name in DEFAULTS:
            if getattr(given, name, None) is not None:
                values[name] = getattr(given, name)
        self.values = values
        self.models_dir = _path(values["models_dir"], machine)
        self.cache_dir = _path(values["cache_dir"], machine)
        self.stems_dir = _path(values["stems_dir"], machine)
        self.torch = str(values["torch"])
        self.extras = _names(values["extras"], EXTRAS, "--extras")
        self.hosts = _names(values["hosts"], HOSTS, "--hosts", may_be_auto=True)
        self.autostart = bool(values["autostart"])
        self.command = bool(values["command"])
        self.installs_with = str(values["with"])
        self.torch_index: str | None = values["torch_index"]
        self.index_url: str | None = values["index_url"]
        self.constraints = _path(values["constraints"], machine)
        self.offline = _path(given.offline, machine)
        if self.constraints is not None and not self.constraints.is_file():
            raise SetupError(
                f"there is no file {self.constraints}; --constraints names a file of lines name==version"
            )
        values["extras"] = list(self.extras or ())
        for name in ("models_dir", "cache_dir", "stems_dir", "constraints"):
            values[name] = str(getattr(self, name)) if getattr(self, name) else None

    def record(self) -> dict[str, Any]:
        """What the next run goes by."""
        addresses = ("torch_index", "index_url")
        return {
            name: None if name in addresses and has_credentials(self.values[name]) else self.values[name]
            for name in DEFAULTS
        }

    def chosen_hosts(self, machine: Machine) -> list[str]:
        """Those that were named, or those that are there."""
        return list(locations.host_files(machine)) if self.hosts is None else self.hosts


def has_credentials(address: str | None) -> bool:
    """Whether an address has a name or password in it."""
    return address is not None and without_credentials(address) != address


def _path(value: Any, machine: Machine) -> Path | None:
    """Absolute, so that a run from another folder finds it again."""
    if value is None:
        return None
    text = str(value)
    path = machine.home / text[2:] if text.startswith(("~/", "~\\")) else Path(text)
    return path.absolute()


def _names(value: Any, allowed: Sequence[str], option: str, *, may_be_auto: bool = False) -> list[str] | None:
    """None for `auto`. Raises SetupError."""
    names = value.split(",") if isinstance(value, str) else list(value)
    names = [name.strip().lower() for name in names if name.strip()]
    if may_be_auto and names == ["auto"]:
        return None
    if names == ["none"]:
        return []
    unknown = [name for name in names if name not in allowed]
    if unknown:
        raise SetupError(
            f"{option} takes {', '.join(allowed)}, with commas, or none; got {', '.join(unknown)}"
        )
    return names


def choose_prefix(given: argparse.Namespace, machine: Machine, installer: Path) -> Path:
    """The folder that was named; that of the installation this installer belongs to, or that is there; else the system's own."""
    named = _path(given.prefix, machine)
    if named is not None:
        return named
    default, folder = locations.default_prefix(machine), locations.command_folder(machine)
    candidates = [installer.parent, default]
    if (
        folder is not None and (folder / "selva").is_symlink()
    ):  # the command of an installation in a folder of choice
        candidates.append(Path(os.readlink(folder / "selva")).parent)
    return next((path for path in candidates if (path / RECORD_NAME).is_file()), default)


def is_interactive(given: argparse.Namespace) -> bool:
    """Whether there is somebody to ask."""
    return not (given.yes or given.json or given.dry_run) and sys.stdin.isatty() and sys.stdout.isatty()


def ask_for_folders(given: argparse.Namespace, machine: Machine, ask: Callable[[str], str]) -> None:
    """Ask once for each folder that no option names; an empty answer takes the one shown. Changes `given`."""
    questions = (
        ("prefix", "The program (1.5 GB; 6 GB with CUDA)", locations.default_prefix(machine)),
        ("models_dir", "Models (7 to 11 GB each, when you fetch them)", locations.default_models(machine)),
        ("cache_dir", "Cache (up to 20 GB as it is used)", None),
        ("stems_dir", "Stems, where a command names no folder", None),
    )
    for name, title, default in questions:
        if getattr(given, name) is not None:
            continue
        room = f", {free_gigabytes(default):.0f} GB free" if default is not None else ""
        shown = f"{default}{room}" if default is not None else "the usual place"
        answer = ask(f"{title} [{shown}]: ").strip()
        if answer:
            setattr(given, name, answer)


def free_gigabytes(folder: Path) -> float:
    """Free room on the disk that a folder is, or will be, on."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(str(folder)).free / 1e9
