"""Reading typed values out of the JSON that the scripts inside Resolve write.

Unknown fields are allowed: a newer agent may write more than this version reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.command_line import selva_command
from selva_core.base.rational import round_half_up
from selva_plugins.errors import SnapshotError


class JsonFields:
    """One JSON object. A value of another type than asked for raises SnapshotError, which says where it stands.

    A missing field, null and, for texts and numbers, false are the same: Lua tables cannot hold nil, and Resolve's calls
    answer false where they fail.
    """

    def __init__(self, values: object, path: str) -> None:
        if not isinstance(values, Mapping):
            raise SnapshotError(_complain(path, "an object", values))
        self._values = values
        self._path = path

    def text(self, name: str, default: str = "") -> str:
        value = self._answer(name)
        if value is not None and not isinstance(value, str):
            raise self._error(name, "text")
        return default if value is None else value

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise self._error(name, "text")
        return value

    def label(self, name: str) -> str:
        """What Resolve writes as text in one version and as a number in another, as text."""
        value = self._answer(name)
        if not (value is None or isinstance(value, str | int | float)):
            raise self._error(name, "text or a number")
        return "" if value is None else str(value)

    def number(self, name: str) -> Fraction | None:
        """The decimal number that was written, exactly: 0.1 is 1/10."""
        value = self._answer(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._error(name, "a number")
        return Fraction(str(value))

    def integer(self, name: str) -> int | None:
        """A whole number; versions that answer with floats mean whole ones."""
        value = self.number(name)
        return None if value is None else round_half_up(value)

    def required_integer(self, name: str) -> int:
        value = self.integer(name)
        if value is None:
            raise self._error(name, "a whole number")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._error(name, "true or false")
        return default if value is None else value

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        return Path(text) if text else None

    def child(self, name: str) -> JsonFields:
        """The object in a field; an empty one where it is missing."""
        value = self._values.get(name)
        return JsonFields({} if value is None else value, self._at(name))

    def optional_child(self, name: str) -> JsonFields | None:
        return None if self._values.get(name) is None else self.child(name)

    def children(self, name: str) -> list[JsonFields]:
        """The objects in a list; none where it is missing."""
        return [
            JsonFields(value, f"{self._at(name)}[{index}]") for index, value in enumerate(self._list(name))
        ]

    def children_by_name(self, name: str) -> dict[str, JsonFields]:
        """The objects in an object, by their keys."""
        fields = self.child(name)
        return {key: fields.child(key) for key in fields._values}

    def texts(self, name: str) -> list[str]:
        """The texts in a list; none where it is missing."""
        values = [value for value in self._list(name) if value is not None]
        if not all(isinstance(value, str) for value in values):
            raise self._error(name, "a list of texts")
        return values

    def labels(self, name: str) -> list[str]:
        """Texts and numbers in a list, as text."""
        return [str(value) for value in self._list(name)]

    def raw(self, name: str) -> Any:
        """The JSON itself, for what is passed on as it is."""
        return self._values.get(name)

    def _answer(self, name: str) -> Any:
        value = self._values.get(name)
        return None if value is False else value

    def _list(self, name: str) -> list[Any]:
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise self._error(name, "a list")
        return [] if value is None else value

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}"

    def _error(self, name: str, needed: str) -> SnapshotError:
        return SnapshotError(_complain(self._at(name), needed, self._values.get(name)))


def _complain(path: str, needed: str, got: object) -> str:
    return (
        f"{path} cannot be read: {needed} is needed, got {got!r:.80}; run: "
        f"{selva_command('host', 'install', 'resolve')}"
    )
