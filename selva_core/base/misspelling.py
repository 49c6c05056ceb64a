"""What a person may have meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LIKENESS = 0.6
"""Of `difflib`: 0.6 finds one wrong, missing or swapped letter in short names, and the missing unit of a long one."""


def suggest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'Dog'?" for the known name that is most like `name`, case apart; empty where none is like it."""
    by_key = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(name.casefold(), by_key, n=1, cutoff=_LIKENESS)
    return f"; did you mean {by_key[found[0]]!r}?" if found else ""
