"""Resampling from a model's sample rate to the one of the stem, block by block.

libsoxr at its best quality, with the steep filter, in float64: flat to 0.97 of the lower Nyquist frequency, everything that
does not belong more than 175 dB down, no delay. Memory does not depend on the ratio of the rates: where they share no
divisor (44101 and 48000 Hz), libsoxr interpolates its filter instead of storing one phase per output sample. The result does
not depend on block size or threads, so that equal audio gives equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from soxr import VHQ, soxr_ext

# soxr.h: without this flag the filter falls off from 0.91 of Nyquist. The package's Python layer does not pass it on, so its
# extension is called directly; that is why pyproject.toml allows the releases of one minor version only.
_STEEP_FILTER = 0x40
_BLOCK_SAMPLES = 1 << 18
_TAIL_S = 1


def iter_resampled(
    samples: npt.NDArray[np.float32], *, from_hz: int, to_hz: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield float32 blocks that together are `samples` (num_samples,) at `to_hz`, the first sample at time zero.

    Their total length is ceil(num_samples * to_hz / from_hz).
    """
    stream = soxr_ext.CSoxr(from_hz, to_hz, 1, soxr_ext.SOXR_FLOAT64_I, VHQ | _STEEP_FILTER, False)
    remaining = math.ceil(len(samples) * to_hz / from_hz)
    for start in range(0, len(samples), _BLOCK_SAMPLES):
        block = samples[start : start + _BLOCK_SAMPLES].astype(np.float64)
        resampled = stream.process_float64(block[:, None], False)[:remaining, 0]
        remaining -= len(resampled)
        if len(resampled):
            yield resampled.astype(np.float32)
    if remaining:  # silence after the end brings out what the filter still holds
        silence = np.zeros((from_hz * _TAIL_S, 1))
        yield stream.process_float64(silence, True)[:remaining, 0].astype(np.float32)
