"""Audio of any length as one array: in memory while it is short, else in a temporary file.

The file has no name on POSIX, and on Windows is deleted by the system when its last handle closes, so that nothing is left
of it after a crash. It is mapped only when it is complete: writing to a full disk is an error, but writing to a map of it
is a bus fault that ends the process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from selva_core.base.errors import OutputError

IN_MEMORY_SAMPLES = 1 << 21  # 8 MB: about two minutes at 16 kHz

_SAMPLE_BYTES = 4


def collect_samples(blocks: Iterable[npt.NDArray[np.float32]], num_samples: int) -> npt.NDArray[np.float32]:
    """The blocks as one array float32 (num_samples,): longer audio is cut, shorter is padded with silence.

    Raises OutputError where the disk has no room.
    """
    if num_samples <= IN_MEMORY_SAMPLES:
        samples = np.zeros(num_samples, dtype=np.float32)
        done = 0
        for block in blocks:
            part = block[: num_samples - done]
            samples[done : done + len(part)] = part
            done += len(part)
        return samples
    with closing(_ScratchFile(num_samples)) as file:
        remaining = num_samples
        for block in blocks:
            part = block[:remaining]
            file.write(part)
            remaining -= len(part)
        return file.map()


def delay(blocks: Iterable[npt.NDArray[np.float32]], num_samples: int) -> Iterator[npt.NDArray[np.float32]]:
    """The blocks `num_samples` later, after silence; below 0 earlier, without their first samples."""
    if num_samples > 0:
        yield np.zeros(num_samples, np.float32)
    skipped = max(-num_samples, 0)
    for block in blocks:
        yield block[skipped:]
        skipped = max(skipped - len(block), 0)


class _ScratchFile:
    """A file for `num_samples` samples; those that are not written are silence."""

    def __init__(self, num_samples: int) -> None:
        self._num_samples = num_samples
        self._folder = _scratch_folder()
        with self._translate_errors():
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - close() closes it

    def write(self, block: npt.NDArray[np.float32]) -> None:
        with self._translate_errors():
            self._file.write(block.tobytes())

    def map(self) -> npt.NDArray[np.float32]:
        with self._translate_errors():
            self._file.flush()
            self._file.truncate(self._num_samples * _SAMPLE_BYTES)
            return np.memmap(self._file, np.float32, mode="c", shape=(self._num_samples,))

    def close(self) -> None:
        """Maps of the file stay readable."""
        with suppress(OSError):  # on a full disk closing fails as writing did
            self._file.close()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise OutputError(
                f"{self._num_samples * _SAMPLE_BYTES / 1e6:.0f} MB of audio could not be buffered in "
                f"{self._folder}: {exc.strerror or exc}. Free some space there, or set TMPDIR to another folder",
                path=str(self._folder),
            ) from exc


def _scratch_folder() -> Path:
    """A folder on a disk: on many Linux systems the usual /tmp is a tmpfs, which is memory."""
    on_disk = Path("/var/tmp")  # noqa: S108 - files there have no name
    is_chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return on_disk if not is_chosen and os.access(on_disk, os.W_OK) else Path(tempfile.gettempdir())
