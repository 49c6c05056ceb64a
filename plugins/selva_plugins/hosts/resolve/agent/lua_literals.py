"""Python values as Lua source, for files that every version of Resolve reads with loadfile."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_CONTROL_OR_QUOTE = re.compile(r'[\x00-\x1f\x7f"\\]')


def to_lua(value: Any) -> str:
    """A Lua 5.1 literal of plain values; text stays UTF-8, control characters are escaped by number.

    Mappings leave out None, which a Lua table cannot hold. Raises TypeError for anything else than None, bool, int, float,
    str, mappings and sequences.
    """
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return '"' + _CONTROL_OR_QUOTE.sub(lambda match: f"\\{ord(match[0]):03d}", value) + '"'
    if isinstance(value, Mapping):
        rows = (f"[{to_lua(key)}]={to_lua(item)}" for key, item in value.items() if item is not None)
        return "{" + ",\n".join(rows) + "}"
    if isinstance(value, Sequence):
        return "{" + ",\n".join(to_lua(item) for item in value) + "}"
    raise TypeError(f"no Lua literal for {type(value).__name__}")
