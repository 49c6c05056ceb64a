"""The outline of a stem for its waveform: lowest and highest sample of each column, whatever the length of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from selva_panel.errors import NotThereError, PanelRequestError

MAX_COLUMNS = 20_000
FULL_SCALE = 127
_BLOCK_SAMPLES = 1 << 16


def read_peaks(file: Path, count: int) -> dict[str, list[int]]:
    """`count` columns over the whole file, -127..127; all channels count. Raises NotThereError, PanelRequestError."""
    if not 1 <= count <= MAX_COLUMNS:
        raise PanelRequestError(f"peaks have 1 to {MAX_COLUMNS} columns; got {count}")
    try:
        with soundfile.SoundFile(file) as sound:
            lowest, highest = _read_columns(sound, count)
    except (soundfile.LibsndfileError, OSError) as exc:
        raise NotThereError(f"the stem {file.name} cannot be read ({exc}); render it again") from exc
    return {"min": _quantise(np.minimum(lowest, 0)), "max": _quantise(np.maximum(highest, 0))}


def _read_columns(sound: soundfile.SoundFile, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Block by block: a stem may last hours."""
    num_samples = max(len(sound), 1)
    lowest, highest = np.zeros(count, np.float32), np.zeros(count, np.float32)
    first = 0
    for block in sound.blocks(_BLOCK_SAMPLES, dtype="float32", always_2d=True):
        columns = (np.arange(first, first + len(block)) * count) // num_samples
        np.minimum.at(lowest, columns, block.min(axis=1))
        np.maximum.at(highest, columns, block.max(axis=1))
        first += len(block)
    return lowest, highest


def _quantise(values: np.ndarray) -> list[int]:
    return [int(value) for value in np.clip(np.rint(values * FULL_SCALE), -FULL_SCALE, FULL_SCALE)]
