"""One log file, one JSON object per line, rotated; every line of a job carries its id."""

from __future__ import annotations

import json
import logging
import logging.handlers
import time
from pathlib import Path
from typing import Any

MAX_LOG_BYTES = 5 << 20
KEPT_LOGS = 3
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
}


class JsonLineFormatter(logging.Formatter):
    """time (UTC), level, where, what, and whatever was given as `extra` (job_id, for instance)."""

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
        file, maxBytes=MAX_LOG_BYTES, backupCount=KEPT_LOGS, encoding="utf-8", delay=True
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
