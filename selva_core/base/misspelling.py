"""What a person may have meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MIN_PART_CHARS = 3
_MIN_SIMILARITY = 0.6
"""Of `difflib`: 0.6 finds one wrong, missing or swapped letter in short names, and the missing unit of a long one."""


def suggest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'Dog'?" for the known name most similar to `name`, or the only one that it is a part of, ignoring case;
    empty where there is none.
    """
    key, by_key = name.casefold(), {each.casefold(): each for each in known}
    found = difflib.get_close_matches(key, by_key, n=1, cutoff=_MIN_SIMILARITY)
    if not found and len(key) >= _MIN_PART_CHARS:
        longer = [each for each in by_key if key in each]
        found = longer if len(longer) == 1 else []
    return f"; did you mean {by_key[found[0]]!r}?" if found else ""
