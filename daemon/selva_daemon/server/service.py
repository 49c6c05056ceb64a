"""`python -m selva_daemon.server.service`: the daemon as a program of its own, which loads no more than it needs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from selva_core.base.errors import SelvaError
from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_daemon.server.logs import close_log, open_log
from selva_daemon.server.server import serve
from selva_daemon.settings import load_settings


def run_service(*, flags: Mapping[str, Any] | None = None, log_to_terminal: bool = False) -> None:
    """Serve until stopped. `flags` win over the settings file and the environment.

    Raises ConfigurationError, DaemonRunningError, StorageError.
    """
    paths = AppPaths.find()
    paths.require_own_daemon()
    settings = load_settings(paths.settings_file, flags=flags)
    ensure_private_folder(paths.state)
    handlers = open_log(paths.log_file, level=settings.log_level, also_to_terminal=log_to_terminal)
    try:
        serve(paths, settings, on_listening=lambda jobs: sys.stdout.write(f"listening on {jobs}\n"))
    finally:
        close_log(handlers)


def main() -> int:
    """Exit status 1 and one line on standard error when the daemon cannot run."""
    try:
        run_service()
    except SelvaError as error:
        sys.stderr.write(f"selva: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
