"""The table of ReaScript functions, and what each version of REAPER knows of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

TABLE_FILE = Path(__file__).parents[3] / "data" / "reaper" / "api.json"
EARLIER_TABLE_FILE = TABLE_FILE.with_name("earlier_api.json")
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
def _load_earlier() -> tuple[dict[str, tuple[tuple[str, ...], tuple[int, int]]], dict[str, tuple[int, int]]]:
    """(name -> argument types before a version, name -> the version that brought it)."""
    table = json.loads(EARLIER_TABLE_FILE.read_text(encoding="utf-8"))
    arguments = {
        name: (tuple(kinds), parse_version(until)) for name, (kinds, until) in table["arguments"].items()
    }
    return arguments, {name: parse_version(since) for name, since in table["since"].items()}


def signatures_of(version: str, today: Mapping[str, Signature]) -> dict[str, Signature]:
    """What a version of REAPER has of today's functions, with the arguments that they took then."""
    wanted_version = parse_version(version)
    arguments, brought = _load_earlier()
    known = {}
    for name, signature in today.items():
        if max(signature.since, brought.get(name, _OLDEST)) > wanted_version:
            continue
        kinds, until = arguments.get(name, ((), _OLDEST))
        known[name] = replace(signature, arguments=kinds) if wanted_version < until else signature
    return known


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
