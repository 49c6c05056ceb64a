"""Sound of any length as one array: in memory while it is short, else in a file that vanishes by itself.

The file has no name, or is deleted by the system when the last handle on it closes, so that nothing is left of it
after a crash. It is written, and not mapped, until it is whole: a full disk is then an error and not a fault.
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
    """The blocks as one array float32 (num_samples,): what is too much is cut, what is missing is silence.

    Raises OutputError where the disk has no room.
    """
    if num_samples <= IN_MEMORY_SAMPLES:
        samples = np.zeros(num_samples, dtype=np.float32)
        done = 0
        for block in blocks:
            taken = block[: num_samples - done]
            samples[done : done + len(taken)] = taken
            done += len(taken)
        return samples
    with closing(_ScratchFile(num_samples)) as file:
        left = num_samples
        for block in blocks:
            taken = block[:left]
            file.write(taken)
            left -= len(taken)
        return file.map()


class _ScratchFile:
    """A file for `num_samples` samples; its room beyond what is written is silence."""

    def __init__(self, num_samples: int) -> None:
        self._num_samples = num_samples
        self._folder = _scratch_folder()
        with self._telling_why():
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - close() closes it

    def write(self, block: npt.NDArray[np.float32]) -> None:
        with self._telling_why():
            self._file.write(block.tobytes())

    def map(self) -> npt.NDArray[np.float32]:
        with self._telling_why():
            self._file.flush()
            self._file.truncate(self._num_samples * _SAMPLE_BYTES)
            return np.memmap(self._file, np.float32, mode="c", shape=(self._num_samples,))

    def close(self) -> None:
        """What is mapped stays readable."""
        with suppress(OSError):  # on a full disk closing fails as writing did
            self._file.close()

    @contextmanager
    def _telling_why(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise OutputError(
                f"a sound of {self._num_samples * _SAMPLE_BYTES / 1e6:.0f} MB could not be put aside in "
                f"{self._folder}: {exc.strerror or exc}. Make room there, or name another folder with TMPDIR",
                path=str(self._folder),
            ) from exc


def _scratch_folder() -> Path:
    """A folder on a disk: the usual temporary folder is memory on many Linux systems."""
    on_disk = Path("/var/tmp")  # noqa: S108 - files there have no name
    is_chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return on_disk if not is_chosen and os.access(on_disk, os.W_OK) else Path(tempfile.gettempdir())
