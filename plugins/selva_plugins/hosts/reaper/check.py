"""What "Settings and check" and `selva host check reaper` show: versions, daemon, models and faults, in plain words."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import selva_core
from selva_plugins.checks import Fact, build_fact, check_daemon, check_models
from selva_plugins.hosts.reaper.action_list import ACTIONS, PACKAGE_SCRIPT, find_missing_actions
from selva_plugins.hosts.reaper.install import SANDBOX_EXIT, list_script_copies, read_script_version
from selva_plugins.hosts.reaper.machine import Machine, choose_resource_paths, scripts_folder
from selva_plugins.request_folder import PROTOCOL, HostRequest

_ONE_COPY = "Keep one copy: uninstall the package in ReaPack, or run selva host remove reaper"


def check_installation(request: HostRequest) -> list[Fact]:
    """Each fact has a title, a text and a level (ok, warning, fault). The daemon is asked, not started."""
    return [
        _check_versions(request),
        *_check_copies(request),
        *check_daemon(),
        check_models(),
    ]


def check_setup(chosen: Path | None, machine: Machine | None = None) -> list[Fact]:
    """The same from outside REAPER: each REAPER found, or the one named, then daemon and models. Raises HostSetupError."""
    machine = machine or Machine()
    facts: list[Fact] = []
    for resource_path in choose_resource_paths(chosen, machine):
        facts += [
            _check_scripts(resource_path),
            _check_bridge_file(resource_path),
            *_check_actions(resource_path),
        ]
    return [*facts, *check_daemon(), check_models()]


def _check_scripts(resource_path: Path) -> Fact:
    copies = list_script_copies(scripts_folder(resource_path))
    title = f"Scripts in {resource_path}"
    if not copies:
        return build_fact(title, "None. Run: selva host install reaper", "fault")
    if len(copies) > 1:
        return build_fact(title, f"{_ONE_COPY}: {'; '.join(map(str, copies))}", "warning")
    version = read_script_version(copies[0])
    level = "ok" if version == selva_core.__version__ else "warning"
    advice = (
        "" if level == "ok" else f"; the bridge is {selva_core.__version__}: run selva host install reaper"
    )
    return build_fact(title, f"Version {version} in {copies[0].parent}{advice}", level)


def _check_bridge_file(resource_path: Path) -> Fact:
    title, file = "Bridge", resource_path / "Selva" / "bridge.json"
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        command, requests = values["command"], Path(values["request_folder"])
        program = Path(command[len(SANDBOX_EXIT) if command[: len(SANDBOX_EXIT)] == SANDBOX_EXIT else 0])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        return build_fact(title, f"{file} cannot be used ({error}). Run: selva host install reaper", "fault")
    if values.get("protocol") != PROTOCOL or not program.is_file():
        return build_fact(
            title, f"{file} names {program}, which is gone or old. Run: selva host install reaper", "fault"
        )
    if not os.access(requests, os.W_OK):
        return build_fact(title, f"{requests} cannot be written. Run: selva host install reaper", "fault")
    return build_fact(title, f"Started with {program}; requests in {requests}")


def _check_actions(resource_path: Path) -> Iterator[Fact]:
    """Only for scripts that we put there; those of ReaPack are registered by it."""
    if not (scripts_folder(resource_path) / "Selva" / PACKAGE_SCRIPT).is_file():
        return
    missing = find_missing_actions(resource_path)
    if missing:
        yield build_fact(
            "Actions",
            f"{len(missing)} of {len(ACTIONS)} are not in the action list. "
            "Close REAPER and run: selva host install reaper",
            "warning",
        )


def _check_versions(request: HostRequest) -> Fact:
    text = f"Protocol {PROTOCOL}, Python {sys.version.split()[0]} at {sys.executable}"
    title = f"Bridge {selva_core.__version__}"
    if request.script_version != selva_core.__version__:
        mismatch = (
            f"The scripts are version {request.script_version}, the bridge is {selva_core.__version__}. "
            "Run: selva host install reaper"
        )
        return build_fact(title, f"{mismatch}. {text}", "warning")
    return build_fact(title, text)


def _check_copies(request: HostRequest) -> Iterator[Fact]:
    """REAPER starts whichever copy an action was made from; two copies of different age are a trap."""
    folder = Path(request.script_folder)
    scripts = next((parent for parent in folder.parents if parent.name.lower() == "scripts"), None)
    copies = list_script_copies(scripts) if scripts is not None else []
    if len(copies) > 1:
        listed = "; ".join(str(copy) for copy in copies)
        yield build_fact("More than one copy of the scripts", f"{_ONE_COPY}: {listed}", "warning")
