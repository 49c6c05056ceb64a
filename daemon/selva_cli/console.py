"""What the commands share: connecting, tables, JSON, and words for times and sizes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selva_core.base.errors import SelvaError

if TYPE_CHECKING:
    from selva_daemon.client.client import Client

COLUMN_GAP = 2
MIN_CUT_WIDTH = 3
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def connect(*, start_if_needed: bool = False) -> Client:
    """Raises DaemonUnavailableError with the command that starts one."""
    from selva_daemon.client.client import Client  # noqa: PLC0415 - the help text needs no sockets

    return Client.connect(start_if_needed=start_if_needed)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def say_json(value: object) -> None:
    say(json.dumps(_plain(value), ensure_ascii=True))


def say_table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, whole: Collection[str] = ()
) -> None:
    """A table as wide as its terminal; rows are cut, never wrapped, when it is a terminal.

    whole: headings of columns that are not cut while others can be. A terminal is not shown columns without content when
    there are such.
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
        console.width = 240
    console.print(table)


def _fit_widths(
    headings: Sequence[str], widths: Sequence[int], shown: Sequence[int], whole: Collection[str], width: int
) -> list[int]:
    """Widths that fit into `width`, taken from the widest columns that may be cut, as long as one has letters left."""
    fitted = list(widths)
    may_be_cut = [index for index in shown if headings[index] not in whole]
    excess = sum(fitted[index] + COLUMN_GAP for index in shown) - COLUMN_GAP - width
    for _ in range(max(excess, 0)):
        widest = max(may_be_cut, key=lambda index: fitted[index], default=None)
        if widest is None or fitted[widest] <= MIN_CUT_WIDTH:
            break
        fitted[widest] -= 1
    return fitted


def span_words(seconds: float | None) -> str:
    """A duration for people: 8 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock_words(seconds: float | None) -> str:
    """A moment, in local time."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def size_words(size_bytes: int | None) -> str:
    """A size for people, in binary units."""
    if size_bytes is None:
        return "-"
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _plain(value: object) -> Any:
    """Dataclasses, errors and tuples as what JSON has."""
    if isinstance(value, SelvaError):
        return {"code": value.code, "message": value.message, "facts": value.facts}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in vars(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
