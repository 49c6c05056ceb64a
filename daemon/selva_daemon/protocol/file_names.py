"""Which names may become files in a user's folder, on every system the folder may be opened on."""

from __future__ import annotations

import unicodedata

MAX_STEM_BYTES = 200
"""Leaves room for the key, a number and the suffix in the 255 bytes that file systems have."""

_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}
)
_UNSEEN_CATEGORIES = frozenset(("Cc", "Cf", "Zl", "Zp"))


def _has_unseen(name: str) -> bool:
    if name.isascii():  # the categories below are a look-up a character, and a job has 512 names
        return not name.isprintable()
    return any(unicodedata.category(char) in _UNSEEN_CATEGORIES for char in name)


def file_stem_error(name: str) -> str | None:
    """Why `name` cannot be the stem of a file name, or None when it can.

    One rule for all systems, the strictest (Windows), because a project folder travels between them. Unseen are
    control and format characters: with some of these a name reads otherwise than it is.
    """
    if not name or name != name.strip() or name.startswith(".") or name.endswith("."):
        return f"a file name does not begin or end with a dot or a space; got {name!r}"
    if _FORBIDDEN.intersection(name) or _has_unseen(name):
        return (
            f"a file name has no unseen characters and none of {' '.join(sorted(_FORBIDDEN))}; got {name!r}"
        )
    if name.split(".", 1)[0].strip().lower() in _DEVICES:
        return f"{name!r} is the name of a device on Windows; choose another"
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return "a file name is valid Unicode"
    if len(encoded) > MAX_STEM_BYTES:
        return f"a file name is at most {MAX_STEM_BYTES} bytes of UTF-8; got {len(encoded)}"
    return None
