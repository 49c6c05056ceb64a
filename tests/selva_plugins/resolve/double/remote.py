"""Resolve for Python scripts: objects as external scripting gives them.

Every object has the same type, `hasattr` is always true, an unknown attribute reads as None, arguments
are positional only, `dir` lists methods and no constants.
"""

from __future__ import annotations

from typing import Any

from tests.selva_plugins.resolve.double.host import Handle, Host


class PyRemoteObject:
    """One object of Resolve in a Python script."""

    def __init__(self, host: Host, handle: Handle) -> None:
        object.__setattr__(self, "_host", host)
        object.__setattr__(self, "_handle", handle)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        host: Host = object.__getattribute__(self, "_host")
        handle: Handle = object.__getattribute__(self, "_handle")
        what = host.attribute(handle, name)
        if what == "constant":
            return host.constant(name)
        if what == "missing":
            return None

        def call(*arguments: Any, **named: Any) -> Any:
            if named:
                host.violations.append(f"{handle.kind}.{name} was called with named arguments")
                return None
            return _to_script(host, host.call(handle, name, [_to_host(a) for a in arguments]))

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        host: Host = object.__getattribute__(self, "_host")
        host.violations.append(f"a script set the attribute {name}")

    def __dir__(self) -> list[str]:
        host: Host = object.__getattribute__(self, "_host")
        handle: Handle = object.__getattribute__(self, "_handle")
        return host.method_names(handle.kind)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PyRemoteObject):
            return False
        mine: Handle = object.__getattribute__(self, "_handle")
        theirs: Handle = object.__getattribute__(other, "_handle")
        return mine.target is theirs.target

    def __hash__(self) -> int:
        return id(object.__getattribute__(self, "_handle").target)


def _to_script(host: Host, value: Any) -> Any:
    if isinstance(value, Handle):
        return PyRemoteObject(host, value)
    if isinstance(value, list):
        return [_to_script(host, item) for item in value]
    return value


def _to_host(value: Any) -> Any:
    if isinstance(value, PyRemoteObject):
        return object.__getattribute__(value, "_handle")
    if isinstance(value, list):
        return [_to_host(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_host(item) for key, item in value.items()}
    return value


class FusionScript:
    """The module `fusionscript`: `scriptapp` answers None on the free edition."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def scriptapp(self, name: str) -> PyRemoteObject | None:
        if name != "Resolve" or not self._host.build.external_scripting or not self._host.running:
            return None
        return PyRemoteObject(self._host, self._host.resolve_handle())
