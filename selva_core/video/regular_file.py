"""Which files are opened as media: regular ones with content.

The kind of a file is read from the opened descriptor: a named pipe would block for ever, and a device such as /dev/zero never
ends. This module is light: it imports neither av nor numpy.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError

_KIND_NAMES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def require_file(path: Path) -> None:
    """Raises MediaNotFoundError where nothing exists at `path`, MediaUnreadableError where it is no regular file of content."""
    try:
        # Without O_NONBLOCK, opening a named pipe waits for somebody who writes to it. Windows has neither.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as exc:
        message = f"there is no file {path}; relink the clip or check that its drive is mounted"
        raise MediaNotFoundError(message, path=str(path)) from exc
    except OSError as exc:
        if path.is_dir():  # Windows opens no folders
            raise _wrong_kind(path, "a folder") from exc
        if path.exists() and not path.is_file():
            raise _wrong_kind(path, "no file") from exc
        message = f"{path} cannot be read ({exc.strerror or exc}); give this user the permission to read it"
        raise MediaUnreadableError(message, path=str(path)) from exc
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _wrong_kind(path, next((name for test, name in _KIND_NAMES if test(status.st_mode)), "no file"))
    if status.st_size == 0:
        message = f"{path} is empty; copy or render it again"
        raise MediaUnreadableError(message, path=str(path))


def _wrong_kind(path: Path, kind: str) -> MediaUnreadableError:
    return MediaUnreadableError(f"{path} is {kind}; a video file is needed", path=str(path))
