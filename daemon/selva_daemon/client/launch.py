"""Starting the daemon as a process of its own, which outlives the program that started it, on every system."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selva_core.base.child_process import own_environment, popen_options, python_executable
from selva_core.base.command_line import selva_command
from selva_core.base.errors import LockHeldError
from selva_core.base.file_lock import FileLock
from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_core.base.settings.row import VARIABLE_PREFIX
from selva_daemon.protocol.connection import process_is_alive, read_connection
from selva_daemon.protocol.errors import (
    ALREADY_RUNNING,
    DaemonRunningError,
    DaemonStartError,
    DaemonTimeoutError,
    DaemonUnavailableError,
)
from selva_daemon.protocol.status import DaemonStatus
from selva_daemon.settings import load_settings

START_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.02
STOP_EXTRA_S = 15.0
STOP_POLL_INTERVAL_S = 0.05
SHOWN_LOG_CHARS = 2_000


def start_daemon(
    paths: AppPaths, *, timeout_s: float = START_TIMEOUT_S, flags: Mapping[str, Any] | None = None
) -> int:
    """Start a daemon and wait until it listens; returns its process id. One that listens already is left alone.

    flags: settings by name, which hold for this daemon only. Raises DaemonStartError with what the daemon printed,
    DaemonRunningError where one runs that was not started with these flags, StorageError, ConfigurationError.
    """
    paths.require_own_daemon()
    if flags:
        load_settings(paths.settings_file, flags=flags)  # says here what is wrong with them
    ensure_private_folder(paths.state)
    if (listening := _listening_pid(paths)) is not None:
        return _require_no_flags(listening, flags)
    start_log = paths.state / "start.log"
    give_up_s = time.monotonic() + timeout_s
    while True:
        if (listening := _launch_and_wait(paths, start_log, give_up_s, flags)) is not None:
            return listening
        printed = start_log.read_text(encoding="utf-8", errors="replace").strip()[-SHOWN_LOG_CHARS:]
        printed = printed.removeprefix("selva: ")
        if ALREADY_RUNNING not in printed or time.monotonic() >= give_up_s:
            break
        if (listening := _wait_for_lock(paths, give_up_s)) is not None:
            return _require_no_flags(listening, flags)
    raise DaemonStartError(
        f"the daemon did not start: {printed or f'no answer in {timeout_s:g} s'} (log: {paths.log_file})",
        log_file=str(paths.log_file),
    )


def _require_no_flags(listening: int, flags: Mapping[str, Any] | None) -> int:
    if not flags:
        return listening
    raise DaemonRunningError(
        f"a daemon runs already (process {listening}) with the settings it was started with; stop it first: "
        f"{selva_command('daemon', 'stop')}",
        pid=listening,
    )


def wait_until_stopped(status: DaemonStatus) -> None:
    """Wait until a daemon on this machine that was shut down has ended. status: as it was before. Raises DaemonTimeoutError."""
    pid = status.processes[0].pid or 0
    give_up_s = time.monotonic() + status.drain_timeout_s + STOP_EXTRA_S
    while process_is_alive(pid):
        if time.monotonic() > give_up_s:
            raise DaemonTimeoutError(
                f"the daemon (process {pid}) did not stop; end it by its process id", pid=pid
            )
        time.sleep(STOP_POLL_INTERVAL_S)


def _wait_for_lock(paths: AppPaths, give_up_s: float) -> int | None:
    """Wait while another daemon holds the lock and does not listen: it is starting, and then its process id is
    returned, or it is ending, and then None is.
    """
    lock = FileLock(paths.lock_file)
    while time.monotonic() < give_up_s:
        if (listening := _listening_pid(paths)) is not None:
            return listening
        with contextlib.suppress(LockHeldError):
            lock.acquire()
            lock.release()
            return None
        time.sleep(POLL_INTERVAL_S)
    return None


def _launch_and_wait(
    paths: AppPaths, start_log: Path, give_up_s: float, flags: Mapping[str, Any] | None
) -> int | None:
    """The process id of a daemon that listens, this one or another; None when this one died or the time is up."""
    pid = _launch_detached(paths, start_log, flags)
    while time.monotonic() < give_up_s:
        was_alive = process_is_alive(pid)
        if (listening := _listening_pid(paths)) is not None:
            return listening
        if not was_alive:
            return None
        time.sleep(POLL_INTERVAL_S)
    return None


def _launch_detached(paths: AppPaths, start_log: Path, flags: Mapping[str, Any] | None) -> int:
    """Through a process in between, which ends immediately, so that the daemon is not a child of the host: some hosts wait for
    their children, or end them.
    """
    command = [python_executable(), "-m", "selva_daemon.client.launch", str(start_log)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module under our own interpreter
            command,
            cwd=paths.state,
            env=_environment(paths, flags or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            **popen_options(),
        )
        return int(done.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as exc:
        raise DaemonStartError(f"the daemon did not start: {' '.join(command)} failed: {exc}") from exc


def _listening_pid(paths: AppPaths) -> int | None:
    try:
        connection = read_connection(paths.connection_file)
    except DaemonUnavailableError:
        return None
    return connection.pid if connection.process_is_alive else None


def _environment(paths: AppPaths, flags: Mapping[str, Any]) -> dict[str, str]:
    variables = {
        **own_environment(os.environ),
        **{f"{VARIABLE_PREFIX}{name.upper()}": str(value) for name, value in flags.items()},
        "SELVA_STATE_DIR": str(paths.state),
        "SELVA_CONFIG_DIR": str(paths.config),
    }
    if paths.cache != AppPaths.find().cache:  # else the settings of the daemon may name another
        variables["SELVA_CACHE_DIR"] = str(paths.cache)
    return variables


def _spawn(start_log: Path) -> int:
    """A session of its own: closing the terminal or the host that started the daemon does not end it."""
    command = [python_executable(), "-m", "selva_daemon.server.service"]
    with start_log.open("wb") as output:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        try:
            outside_job = {**streams, **popen_options(own_group=True, leave_job=True)}
            return subprocess.Popen(command, **outside_job).pid  # noqa: S603
        except PermissionError:  # the job the host runs in does not let its processes leave
            return subprocess.Popen(command, **streams, **popen_options(own_group=True)).pid  # noqa: S603


if __name__ == "__main__":
    sys.stdout.write(str(_spawn(Path(sys.argv[1]))))
    sys.stdout.flush()
    os._exit(0)  # without waiting for, or complaining about, the daemon
