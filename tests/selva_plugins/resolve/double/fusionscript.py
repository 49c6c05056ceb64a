"""What Resolve Studio's scripting library is to a program outside: a module `fusionscript` with `scriptapp`.

Loaded by the real bridge process through RESOLVE_SCRIPT_LIB; every call goes to the model in the test's
process by the port in SELVA_TEST_RESOLVE_PORT. Standard library only, as this runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

print("the scripting library greets on standard output, as libraries do")  # noqa: T201

_line = socket.create_connection(("127.0.0.1", int(os.environ["SELVA_TEST_RESOLVE_PORT"]))).makefile(
    "rw", encoding="utf-8"
)


def _ask(**message: Any) -> Any:
    _line.write(json.dumps(message) + "\n")
    _line.flush()
    return _decode(json.loads(_line.readline()))


class PyRemoteObject:
    """One object of Resolve; anything is an attribute of it."""

    def __init__(self, number: int) -> None:
        self.__dict__["_number"] = number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        what = _ask(op="look", object=self._number, name=name)
        if what != "method":
            return what if isinstance(what, float) else None
        return lambda *arguments: _ask(
            op="call", object=self._number, name=name, arguments=_encode(list(arguments))
        )


def scriptapp(name: str, _address: str = "") -> PyRemoteObject | None:
    found: PyRemoteObject | None = _ask(op="scriptapp", name=name)
    return found


def _encode(value: Any) -> Any:
    if isinstance(value, PyRemoteObject):
        return {"object": value._number}
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {"pairs": [[key, _encode(item)] for key, item in value.items()]}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        if "object" in value:
            return PyRemoteObject(value["object"])
        return {key: _decode(item) for key, item in value["pairs"]}
    return value
