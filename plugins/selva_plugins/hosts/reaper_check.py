"""What "Settings and check" shows: versions, daemon, device, models, and faults of the installation, in plain words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from selva_daemon.client import Client
from selva_daemon.status import DaemonStatus

import selva_core
from selva_core.errors import SelvaError
from selva_core.models import default_models_dir, listed_models, missing_files
from selva_plugins.hosts.reaper_install import list_script_copies
from selva_plugins.request_folder import PROTOCOL, HostRequest

Fact = dict[str, str]


def check_installation(request: HostRequest) -> list[Fact]:
    """Each fact has a title, a text and a level (ok, warning, fault). The daemon is asked, not started."""
    return [
        _check_versions(request),
        *_check_copies(request),
        *_check_daemon(),
        _check_models(),
    ]


def _fact(title: str, text: str, level: str = "ok") -> Fact:
    return {"title": title, "text": text, "level": level}


def _check_versions(request: HostRequest) -> Fact:
    text = f"Protocol {PROTOCOL}, Python {sys.version.split()[0]} at {sys.executable}"
    title = f"Bridge {selva_core.__version__}"
    if request.script_version != selva_core.__version__:
        mismatch = (
            f"The scripts are version {request.script_version}, the bridge is {selva_core.__version__}. "
            "Run: selva host install reaper"
        )
        return _fact(title, f"{mismatch}. {text}", "warning")
    return _fact(title, text)


def _check_copies(request: HostRequest) -> Iterator[Fact]:
    """REAPER starts whichever copy an action was made from; two copies of different age are a trap."""
    folder = Path(request.script_folder)
    scripts = next((parent for parent in folder.parents if parent.name.lower() == "scripts"), None)
    copies = list_script_copies(scripts) if scripts is not None else []
    if len(copies) > 1:
        listed = "; ".join(str(copy) for copy in copies)
        yield _fact(
            "More than one copy of the scripts",
            f"{listed}. Keep one: uninstall the package in ReaPack, or run: selva host remove reaper",
            "warning",
        )


def _check_daemon() -> Iterator[Fact]:
    try:
        with Client.connect() as client:
            status = client.status()
    except SelvaError as error:
        yield _fact("Daemon", f"Not running; it starts with the first request. ({error.message})")
        return
    if status.version != selva_core.__version__:
        yield _fact(
            f"Daemon {status.version}",
            f"The bridge is {selva_core.__version__}. Run: selva daemon stop; the next request starts the new one",
            "warning",
        )
    else:
        yield _fact(f"Daemon {status.version}", _describe_daemon(status))
    yield from _check_loaded(status)


def _describe_daemon(status: DaemonStatus) -> str:
    busy = ", ".join(
        f"{count} {state}"
        for state, count in status.queue.items()
        if count and state in ("queued", "running")
    )
    held = (
        "paused. "
        if status.paused
        else "The device was given back: run selva daemon resume. "
        if status.yielded
        else ""
    )
    return f"{held}Device: {status.device}. {busy or 'No jobs waiting'}. Log: {status.log_file}"


def _check_loaded(status: DaemonStatus) -> Iterator[Fact]:
    for model in status.models:
        level = "warning" if model.notices else "ok"
        yield _fact(f"Loaded: {model.model}", " ".join([model.device_report, *model.notices]), level)


def _check_models() -> Fact:
    folder = default_models_dir()
    installed = [model.model_id for model in listed_models() if not missing_files(model, folder)]
    others = [model.model_id for model in listed_models() if model.model_id not in installed]
    text = f"Installed: {', '.join(installed) or 'none'}."
    if others:
        text += f" To be had with selva models pull: {', '.join(others)}."
    return _fact("Models", text, "ok" if installed else "fault")
