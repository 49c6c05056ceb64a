"""What `selva host check resolve` shows: whether the agent is installed and of this version, whether messages can pass, whether
a bridge answers them, and whether Studio lets programs in.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import selva_core
from selva_core.base.command_line import selva_command
from selva_core.base.errors import LockHeldError
from selva_core.base.file_lock import FileLock
from selva_plugins.bridge_start import check_start
from selva_plugins.checks import (
    CheckLevel,
    CheckResult,
    build_check_result,
    check_daemon,
    check_libraries,
    check_models,
)
from selva_plugins.handed_settings import describe_difference
from selva_plugins.hosts.resolve.agent.bridge_log import find_log_file
from selva_plugins.hosts.resolve.agent.lua_literals import to_lua
from selva_plugins.hosts.resolve.agent.watch import WATCH_LOCK
from selva_plugins.hosts.resolve.errors import ResolveError, ResolveNotFoundError, ResolveRefusedError
from selva_plugins.hosts.resolve.homes import MENU_FOLDER, ResolveHome, choose_homes
from selva_plugins.hosts.resolve.install import (
    ENTRIES,
    build_start_command,
    describe_unstartable,
    find_installed_version,
    read_handed,
    watch_command,
)
from selva_plugins.hosts.resolve.studio import StudioBridge
from selva_plugins.hosts.script_install import build_bridge_command

_STUDIO_SILENCE_LIMIT_S = 15.0


def check_setup(resource_path: Path | None, *, studio: StudioBridge | None = None) -> list[CheckResult]:
    """The state of each Resolve of this user, or of the one whose Fusion folder is named, then of Studio's external scripting,
    the daemon and the models. The bridge is started as Resolve would, for a moment, and nothing else. Raises HostSetupError.
    """
    results: list[CheckResult] = []
    homes = choose_homes(resource_path)
    for home in homes:
        results += [_check_entries(home), _check_exchange(home)]
    if any(home.exchange.folder.is_dir() for home in homes):
        results += [_check_bridge(homes), _check_start()]
    with studio or StudioBridge(silence_limit_s=_STUDIO_SILENCE_LIMIT_S) as bridge:
        results.append(_check_studio(bridge))
    return [*results, *check_daemon(), *check_libraries(), check_models()]


def _check_entries(home: ResolveHome) -> CheckResult:
    title = f"Menu of {home.label}"
    version = find_installed_version(home)
    entries = [home.menu_folder / f"{name}.lua" for name in ENTRIES.values()]
    missing = [path.stem for path in entries if not path.is_file()]
    if version is None or missing:
        level: CheckLevel = "fault" if home.has_resolve else "warning"
        never = "" if home.has_resolve else "Missing: a Resolve that has run for this user. "
        return build_check_result(
            title, f"{never}Missing in {home.menu_folder}: {', '.join(missing)}. {_advise_install()}", level
        )
    if version != selva_core.__version__:
        text = f"Version {version}, the bridge is {selva_core.__version__}. {_advise_install()}"
        return build_check_result(title, text, "warning")
    mismatch = _find_mismatch(home, entries[0].read_text(encoding="utf-8"))
    if mismatch is not None:
        return build_check_result(title, f"{mismatch}. {_advise_install()}", "fault")
    return build_check_result(
        title, f"Workspace > Scripts > {MENU_FOLDER}, version {version}, in {home.menu_folder}"
    )


def _find_mismatch(home: ResolveHome, entry: str) -> str | None:
    """What was filled into an installed entry and is no longer so."""
    difference = describe_difference(read_handed(entry), os.environ)
    if difference is not None:
        return f"Resolve's bridge uses another daemon or other folders than this terminal: {difference}"
    if to_lua(home.exchange.folder.as_posix()) not in entry:
        return f"The entries write elsewhere than to {home.exchange.folder}"
    if to_lua(build_start_command(watch_command())) not in entry:
        return "The entries start another installation of Selva than this one"
    return None


def _check_exchange(home: ResolveHome) -> CheckResult:
    folder = home.exchange.folder
    if not folder.is_dir():
        return build_check_result("Messages", f"Missing: {folder}. {_advise_install()}", "warning")
    if not all(os.access(path, os.W_OK) for path in (home.exchange.outbox, home.exchange.inbox)):
        return build_check_result(
            "Messages", f"{folder} is missing or cannot be written. {_advise_install()}", "fault"
        )
    profiles = len(list(home.profiles_folder.glob("*/Fusion.prefs")))
    if not profiles:
        return build_check_result(
            "Messages",
            f"By files in {folder}. Missing: a Fusion.prefs below {home.profiles_folder}, by which Free 21.1 sends them; start "
            "Resolve once",
            "warning",
        )
    return build_check_result(
        "Messages",
        f"By files in {folder}; on Free 21.1 by {profiles} Fusion.prefs below {home.profiles_folder}",
    )


def _check_bridge(homes: Sequence[ResolveHome]) -> CheckResult:
    if any(_is_watched(home.exchange.folder) for home in homes if home.exchange.folder.is_dir()):
        return build_check_result("Bridge", "Running; it answers Generate stems")
    return build_check_result(
        "Bridge",
        "Not running. Generate stems starts it, but not on Free 21.1: there run "
        f"{selva_command('host', 'resolve', '--watch')} first",
    )


def _check_start() -> CheckResult:
    """Start the bridge as Resolve does, without a terminal and without standard streams, and see that its log can be written."""
    title, log = "Start of the bridge", find_log_file()
    if not build_start_command(watch_command()):
        return build_check_result(title, describe_unstartable(watch_command()), "warning")
    return check_start(build_bridge_command("resolve"), host_name="Resolve", log=log)


def _is_watched(folder: Path) -> bool:
    lock = FileLock(folder / WATCH_LOCK)
    try:
        lock.acquire()
    except LockHeldError:
        return True
    lock.release()
    return False


def _check_studio(bridge: StudioBridge) -> CheckResult:
    """The free edition has no external scripting, so that a refusal is no fault."""
    title = "Studio from outside"
    try:
        return build_check_result(title, bridge.describe_application().label)
    except ResolveNotFoundError as error:
        return build_check_result(title, f"Missing: {error.message}", "warning")
    except ResolveRefusedError as error:
        return build_check_result(title, error.message)
    except ResolveError as error:
        return build_check_result(title, error.message, "warning")


def _advise_install() -> str:
    return f"Run: {selva_command('host', 'install', 'resolve')}"
