"""Reading typed fields out of a decoded body, noting every fault instead of stopping at the first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from selva_core.base.schema import MAX_DENOMINATOR, MAX_NUMERATOR, FieldFault
from selva_daemon.protocol.errors import InvalidRequestError

_MISSING = object()
T = TypeVar("T")


class FieldReader:
    """A map whose fields are asked for by name and type.

    A faulty field is noted and read as a harmless value of its type, so that one pass finds all faults;
    `finish` raises if there were any, and for fields nobody asked for.
    """

    def __init__(self, values: object, *, path: str = "", faults: list[FieldFault] | None = None) -> None:
        self._path = path
        self._faults: list[FieldFault] = [] if faults is None else faults
        self._asked: set[str] = set()
        self._children: list[FieldReader] = []
        self._values: Mapping[str, Any] = {}
        if isinstance(values, Mapping):
            self._values = values
        else:
            self._faults.append(FieldFault(path or "body", f"a map is needed; got {_kind(values)}"))
            self._faults = [] if path else self._faults  # one fault is enough: its fields are not missing too

    def text(
        self,
        name: str,
        *,
        max_chars: int,
        default: str | None = None,
        min_chars: int = 1,
        one_line: bool = False,
    ) -> str:
        value = self._take(name, default)
        if value is _MISSING:
            return ""
        if not isinstance(value, str):
            return self._refuse(name, f"text is needed; got {_kind(value)}", "")
        if len(value) > max_chars:
            return self._refuse(name, f"at most {max_chars} characters; got {len(value)}", "")
        if value is not default and len(value.strip()) < min_chars:
            return self._refuse(name, "text is needed; got an empty one", "")
        if "\x00" in value or (one_line and any(ord(char) < 32 for char in value)):
            return self._refuse(name, "control characters are not allowed", "")
        return value

    def integer(self, name: str, *, minimum: int, maximum: int, default: int | None = None) -> int:
        value = self._take(name, default)
        if value is _MISSING:
            return minimum
        if isinstance(value, bool) or not isinstance(value, int):
            return self._refuse(name, f"an integer is needed; got {_kind(value)}", minimum)
        if not minimum <= value <= maximum:
            return self._refuse(name, f"{minimum} to {maximum} is allowed; got {value}", minimum)
        return value

    def number(self, name: str, *, minimum: float, maximum: float, default: float | None = None) -> float:
        value = self._take(name, default)
        if value is _MISSING:
            return minimum
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return self._refuse(name, f"a number is needed; got {_kind(value)}", minimum)
        if not minimum <= value <= maximum:
            return self._refuse(name, f"{minimum:g} to {maximum:g} is allowed; got {value:g}", minimum)
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._take(name, default)
        if not isinstance(value, bool):
            return self._refuse(name, f"true or false is needed; got {_kind(value)}", default)
        return value

    def choice(self, name: str, *, allowed: Sequence[str], default: str | None = None) -> str:
        value = self._take(name, default)
        if value is _MISSING:
            return allowed[0]
        if value not in allowed:
            got = repr(value) if isinstance(value, str) else _kind(value)
            return self._refuse(name, f"one of {', '.join(allowed)} is needed; got {got[:80]}", allowed[0])
        return str(value)

    def rational(
        self, name: str, *, minimum: Fraction, maximum: Fraction, default: Fraction | None = None
    ) -> Fraction:
        value = self._take(name, None if default is None else [default.numerator, default.denominator])
        if value is _MISSING:
            return Fraction(1)
        if not (isinstance(value, list) and len(value) == 2 and all(type(part) is int for part in value)):
            return self._refuse(
                name,
                f"a pair of integers [numerator, denominator] is needed; got {_kind(value)}",
                Fraction(1),
            )
        if abs(value[0]) > MAX_NUMERATOR or not 1 <= value[1] <= MAX_DENOMINATOR:
            return self._refuse(
                name, f"the denominator is 1 to {MAX_DENOMINATOR}, the numerator 64 bits", Fraction(1)
            )
        fraction = Fraction(value[0], value[1])
        if not minimum <= fraction <= maximum:
            return self._refuse(
                name,
                f"{float(minimum):g} to {float(maximum):g} is allowed; got {float(fraction):g}",
                Fraction(1),
            )
        return fraction

    def texts(self, name: str, *, max_items: int, max_key_chars: int, max_chars: int) -> dict[str, str]:
        """A map of short names to strings; missing means empty."""
        value = self._take(name, {})
        if not isinstance(value, dict):
            return self._refuse(name, f"a map of strings is needed; got {_kind(value)}", {})
        if len(value) > max_items:
            return self._refuse(name, f"at most {max_items} entries; got {len(value)}", {})
        for key, text in value.items():
            if not isinstance(key, str) or not 1 <= len(key) <= max_key_chars:
                return self._refuse(name, f"keys are 1 to {max_key_chars} characters", {})
            if not isinstance(text, str) or len(text) > max_chars:
                return self._refuse(
                    f"{name}.{key}", f"a string of at most {max_chars} characters is needed", {}
                )
        return dict(value)

    def text_list(self, name: str, *, max_items: int, max_chars: int) -> tuple[str, ...]:
        value = self._take(name, None)
        if value is _MISSING:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return self._refuse(name, f"a list of strings is needed; got {_kind(value)}", ())
        if len(value) > max_items or any(len(item) > max_chars for item in value):
            return self._refuse(name, f"at most {max_items} strings of {max_chars} characters", ())
        return tuple(value)

    def has(self, name: str) -> bool:
        """Whether an optional field is there; it is known from then on."""
        self._asked.add(name)
        return name in self._values

    def child(self, name: str) -> FieldReader:
        value = self._take(name, None)
        if value is _MISSING:
            reader = FieldReader({}, path=self._at(name))  # one fault is enough here too
        else:
            reader = FieldReader(value, path=self._at(name), faults=self._faults)
        self._children.append(reader)
        return reader

    def children(self, name: str, *, max_items: int, min_items: int = 1) -> list[FieldReader]:
        """The maps in a list, at least one of them unless `min_items` says otherwise."""
        value = self._take(name, None)
        if value is _MISSING:
            return []
        if not isinstance(value, list) or not min_items <= len(value) <= max_items:
            got = f"{len(value)}" if isinstance(value, list) else _kind(value)
            return self._refuse(name, f"a list of {min_items} to {max_items} maps is needed; got {got}", [])
        readers = [
            FieldReader(item, path=f"{self._at(name)}[{index}]", faults=self._faults)
            for index, item in enumerate(value)
        ]
        self._children += readers
        return readers

    def refuse(self, name: str, message: str) -> None:
        """Note a fault that only the caller can see, such as a name used twice."""
        self._faults.append(FieldFault(self._at(name), message))

    def finish(self) -> None:
        """Raises InvalidRequestError if anything was wrong."""
        self._refuse_unknown()
        if self._faults:
            shown = "; ".join(str(fault) for fault in self._faults[:3])
            more = f" (and {len(self._faults) - 3} more)" if len(self._faults) > 3 else ""
            raise InvalidRequestError(f"the request is not valid: {shown}{more}", fields=self._faults[:100])

    def _refuse_unknown(self) -> None:
        for name in self._values:
            if name not in self._asked:
                known = ", ".join(sorted(self._asked)) or "none"
                self.refuse(str(name)[:64], f"there is no such field; known here: {known}")
        for child in self._children:
            child._refuse_unknown()

    def _take(self, name: str, default: object) -> Any:
        self._asked.add(name)
        if name in self._values:
            return self._values[name]
        if default is None:
            self.refuse(name, "this field is missing")
            return _MISSING
        return default

    def _refuse(self, name: str, message: str, harmless: T) -> T:
        self.refuse(name, message)
        return harmless

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def _kind(value: object) -> str:
    names = {
        dict: "a map",
        list: "a list",
        str: "text",
        int: "an integer",
        float: "a number",
        bool: "true or false",
    }
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
