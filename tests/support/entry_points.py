"""Entry points as pyproject.toml declares them: an editable installation made before a change of them has the old ones."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def declared_entry_points(*, group: str) -> list[EntryPoint]:
    """In place of `importlib.metadata.entry_points`."""
    project: dict[str, Any] = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    rows = project["entry-points"].get(group, {})
    return [EntryPoint(name=name, value=value, group=group) for name, value in rows.items()]
