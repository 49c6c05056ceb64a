"""Public names of a package that are imported when they are first used (PEP 562).

Packages whose modules load torch, av or OpenTimelineIO offer their names this way, so that a process that uses one light
module of them does not wait for the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of `package`. modules: for each public name, the module that defines it.

    Type checkers need the same imports under `if TYPE_CHECKING`, and the names in `__all__`.
    """

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)  # the next use does not come here
        return value

    return load
