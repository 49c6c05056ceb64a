"""Where values come from: defaults, `daemon.json` of earlier versions, `selva.toml`, SELVA_* variables, the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.errors import ConfigurationError
from selva_core.base.misspelling import suggest
from selva_core.base.paths import AppPaths
from selva_core.base.settings.file import EARLIER_FILE, GivenValue, read_settings_file
from selva_core.base.settings.row import VARIABLE_PREFIX
from selva_core.base.settings.table import Settings, all_names, current_name, rows

SHOWN_PROBLEMS = 3


@dataclass(frozen=True, kw_only=True)
class FoundSetting:
    """The value that holds, and where it was set: "default", a file with its line, a variable, the command line."""

    value: Any
    source: str


def load_settings(file: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this user. file: by default `selva.toml` in the configuration folder.

    Raises ConfigurationError that names file and line, or the variable, of every value that is wrong.
    """
    return Settings(
        **{name: each.value for name, each in find_settings(file, environment=environment).items()}
    )


def find_settings(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Mapping[str, FoundSetting]:
    """The value of every setting and where it was set: defaults < earlier file < file < environment < flags.

    flags: options of a command by the name of the setting; None for those that were not given. Raises ConfigurationError.
    """
    environment = os.environ if environment is None else environment
    file = AppPaths.find(environment).settings_file if file is None else file
    problems: list[str] = []
    found = {name: FoundSetting(value=setting.default, source="default") for name, setting in rows().items()}
    for values in (
        [] if file.name == EARLIER_FILE else read_settings_file(file.with_name(EARLIER_FILE)),
        read_settings_file(file),
        list(_read_environment(environment)),
        [
            GivenValue(name=name, value=value, source="the command line")
            for name, value in (flags or {}).items()
            if value is not None
        ],
    ):
        found |= _convert_all(values, problems)
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        shown = "; ".join(problems[:SHOWN_PROBLEMS])
        raise ConfigurationError(f"{shown} (and {more} more)" if more > 0 else shown, problems=problems)
    return found


def _read_environment(environment: Mapping[str, str]) -> Iterator[GivenValue]:
    for name in all_names():
        variable = f"{VARIABLE_PREFIX}{name.upper()}"
        if text := environment.get(variable):
            kind = rows()[current_name(name)].kind
            value = text.split(os.pathsep) if kind is tuple else text
            yield GivenValue(name=name, value=value, source=f"the variable {variable}")


def _convert_all(values: Iterable[GivenValue], problems: list[str]) -> dict[str, FoundSetting]:
    """The values of one source by the names that settings have now; what is wrong is added to `problems`."""
    found: dict[str, FoundSetting] = {}
    for given in values:
        name = current_name(given.name)
        if name not in rows():
            problems.append(f"{given.source}: {describe_unknown(given.name)}")
        elif name in found:
            earlier = given.name if given.name != name else rows()[name].row.earlier_names[0]
            problems.append(f"{given.source}: {earlier} is the earlier name of {name}; set one of them")
        else:
            try:
                found[name] = FoundSetting(value=rows()[name].convert(given.value), source=given.source)
            except ConfigurationError as error:
                problems.append(f"{given.source}: {error.message}")
    return found


def describe_unknown(name: str) -> str:
    """A sentence about the name of a setting that does not exist, with the nearest one that does."""
    known = f"; known are {', '.join(rows())}"
    return f"there is no setting {name!r}{suggest(name, rows()) or known}"
