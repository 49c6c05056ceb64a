"""What `selva host check resolve` shows: is the agent there and of our age, can letters pass, who answers, is Studio's door
open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import selva_core
from selva_core.base.errors import LockHeldError
from selva_core.base.file_lock import FileLock
from selva_plugins.checks import CheckLevel, CheckResult, build_check_result, check_daemon, check_models
from selva_plugins.hosts.resolve.adapter import describe_product
from selva_plugins.hosts.resolve.errors import (
    ResolveError,
    ResolveNotFoundError,
    ResolveRefusedError,
)
from selva_plugins.hosts.resolve.install import (
    ENTRIES,
    MENU_FOLDER,
    ResolveHome,
    build_start_command,
    choose_homes,
    find_installed_version,
    watch_command,
)
from selva_plugins.hosts.resolve.messages import to_lua
from selva_plugins.hosts.resolve.studio import StudioBridge
from selva_plugins.hosts.resolve.watch import WATCH_LOCK

_INSTALL = "Run: selva host install resolve"
_STUDIO_PATIENCE_S = 15.0


def check_setup(resource_path: Path | None, *, studio: StudioBridge | None = None) -> list[CheckResult]:
    """Each fact has a title, a text and a level (ok, warning, fault): each Resolve of this user, or the one whose Fusion folder
    is named, then Studio's door, daemon and models. Nothing is started. Raises HostSetupError.
    """
    facts: list[CheckResult] = []
    for home in choose_homes(resource_path):
        facts += [_check_entries(home), *_check_exchange(home)]
    with studio or StudioBridge(silence_limit_s=_STUDIO_PATIENCE_S) as bridge:
        facts.append(_check_studio(bridge))
    return [*facts, *check_daemon(), check_models()]


def _check_entries(home: ResolveHome) -> CheckResult:
    title = f"Menu of {home.label}"
    version = find_installed_version(home)
    entries = [home.menu_folder / f"{name}.lua" for name in ENTRIES.values()]
    missing = [path.stem for path in entries if not path.is_file()]
    if version is None or missing:
        level: CheckLevel = "fault" if home.has_resolve else "warning"
        never = "" if home.has_resolve else "Resolve has not run for this user. "
        return build_check_result(
            title, f"{never}Not in {home.menu_folder}: {', '.join(missing)}. {_INSTALL}", level
        )
    if version != selva_core.__version__:
        text = f"Version {version}, the bridge is {selva_core.__version__}. {_INSTALL}"
        return build_check_result(title, text, "warning")
    stranger = _find_stranger(home, entries[0].read_text(encoding="utf-8"))
    if stranger is not None:
        return build_check_result(title, f"{stranger}. {_INSTALL}", "fault")
    return build_check_result(
        title, f"Workspace > Scripts > {MENU_FOLDER}, version {version}, in {home.menu_folder}"
    )


def _find_stranger(home: ResolveHome, text: str) -> str | None:
    """What an installed entry knows that is no longer so."""
    if to_lua(home.exchange.folder.as_posix()) not in text:
        return f"The entries write elsewhere than to {home.exchange.folder}"
    if to_lua(build_start_command(watch_command())) not in text:
        return "The entries start another installation of Selva than this one"
    return None


def _check_exchange(home: ResolveHome) -> Iterator[CheckResult]:
    folder = home.exchange.folder
    if not folder.is_dir():
        return  # the entries are missing too, and that is told
    if not all(os.access(path, os.W_OK) for path in (home.exchange.outbox, home.exchange.inbox)):
        yield build_check_result("Letters", f"{folder} cannot be written. {_INSTALL}", "fault")
        return
    profiles = len(list(home.profiles_folder.glob("*/Fusion.prefs")))
    yield build_check_result(
        "Letters",
        f"By files in {folder}; on Free 21.1 by {profiles} Fusion.prefs below {home.profiles_folder}",
    )
    if _is_watched(folder):
        yield build_check_result("Bridge", "Running; it answers Generate stems")
    else:
        yield build_check_result(
            "Bridge",
            "Not running. Generate stems starts it, but not on Free 21.1: there run selva host resolve --watch first",
        )


def _is_watched(folder: Path) -> bool:
    lock = FileLock(folder / WATCH_LOCK)
    try:
        lock.acquire()
    except LockHeldError:
        return True
    lock.release()
    return False


def _check_studio(bridge: StudioBridge) -> CheckResult:
    """The free edition has no such door, so that a closed one is no fault."""
    title = "Studio from outside"
    try:
        return build_check_result(title, describe_product(bridge.describe_application()))
    except (ResolveNotFoundError, ResolveRefusedError) as error:
        return build_check_result(title, error.message)
    except ResolveError as error:
        return build_check_result(title, error.message, "warning")
