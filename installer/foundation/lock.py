"""One installer at a time in one folder; the lock ends with its process, however that ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from environment import SetupError


class InstallLock:
    """Taken when built. Raises SetupError where another installer holds it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take()
        except OSError as exc:
            os.close(self._file)
            raise SetupError(
                f"another installer is at work in {path.parent}; wait until it has ended"
            ) from exc

    def _take(self) -> None:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - on Windows only

            msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Doing it again does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
