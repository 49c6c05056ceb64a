"""The worker's end of the link to the server: what it reports, and what it is ordered."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from selva_daemon.protocol.worker_link import read_packed, unpack_message, write_message

EXIT_GRACE_S = 5.0
_log = logging.getLogger(__name__)


class Events:
    """The worker's mouth: messages to the server, from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, say: str, **facts: Any) -> None:
        """A server that is gone is not an error here: the reading thread notices and ends the worker."""
        try:
            with self._lock:
                write_message(self._stream, {"say": say, **facts})
        except OSError:
            _log.debug("the server is gone; dropped a %s report", say)


class ReportingLogHandler(logging.Handler):
    """Log records go to the server, which has the one log file."""

    def __init__(self, reports: Events) -> None:
        super().__init__()
        self._reports = reports
        self._job_id = ""

    @contextmanager
    def about(self, job_id: str) -> Iterator[None]:
        """What is logged in here is about that job."""
        self._job_id = job_id
        try:
            yield
        finally:
            self._job_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._reports.send("log", level=record.levelno, name=record.name, text=text, job_id=self._job_id)


class Commands:
    """The worker's ears: a thread that reads commands, so that a cancel is heard while a job runs."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._cancelled: set[str] = set()
        self._stopping = threading.Event()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def next_command(self) -> dict[str, Any] | None:
        """Wait for jobs to render; None when it is time to stop."""
        return None if self._stopping.is_set() else self._commands.get()

    def is_cancelled(self, job_id: str) -> bool:
        if self._stopping.is_set():
            return True
        with self._lock:
            return job_id in self._cancelled

    def forget(self, job_ids: Sequence[str]) -> None:
        with self._lock:
            self._cancelled.difference_update(job_ids)

    def _listen(self) -> None:
        while (packed := self._read()) is not None:
            command = unpack_message(packed)
            if command["do"] == "render":
                self._commands.put(command)
            elif command["do"] == "cancel":
                with self._lock:
                    self._cancelled.add(command["job_id"])
            elif command["do"] == "stop":
                break
        self._stopping.set()
        self._commands.put(None)
        time.sleep(EXIT_GRACE_S)
        os._exit(
            1
        )  # the running step did not end in time; files are published by rename, so nothing is half-written

    def _read(self) -> bytes | None:
        try:
            return read_packed(self._stream)
        except OSError:
            return None
