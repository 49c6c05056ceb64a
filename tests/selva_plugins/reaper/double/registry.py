"""The functions that the double simulates, and the check of what a script passes to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .table import Signature, load_signatures

if TYPE_CHECKING:
    from .world import World


class RuleViolation(Exception):  # noqa: N818 - raised into Lua and recorded
    """A script broke a rule of REAPER."""


FUNCTIONS: dict[str, Callable[..., Any]] = {}


def reascript(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers the function that simulates `name`, which the table must know."""
    if name not in load_signatures():
        raise KeyError(f"REAPER has no function {name}")

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[name] = function
        return function

    return register


class Call:
    """One call from Lua: `count` arguments as lupa hands them over (strings as bytes)."""

    def __init__(self, world: World, signature: Signature, count: int, values: tuple[Any, ...]) -> None:
        self.world = world
        self.signature = signature
        self.count = count
        self.values = values

    def check(self) -> list[Any]:
        """The arguments as Python values, pointers followed. Raises RuleViolation as REAPER would, and more strictly."""
        kinds = self.signature.arguments
        if not self.signature.num_required <= self.count <= len(kinds):
            raise RuleViolation(f"takes {len(kinds)} arguments; got {self.count}")
        checked = []
        for position, (kind, value) in enumerate(zip(kinds, self.values, strict=False), start=1):
            try:
                checked.append(self._convert(kind, value))
            except TypeError as error:
                raise RuleViolation(f"bad argument #{position} ({kind} expected, got {error})") from error
        return checked

    def _convert(self, kind: str, value: Any) -> Any:
        if kind.endswith("?"):
            if value is None:
                return None
            kind = kind[:-1]
        if kind == "project":
            return self.world.project if value is None or value == 0 else self._follow("ReaProject", value)
        if kind in ("boolean", "integer", "number", "string", "function", "userdata"):
            return _convert_plain(kind, value)
        return self._follow(kind, value)

    def _follow(self, kind: str, value: Any) -> Any:
        target = getattr(value, "target", None)
        if target is None or value.kind != kind:
            raise TypeError(getattr(value, "kind", type(value).__name__))
        if not self.world.is_valid(kind, target):
            raise TypeError(f"a {kind} that was deleted")
        return target


def _convert_plain(kind: str, value: Any) -> Any:
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if (
        kind == "integer"
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and value == int(value)
    ):
        return int(value)
    if kind == "string" and isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if kind == "function" and callable(value):
        return value
    if kind == "userdata" and hasattr(value, "target"):
        return value
    raise TypeError(type(value).__name__)
