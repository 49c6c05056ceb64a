"""One process at a time changes the folder of weights; others wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selva_core.base.atomic_write import explain_os_error
from selva_core.base.errors import LockHeldError, OutputError
from selva_core.base.file_lock import FileLock

LOCK_NAME = ".lock"
_POLL_S = 0.25


@contextmanager
def locked_folder(
    models_dir: Path,
    *,
    on_wait: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the folder, which is made if needed; wait while another process holds it, however long that takes.

    on_wait: called once when there is something to wait for. Raises OutputError where the folder cannot be written.
    """
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(models_dir / LOCK_NAME)
        _acquire(lock, on_wait, sleep)
    except OSError as exc:
        raise OutputError(
            f"the models folder {models_dir} cannot be used: {explain_os_error(exc)}. Set SELVA_MODELS_DIR to another",
            path=str(models_dir),
        ) from exc
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, on_wait: Callable[[], None], sleep: Callable[[float], None]) -> None:
    has_waited = False
    while True:
        try:
            lock.acquire()
        except LockHeldError:
            if not has_waited:
                on_wait()
            has_waited = True
            sleep(_POLL_S)
        else:
            return
