"""The rooms of selva_core import downwards only, and no modules import each other in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import selva_core

ROOT = Path(selva_core.__file__).parent

ALLOWED = {
    "base": set(),
    "engine": {"base"},
    "audio": {"base", "engine"},
    "video": {"base", "engine"},
    "models": {"base", "engine"},
    "network": {"base", "engine", "models"},
    "inference": {"base", "engine", "audio", "video", "models", "network"},
    "engines": {"base", "engine", "audio", "video", "models", "network", "inference"},
    "training": {"base", "engine", "audio", "video", "models", "network", "inference", "engines"},
}
"""For each room of selva_core, the rooms it may import; also where only type checkers see the import."""


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room of a module; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


@cache
def modules() -> dict[str, set[str]]:
    """Every module of selva_core, and those of selva_core that it imports anywhere in its text."""
    files = {module_name(file): file for file in ROOT.rglob("*.py")}
    return {name: set(imports_in(file, files)) - {name} for name, file in files.items()}


def imports_in(file: Path, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in known else str(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known:
            yield node.value  # import_module("selva_core...")


def test_every_room_is_known() -> None:
    assert {room_of(name) for name in modules()} - {""} == set(ALLOWED)


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, imports in modules().items()
        if room_of(name) == room
        for imported in sorted(imports)
        if room_of(imported) not in {room, "", *ALLOWED[room]}
    ]
    assert not wrong


def test_no_module_imports_itself_through_others() -> None:
    unfinished: list[str] = []
    done: set[str] = set()

    def visit(name: str) -> None:
        if name in done:
            return
        assert name not in unfinished, " -> ".join([*unfinished[unfinished.index(name) :], name])
        unfinished.append(name)
        for imported in sorted(modules()[name]):
            if not name.startswith(f"{imported}."):  # a package may import its own modules
                visit(imported)
        done.add(unfinished.pop())

    for name in modules():
        visit(name)


def test_imports_of_every_form_are_seen(tmp_path: Path) -> None:
    """The twin of the refusals above: the reader does notice an import, however it is written."""
    known = {"selva_core.base.errors": tmp_path, "selva_core.base": tmp_path, "selva_core.engine": tmp_path}
    file = tmp_path / "module.py"
    for text, expected in (
        ("import selva_core.engine", "selva_core.engine"),
        ("from selva_core.base.errors import SelvaError", "selva_core.base.errors"),
        ("from selva_core.base import errors", "selva_core.base.errors"),
        ("def f():\n    from selva_core.engine import Engine", "selva_core.engine"),
        ("if TYPE_CHECKING:\n    from selva_core.engine import Engine", "selva_core.engine"),
        ("import_module('selva_core.engine')", "selva_core.engine"),
    ):
        file.write_text(text, encoding="utf-8")
        assert list(imports_in(file, known)) == [expected]
