"""A daemon for one task, where a scheduler ends every process that a task leaves behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.client.launch import wait_until_stopped


@contextmanager
def opened_own_daemon() -> Iterator[Client]:
    """A client of a daemon that is started now and stopped at the end. Its caches are those of the machine.

    Raises DaemonStartError.
    """
    # A task that was killed may have left files that a dying daemon still writes.
    with tempfile.TemporaryDirectory(prefix="selva-farm-", ignore_cleanup_errors=True) as folder:
        paths = replace(AppPaths.find(), state=Path(folder).resolve() / "state", other_daemon=None)
        with Client.connect(start_if_needed=True, paths=paths) as client:
            try:
                yield client
            finally:
                found = client.status()
                client.shutdown()
                wait_until_stopped(found)
