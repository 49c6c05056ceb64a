"""A watch folder as the settings name it: an item of the list `watch_folders`, a path or a table.

[[watch_folders]]
path = "/mnt/dailies"
results = "/mnt/stems"
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selva_core.base.errors import ConfigurationError
from selva_core.base.limits import MAX_HANDLES_S, MAX_TAKES
from selva_core.base.misspelling import suggest
from selva_core.base.settings.active_hours import parse_active_hours

AUTO, EVENTS, POLLING = "auto", "events", "polling"
CHANGE_SOURCES = (AUTO, EVENTS, POLLING)
DEFAULT_SETTLE_S = 5.0
DEFAULT_RESCAN_S = 60.0
MAX_PERIOD_S = 86_400.0
_NUMBERS = {"settle_s", "rescan_s", "handles_s"}
_FLAGS = {"subfolders", "move_sources", "notify", "pages"}
_PATHS = {"path", "results"}


def require_watchable(folder: Path) -> None:
    """Raises ConfigurationError unless a folder is there."""
    if folder.is_dir():
        return
    where = folder.absolute()
    if folder.exists():
        raise ConfigurationError(f"{where} is a file; name the folder that it is in: {where.parent}")
    raise ConfigurationError(f"there is no folder {where} to watch; make it first")


@dataclass(frozen=True, kw_only=True)
class WatchedFolder:
    """One watch folder and how what is put into it is rendered. Raises ValueError for a value that is not allowed.

    results: the folder in which results mirror the tree; None for beside each source. subfolders: whether folders in it are
    watched too. changes: how changes are noticed, one of CHANGE_SOURCES; auto decides by the file system. settle_s: for how long
    a file's size and time of change must stay the same. rescan_s: between two looks at all files. model: None for the one that
    the settings name. move_sources: whether what is done goes to `done`, and what fails to `failed`. hook: a program and its
    arguments, run for each finished or failed item. webhook: where the same is posted. hours: when items are begun, as
    "mon-fri 20:00-07:00"; empty for always. notify: whether the desktop shows what is done. pages: whether results have a page
    for people.
    """

    path: Path
    results: Path | None = None
    subfolders: bool = True
    changes: str = AUTO
    settle_s: float = DEFAULT_SETTLE_S
    rescan_s: float = DEFAULT_RESCAN_S
    model: str | None = None
    takes: int = 1
    handles_s: float = 0.0
    move_sources: bool = False
    hook: tuple[str, ...] = ()
    webhook: str | None = None
    hours: str = ""
    notify: bool = False
    pages: bool = True

    def __post_init__(self) -> None:
        for name in ("path", "results"):
            path = getattr(self, name)
            if path is not None and not path.is_absolute():
                raise ValueError(f"{name} is an absolute path; got {str(path)!r}")
        if self.results == self.path:
            raise ValueError(
                f"results go to another folder than {self.path}, or, without `results`, beside the sources"
            )
        if self.changes not in CHANGE_SOURCES:
            raise ValueError(f"changes is {', '.join(CHANGE_SOURCES)}; got {self.changes!r}")
        _require_within("settle_s", self.settle_s, 0.0, MAX_PERIOD_S)
        _require_within("rescan_s", self.rescan_s, 0.1, MAX_PERIOD_S)
        _require_within("handles_s", self.handles_s, 0.0, MAX_HANDLES_S)
        _require_within("takes", self.takes, 1, MAX_TAKES)
        if any(not argument or "\0" in argument for argument in self.hook):
            raise ValueError(
                f"hook is a program and its arguments, none of them empty; got {list(self.hook)}"
            )
        if self.webhook is not None:
            _require_web_address(self.webhook)
        parse_active_hours(self.hours)

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def from_value(cls, value: Any) -> WatchedFolder:
        """From what a file of settings or a variable holds: a path or a table. Raises ValueError."""
        if isinstance(value, WatchedFolder):
            return value
        if isinstance(value, str):
            value = {"path": value}
        if not isinstance(value, Mapping):
            raise ValueError(f"a watch folder is a path or a table with `path`; got {value!r}")
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(value) - set(names))
        if unknown:
            raise ValueError(
                f"a watch folder has no {unknown[0]!r}; it has {', '.join(names)}{suggest(unknown[0], names)}"
            )
        if not value.get("path"):
            raise ValueError("a watch folder needs a `path`")
        return cls(**{name: _convert(name, each) for name, each in value.items()})

    def to_table(self) -> dict[str, Any]:
        """What differs from the defaults, as it is written into the file of settings."""
        table: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "path" or value != field.default:
                table[field.name] = str(value) if isinstance(value, Path) else value
        return {name: list(value) if isinstance(value, tuple) else value for name, value in table.items()}


def _convert(name: str, value: Any) -> Any:
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is true or false; got {value!r}")
        return value
    if name in _NUMBERS or name == "takes":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or (name == "takes" and value != int(value)):
            raise ValueError(f"{name} is a {'whole ' if name == 'takes' else ''}number; got {value!r}")
        return int(value) if name == "takes" else float(value)
    if name == "hook":
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise ValueError(f"hook is a list of texts, the program and its arguments; got {value!r}")
        return tuple(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} is a text; got {value!r}")
    if name in _PATHS:
        return Path(value).expanduser()
    return value or (None if name in ("model", "webhook") else "")


def _require_within(name: str, value: float, least: float, most: float) -> None:
    if not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"{name} is {least:g} to {most:g}; got {value:g}")


def _require_web_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.username is not None:
        raise ValueError(f"webhook is an http or https address without a password in it; got {address!r}")
