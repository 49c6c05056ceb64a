"""docs/operation/troubleshooting.md: every error code of the program with its cause and remedy, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operation" / "troubleshooting.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(?P<code>[\w-]+)` \| (?P<cause>.+?) \| (?P<remedy>.+?) \|$", re.MULTILINE)
OF_THE_COMMAND_LINE = {"command-line", "interrupted"}
"""Given to `report_error` by `main`; no class has them."""


def codes_in(source: str) -> Iterator[str]:
    """The codes that classes of a module are given."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef) or not any("Error" in ast.unparse(base) for base in node.bases):
            continue
        for statement in node.body:
            if (
                isinstance(statement, ast.Assign)
                and ast.unparse(statement.targets[0]) == "code"
                and isinstance(statement.value, ast.Constant)
            ):
                yield str(statement.value.value)


def all_codes() -> set[str]:
    folders = ("selva_core", "daemon", "otio_adapters", "plugins")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    return {code for file in files for code in codes_in(file.read_text(encoding="utf-8"))}


def test_every_code_has_a_cause_and_a_remedy_on_the_page() -> None:
    described = [row["code"] for row in ROW.finditer(PAGE)]
    assert len(described) == len(set(described))
    assert set(described) == all_codes() | OF_THE_COMMAND_LINE


def test_codes_are_found_where_classes_have_them() -> None:
    """The twin: a code that is not on the page would be seen."""
    assert list(codes_in("class NewError(MediaError):\n    code = 'media-new'\n")) == ["media-new"]
    assert {"media-range", "resolve-silent", "worker-died", "drawing-unavailable"} <= all_codes()


@pytest.mark.parametrize("row", [pytest.param(row, id=row["code"]) for row in ROW.finditer(PAGE)])
def test_a_command_that_is_named_exists(row: re.Match[str]) -> None:
    from tests.selva_cli.test_help import COMMANDS  # noqa: PLC0415

    for command in re.findall(r"`selva ([a-z ]+?)(?: [A-Z-].*?)?`", f"{row['cause']} {row['remedy']}"):
        terms = command.split()
        assert any(" ".join(terms[:count]) in COMMANDS for count in range(1, len(terms) + 1)), command
