"""The typer application that all commands are registered with: what holds for the options of each of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import typer
from typer.models import ArgumentInfo, OptionInfo

_Command = TypeVar("_Command", bound=Callable[..., Any])


def parse_path(text: str) -> Path:
    """A path as it was typed. Raises typer.BadParameter for an empty one, which pathlib takes for the current folder.

    A script whose variable is not set writes "" and means anything but that.
    """
    if not text.strip():
        raise typer.BadParameter("a path is empty; the current folder is written as .")
    return Path(text)


def parse_name(text: str) -> str:
    """The name of a thing, such as a file or an id. Raises typer.BadParameter for an empty one."""
    if not text.strip():
        raise typer.BadParameter("it is empty; name one")
    return text


class CommandApp(typer.Typer):
    """A typer application whose commands read all their paths by `parse_path`."""

    def command(self, *arguments: Any, **settings: Any) -> Callable[[_Command], _Command]:
        """Register a command, as typer's own decorator does."""
        register = super().command(*arguments, **settings)

        def register_checked(function: _Command) -> _Command:
            _check_paths(function)
            return register(function)

        return register_checked


def _check_paths(function: Callable[..., Any]) -> None:
    """Let each option and argument of a command that is a path, or several, be read by `parse_path`."""
    signature = inspect.signature(function, eval_str=True)
    for parameter in signature.parameters.values():
        for info in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(info, OptionInfo | ArgumentInfo) and _is_path(parameter.annotation.__origin__):
                info.parser = parse_path
    # Written as strings, annotations would be evaluated anew by typer, without the parsers.
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}


def _is_path(kind: Any) -> bool:
    """Whether a type is Path, Path | None, list[Path], tuple[Path, Path] ..."""
    return kind is Path or any(map(_is_path, get_args(kind)))
