"""Running commands, and what they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from selva_cli.app import app
from selva_cli.main import main

RunCommand = Callable[..., tuple[int, str, str]]
DOG = ("--track", "Dog=small dog barking")


def run_selva() -> int:
    """The exit status of `main`, with the arguments that are in sys.argv."""
    try:
        main()
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


def read_json(result: tuple[int, str, str]) -> Any:
    """The JSON that a command printed, which must have gone well."""
    status, output, errors = result
    assert status == 0, errors
    return json.loads(output)


def run(*arguments: str | Path) -> Result:
    """Run a command without `main` around it."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def assert_refused(result: Result, text: str) -> None:
    """Status 1, one line on standard error that holds `text`, nothing on standard output."""
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("selva: ")
    assert text in lines[0]
    assert result.stdout == ""
