"""The bridge's log file: where Resolve starts the bridge there is no terminal, and what it says would be lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from selva_core.base.paths import AppPaths, ensure_private_folder

MAX_LOG_BYTES = 1_000_000
_log = logging.getLogger("selva_plugins.hosts.resolve")


def find_log_file() -> Path:
    """Where the bridge writes, however it is started."""
    return AppPaths.find().state / "resolve-bridge.log"


@contextmanager
def open_log(file: Path | None = None) -> Iterator[Callable[[str], None]]:
    """A function that writes a line into the log, which also gets the warnings of this package and the traceback of what ends
    the bridge. UTF-8 on every system; the file before the last is kept. Raises StorageError, OSError.
    """
    path = find_log_file() if file is None else file
    ensure_private_folder(path.parent)
    handler = RotatingFileHandler(path, maxBytes=MAX_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s"))
    package, level = logging.getLogger("selva_plugins"), logging.getLogger("selva_plugins").level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield _log.info
    except Exception:
        _log.exception("the bridge ended with an error")
        raise
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()
