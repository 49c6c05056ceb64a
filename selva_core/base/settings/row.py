"""The definition of one setting: its type, limits and description, and how a text becomes its value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.errors import ConfigurationError

VARIABLE_PREFIX = "SELVA_"
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b(?:ytes)?", re.IGNORECASE)
_SIZE_STEPS = "kmgt"
_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    tuple: "a list of texts",
    Path: "the path of a folder",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting. It stands in the annotation of its field, which gives the name, the type and the default.

    about: what it does, in Markdown. since: the release that brought it. group: the heading it is listed under. unit: of a
    number. choices: all allowed values. at_least, more_than: limits of a number. check: what else is wrong with a value, as
    the end of a sentence that begins with the name; None when nothing is. item: makes each item of a list from what a file
    or a variable holds, where it is more than a text; raises ValueError with a sentence. list_of: what a list holds, in
    Markdown. restart: the daemon reads it when it starts. earlier_names: names that it had; files and variables that have
    one stay valid. unset: what holds where none is set.
    """

    about: str
    group: str
    since: str = "0.1.0"
    unit: str = ""
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    more_than: float | None = None
    check: Callable[[Any], str | None] | None = None
    item: Callable[[Any], Any] | None = None
    list_of: str = ""
    restart: bool = False
    earlier_names: tuple[str, ...] = ()
    unset: str = ""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A row together with the name, type and default of its field. kind: int, float, str, bool, tuple or Path."""

    name: str
    kind: type
    default: Any
    row: Row

    @property
    def variable(self) -> str:
        """The variable of the environment that sets it."""
        return f"{VARIABLE_PREFIX}{self.name.upper()}"

    @property
    def allowed(self) -> str:
        """The allowed values in Markdown; empty where the type says it all."""
        if self.row.choices:
            return ", ".join(f"`{choice}`" for choice in self.row.choices)
        if self.row.list_of:
            return f"list of {self.row.list_of}"
        if self.row.at_least is not None:
            return f"{self.row.at_least:g} or more"
        return "" if self.row.more_than is None else f"more than {self.row.more_than:g}"

    def convert(self, given: Any) -> Any:
        """The value that a file, a variable or a command line gives. Numbers may be texts, which is all that variables hold.

        Raises ConfigurationError with what was got and what is allowed.
        """
        text = given.strip() if isinstance(given, str) else given
        try:
            value = self._convert(text)
        except ConfigurationError:
            raise
        except (TypeError, ValueError, OverflowError) as exc:
            raise ConfigurationError(
                f"{self.name} is {_KINDS[self.kind]}; got {given!r}", name=self.name
            ) from exc
        self.require_allowed(value)
        return value

    def require_allowed(self, value: Any) -> None:
        """Raises ConfigurationError for a value of the right type that is not allowed."""
        if (problem := self._problem(value)) is not None:
            raise ConfigurationError(f"{self.name} {problem}", name=self.name)

    def _problem(self, value: Any) -> str | None:
        row = self.row
        if value is None:
            return None
        if row.choices and value not in row.choices:
            return f"is {', '.join(row.choices)}; got {value!r}"
        if isinstance(value, Path) and not value.is_absolute():
            return f"is an absolute path; got {str(value)!r}"
        return self._limit_problem(value) or (None if row.check is None else row.check(value))

    def _limit_problem(self, value: Any) -> str | None:
        row = self.row
        if isinstance(value, float) and not math.isfinite(value):
            return f"is a finite number; got {value}"
        if row.more_than is not None and not value > row.more_than:
            return f"is more than {row.more_than:g}; got {value}"
        if row.at_least is not None and not value >= row.at_least:
            return f"is at least {row.at_least:g}; got {value}"
        return None

    def _convert_item(self, build: Callable[[Any], Any], given: Any) -> Any:
        try:
            return build(given)
        except ValueError as exc:
            raise ConfigurationError(f"{self.name}: {exc}", name=self.name) from exc

    def _convert(self, given: Any) -> Any:
        if self.kind is tuple:
            if self.row.item is not None and isinstance(given, list | tuple):
                return tuple(self._convert_item(self.row.item, each) for each in given)
            if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
                raise TypeError
            return tuple(given)
        if self.kind is bool:
            return _read_flag(given)
        if isinstance(given, bool):
            raise TypeError
        if self.kind is int:
            return _read_whole(given, is_size=self.row.unit == "bytes")
        if self.kind is float:
            return float(given)
        if not isinstance(given, str) or (not given and self.kind is Path):
            raise TypeError
        return Path(given).expanduser() if self.kind is Path else given


def _read_flag(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if str(given).lower() not in (*_TRUE, *_FALSE):
        raise ValueError
    return str(given).lower() in _TRUE


def _read_whole(given: str | float, *, is_size: bool) -> int:
    if is_size and isinstance(given, str) and (found := _SIZE.fullmatch(given)):
        prefix = (found[2] or "").lower()
        base = 1024 if prefix.endswith("i") else 1000
        power = _SIZE_STEPS.index(prefix[0]) + 1 if prefix else 0
        factor: int = base**power
        return round(float(found[1]) * factor)
    whole = int(given)
    if not isinstance(given, str) and given != whole:
        raise ValueError
    return whole
