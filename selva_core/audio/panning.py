"""Mono audio at a place: constant-power panning and the level of a distance, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from selva_core.base.pan import Curve, Panning

_PIECE_SAMPLES = 1 << 16

Samples = npt.NDArray[np.float32]


def iter_panned(blocks: Iterable[Samples], panning: Panning, *, sample_rate_hz: int) -> Iterator[Samples]:
    """Mono blocks (n,) as they are heard: (n, 2) where there are two channels, else (n,). What is not panned is not copied.

    The sum of both channels' power is that of the mono sound, wherever it is heard from.
    """
    if panning.num_channels == 1 and panning.level_db is None:
        yield from blocks
        return
    start = 0
    for block in blocks:
        for first in range(0, len(block), _PIECE_SAMPLES):
            piece = block[first : first + _PIECE_SAMPLES].astype(np.float64)
            times_s = (start + np.arange(len(piece))) / sample_rate_hz
            if panning.level_db is not None:
                piece *= 10.0 ** (_values_at(panning.level_db, times_s) / 20.0)
            yield (_spread(piece, panning.pan, times_s) if panning.num_channels == 2 else piece).astype(
                np.float32
            )
            start += len(piece)


def _spread(
    piece: npt.NDArray[np.float64], pan: Curve | None, times_s: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """One channel to two by the sine and the cosine of an angle, -3 dB each in the middle."""
    pans = np.zeros(len(piece)) if pan is None else _values_at(pan, times_s)
    angles = (pans + 1.0) * (math.pi / 4.0)
    return np.stack([piece * np.cos(angles), piece * np.sin(angles)], axis=1)


def _values_at(curve: Curve, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    curve_times_s, values = zip(*curve.points, strict=True)
    return np.asarray(np.interp(times_s, curve_times_s, values), np.float64)
