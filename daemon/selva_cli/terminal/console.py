"""What the commands share: connecting, printing lines, tables and JSON, and formats for times and sizes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selva_cli.terminal.verbosity import is_quiet
from selva_core.base.errors import SelvaError

if TYPE_CHECKING:
    from selva_daemon.client.client import Client

COLUMN_GAP = 2
MIN_CUT_WIDTH = 3
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
    """Print a table. On a terminal its cells are shortened to fit, never wrapped.

    whole: headings of columns that are shortened only when no other column can be. Where some are named, a terminal is not
    shown columns without content.
    """
    from rich.console import Console  # noqa: PLC0415 - slow to load
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    texts = [[str(cell) for cell in row] for row in rows]
    shown = list(range(len(headings)))
    widths: Sequence[int | None] = [None for _ in headings]
    if whole and console.is_terminal:
        shown = [index for index in shown if any(row[index] not in ("", "-") for row in texts)]
        full = [max(len(line[index]) for line in (headings, *texts)) for index in range(len(headings))]
        widths = _fit_widths(headings, full, shown, whole, console.width)
    for index in shown:
        table.add_column(headings[index], no_wrap=True, overflow="ellipsis", width=widths[index])
    for row in texts:
        table.add_row(*(Text(row[index]) for index in shown))
    if not console.is_terminal:
        console.width = 240  # rich takes 80 for a pipe or a file, where nothing needs to be shortened
    console.print(table)


def _fit_widths(
    headings: Sequence[str], widths: Sequence[int], shown: Sequence[int], whole: Collection[str], width: int
) -> list[int]:
    """Column widths that fit into `width`: the widest of the columns that may be shortened gives way, down to MIN_CUT_WIDTH."""
    fitted = list(widths)
    may_be_cut = [index for index in shown if headings[index] not in whole]
    excess = sum(fitted[index] + COLUMN_GAP for index in shown) - COLUMN_GAP - width
    for _ in range(max(excess, 0)):
        widest = max(may_be_cut, key=lambda index: fitted[index], default=None)
        if widest is None or fitted[widest] <= MIN_CUT_WIDTH:
            break
        fitted[widest] -= 1
    return fitted


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
