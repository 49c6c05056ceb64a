"""A lock between processes that the system releases when its holder dies, however it dies."""

from __future__ import annotations

from pathlib import Path

from selva_core.base.errors import LockHeldError


class FileLock:
    """Held from `acquire` to `release`, or to the end of the process. One holder among all processes of the machine.

    Keep the object as long as the lock: it is released when the object is garbage collected.
    """

    def __init__(self, file: Path) -> None:
        # filelock takes 10 ms to import, which the client that never locks does not pay.
        from filelock import FileLock as SystemLock  # noqa: PLC0415

        self._file = file
        self._lock = SystemLock(file, timeout=0, mode=0o600, thread_local=False, is_singleton=False)

    def acquire(self) -> None:
        """Raises LockHeldError when another process, or another lock object of this one, holds it; OSError when the file
        cannot be made.
        """
        from filelock import Timeout  # noqa: PLC0415

        try:
            self._lock.acquire()
        except Timeout as exc:
            raise LockHeldError(f"{self._file} is locked by another process", path=str(self._file)) from exc

    def release(self) -> None:
        """Does nothing when the lock is not held."""
        self._lock.release(force=True)
