"""The worker's end of the link to the server: the events it sends and the commands it receives."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, Protocol

import msgspec

from selva_daemon.protocol.worker_link import (
    CancelCommand,
    Command,
    LoadCommand,
    LogLine,
    RenderCommand,
    WorkerEvent,
    parse_command,
    read_packed,
    write_message,
)

EXIT_GRACE_S = 5.0
_job_id: ContextVar[str] = ContextVar("job_id", default="")
_log = logging.getLogger(__name__)


class EventReceiver(Protocol):
    """Takes what the server is to hear."""

    def send(self, event: WorkerEvent) -> None: ...


class JobCommands(Protocol):
    """Where the thread that renders gets its work from."""

    def next_work(self) -> RenderCommand | LoadCommand | None:
        """Wait for jobs to render or a model to load; None when it is time to stop."""
        ...

    def is_cancelled(self, job_id: str) -> bool: ...

    def forget(self, job_ids: Sequence[str]) -> None:
        """The jobs have ended; one of them may come again with the same id."""
        ...


class Events:
    """Sends events to the server, from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, event: WorkerEvent) -> None:
        """A server that is gone is not an error here: the thread that reads commands notices and ends the worker."""
        try:
            with self._lock:
                write_message(self._stream, event)
        except OSError:
            _log.debug("the server is gone; dropped a %s", type(event).__name__)


class EventLogHandler(logging.Handler):
    """Log records go to the server, which writes the one log file."""

    def __init__(self, events: EventReceiver) -> None:
        super().__init__()
        self._events = events

    @contextmanager
    def about(self, job_id: str) -> Iterator[None]:
        """Records made inside, by the same thread, carry the job's id."""
        token = _job_id.set(job_id)
        try:
            yield
        finally:
            _job_id.reset(token)

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._events.send(LogLine(level=record.levelno, name=record.name, text=text, job_id=_job_id.get()))


class Commands:
    """Receives commands in a thread of its own, so that a cancel arrives while a job runs."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._work: queue.SimpleQueue[RenderCommand | LoadCommand | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._cancelled: set[str] = set()
        self._stopping = threading.Event()
        threading.Thread(target=self._receive, name="commands", daemon=True).start()

    def next_work(self) -> RenderCommand | LoadCommand | None:
        """Wait for jobs to render or a model to load; None when it is time to stop."""
        return None if self._stopping.is_set() else self._work.get()

    def is_cancelled(self, job_id: str) -> bool:
        if self._stopping.is_set():
            return True
        with self._lock:
            return job_id in self._cancelled

    def forget(self, job_ids: Sequence[str]) -> None:
        """The jobs have ended; one of them may come again with the same id."""
        with self._lock:
            self._cancelled.difference_update(job_ids)

    def _receive(self) -> None:
        """Until a stop command or the end of the server, which both end this process."""
        while (command := self._read()) is not None:
            if isinstance(command, RenderCommand | LoadCommand):
                self._work.put(command)
            elif isinstance(command, CancelCommand):
                with self._lock:
                    self._cancelled.add(command.job_id)
            else:
                break
        self._stopping.set()
        self._work.put(None)
        time.sleep(EXIT_GRACE_S)
        # The running step did not end in time (a GPU kernel cannot be interrupted). Files are published by rename, so
        # nothing is left half-written.
        os._exit(1)

    def _read(self) -> Command | None:
        try:
            packed = read_packed(self._stream)
            return None if packed is None else parse_command(packed)
        except (
            OSError,
            msgspec.MsgspecError,
        ):  # a server that sends anything else counts as one that has ended
            return None
