"""What the commands share: connecting, printing lines, tables and JSON, and formats for times and sizes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selva_cli.terminal.table import format_table
from selva_cli.terminal.verbosity import is_quiet
from selva_core.base.errors import SelvaError

if TYPE_CHECKING:
    from selva_daemon.client.client import Client

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def connect(*, start_if_needed: bool = False) -> Client:
    """Raises DaemonUnavailableError with the command that starts one."""
    from selva_daemon.client.client import Client  # noqa: PLC0415 - --help loads no sockets

    return Client.connect(start_if_needed=start_if_needed)


def print_line(text: str) -> None:
    sys.stdout.write(text + "\n")


def print_result(text: str) -> None:
    """A line that says what a command has done; its exit status says the same, so that --quiet leaves it out."""
    if not is_quiet():
        print_line(text)


def print_json(value: object) -> None:
    print_line(json.dumps(_plain(value), ensure_ascii=True))


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, whole: Collection[str] = ()
) -> None:
    """Print a table. On a terminal its cells are shortened to fit, never wrapped; pipes and files get them whole.

    whole: headings of columns that are shortened only when no other column can be. Where some are named, a terminal is not
    shown columns without content.
    """
    width = shutil.get_terminal_size().columns if _is_terminal() else None
    for number, line in enumerate(format_table(headings, rows, whole=whole, width=width)):
        print_line(typer.style(line, bold=True) if number == 0 and has_colours() else line)


def has_colours() -> bool:
    """Whether the output is a terminal that has them, and the person wants them (no-color.org)."""
    return _is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _is_terminal() -> bool:
    """FORCE_COLOR (force-color.org) says so where a program between hands the output on to one."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def format_duration(seconds: float | None) -> str:
    """A duration as people read it: 8 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def format_time(seconds: float | None) -> str:
    """A point in time, in local time."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def format_size(size_bytes: int | None) -> str:
    """A size in binary units."""
    if size_bytes is None:
        return "-"
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _plain(value: object) -> Any:
    """Dataclasses, structs, errors, paths and tuples as values that JSON has."""
    if isinstance(value, SelvaError):
        return {"code": value.code, "message": value.message, "facts": value.facts}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in vars(value)}
    if (
        fields := getattr(value, "__struct_fields__", None)
    ) is not None:  # of msgspec, which --help does not load
        from msgspec import UNSET  # noqa: PLC0415

        values = {name: getattr(value, name) for name in fields}
        return {name: _plain(each) for name, each in values.items() if each is not UNSET}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
