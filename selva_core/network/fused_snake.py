"""The anti-aliased SnakeBeta as one Triton kernel: each sample is read and written once.

The plain code reads and writes the samples some thirty times, in as many calls; most of a vocoder's time on a GPU goes there.
Each output here computes the twelve activated samples it filters anew: arithmetic is cheap beside memory. Triton comes with
torch's CUDA builds on Linux; without it, and on every other device, the plain code runs.

The samples at twice the rate form one sequence z: z[2p] lies on x[p], z[2p + 1] between x[p] and x[p + 1]; beyond its ends it
repeats its first and its last. Numbers differ from the plain code by rounding.
"""

from __future__ import annotations

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from selva_core.network.vocoder import build_low_pass

BLOCK_SAMPLES = 1024


@triton.jit
def _activate_at(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - kernels take no keywords
    x_row, taps, m, num_samples, alpha, share, is_there
):
    """z[m] after the activation; x_row points at the first sample of a row."""
    m = tl.minimum(tl.maximum(m, 0), 2 * num_samples - 1)
    p, is_between = m // 2, m % 2
    total = tl.zeros_like(alpha * p)
    for k in tl.static_range(6):
        source = tl.minimum(tl.maximum(p + k - 3 + is_between, 0), num_samples - 1)
        # Taps with an odd index make the samples on x, those with an even one the samples between; both reversed.
        tap = tl.where(is_between == 1, tl.load(taps + 2 * (5 - k)), tl.load(taps + 2 * (5 - k) + 1))
        total += 2.0 * tap * tl.load(x_row + source, mask=is_there, other=0.0)
    wave = tl.sin(total * alpha)
    return total + share * wave * wave


@triton.jit  # type: ignore[untyped-decorator]
def _snake_kernel(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    x, y, taps, alphas, shares, num_samples, num_channels, BLOCK: tl.constexpr
):
    """One program is BLOCK samples of one row of x (B * C, n)."""
    row = tl.program_id(0).to(tl.int64)
    i = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    is_there = i < num_samples
    alpha, share = tl.load(alphas + row % num_channels), tl.load(shares + row % num_channels)
    x_row = x + row * num_samples
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for s in tl.static_range(6):
        on = _activate_at(x_row, taps, 2 * (i + s - 2), num_samples, alpha, share, is_there)
        between = _activate_at(x_row, taps, 2 * (i + s - 3) + 1, num_samples, alpha, share, is_there)
        total += tl.load(taps + 2 * s + 1) * on + tl.load(taps + 2 * s) * between
    tl.store(y + row * num_samples + i, total, mask=is_there)


@torch.library.custom_op("selva::fused_snake", mutates_args=())
def fused_snake(x: Tensor, alpha: Tensor, share: Tensor, taps: Tensor) -> Tensor:
    """x float32 (B, C, n); alpha and share (C,); taps (12,) -> the same shape as x."""
    x = x.contiguous()
    y = torch.empty_like(x)
    batch_size, num_channels, num_samples = x.shape
    grid = (batch_size * num_channels, triton.cdiv(num_samples, BLOCK_SAMPLES))
    _snake_kernel[grid](x, y, taps, alpha, share, num_samples, num_channels, BLOCK=BLOCK_SAMPLES)
    return y


@fused_snake.register_fake
def _(x: Tensor, alpha: Tensor, share: Tensor, taps: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def build_taps(device: torch.device) -> Tensor:
    """The twelve taps of the low pass, on a device."""
    return build_low_pass().flatten().to(device)
