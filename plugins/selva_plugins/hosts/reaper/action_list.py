"""REAPER's list of actions (reaper-kb.ini): one line per script of ours. REAPER rewrites the file when it ends."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from selva_core.base.atomic_write import write_atomic
from selva_plugins.hosts.reaper.resource_paths import is_reaper_running, scripts_folder
from selva_plugins.hosts.script_install import Machine, SetupReport

PACKAGE_SCRIPT = "Selva - Generate stems for selected items.lua"
ACTIONS = {
    PACKAGE_SCRIPT: "Selva: Generate stems for selected items...",
    "Selva - Generate stems from regions and markers.lua": "Selva: Generate stems from regions and markers...",
    "Selva - New takes for selected stem items.lua": "Selva: New takes for selected stem items...",
    "Selva - Redo time selection of selected stem items.lua": "Selva: Redo time selection of selected stem items...",
    "Selva - Extend selected stem items.lua": "Selva: Extend selected stem items",
    "Selva - Move stems to their picture.lua": "Selva: Move stems to their picture",
    "Selva - Conform stems to this cut.lua": "Selva: Conform stems to this cut...",
    "Selva - Mark sounds in selected stem items.lua": "Selva: Mark sounds in selected stem items",
    "Selva - Open job list.lua": "Selva: Open job list",
    "Selva - Open the panel.lua": "Selva: Open the panel",
    "Selva - Settings and check.lua": "Selva: Settings and check",
}
SCRIPT_FOLDER = "Selva"

_LINE = re.compile(rb'SCR\s+\d+\s+\d+\s+\S+\s+"[^"]*"\s+"?(?P<path>[^"\r\n]*?)"?\s*')


def action_id(script: str) -> str:
    """The id REAPER knows the action by; the same for every version, so that the user's shortcuts survive an update."""
    return "RS" + hashlib.sha1(f"selva-bridge/{script}".encode(), usedforsecurity=False).hexdigest()


def find_missing_actions(resource_path: Path) -> list[str]:
    """The scripts of ours that are not in the list, neither through us nor loaded by hand."""
    listed = {_read_script(line) for line in _read_lines(resource_path)}
    return [script for script in ACTIONS if script not in listed]


def register_actions(resource_path: Path, machine: Machine, report: SetupReport) -> None:
    missing = find_missing_actions(resource_path)
    if not missing:
        report.done.append("the actions are in the action list")
    elif is_reaper_running(machine):
        report.left.append(
            "REAPER is running and would overwrite its list of actions: close it and run this again, or in REAPER choose "
            f"Actions > Show action list > New action > Load ReaScript and pick the {len(ACTIONS)} files in "
            f"{scripts_folder(resource_path) / SCRIPT_FOLDER}"
        )
    else:
        lines = _read_lines(resource_path)
        line_end = b"\r\n" if any(line.endswith(b"\r\n") for line in lines) else b"\n"
        if lines and not lines[-1].endswith((b"\n", b"\r")):
            lines[-1] += line_end
        lines += [_build_line(script).encode() + line_end for script in missing]
        write_atomic(_list_file(resource_path), b"".join(lines))
        report.done.append(
            f"{len(missing)} actions added to the action list; in REAPER press ? and type Selva"
        )


def unregister_actions(resource_path: Path, machine: Machine, report: SetupReport) -> None:
    lines = _read_lines(resource_path)
    others = [line for line in lines if _read_script(line) is None]
    if len(others) == len(lines):
        return
    if is_reaper_running(machine):
        report.left.append("REAPER is running: close it and run this again to take the actions off its list")
        return
    if others:
        write_atomic(_list_file(resource_path), b"".join(others))
    else:
        _list_file(resource_path).unlink()
    report.done.append("the actions are off the action list")


def _list_file(resource_path: Path) -> Path:
    return resource_path / "reaper-kb.ini"


def _read_lines(resource_path: Path) -> list[bytes]:
    file = _list_file(resource_path)
    return file.read_bytes().splitlines(keepends=True) if file.is_file() else []


def _read_script(line: bytes) -> str | None:
    """The script of ours, in our own folder, that a line is for; copies that ReaPack keeps elsewhere are not ours."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    path = match["path"].replace(b"\\", b"/").decode("utf-8", "replace")
    return next((script for script in ACTIONS if path == f"{SCRIPT_FOLDER}/{script}"), None)


def _build_line(script: str) -> str:
    return f'SCR 4 0 {action_id(script)} "Custom: {ACTIONS[script]}" "{SCRIPT_FOLDER}/{script}"'
