"""The anti-aliased SnakeBeta of `vocoder`, over rows: waveforms of many channels, side by side in memory.

It computes the same numbers as the plain code, to the last bit, in the layout in which wide convolutions are fast on a CPU.
Some rows at a time, so that what is computed stays in the processor's cache.

Dimensions: B batch, C channels, n samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_REACH = 6  # samples on either side that an output depends on
_PADDING = 3  # of the filters of six taps at the higher rate
_NUMBERS_AT_A_TIME = 1 << 18  # 1 MB a buffer

Phases = tuple[tuple[float, ...], tuple[float, ...]]
"""The taps of the low pass with even index, and those with odd index."""


def activate_rows(x: Tensor, alpha: Tensor, share: Tensor, phases: Phases) -> Tensor:
    """x (B, n, C), alpha and 1 / beta (C,) -> the anti-aliased SnakeBeta of x, the same shape."""
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    _, num_rows, width = x.shape
    some_rows = max(_NUMBERS_AT_A_TIME // width, _REACH)
    for waveform, result in zip(x, y, strict=True):
        for first in range(0, num_rows, some_rows):
            _activate_some(waveform, alpha, share, phases, first=first, out=result[first : first + some_rows])
    return y


def _activate_some(
    x: Tensor, alpha: Tensor, share: Tensor, phases: Phases, *, first: int, out: Tensor
) -> None:
    """The rows from `first` on into `out`.

    `on` are the samples at twice the rate that coincide with samples of x, `between` those that follow them; both begin some
    rows before `first`, as far as the filter of six taps reaches.
    """
    even, odd = phases
    num_rows, stop = len(x), first + len(out)
    padded = _repeat_ends(x, first - _REACH, stop + _REACH)
    on = x.new_empty(len(out) + 2 * _PADDING - 1, x.shape[1])
    between, spare = torch.empty_like(on), torch.empty_like(on)
    on_start, between_start = first - _PADDING + 1, first - _PADDING
    inner = []
    for sequence, start, taps, reach in (
        (on, on_start, odd, -_PADDING),
        (between, between_start, even, 1 - _PADDING),
    ):
        low, high = max(start, 0), min(start + len(sequence), num_rows)
        some = sequence[low - start : high - start]
        _slide(padded[low + reach - first + _REACH :], [2.0 * tap for tap in reversed(taps)], out=some)
        wave = torch.mul(some, alpha, out=spare[: len(some)])
        some.addcmul_(share, wave.sin_().square_())
        inner.append(some)
    for sequence, some, start in zip((on, between), inner, (on_start, between_start), strict=True):
        low = max(-start, 0)
        sequence[:low] = inner[0][:1]
        sequence[low + len(some) :] = inner[1][-1:]
    _slide(on, odd, out=out)
    _slide(between, even, out=spare[: len(out)])
    out.add_(spare[: len(out)])


def _repeat_ends(x: Tensor, first: int, stop: int) -> Tensor:
    """The rows from `first` to `stop`, where rows before and after x are its first and its last."""
    before, after = max(-first, 0), max(stop - len(x), 0)
    inner = x[first + before : stop - after]
    if not before and not after:
        return inner
    padded = x.new_empty(stop - first, x.shape[1])
    padded[:before], padded[before : len(padded) - after], padded[len(padded) - after :] = (
        x[:1],
        inner,
        x[-1:],
    )
    return padded


def _slide(x: Tensor, taps: Sequence[float], *, out: Tensor) -> None:
    """out[i] = sum of taps[k] * x[i + k]."""
    torch.mul(x[: len(out)], taps[0], out=out)
    for k, tap in enumerate(taps[1:], 1):
        out.add_(x[k : k + len(out)], alpha=tap)
