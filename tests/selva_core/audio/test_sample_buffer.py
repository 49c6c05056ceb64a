"""Long audio is buffered on disk: the same samples, no file left behind, a clear error when the disk is full."""

from __future__ import annotations

import errno
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from selva_core.audio import sample_buffer
from selva_core.audio.sample_buffer import collect_samples
from selva_core.base.errors import OutputError


def iter_blocks(num_samples: int) -> Iterator[npt.NDArray[np.float32]]:
    yield from np.array_split(np.arange(num_samples, dtype=np.float32), 7)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where everything longer than ten samples is buffered."""
    monkeypatch.setattr(sample_buffer, "IN_MEMORY_SAMPLES", 10)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("num_samples", [5, 10, 11, 90, 100, 130])
def test_samples_are_the_blocks_cut_or_padded_to_the_length(scratch: Path, num_samples: int) -> None:
    samples = collect_samples(iter_blocks(100), num_samples)
    expected = np.zeros(num_samples, dtype=np.float32)
    expected[:100] = np.arange(min(num_samples, 100))
    assert samples.dtype == np.float32
    assert np.array_equal(samples, expected)
    assert isinstance(samples, np.memmap) == (num_samples > 10)


def test_no_file_is_visible_while_the_samples_are_used(scratch: Path) -> None:
    samples = collect_samples(iter_blocks(100), 100)
    assert list(scratch.iterdir()) == []
    samples[0] = 7.0  # a change of the array is the caller's own
    assert samples[0] == 7.0


def test_a_full_disk_is_reported_with_the_size_that_is_needed(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            super().close()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FullDisk())
    with pytest.raises(OutputError, match=r"2 MB .* No space left on device.*TMPDIR") as error:
        collect_samples(iter_blocks(500_000), 500_000)
    assert error.value.facts["path"] == str(scratch)
    assert len(collect_samples(iter_blocks(10), 10)) == 10


def test_an_error_in_the_blocks_is_raised_and_leaves_no_file(scratch: Path) -> None:
    def stop() -> Iterator[npt.NDArray[np.float32]]:
        yield np.ones(20, dtype=np.float32)
        raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError, match="cancelled"):
        collect_samples(stop(), 100)
    assert list(scratch.iterdir()) == []
