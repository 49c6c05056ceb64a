"""`python -m selva_daemon.server.service`: the daemon as a program of its own, which loads no more than it needs."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any

from selva_core.base.errors import SelvaError
from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_daemon.protocol.requests import JOBS
from selva_daemon.server.logs import close_log, open_log
from selva_daemon.server.server import Server
from selva_daemon.settings import DaemonSettings, load_settings

_log = logging.getLogger("selva_daemon.server.service")  # `__name__` is "__main__" when the module is run


def run_service(*, flags: Mapping[str, Any] | None = None, log_to_terminal: bool = False) -> None:
    """Serve until stopped. `flags` win over the settings file and the environment.

    Raises ConfigurationError, DaemonRunningError, StorageError.
    """
    paths = AppPaths.find()
    paths.require_own_daemon()
    settings = load_settings(paths.settings_file, flags=flags)
    paths = replace(paths, cache=settings.cache_dir or paths.cache)
    ensure_private_folder(paths.state)
    handlers = open_log(paths.log_file, level=settings.log_level, also_to_terminal=log_to_terminal)
    try:
        serve(paths, settings, on_listening=lambda jobs: sys.stdout.write(f"listening on {jobs}\n"))
    finally:
        close_log(handlers)


def serve(paths: AppPaths, settings: DaemonSettings, *, on_listening: Callable[[str], object]) -> None:
    """Run the daemon in this process until it is stopped: by request, SIGTERM, Ctrl-C or Ctrl-Break.

    `on_listening` is called once, with the endpoint for jobs. Raises as `Server.open` does.
    """
    server = Server(paths, settings)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.begin_shutdown()

    # Before the connection file is there: a signal that came between the two would be lost, or end the process uncleanly.
    names = ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP")
    before = {
        number: signal.signal(number, stop) for name in names if (number := getattr(signal, name, None))
    }
    try:
        server.open()
        on_listening(server.endpoints[JOBS])
        server.run()
    finally:
        server.close()
        for number, handler in before.items():
            signal.signal(number, handler)
        _log.info("stopped")


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
