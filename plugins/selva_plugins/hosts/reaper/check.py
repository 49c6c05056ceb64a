"""What "Settings and check" and `selva host check reaper` show: versions, daemon, models, and what does not fit together."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import selva_core
from selva_core.base.command_line import selva_command
from selva_plugins.bridge_log import find_log_file
from selva_plugins.bridge_start import check_start
from selva_plugins.checks import CheckResult, build_check_result, check_daemon, check_libraries, check_models
from selva_plugins.handed_settings import describe_difference, read_command
from selva_plugins.hosts.reaper.action_list import ACTIONS, PACKAGE_SCRIPT, find_missing_actions
from selva_plugins.hosts.reaper.install import (
    SANDBOX_EXIT,
    describe_unopenable,
    list_script_copies,
    read_script_version,
)
from selva_plugins.hosts.reaper.resource_paths import choose_resource_paths, scripts_folder
from selva_plugins.hosts.script_install import Machine
from selva_plugins.request_folder import PROTOCOL, HostRequest


def check_installation(request: HostRequest) -> list[CheckResult]:
    """The state of the scripts that sent a request, then daemon and models. The daemon is not started."""
    return [
        _check_versions(request),
        *_check_copies(request),
        *check_daemon(),
        *check_libraries(),
        check_models(),
    ]


def check_setup(chosen: Path | None, machine: Machine | None = None) -> list[CheckResult]:
    """The same from outside REAPER: each REAPER found, or the one named, then daemon and models. Raises HostSetupError."""
    machine = machine or Machine()
    results: list[CheckResult] = []
    for resource_path in choose_resource_paths(chosen, machine):
        results += [
            _check_scripts(resource_path, machine),
            *_check_bridge(resource_path),
            *_check_actions(resource_path),
        ]
    return [*results, *check_daemon(), *check_libraries(), check_models()]


def _check_scripts(resource_path: Path, machine: Machine) -> CheckResult:
    copies = list_script_copies(scripts_folder(resource_path))
    title = f"Scripts in {resource_path}"
    if not copies:
        return build_check_result(title, f"Missing. {_advise_install()}", "fault")
    if len(copies) > 1:
        return build_check_result(title, f"{_advise_one_copy()}: {'; '.join(map(str, copies))}", "warning")
    unopenable = describe_unopenable(copies[0].parent, machine)
    if unopenable is not None:
        return build_check_result(title, unopenable, "fault")
    version = read_script_version(copies[0])
    text = f"Version {version} in {copies[0].parent}"
    if version == selva_core.__version__:
        return build_check_result(title, text)
    advice = f"the bridge is {selva_core.__version__}: run {selva_command('host', 'install', 'reaper')}"
    return build_check_result(title, f"{text}; {advice}", "warning")


def _check_bridge(resource_path: Path) -> Iterator[CheckResult]:
    """The file that says how the bridge is started, then, where that is sound, the start itself."""
    title, file, advice = "Bridge", resource_path / "Selva" / "bridge.json", _advise_install()
    if not file.is_file():
        yield build_check_result(title, f"Missing: {file}. {advice}", "fault")
        return
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        command, requests = values["command"], Path(values["request_folder"])
        if command[: len(SANDBOX_EXIT)] == SANDBOX_EXIT:
            command = command[len(SANDBOX_EXIT) :]  # only inside the sandbox; the check runs outside
        program = Path(command[0])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        yield build_check_result(title, f"{file} cannot be used ({error}). {advice}", "fault")
        return
    fault = _find_bridge_fault(values, program, requests)
    if fault is not None:
        yield build_check_result(title, f"{fault}. {advice}", "fault")
        return
    handed = read_command(command)
    difference = describe_difference(handed, os.environ)
    if difference is not None:
        yield build_check_result(
            title,
            f"REAPER's bridge uses another daemon or other folders than this terminal: {difference}. {advice}",
            "warning",
        )
    else:
        yield build_check_result(title, f"Started with {program}; requests in {requests}")
    yield check_start(command, host_name="REAPER", log=find_log_file("reaper", {**os.environ, **handed}))


def _find_bridge_fault(values: Mapping[str, object], program: Path, requests: Path) -> str | None:
    if values.get("protocol") != PROTOCOL:
        return f"The bridge that was installed is of another version (protocol {values.get('protocol')})"
    if not program.is_file():
        return f"Missing: {program}, with which REAPER starts the bridge; it is gone"
    if not requests.is_dir():
        return f"Missing: {requests}, the folder for requests"
    if not os.access(requests, os.W_OK):
        return f"{requests} cannot be written"
    return None


def _check_actions(resource_path: Path) -> Iterator[CheckResult]:
    """Only for scripts that we installed; ReaPack registers those that it installed."""
    if not (scripts_folder(resource_path) / "Selva" / PACKAGE_SCRIPT).is_file():
        return
    missing = find_missing_actions(resource_path)
    if missing:
        yield build_check_result(
            "Actions",
            f"Missing: {len(missing)} of {len(ACTIONS)} are not in the action list. "
            f"Close REAPER and run: {selva_command('host', 'install', 'reaper')}",
            "warning",
        )


def _check_versions(request: HostRequest) -> CheckResult:
    text = f"Protocol {PROTOCOL}, Python {sys.version.split()[0]} at {sys.executable}"
    title = f"Bridge {selva_core.__version__}"
    if request.script_version != selva_core.__version__:
        mismatch = (
            f"The scripts are version {request.script_version}, the bridge is {selva_core.__version__}. "
            f"{_advise_install()}"
        )
        return build_check_result(title, f"{mismatch}. {text}", "warning")
    return build_check_result(title, text)


def _check_copies(request: HostRequest) -> Iterator[CheckResult]:
    """REAPER starts the copy that an action was made from: with two, an update of one changes nothing that the user sees."""
    folder = Path(request.script_folder)
    scripts = next((parent for parent in folder.parents if parent.name.lower() == "scripts"), None)
    copies = list_script_copies(scripts) if scripts is not None else []
    if len(copies) > 1:
        listed = "; ".join(str(copy) for copy in copies)
        yield build_check_result(
            "More than one copy of the scripts", f"{_advise_one_copy()}: {listed}", "warning"
        )


def _advise_install() -> str:
    return f"Run: {selva_command('host', 'install', 'reaper')}"


def _advise_one_copy() -> str:
    command = selva_command("host", "remove", "reaper")
    return f"Keep one copy: uninstall the package in ReaPack, or run {command}"
