"""The log file of the bridge that Resolve's agent starts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from selva_plugins import bridge_log


def find_log_file() -> Path:
    """The log file of the bridge, the same however the bridge is started."""
    return bridge_log.find_log_file("resolve")


def open_log(file: Path | None = None) -> AbstractContextManager[Callable[[str], None]]:
    """A function that writes a line into the log; see `selva_plugins.bridge_log`. Raises StorageError, OSError."""
    return bridge_log.open_log("resolve", file)
