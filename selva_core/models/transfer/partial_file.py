"""What has been fetched of a file so far: one file with a stable name, and a note of what it is a part of.

The next process finds both and goes on where the last one stopped, whether that was interrupted, killed or lost its power.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from selva_core.base.atomic_write import write_atomic
from selva_core.base.command_line import selva_command
from selva_core.base.errors import OutputError
from selva_core.base.regular_file import read_bounded
from selva_core.models.tensors.excerpt import CopyPlan

SUFFIX = ".part"
_NOTE_SUFFIX = ".part.json"
_MAX_NOTE_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a partial file is a part of; a part of anything else is worth nothing. etag: of the source's content."""

    url: str
    etag: str
    size_bytes: int
    plan: CopyPlan

    def as_note(self) -> dict[str, object]:
        return {
            "url": self.url,
            "etag": self.etag,
            "size_bytes": self.size_bytes,
            "target_bytes": self.plan.size_bytes,
            "header_sha256": hashlib.sha256(self.plan.header).hexdigest(),
        }


class PartialFile:
    """Use it with `with`; `position` is the number of bytes that are there. Raises OutputError where the disk refuses."""

    def __init__(self, target: Path) -> None:
        """target: names the partial file, which lies beside it."""
        self.path = target.with_name(target.name + SUFFIX)
        self._note = target.with_name(target.name + _NOTE_SUFFIX)
        self._file: _WritableFile | None = None
        self.position = 0

    def count_bytes(self, origin: Origin) -> int:
        """How much is there of this origin; nothing is changed."""
        try:
            note = json.loads(read_bounded(self._note, _MAX_NOTE_BYTES))
            num_bytes = self.path.stat().st_size
        except (OSError, ValueError):
            return 0
        fits = note == origin.as_note() and origin.etag and num_bytes <= origin.plan.size_bytes
        return num_bytes if fits else 0

    def open(self, origin: Origin) -> PartialFile:
        """Go on with what is there of this origin, or start over."""
        num_bytes = self.count_bytes(origin)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if num_bytes == 0:
                self.discard()
                write_atomic(self._note, json.dumps(origin.as_note(), indent=1).encode())
            self._file = _open_unbuffered(self.path, "r+b" if num_bytes else "wb")
            self._file.seek(num_bytes)
        except OSError as exc:
            if isinstance(exc, OutputError):
                raise
            raise self._explain(exc) from exc
        self.position = num_bytes
        if num_bytes < len(origin.plan.header):
            self._file.seek(0)
            self.position = 0
            self.write(origin.plan.header)
        return self

    def __enter__(self) -> PartialFile:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, content: bytes) -> None:
        if self._file is None:
            raise ValueError("the partial file is not open")
        view = memoryview(content)
        try:
            while view:
                written = self._file.write(view)
                view = view[written:]
                self.position += written
        except OSError as exc:
            raise self._explain(exc) from exc

    def truncate(self, num_bytes: int) -> None:
        """Forget what follows; for a part that turned out damaged."""
        with self.path.open("r+b") as file:
            file.truncate(num_bytes)
        self.position = num_bytes

    def discard(self) -> None:
        """Remove what is there."""
        for path in (self.path, self._note):
            with suppress(FileNotFoundError):
                path.unlink()

    def _explain(self, exc: OSError) -> OutputError:
        folder = self.path.parent
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return OutputError(
                f"the disk of {folder} is full after {self.position / 1e6:.0f} MB of {self.path.name.removesuffix(SUFFIX)}; what "
                "is there is kept. Free some space and run the command again, or use another disk: "
                f"{selva_command('models', 'move', 'FOLDER')}",
                path=str(self.path),
                position=self.position,
            )
        return OutputError(f"cannot write {self.path}: {exc.strerror or exc}", path=str(self.path))


class _WritableFile(Protocol):
    def write(self, content: memoryview, /) -> int: ...

    def seek(self, offset: int, /) -> int: ...

    def close(self) -> None: ...


def _open_unbuffered(path: Path, mode: str) -> _WritableFile:
    """Unbuffered: what was written when the process is killed is there for the next one."""
    return io.FileIO(path, mode.replace("b", ""))
