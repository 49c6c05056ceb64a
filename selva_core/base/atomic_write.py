"""Write files whole or not at all: beside the target under a temporary name, flushed, then renamed over it."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selva_core.base.errors import OutputError, SelvaError

REPLACE_PATIENCE_S = 2.0
_REPLACE_RETRY_S = 0.02


@contextmanager
def staged_file(
    target: Path, *, mode: int | None = None, error: type[SelvaError] = OutputError
) -> Iterator[Path]:
    """A path beside `target` to write to; what is there at the end is flushed and renamed to `target`.

    mode: permission bits of the file from its first byte on (POSIX); None for what the umask gives. After an error nothing
    is left and the old file, if any, is untouched. Raises `error` where the system refuses.
    """
    temporary = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.part")
    try:
        if mode is not None:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        replace_patiently(temporary, target)
        flush_folder(target.parent)
    except OSError as exc:
        if isinstance(exc, SelvaError):
            raise
        raise error(f"cannot write {target}: {exc.strerror or exc}") from exc
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_atomic(
    target: Path, content: bytes, *, mode: int | None = None, error: type[SelvaError] = OutputError
) -> None:
    """Replace the whole content of `target`; see `staged_file`."""
    with staged_file(target, mode=mode, error=error) as temporary:
        temporary.write_bytes(content)


def replace_patiently(
    source: Path,
    target: Path,
    *,
    patience_s: float | None = None,
    replace: Callable[[Path, Path], object] = os.replace,
) -> None:
    """`os.replace`, tried again for a moment where the target is open in another program.

    Windows refuses to rename over a file that somebody has open (a virus scanner, an indexer, a reader of ours); POSIX
    does not, so there the first refusal counts. Raises the last OSError.
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


def flush_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut. Windows cannot open folders and needs none of it (NTFS journals names);
    some network file systems refuse, and the file's own content is flushed all the same.
    """
    if sys.platform == "win32":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_folder_writable(folder: Path, *, error: type[SelvaError] = OutputError) -> None:
    """Raises `error` unless a file can be made in `folder`; leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise error(f"cannot write into {folder}: {exc.strerror or exc}") from exc
