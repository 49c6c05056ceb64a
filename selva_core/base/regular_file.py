"""Opening a user's file: regular files only, opened once, read no further than a limit.

A path may name a FIFO, which blocks the program that opens it, or a device such as /dev/zero, which never ends; and what
a path names may change between a check and the opening. So what counts is the descriptor: it is opened without waiting and
asked what it is.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

# Without O_NONBLOCK, opening a FIFO waits for a writer. Regular files do not heed it. Windows has neither it nor FIFOs in
# folders, but device names (NUL, CON) and named pipes.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class NotRegularFileError(OSError):
    """The path names something else than a file; `strerror` says what."""


class FileTooLargeError(OSError):
    """The file has more bytes than its reader takes; `strerror` says how many those are."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; links are followed. The caller closes it.

    Raises NotRegularFileError for anything else, other OSErrors as `open` does.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except IsADirectoryError as exc:  # what some systems answer to the opening itself
        raise _not_regular(path, "a folder") from exc
    except PermissionError as exc:
        if os.path.isdir(path):  # Windows answers so for a folder
            raise _not_regular(path, "a folder") from exc
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _not_regular(path, describe_kind(mode))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """The whole content of a regular file of at most `max_bytes`.

    A file that says that it is empty is taken at its word: those of /proc do, and some of them never end.
    Raises FileTooLargeError, NotRegularFileError, other OSErrors as `open` does.
    """
    with open_regular(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > max_bytes:
            raise FileTooLargeError(
                errno.EFBIG, f"it has {size_bytes} bytes; at most {max_bytes} are read", str(path)
            )
        return file.read(size_bytes)


def require_regular_or_folder(path: Path) -> None:
    """For readers of libraries, which open paths themselves. Raises NotRegularFileError; a missing path is left to them."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise _not_regular(path, describe_kind(mode))


def describe_kind(mode: int) -> str:
    """What `st_mode` says a path names, for people."""
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")


def _not_regular(path: Path, kind: str) -> NotRegularFileError:
    return NotRegularFileError(errno.EINVAL, f"it is {kind}, and a file is needed", str(path))
