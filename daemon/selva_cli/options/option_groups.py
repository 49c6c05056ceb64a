"""Options that several commands take, declared once: a dataclass whose fields are the options.

typer reads a command's signature. `takes_groups` shows it one in which each group is replaced by its fields, and hands
the command the groups, built.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

Command = Callable[..., None]


def takes_groups(command: Command) -> Command:
    """Let typer call a command whose parameters are options and dataclasses of options."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, type] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }

    @functools.wraps(command)
    def call(**values: Any) -> None:
        built = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**built, **values)

    flat = [
        option
        for name, parameter in signature.parameters.items()
        for option in (_iter_options(groups[name]) if name in groups else [parameter])
    ]
    shown = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in flat]
    call.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    call.__annotations__ = {option.name: option.annotation for option in shown}
    return call


def _iter_options(group: type) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = field.default
        if default is MISSING:
            default = (
                field.default_factory() if field.default_factory is not MISSING else inspect.Parameter.empty
            )
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]
        )
