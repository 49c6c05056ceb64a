"""One log file, one JSON object per line, rotated; every line of a job carries its id."""

from __future__ import annotations

import json
import logging
import logging.handlers
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_LOG_BYTES = 5 << 20
NUM_OLD_LOGS = 3
REPEAT_S = 60.0
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
}


class RepeatedWarning:
    """Logs what may happen thousands of times a second at most once every REPEAT_S, with how often it happened: those who can
    cause it must not be able to push everything else out of the rotated files.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        level: int = logging.WARNING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._level = level
        self._clock = clock
        self._last_s: dict[str, float] = {}
        self._num_unlogged: dict[str, int] = {}

    def add(self, message: str, *, exc: BaseException | None = None, **extra: object) -> None:
        """`message` is one of few texts; `exc` is logged with its traceback, and one of another kind is another event."""
        key = message if exc is None else f"{message} {type(exc).__name__}"
        now_s = self._clock()
        if now_s - self._last_s.get(key, -REPEAT_S) < REPEAT_S:
            self._num_unlogged[key] = self._num_unlogged.get(key, 0) + 1
            return
        self._last_s[key] = now_s
        if num_unlogged := self._num_unlogged.pop(key, 0):
            message = f"{message} (and {num_unlogged} times in the last minutes)"
        self._logger.log(self._level, message, exc_info=exc, extra=extra)


class JsonLineFormatter(logging.Formatter):
    """Time (UTC), level, logger, message, and what the caller passed as `extra` (job_id, for instance)."""

    def format(self, record: logging.LogRecord) -> str:
        utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{utc}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def open_log(file: Path, *, level: str, also_to_terminal: bool) -> list[logging.Handler]:
    """Send this process's logging to the file; returns the handlers, which the caller closes with
    `close_log`.
    """
    rotating = logging.handlers.RotatingFileHandler(
        file, maxBytes=MAX_LOG_BYTES, backupCount=NUM_OLD_LOGS, encoding="utf-8", delay=True
    )
    rotating.setFormatter(JsonLineFormatter())
    handlers: list[logging.Handler] = [rotating]
    if also_to_terminal:
        terminal = logging.StreamHandler()
        terminal.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        handlers.append(terminal)
    root = logging.getLogger()
    root.setLevel(level.upper())
    for handler in handlers:
        root.addHandler(handler)
    return handlers


def close_log(handlers: list[logging.Handler]) -> None:
    root = logging.getLogger()
    for handler in handlers:
        root.removeHandler(handler)
        handler.close()
