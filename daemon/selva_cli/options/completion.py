"""What a shell offers after Tab. It must be quick and silent: no daemon is started, no network or timeline library is loaded,
and an error offers nothing instead of text in the middle of a command line.
"""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

Offer = list[tuple[str, str]]
"""What may be typed, each with a remark."""
REST = "rest"
MAX_JOBS = 50
MAX_CUT_BYTES = 32 << 20
_Completer = Callable[[typer.Context, str], Offer]


def _silent(find: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]) -> _Completer:
    """A completer for typer: what `find` offers for the command line so far that begins as typed; nothing when it fails."""

    @functools.wraps(find)
    def complete(context: typer.Context, incomplete: str) -> Offer:
        try:
            # An option without its value, which is being typed, keeps the parser from arguments: they lie in `args`.
            typed = {**context.params, REST: list(context.args)}
            return [offer for offer in find(typed) if offer[0].startswith(incomplete)]
        except Exception:
            return []

    # typer looks at the parameters to know what to pass; wraps would show it those of `find`.
    del complete.__wrapped__
    complete.__annotations__ = {"context": typer.Context, "incomplete": str}
    return complete


@_silent
def complete_settings(_parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Names of settings with their meaning."""
    from selva_core.base.settings import rows  # noqa: PLC0415

    return [(name, setting.row.about) for name, setting in rows().items()]


@_silent
def complete_setting_values(parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The allowed values of the setting that is typed already."""
    from selva_core.base.settings import rows  # noqa: PLC0415

    setting = rows()[str(parameters["name"])]
    if setting.name == "model":
        return _models()
    choices = ("true", "false") if setting.kind is bool else setting.row.choices
    return [(choice, "") for choice in choices]


@_silent
def complete_checks(_parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Names of checks of `selva doctor`."""
    from selva_cli.doctor.table import CHECKS  # noqa: PLC0415

    return [(check.name, check.group) for check in CHECKS]


@_silent
def complete_models(_parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Models, with what each can make."""
    return _models()


@_silent
def complete_hosts(_parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Host applications."""
    return [("reaper", "REAPER"), ("resolve", "DaVinci Resolve")]


@_silent
def complete_job_states(_parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """States of jobs."""
    return [(state, "") for state in ("queued", "running", "done", "failed", "cancelled")]


@_silent
def complete_jobs(_parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The newest jobs, with state and label. They are read from the queue's own file, whether or not a daemon runs."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415

    file = AppPaths.find().queue_file
    if not file.is_file():
        return []
    database = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=0.2)
    try:
        found = database.execute(
            "SELECT job_id, state, label FROM jobs ORDER BY number DESC LIMIT ?", (MAX_JOBS,)
        ).fetchall()
    finally:
        database.close()
    return [(str(job_id), f"{state}: {label}") for job_id, state, label in found]


@_silent
def complete_video_tracks(parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Video tracks of the cut that is typed already, where it is OpenTimelineIO's own format: others take long to read."""
    cut = Path(parameters.get("cut") or parameters[REST][0])
    if cut.suffix != ".otio" or cut.stat().st_size > MAX_CUT_BYTES:
        return []
    tracks = json.loads(cut.read_bytes())["tracks"]["children"]
    return [(track["name"], "") for track in tracks if track.get("kind") == "Video" and track.get("name")]


@_silent
def complete_negatives(parameters: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """`NAME=` for each track that is typed already."""
    names = (str(track).partition("=") for track in parameters.get("tracks") or ())
    return [(f"{name}=", prompt) for name, _, prompt in names]


def _models() -> Iterable[tuple[str, str]]:
    from selva_core.models.catalog import listed_models  # noqa: PLC0415

    return [(model.model_id, model.knows) for model in listed_models()]
