"""Settings, folders, disks, who may read what, and the clock."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import selva_core
from selva_cli.doctor.finding import Finding, Level, System
from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError
from selva_core.base.paths import close_to_others, find_ownership_problem
from selva_core.base.settings import find_settings, load_settings
from selva_core.base.settings.editing import take_over_earlier_file
from selva_core.base.settings.file import EARLIER_FILE
from selva_daemon.settings import DaemonSettings

_GIB = 1 << 30
LITTLE_ROOM, NO_ROOM = 5 * _GIB, _GIB // 4
"""A model is 3 to 11 GB, a cache 10 GiB by default; below a quarter of a GiB even the queue may fail."""
CLOCK_TOLERANCE_S = 86_400.0
"""A day: time zones of archives and drives shift files by hours."""
_EVERYBODY = ("WD", "BU", "AU", "S-1-1-0", "S-1-5-11", "S-1-5-32-545")
"""SDDL's names of Everyone, Users and Authenticated Users, in every language of Windows."""
_ALLOWING_ENTRY = re.compile(r"\(A;[^;]*;[^;]*;[^;]*;[^;]*;([^;)]+)")


def check_settings(system: System) -> Iterator[Finding]:
    """Whether a daemon starts with the settings, and whether they are still in the file of an earlier version."""
    file = system.paths.settings_file
    try:
        found = find_settings(file, environment=system.environment)
        DaemonSettings(**{name: each.value for name, each in found.items()})
    except ConfigurationError as error:
        yield Finding(
            title="Settings", text=error.message, level="fault", remedy=selva_command("config", "edit")
        )
        return
    changed = sum(each.source != "default" for each in found.values())
    yield Finding(title="Settings", text=f"{changed} of {len(found)} are set; file: {file}")
    earlier = file.with_name(EARLIER_FILE)
    if earlier.is_file():

        def take_over() -> str:
            return f"moved into {file}; the earlier file is now {take_over_earlier_file(file)}"

        yield Finding(
            title="Earlier settings",
            text=f"{earlier} is of version 0.1.0; it holds where {file.name} says nothing",
            level="warning",
            remedy=selva_command("doctor", "--fix"),
            fix=take_over,
        )


def check_disks(system: System) -> Iterator[Finding]:
    """Room where state, caches, models and stems go, one line for each disk."""
    from selva_core.models.catalog import default_models_dir  # noqa: PLC0415

    settings = load_settings(system.paths.settings_file, environment=system.environment)
    folders = {
        "state": system.paths.state,
        "caches": settings.cache_dir or system.paths.cache,
        "models": settings.models_dir or default_models_dir(),
    }
    if settings.stems_dir is not None:
        folders["stems"] = settings.stems_dir
    by_disk: dict[int, tuple[list[str], Path]] = {}
    for use, folder in folders.items():
        nearest = nearest_existing(folder)
        by_disk.setdefault(nearest.stat().st_dev, ([], nearest))[0].append(use)
        if not os.access(nearest, os.W_OK):
            text = f"{nearest} cannot be written; {use} go there. Choose another folder"
            yield Finding(title="Folder", text=text, level="fault", remedy=selva_command("config", "edit"))
    for uses, folder in by_disk.values():
        yield describe_room(", ".join(uses), folder, shutil.disk_usage(folder).free)


def describe_room(uses: str, folder: Path, free_bytes: int) -> Finding:
    """The line of one disk."""
    text = f"{free_bytes / _GIB:.1f} GiB are free in {folder} (for {uses})"
    if free_bytes >= LITTLE_ROOM:
        return Finding(title="Disk", text=text)
    text += ". Empty the caches, or move them and the models to another disk (settings cache_dir, models_dir)"
    level: Level = "warning" if free_bytes >= NO_ROOM else "fault"
    return Finding(title="Disk", text=text, level=level, remedy=selva_command("cache", "clear"))


def nearest_existing(folder: Path) -> Path:
    """The folder, or the nearest of those it lies in that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def check_permissions(system: System) -> Iterator[Finding]:
    """Whether others could read the keys: then they could use the daemon."""
    paths = system.paths
    private = (
        (paths.state, 0o022),
        (paths.config, 0o022),
        (paths.keys_file, 0o077),
        (paths.connection_file, 0o077),
    )
    present = [(path, mode) for path, mode in private if path.exists()]
    problems = 0
    for path, forbidden_mode in present:
        if (problem := _find_problem(system, path, forbidden_mode)) is not None:
            problems += 1
            yield Finding(
                title="Permissions",
                text=f"{path}: {problem}. Who can read the keys can use the daemon",
                level="fault",
                remedy=system.private_command(path),
                fix=_closing(path),
            )
    if not problems:
        names = ", ".join(path.name for path, _ in present) or "no files yet"
        yield Finding(title="Permissions", text=f"only you can open them: {names}" if present else names)


def _closing(path: Path) -> Callable[[], str]:
    def close() -> str:
        close_to_others(path)
        return f"{path} is closed to others. Where they may have read the keys, delete keys.json and restart the daemon"

    return close


def _find_problem(system: System, path: Path, forbidden_mode: int) -> str | None:
    if system.platform != "win32":
        return find_ownership_problem(path.stat(), forbidden_mode=forbidden_mode, platform=system.platform)
    quoted = str(path).replace("'", "''")
    command = ("powershell", "-NoProfile", "-Command", f"(Get-Acl -LiteralPath '{quoted}').Sddl")
    return find_open_access(system.run(command, 8.0).stdout)


def find_open_access(sddl: str) -> str | None:
    """The groups of many users that an access list (Windows' SDDL) lets in; None where it names only persons and the system."""
    granted = set(_ALLOWING_ENTRY.findall(sddl.partition("D:")[2].partition("S:(")[0]))
    opened = sorted(granted & set(_EVERYBODY))
    return f"its access list lets others in ({', '.join(opened)})" if opened else None


def check_clock(system: System) -> Iterator[Finding]:
    """Whether the clock is behind: stems would then look older than their pictures, and certificates not yet valid."""
    now_s = system.clock()
    installed_s = Path(selva_core.__file__).stat().st_mtime
    newest_s = max([installed_s, *(path.stat().st_mtime for path in _iter_own_files(system))])
    if now_s + CLOCK_TOLERANCE_S < newest_s:
        text = f"It is {(newest_s - now_s) / 86_400:.1f} days before the newest file of Selva. Set the clock of this machine"
        remedy = {
            "win32": "w32tm /resync",
            "darwin": "sudo sntp -sS time.apple.com",
        }.get(system.platform, "sudo timedatectl set-ntp true")
        yield Finding(title="Clock", text=text, level="warning", remedy=remedy)
    else:
        yield Finding(title="Clock", text="not behind the newest file")


def _iter_own_files(system: System) -> Iterator[Path]:
    for path in (system.paths.log_file, system.paths.queue_file, system.paths.keys_file):
        if path.is_file():
            yield path
