"""Fusion's preferences: held in memory, written on request as a Lua table that is safe for ASCII only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class FusionPrefs:
    """`fusion:GetPrefs`, `SetPrefs` and `SavePrefs` over a nested table, and the file `Fusion.prefs`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {"Global": {"Script": {"AllowAutomaticScripts": 0}}}
        self.num_saves = 0
        self.save()

    def get(self, key: str) -> Any:
        value: Any = self.values
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        return value

    def set(self, key: str | dict[str, Any], value: Any = None) -> None:
        if isinstance(key, dict):
            for name, item in key.items():
                self.set(name, item)
            return
        *sections, last = key.split(".")
        table = self.values
        for part in sections:
            table = table.setdefault(part, {})
        if value is None:
            table.pop(last, None)
        else:
            table[last] = value

    def save(self, filename: str | None = None) -> None:
        """Write a new file and rename it over the old one; bytes outside ASCII do not survive."""
        target = Path(filename) if filename else self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".new")
        text = _as_lua(self.values, 0) + "\n"
        temporary.write_bytes(text.encode("ascii", errors="replace"))
        os.replace(temporary, target)
        self.num_saves += 1


def _as_lua(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        tabs = "\t" * (depth + 1)
        rows = [f"{tabs}{key} = {_as_lua(item, depth + 1)}," for key, item in value.items()]
        return "{\n" + "\n".join(rows) + "\n" + "\t" * depth + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return repr(value)
