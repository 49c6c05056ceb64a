"""The table of ReaScript functions, and what each version of REAPER knows of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

TABLE_FILE = Path(__file__).parents[3] / "data" / "reaper" / "api.json"
_OLDEST = (6, 0)


@dataclass(frozen=True)
class Signature:
    """Types as the help page names them; `num_required` leaves out trailing ones that may be left out."""

    name: str
    arguments: tuple[str, ...]
    returns: tuple[str, ...]
    since: tuple[int, int]

    @cached_property
    def num_required(self) -> int:
        return sum(1 for kind in self.arguments if not kind.endswith("?"))


@cache
def load_signatures() -> dict[str, Signature]:
    rows = json.loads(TABLE_FILE.read_text(encoding="utf-8"))["functions"]
    return {name: _read_signature(name, row) for name, row in rows.items()}


@cache
def load_gfx_signatures() -> dict[str, Signature]:
    rows = json.loads(TABLE_FILE.read_text(encoding="utf-8"))["gfx"]
    return {
        name: Signature(name=f"gfx.{name}", arguments=tuple(row), returns=(), since=_OLDEST)
        for name, row in rows.items()
    }


def parse_version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def _read_signature(name: str, row: list[object]) -> Signature:
    arguments, returns, *since = row
    return Signature(
        name=name,
        arguments=tuple(str(kind) for kind in arguments),  # type: ignore[attr-defined]
        returns=tuple(str(kind) for kind in returns),  # type: ignore[attr-defined]
        since=parse_version(str(since[0])) if since else _OLDEST,
    )
