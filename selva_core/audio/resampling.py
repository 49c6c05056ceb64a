"""Resampling from a model's sample rate to the one of the stem, block by block.

A Kaiser-windowed sinc through torchaudio, in float64: flat to 0.93 of the lower Nyquist frequency, aliases more than 145 dB
down, no delay. The result depends neither on block size nor on threads, so that equal audio gives equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torchaudio.transforms import Resample

_ZERO_CROSSINGS = 128
_ROLLOFF = 0.97
_KAISER_BETA = 14.769656459379492
_BLOCK_S = 10


def iter_resampled(
    samples: npt.NDArray[np.float32], *, from_hz: int, to_hz: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield float32 blocks that together are `samples` (num_samples,) at `to_hz`, the first sample at time zero.

    Their total length is ceil(num_samples * to_hz / from_hz).
    """
    resample = Resample(
        from_hz,
        to_hz,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=_ZERO_CROSSINGS,
        rolloff=_ROLLOFF,
        beta=_KAISER_BETA,
        dtype=torch.float64,
    )
    divisor = math.gcd(from_hz, to_hz)
    period_in, period_out = from_hz // divisor, to_hz // divisor
    reach = math.ceil(_ZERO_CROSSINGS * max(1.0, from_hz / to_hz) / _ROLLOFF)
    context = math.ceil(reach / period_in) + 1
    num_periods = math.ceil(len(samples) / period_in)
    block = min(_BLOCK_S * divisor, num_periods)
    remaining = math.ceil(len(samples) * to_hz / from_hz)
    for first in range(0, num_periods, max(block, 1)):
        padded = _padded(samples, (first - context) * period_in, (first + block + context) * period_in)
        resampled = resample(torch.from_numpy(padded)).numpy()
        resampled = resampled[context * period_out : (context + block) * period_out][:remaining]
        remaining -= len(resampled)
        yield resampled.astype(np.float32)


def _padded(samples: npt.NDArray[np.float32], start: int, stop: int) -> npt.NDArray[np.float64]:
    """samples[start:stop] as float64, zeros outside the array."""
    inside = samples[max(start, 0) : max(min(stop, len(samples)), 0)]
    return np.pad(inside.astype(np.float64), (max(-start, 0), max(stop - max(start, 0) - len(inside), 0)))
