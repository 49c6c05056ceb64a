"""The part of `selva host check` that is the same for every host: the daemon and the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypedDict

import selva_core
from selva_core.base.command_line import selva_command
from selva_core.base.errors import SelvaError
from selva_core.base.paths import AppPaths
from selva_core.models.catalog import default_models_dir, listed_models, missing_files
from selva_daemon.client.client import Client
from selva_daemon.client.installation import find_broken_library
from selva_daemon.protocol.status import DaemonStatus

CheckLevel = Literal["ok", "warning", "fault"]


class CheckResult(TypedDict):
    """One line of a check, as it stands in `status.json` and in the JSON of `selva host check`. Both are read by
    programs of other versions (the Lua scripts, pipelines), so the names stay.
    """

    title: str
    text: str
    level: CheckLevel


def build_check_result(title: str, text: str, level: CheckLevel = "ok") -> CheckResult:
    """`text` is whole sentences for the user and, where the level is not ok, ends with what to do."""
    return CheckResult(title=title, text=text, level=level)


def check_daemon() -> Iterator[CheckResult]:
    """The daemon's version, device and loaded models. A daemon that does not run is not started, and that is not a fault."""
    try:
        with Client.connect() as client:
            status = client.status()
    except SelvaError as error:
        yield build_check_result(
            "Daemon", f"Not running; it starts with the first request. ({error.message})"
        )
        return
    if status.version != selva_core.__version__:
        yield build_check_result(
            f"Daemon {status.version}",
            f"The bridge is {selva_core.__version__}. Run: {selva_command('daemon', 'stop')}; "
            "the next request starts the new one",
            "warning",
        )
    else:
        yield build_check_result(f"Daemon {status.version}", _describe_daemon(status))
    for model in status.models:
        text = " ".join([model.device_report, *model.notices])
        yield build_check_result(f"Loaded: {model.model}", text, "warning" if model.notices else "ok")


def check_libraries() -> Iterator[CheckResult]:
    """A fault where the libraries that models run on do not load; nothing where they do."""
    problem = find_broken_library(AppPaths.find())
    if problem is not None:
        yield build_check_result("Installation", problem[:1].upper() + problem[1:], "fault")


def check_models() -> CheckResult:
    """Which models are installed; a fault when none is."""
    folder = default_models_dir()
    installed = [model.model_id for model in listed_models() if not missing_files(model, folder)]
    others = [model.model_id for model in listed_models() if model.model_id not in installed]
    text = f"Installed: {', '.join(installed)}." if installed else "Missing: a model that is installed."
    if others:
        text += f" Not installed: {', '.join(others)}; fetch one with: {selva_command('models', 'pull', others[0])}"
    return build_check_result("Models", text, "ok" if installed else "fault")


def _describe_daemon(status: DaemonStatus) -> str:
    unfinished = ", ".join(
        f"{count} {state}"
        for state, count in status.queue.items()
        if count and state in ("queued", "running")
    )
    held = ""
    if status.paused:
        held = f"Paused: run {selva_command('daemon', 'resume')}. "
    elif status.yielded:
        held = f"The device was released: run {selva_command('daemon', 'resume')}. "
    return f"{held}Device: {status.device}. {unfinished or 'No jobs waiting'}. Log: {status.log_file}"
