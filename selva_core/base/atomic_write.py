"""Write files and folders whole or not at all: beside the target under a temporary name, flushed, then renamed to it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selva_core.base.errors import OutputError, SelvaError

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EACCES: "this user may not write there; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOENT: "its folder does not exist; make it first",
    errno.ENOTDIR: "its folder is a file; choose another folder",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
}
# ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION: Windows answers either where another process has the file open.
_WINDOWS_FILE_IN_USE = (5, 32)
TEMPORARY_PREFIX = ".selva-"
"""Of names that `staged_file` writes to. A killed process leaves its file behind."""
REPLACE_PATIENCE_S = 2.0
_REPLACE_RETRY_S = 0.02


@contextmanager
def staged_file(
    target: Path, *, mode: int | None = None, flush: bool = True, error: type[SelvaError] = OutputError
) -> Iterator[Path]:
    """A path beside `target` to write to; its content at the end is flushed and renamed to `target`.

    mode: permission bits of the file from its first byte on (POSIX); None for those that the umask gives. flush: False for
    files that are checked when they are read and may be lost with the power, such as caches. After an error nothing is
    left and the old file, if any, is untouched. Raises `error` where the system refuses.
    """
    # Without the target's own name: with it, names near the limit of 255 bytes would pass it.
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.part")
    try:
        if mode is not None:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield temporary
        if flush:
            flush_file(temporary)
        replace_patiently(temporary, target)
        if flush:
            flush_folder(target.parent)
    except OSError as exc:
        if isinstance(exc, SelvaError):
            raise
        raise error(f"cannot write {target}: {explain_os_error(exc)}", path=str(target)) from exc
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_atomic(
    target: Path, content: bytes, *, mode: int | None = None, error: type[SelvaError] = OutputError
) -> None:
    """Replace the whole content of `target`; see `staged_file`."""
    with staged_file(target, mode=mode, error=error) as temporary:
        temporary.write_bytes(content)


@contextmanager
def staged_folder(target: Path, *, error: type[SelvaError] = OutputError) -> Iterator[Path]:
    """A new folder beside `target` to fill; at the end its files are flushed and it is renamed to `target`.

    `target` must not exist: no system renames a folder over one that holds something. After an error nothing is left.
    Raises `error` where the system refuses.
    """
    temporary = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.part")
    try:
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                flush_file(file)
        replace_patiently(temporary, target, replace=os.rename)
        flush_folder(target.parent)
    except OSError as exc:
        if isinstance(exc, SelvaError):
            raise
        raise error(f"cannot write {target}: {exc.strerror or exc}") from exc
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_patiently(
    source: Path,
    target: Path,
    *,
    patience_s: float | None = None,
    replace: Callable[[Path, Path], object] = os.replace,
) -> None:
    """`os.replace`, tried again for a moment where the target is open in another program.

    Windows refuses to rename over a file that another process has open without FILE_SHARE_DELETE (a virus scanner, an
    indexer, a reader of ours); POSIX does not, so there the first refusal counts. Raises the last OSError.
    """
    if patience_s is None:
        patience_s = REPLACE_PATIENCE_S if sys.platform == "win32" else 0.0
    give_up_s = time.monotonic() + patience_s
    while True:
        try:
            replace(source, target)
        except PermissionError:
            if time.monotonic() >= give_up_s:
                raise
            time.sleep(_REPLACE_RETRY_S)
        else:
            return


def flush_file(file: Path) -> None:
    """Let the content of a file survive a power cut."""
    # Windows flushes only through a handle that may write, so a read-only file is left to the system there; POSIX flushes
    # through any handle.
    if sys.platform == "win32" and not os.access(file, os.W_OK):
        return
    with file.open("rb+" if sys.platform == "win32" else "rb") as stream:
        os.fsync(stream.fileno())


def flush_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut.

    Windows cannot open folders, and NTFS journals names by itself. Some network file systems refuse; the content of the
    file has been flushed all the same.
    """
    if sys.platform == "win32":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def explain_os_error(exc: OSError) -> str:
    """What the system refused and what to do about it, as the second half of a message."""
    if getattr(exc, "winerror", None) in _WINDOWS_FILE_IN_USE:
        return (
            "it is open in another program, or this user may not write there; close it or choose another name"
        )
    return _ADVICE.get(exc.errno or 0, str(exc.strerror or exc))


def check_folder_writable(folder: Path, *, error: type[SelvaError] = OutputError) -> None:
    """Raises `error` unless a file can be made in `folder`; leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise error(f"cannot write into {folder}: {explain_os_error(exc)}", path=str(folder)) from exc
