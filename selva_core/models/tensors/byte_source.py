"""Reading ranges of bytes from wherever a file of weights lies, and a cap on how much its directory may take."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import Protocol

from selva_core.base.errors import WeightsMismatchError
from selva_core.base.regular_file import open_regular

_BLOCK_BYTES = 256 * 1024
_MAX_DIRECTORY_BYTES = 64 * 1024 * 1024
"""The directories of the published files take less than 1 MB; a file that needs more is not one of weights."""


class ByteSource(Protocol):
    """A file of known size of which ranges can be read. name: for messages."""

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    def read_at(self, offset: int, num_bytes: int) -> bytes:
        """So many bytes, or fewer at the end. Raises OSError or a SelvaError of the transfer."""
        ...


class FileSource:
    """A file on disk; use it with `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_regular(path)
        self._size_bytes = self._file.seek(0, io.SEEK_END)

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def read_at(self, offset: int, num_bytes: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(num_bytes)


class DirectoryReader:
    """A source as a binary file, for readers of directories such as `zipfile`: read in blocks, each once.

    num_bytes_read: what was taken from the source. Raises WeightsMismatchError when a directory goes on for ever.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._blocks: dict[int, bytes] = {}
        self._position = 0
        self.num_bytes_read = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size_bytes}[whence]
        if start + offset < 0:
            raise OSError(22, "a position before the start of the file")
        self._position = start + offset
        return self._position

    def read(self, num_bytes: int = -1) -> bytes:
        """So many bytes from here on, or fewer at the end of the file; all that are left when negative."""
        if num_bytes < 0:
            num_bytes = max(0, self._source.size_bytes - self._position)
        content = bytearray()
        while len(content) < num_bytes:
            block = self._block(self._position // _BLOCK_BYTES)
            part = block[self._position % _BLOCK_BYTES :][: num_bytes - len(content)]
            if not part:
                break
            content += part
            self._position += len(part)
        return bytes(content)

    def read_exactly(self, offset: int, num_bytes: int) -> bytes:
        """`read` from a position on."""
        self.seek(offset)
        return self.read(num_bytes)

    def _block(self, index: int) -> bytes:
        block = self._blocks.get(index)
        if block is not None:
            return block
        start = index * _BLOCK_BYTES
        num_bytes = max(0, min(_BLOCK_BYTES, self._source.size_bytes - start))
        if self.num_bytes_read + num_bytes > _MAX_DIRECTORY_BYTES:
            raise WeightsMismatchError(
                f"{self._source.name} is not a file of weights: its directory is over {_MAX_DIRECTORY_BYTES} bytes",
                path=self._source.name,
            )
        block = self._source.read_at(start, num_bytes) if num_bytes else b""
        self.num_bytes_read += len(block)
        self._blocks[index] = block
        return block
