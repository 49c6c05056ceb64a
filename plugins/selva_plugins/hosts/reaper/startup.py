"""The line in Scripts/__startup.lua that offers stems which were finished while REAPER was closed.

REAPER runs that file, if there is one, whenever it starts. The line is only put there on request. It comes first, because
nothing may follow a `return` at the end of the user's own code, and it catches its own errors, so that the user's code runs.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from selva_core.base.atomic_write import write_atomic
from selva_plugins.hosts.reaper.resource_paths import scripts_folder
from selva_plugins.hosts.script_install import Machine, SetupReport

STARTUP_FILE = "__startup.lua"
_MARK = "-- Selva: offers stems that became ready while REAPER was closed; `selva host remove reaper` takes this line out"


def is_startup_line_there(resource_path: Path) -> bool:
    return any(_is_ours(line) for line in _read(resource_path)[1])


def write_startup_line(library: Path, resource_path: Path, machine: Machine, report: SetupReport) -> None:
    """Have REAPER load our scripts from `library`, their folder `lib`, when it starts."""
    path = _to_lua_expression(library, resource_path, machine)
    if path is None:
        report.left.append(
            f"REAPER cannot start scripts by itself from {library} (letters beyond ASCII on a volume without short names); "
            "results wait in the action Selva: Open job list"
        )
        return
    line = (
        f"pcall(function() local lib = {path}; "
        f'dofile(lib .. "selva.lua")(lib).import("startup").run() end) {_MARK}'
    )
    head, lines = _read(resource_path)
    line_end = b"\r\n" if any(other.endswith(b"\r\n") for other in lines) else b"\n"
    users = [other for other in lines if not _is_ours(other)]
    at = 1 if users and users[0].startswith(b"#") else 0  # Lua skips a first line that begins with a "#"
    if at and not users[0].endswith(b"\n"):
        users[0] += line_end
    users.insert(at, line.encode("ascii") + line_end)
    _write(resource_path, head, users)
    report.done.append(f"REAPER offers finished stems when it starts ({STARTUP_FILE})")


def remove_startup_line(resource_path: Path, report: SetupReport) -> None:
    head, lines = _read(resource_path)
    users = [line for line in lines if not _is_ours(line)]
    if len(users) < len(lines):
        _write(resource_path, head, users)
        report.done.append(f"our line is removed from {STARTUP_FILE}")


def _is_ours(line: bytes) -> bool:
    return _MARK.encode("ascii") in line


def _read(resource_path: Path) -> tuple[bytes, list[bytes]]:
    """A byte order mark, which must stay first, and the lines."""
    file = scripts_folder(resource_path) / STARTUP_FILE
    text = file.read_bytes() if file.is_file() else b""
    head = codecs.BOM_UTF8 if text.startswith(codecs.BOM_UTF8) else b""
    return head, text[len(head) :].splitlines(keepends=True)


def _write(resource_path: Path, head: bytes, lines: list[bytes]) -> None:
    file = scripts_folder(resource_path) / STARTUP_FILE
    content = head + b"".join(lines)
    if not b"".join(lines).strip():
        file.unlink(missing_ok=True)
    elif not file.is_file() or file.read_bytes() != content:
        write_atomic(file, content)


def _to_lua_expression(library: Path, resource_path: Path, machine: Machine) -> str | None:
    """The folder as a Lua expression, relative to the resource path so that a portable REAPER may be moved; None where there
    is none.

    Lua opens files by the ANSI code page on Windows, so that a folder beyond ASCII needs its short name there.
    """
    if machine.platform != "win32" or str(resource_path).isascii():
        relative = library.relative_to(resource_path).as_posix()
        return f'reaper.GetResourcePath() .. "/{relative}/"' if _is_plain(relative) else None
    short = machine.short_path(library).replace("\\", "/")
    return f'"{short}/"' if _is_plain(short) else None


def _is_plain(path: str) -> bool:
    return path.isascii() and path.isprintable() and '"' not in path and "\\" not in path
