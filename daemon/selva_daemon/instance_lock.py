"""One daemon per user: a lock the system releases when its holder dies, however it dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from selva_daemon.errors import DaemonRunningError

ALREADY_RUNNING = "a daemon of this user is already running"


class InstanceLock:
    """Held from `acquire` to `release`, or to the end of the process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises DaemonRunningError when another process holds it."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError as exc:
            os.close(descriptor)
            raise DaemonRunningError(
                f"{ALREADY_RUNNING}; see: selva daemon status", path=str(self._file)
            ) from exc
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
