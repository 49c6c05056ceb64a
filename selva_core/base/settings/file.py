"""The file of settings: TOML without tables. Files of earlier versions are JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError
from selva_core.base.regular_file import read_bounded

MAX_SETTINGS_BYTES = 1 << 20
EARLIER_FILE = "daemon.json"
"""Until 0.1.0; it lies beside the file of today, and is read for what that does not set."""


@dataclass(frozen=True, kw_only=True)
class GivenValue:
    """A value as its source gives it, and the name of the source: a file and line, a variable, the command line."""

    name: str
    value: Any
    source: str


def read_settings_file(file: Path) -> Sequence[GivenValue]:
    """What a file sets; nothing where there is none. Raises ConfigurationError that names the line."""
    try:
        content = read_bounded(file, MAX_SETTINGS_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise ConfigurationError(f"{file} cannot be read: {exc.strerror or exc}", path=str(file)) from exc
    return parse_settings(content, file)


def parse_settings(content: bytes, file: Path) -> Sequence[GivenValue]:
    """What the content of a file sets. `file` names it in messages, and says whether it is JSON. Raises ConfigurationError."""
    try:
        text = content.decode("utf-8-sig")  # Windows' editor writes a mark at the beginning
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise ConfigurationError(
            f"{file} line {line} is not UTF-8; save the file as UTF-8", path=str(file)
        ) from exc
    values = _parse_json(text, file) if file.suffix == ".json" else _parse_toml(text, file)
    return [
        GivenValue(name=name, value=value, source=_describe_place(file, text, name))
        for name, value in values.items()
    ]


def _parse_toml(text: str, file: Path) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - most commands read no settings
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(
            f"{file} cannot be read as TOML: {exc}. Mend it with: {selva_command('config', 'edit')}",
            path=str(file),
        ) from exc
    return values


def _parse_json(text: str, file: Path) -> Mapping[str, Any]:
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{file} cannot be read as JSON: {exc}", path=str(file)) from exc
    if not isinstance(values, dict):
        raise ConfigurationError(f"{file} holds one JSON object; got {type(values).__name__}", path=str(file))
    return dict(values)


def _describe_place(file: Path, text: str, name: str) -> str:
    """File and line. Neither parser says where a name stands, so the first line that begins with it counts."""
    begins = re.compile(rf"\s*[{{,]?\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[\]=.:]")
    for number, line in enumerate(text.splitlines(), 1):
        if begins.match(line):
            return f"{file} line {number}"
    return str(file)
