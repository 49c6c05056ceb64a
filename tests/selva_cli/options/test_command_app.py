"""What holds for the paths of every command."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
import typer
from typer.testing import Result

from selva_cli.app import app
from selva_cli.options.command_app import CommandApp, parse_path
from selva_cli.options.timeline_options import RenderArguments
from selva_core.base.errors import RequestError
from tests.selva_cli.command_line import assert_refused, run

NAME, FILE = typer.Option("--name"), typer.Option("--file")


def iter_path_options(application: typer.Typer, name: str = "selva") -> Iterator[tuple[str, Any]]:
    """Name and declaration of each option and argument of all commands whose type has a path in it."""
    for group in application.registered_groups:
        assert group.typer_instance is not None
        yield from iter_path_options(group.typer_instance, f"{name} {group.name}")
    for command in application.registered_commands:
        assert command.callback is not None
        for parameter in inspect.signature(command.callback).parameters.values():
            kinds = get_args(parameter.annotation)
            if kinds and Path in (kinds[0], *get_args(kinds[0])):
                yield f"{name} {command.callback.__name__} {parameter.name}", kinds[-1]


def assert_misused(result: Result, text: str) -> None:
    """Status 2, with the text, whose lines typer breaks and frames."""
    shown = " ".join(result.output.replace("│", " ").split())
    assert (result.exit_code, text in shown) == (2, True), shown


def test_no_command_takes_an_empty_path_for_the_current_folder() -> None:
    found = dict(iter_path_options(app))
    assert len(found) > 40
    assert [name for name, option in found.items() if option.parser is not parse_path] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["spot", "", "--track", "Dog=barking"],
        ["spot", "cut.otio", "--track", "Dog=barking", "--media-dir", ""],
        ["render", "cut.otio", "-o", " ", "--track", "Dog=barking"],
        ["events", "", "-o", "out.csv"],
        ["watch", "run", ""],
        ["conform", "old.otio", "", "-o", "out.otio"],
    ],
)
def test_an_empty_path_is_refused(arguments: list[str]) -> None:
    assert_misused(run(*arguments), "path is empty")


def test_an_empty_name_of_a_stem_is_refused() -> None:
    assert_misused(run("redo", "", "--from", "0", "--to", "1"), "it is empty; name one")


def test_a_point_is_the_current_folder() -> None:
    assert parse_path(".") == Path()
    with pytest.raises(typer.BadParameter, match="written as"):
        parse_path("  ")


def test_other_types_are_left_alone() -> None:
    CommandApp().command()(rename)
    assert (NAME.parser, FILE.parser) == (None, parse_path)


def rename(*, name: Annotated[str, NAME] = "x", file: Annotated[Path, FILE] = Path("y")) -> None:
    """A command that does nothing."""


@pytest.mark.parametrize("choice", ["absent", "pan"])
def test_an_empty_choice_is_refused_and_not_taken_for_the_setting(choice: str) -> None:
    assert RenderArguments().build().absent
    with pytest.raises(RequestError, match="got ''"):
        RenderArguments(**{choice: ""}).build()  # type: ignore[arg-type]


def test_extending_by_nothing_is_not_passed_over(tmp_path: Path) -> None:
    result = run("redo", tmp_path / "a.wav", "--from", "0", "--to", "1", "--extend-head", "")
    assert_misused(result, "a stretch is made anew or the stem goes on")


def test_a_file_that_is_to_be_watched_is_called_a_file(tmp_path: Path) -> None:
    file = tmp_path / "cut.otio"
    file.write_text("{}", encoding="utf-8")
    assert_refused(run("watch", "add", file), "is a file; name the folder that it is in")
    assert_refused(run("watch", "add", tmp_path / "none"), "to watch; make it first")
    result = run("spot", file, "--track", "Dog=barking", "--media-dir", file)
    assert_refused(result, "it is a file, name the folder that it is in")
