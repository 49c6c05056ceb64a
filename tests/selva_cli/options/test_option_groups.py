"""Commands that take groups of options: typer sees the options, the command gets the groups."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from selva_cli.app import app
from selva_cli.options.option_groups import takes_groups


@dataclass(frozen=True, kw_only=True)
class Sounds:
    tracks: Annotated[list[str], typer.Option("--track", help="A track.")] = field(default_factory=list)
    loud: Annotated[bool, typer.Option("--loud/--quiet")] = False


@takes_groups
def sing(
    context: typer.Context,
    *,
    cut: Annotated[str, typer.Argument()],
    sounds: Sounds,
    takes: Annotated[int, typer.Option("--takes")] = 1,
) -> None:
    """Sing."""
    typed = sorted(
        name
        for name in context.params
        if context.get_parameter_source(name).name == "COMMANDLINE"  # type: ignore[union-attr]
    )
    typer.echo(json.dumps([cut, sounds.tracks, sounds.loud, takes, typed]))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a"], ["a", [], False, 1, ["cut"]]),
        (
            ["a", "--track", "x", "--track", "y", "--loud"],
            ["a", ["x", "y"], True, 1, ["cut", "loud", "tracks"]],
        ),
        (["--takes", "3", "a"], ["a", [], False, 3, ["cut", "takes"]]),
    ],
)
def test_a_group_is_built_from_what_was_typed(arguments: list[str], expected: list[object]) -> None:
    only = typer.Typer()
    only.command()(sing)
    for _ in range(2):  # defaults are not shared between calls
        result = CliRunner().invoke(only, arguments)
        assert json.loads(result.stdout) == expected


def test_wrong_values_are_refused_by_their_option() -> None:
    only = typer.Typer()
    only.command()(sing)
    result = CliRunner().invoke(only, ["a", "--takes", "many"])
    assert result.exit_code == 2
    assert "--takes" in result.stderr


@pytest.mark.parametrize("command", ["render", "spot", "stems"])
def test_commands_on_cuts_show_the_options_they_share(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
    assert all(option in shown for option in ("--track", "--negative", "--takes", "--model", "--json"))
    assert ("--media-dir" in shown) == (command != "stems")
