"""The bridge's log file: where a host starts the bridge there is no terminal, and what it says would be lost."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from selva_core.base.paths import AppPaths, ensure_private_folder

MAX_LOG_BYTES = 1_000_000


def find_log_file(host: str, environment: Mapping[str, str] | None = None) -> Path:
    """The log file of a host's bridge, the same however the bridge is started."""
    return AppPaths.find(environment).state / f"{host}-bridge.log"


@contextmanager
def open_log(host: str, file: Path | None = None) -> Iterator[Callable[[str], None]]:
    """A function that writes a line into the log, which also gets the warnings of this package and the traceback of what ends
    the bridge. UTF-8 on every system; the file before the last is kept. Raises StorageError, OSError.
    """
    path = find_log_file(host) if file is None else file
    ensure_private_folder(path.parent)
    _set_aside_when_long(path)
    log = logging.getLogger(f"selva_plugins.hosts.{host}")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s"))
    package, level = logging.getLogger("selva_plugins"), logging.getLogger("selva_plugins").level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield log.info
    except Exception:
        log.exception("the bridge ended with an error")
        raise
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()


def _set_aside_when_long(path: Path) -> None:
    """Only when the log is opened: Windows renames no file that another bridge has open; then a later one does it."""
    with suppress(OSError):
        if path.stat().st_size > MAX_LOG_BYTES:
            os.replace(path, path.with_name(f"{path.name}.1"))
