"""Writing files whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selva_otio.errors import TimelineWriteError


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; what is there at the end is flushed and renamed to `target`.

    After an error nothing is left and the old file, if any, is untouched. Raises TimelineWriteError.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise TimelineWriteError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_folder_writable(folder: Path) -> None:
    """Raises TimelineWriteError unless a file can be made in `folder`; leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TimelineWriteError(f"cannot write into {folder}: {error.strerror}") from error
