"""What `selva host check` says of every host: facts in plain words, each with a level, on the daemon and the models."""

from __future__ import annotations

from collections.abc import Iterator

import selva_core
from selva_core.base.errors import SelvaError
from selva_core.models.catalog import default_models_dir, listed_models, missing_files
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import DaemonStatus

Fact = dict[str, str]


def build_fact(title: str, text: str, level: str = "ok") -> Fact:
    """One line of a check. `level`: ok, warning or fault."""
    return {"title": title, "text": text, "level": level}


def check_daemon() -> Iterator[Fact]:
    """The daemon is asked, not started."""
    try:
        with Client.connect() as client:
            status = client.status()
    except SelvaError as error:
        yield build_fact("Daemon", f"Not running; it starts with the first request. ({error.message})")
        return
    if status.version != selva_core.__version__:
        yield build_fact(
            f"Daemon {status.version}",
            f"The bridge is {selva_core.__version__}. Run: selva daemon stop; the next request starts the new one",
            "warning",
        )
    else:
        yield build_fact(f"Daemon {status.version}", _describe_daemon(status))
    for model in status.models:
        level = "warning" if model.notices else "ok"
        yield build_fact(f"Loaded: {model.model}", " ".join([model.device_report, *model.notices]), level)


def check_models() -> Fact:
    """Which models are installed; a fault when none is."""
    folder = default_models_dir()
    installed = [model.model_id for model in listed_models() if not missing_files(model, folder)]
    others = [model.model_id for model in listed_models() if model.model_id not in installed]
    text = f"Installed: {', '.join(installed) or 'none'}."
    if others:
        text += f" To be had with selva models pull: {', '.join(others)}."
    return build_fact("Models", text, "ok" if installed else "fault")


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
