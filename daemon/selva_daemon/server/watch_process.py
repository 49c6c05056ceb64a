"""The process that watches folders (`selva_render.watch.service`): started when there are some, started again when it ends.

It is a client of this server. The server only starts it, and ends it by closing its standard input; nothing here waits.
"""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from selva_core.base.child_process import own_environment, popen_options, python_executable
from selva_core.base.errors import ConfigurationError
from selva_core.base.paths import AppPaths
from selva_core.base.settings import find_settings
from selva_daemon.protocol.status import RUNNING, ProcessStatus

OUTPUT_NAME = "watch-output.log"
MAX_OUTPUT_BYTES = 4 << 20
CHECK_S = 1.0
STABLE_AFTER_S = 60.0
MAX_BACK_OFF_S = 30.0
_log = logging.getLogger(__name__)


class WatchProcess:
    """`tick` it a few times a second; `close` it. is_wanted: whether there are folders to watch when the server starts.

    program: for tests. clock: monotonic seconds.
    """

    def __init__(
        self,
        paths: AppPaths,
        *,
        is_wanted: bool,
        program: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = paths
        self._is_wanted = is_wanted
        self._program = program or (python_executable(), "-m", "selva_render.watch.service")
        self._clock = clock
        self._stamp = self._read_stamp()
        self._process: subprocess.Popen[bytes] | None = None
        self._check_at_s = self._start_at_s = self._started_s = clock()
        self._num_ends = 0

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def status(self) -> list[ProcessStatus]:
        """For the daemon's status: nothing where no folder is watched."""
        if not self._is_wanted:
            return []
        state = "backing-off" if self._process is None else RUNNING
        return [ProcessStatus(role="watch", pid=self.pid, state=state)]

    def tick(self) -> None:
        """Start, end or replace the process as the settings and its state ask for."""
        now_s = self._clock()
        if now_s < self._check_at_s:
            return
        self._check_at_s = now_s + CHECK_S
        self._follow_settings()
        if self._process is not None and self._process.poll() is not None:
            self._note_end(self._process, now_s)
        if self._is_wanted and self._process is None and now_s >= self._start_at_s:
            self._start(now_s)
        elif not self._is_wanted and self._process is not None:
            self._ask_to_end()

    def close(self, *, patience_s: float = 5.0) -> None:
        process = self._process
        if process is None:
            return
        self._is_wanted = False
        self._ask_to_end()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def _follow_settings(self) -> None:
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        with suppress(
            ConfigurationError
        ):  # as it was, until the file holds again; the process logs what is wrong
            self._is_wanted = bool(find_settings(self._paths.settings_file)["watch_folders"].value)

    def _read_stamp(self) -> tuple[int, int]:
        try:
            status = self._paths.settings_file.stat()
        except OSError:
            return (0, 0)
        return (status.st_mtime_ns, status.st_size)

    def _start(self, now_s: float) -> None:
        try:
            with _open_output(self._paths.state / OUTPUT_NAME) as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
                    list(self._program),
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    cwd=self._paths.state,
                    env=self._environment(),
                    **popen_options(own_group=True),
                )
        except OSError as error:
            self._back_off(now_s, f"cannot be started: {error}")
            return
        self._started_s = now_s
        _log.info("the watch folders are looked after by process %d", self._process.pid)

    def _note_end(self, process: subprocess.Popen[bytes], now_s: float) -> None:
        self._process = None
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        if now_s - self._started_s > STABLE_AFTER_S:
            self._num_ends = 0
        if self._is_wanted:
            self._back_off(now_s, f"ended with status {process.returncode}")

    def _back_off(self, now_s: float, reason: str) -> None:
        wait_s = min(2.0**self._num_ends, MAX_BACK_OFF_S)
        self._num_ends += 1
        self._start_at_s = now_s + wait_s
        _log.warning(
            "the process of the watch folders %s; it is started again in %g s (it prints to %s)",
            reason,
            wait_s,
            self._paths.state / OUTPUT_NAME,
        )

    def _ask_to_end(self) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()

    def _environment(self) -> dict[str, str]:
        return {
            **own_environment(os.environ),
            "SELVA_STATE_DIR": str(self._paths.state),
            "SELVA_CONFIG_DIR": str(self._paths.config),
        }


def _open_output(file: Path) -> IO[bytes]:
    """What the process and its libraries print; one earlier file is kept."""
    if file.exists() and file.stat().st_size > MAX_OUTPUT_BYTES:
        file.replace(file.with_suffix(".1.log"))
    return file.open("ab")
