"""Which names may become files in a user's folder, on every system the folder may be opened on."""

from __future__ import annotations

_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789"}
)


def fault_of_file_stem(name: str) -> str | None:
    """Why `name` cannot be the stem of a file name, or None when it can.

    One rule for all systems, the strictest (Windows), because a project folder travels between them.
    """
    if not name or name != name.strip() or name.startswith(".") or name.endswith("."):
        return f"a file name does not begin or end with a dot or a space; got {name!r}"
    bad = sorted({char for char in name if char in _FORBIDDEN or ord(char) < 32})
    if bad:
        return (
            f"a file name has no control characters and none of {' '.join(sorted(_FORBIDDEN))}; got {name!r}"
        )
    if name.split(".", 1)[0].lower() in _DEVICES:
        return f"{name!r} is the name of a device on Windows; choose another"
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return "a file name is valid Unicode"
    if len(encoded) > 200:
        return f"a file name is at most 200 bytes of UTF-8; got {len(encoded)}"
    return None
