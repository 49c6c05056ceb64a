"""Convolutions along rows with about half the multiplications of the plain sum.

Four neighbouring outputs of three taps take six products instead of twelve (Toom-Cook; F(4, 3) of arXiv 1509.09308, in one
dimension): inputs and taps are read as polynomials, multiplied at the points 0, 1, -1, 2, -2 and infinity, and the product is
read off again. Longer kernels are sums of such triples. The products are matrix products over the channels; the sums around
them are little beside them where channels are many. Taps are transformed on every call, which keeps weights as they are
in memory: that costs a tenth of a call over 500 rows.

Numbers differ from those of a plain convolution by rounding: 2e-6 of the largest at 1,280 channels in float32, as much as
oneDNN's. bfloat16 has too few digits for it.

Dimensions: B batch, N rows, C channels, O output channels, G triples of taps, Q tiles of four outputs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TILE_OUTPUTS = 4
NUM_POINTS = 6
TRIPLE = 3
MIN_ROWS = 32  # fewer rows take as long as the reading of the taps from memory
_MIN_WIDTH = 192  # with 96 channels the sums take as long as the products save
_NUMBERS_AT_A_TIME = 1 << 22  # 16 MB, which stay in a processor's last cache; smaller products are slower
_SCALES = (1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24, 1.0)  # of the products, left out of the taps

Points = tuple[Tensor, ...]
"""The taps of a convolution at the six points, (O, G * C) each."""


def is_wide(weight: Tensor) -> bool:
    """Whether convolutions with weight (O, C, kernel) are faster here than elsewhere: on a CPU, in float32, of many channels."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and min(weight.shape[:2]) >= _MIN_WIDTH
        and weight.shape[2] >= TRIPLE
    )


def arrange_taps(weight: Tensor) -> Tensor:
    """weight (O, C, kernel) -> first, middle and last taps of all triples (3, O, G * C); a view for kernels of 3."""
    if weight.shape[2] == TRIPLE:
        return weight.permute(2, 0, 1)
    num_triples = -(-weight.shape[2] // TRIPLE)
    padded = F.pad(weight, (0, num_triples * TRIPLE - weight.shape[2]))
    triples = padded.view(*weight.shape[:2], num_triples, TRIPLE)
    return triples.permute(3, 0, 2, 1).flatten(2)


def transform_taps(taps: Tensor) -> Points:
    """taps (3, O, G * C) of `arrange_taps` -> at the six points, without their scales."""
    first, middle, last = taps
    points = first.new_empty(4, *first.shape)
    for number, (plus, minus) in enumerate((points[:2], points[2:]), 1):
        torch.add(first, last, alpha=number**2, out=plus)
        torch.sub(plus, middle, alpha=number, out=minus)
        plus.add_(middle, alpha=number)
    return first.contiguous(), *points, last.contiguous()


def convolve(x: Tensor, points: Points, bias: Tensor | None, *, kernel: int, dilation: int = 1) -> Tensor:
    """A convolution that keeps the number of rows.

    x: float32 (B, N, C); points: of `transform_taps`; bias: (O,); returns (B, N, O). Some rows at a time, so that what is
    computed between input and output stays in the processor's cache.
    """
    batch_size, num_rows, width = x.shape
    out_width = len(points[0])
    tile_rows = TILE_OUTPUTS * dilation
    num_tiles = -(-num_rows // tile_rows)
    num_triples = -(-kernel // TRIPLE)
    before = dilation * (kernel // 2)
    # The last triple of the last tile reads up to here.
    num_padded = num_tiles * tile_rows + dilation * (TRIPLE * num_triples - 1)
    padded = F.pad(x, (0, 0, before, num_padded - num_rows - before))
    y = x.new_empty(batch_size, num_tiles, TILE_OUTPUTS, dilation, out_width)
    tile_numbers = NUM_POINTS * batch_size * dilation * (num_triples * width + out_width)
    some_tiles = max(_NUMBERS_AT_A_TIME // tile_numbers, 1)
    for first in range(0, num_tiles, some_tiles):
        out = y[:, first : first + some_tiles]
        inputs = _transform_inputs(
            padded[:, first * tile_rows :], num_tiles=out.shape[1], num_triples=num_triples, dilation=dilation
        )
        products = x.new_empty(NUM_POINTS, inputs.shape[1], out_width)
        for i, scale in enumerate(_SCALES):
            if i == 1 and bias is not None:  # every output holds this product once
                torch.addmm(bias, inputs[i], points[i].t(), alpha=scale, out=products[i])
            else:
                torch.addmm(products[i], inputs[i], points[i].t(), beta=0, alpha=scale, out=products[i])
        _read_outputs(products.view(NUM_POINTS, *out.shape[:2], dilation, -1), out=out)
    return y.view(batch_size, -1, out_width)[:, :num_rows]


def _transform_inputs(padded: Tensor, *, num_tiles: int, num_triples: int, dilation: int) -> Tensor:
    """padded (B, rows, C) -> each tile at the six points (6, B * Q * dilation, G * C)."""
    batch_size, _, width = padded.shape
    batch_step, row_step, _ = padded.stride()
    out = padded.new_empty(NUM_POINTS, batch_size, num_tiles, dilation, num_triples * width)
    size = (batch_size, num_tiles, dilation, width)
    step = (batch_step, TILE_OUTPUTS * dilation * row_step, row_step, 1)
    for triple in range(num_triples):
        d0, d1, d2, d3, d4, d5 = (
            padded.as_strided(
                size, step, padded.storage_offset() + dilation * row_step * (TRIPLE * triple + i)
            )
            for i in range(NUM_POINTS)
        )
        v0, v1, v2, v3, v4, v5 = out[..., triple * width : (triple + 1) * width]
        even, odd = torch.sub(d4, d2, alpha=4), torch.sub(d3, d1, alpha=4)
        torch.add(even, odd, out=v1)
        torch.sub(even, odd, out=v2)
        torch.sub(d4, d2, out=even)
        torch.sub(d3, d1, out=odd)
        torch.add(even, odd, alpha=2, out=v3)
        torch.sub(even, odd, alpha=2, out=v4)
        torch.add(even, torch.sub(d0, d2, out=v0), alpha=4, out=v0)
        torch.sub(torch.sub(d5, d3, out=v5), odd, alpha=4, out=v5)
    return out.view(NUM_POINTS, -1, num_triples * width)


def _read_outputs(products: Tensor, *, out: Tensor) -> None:
    """products (6, B, Q, dilation, O), overwritten -> outputs (B, Q, 4, dilation, O)."""
    m0, m1, m2, m3, m4, m5 = products
    y0, y1, y2, y3 = out.unbind(2)
    torch.add(m1, m2, out=y2)
    torch.sub(m1, m2, out=y1)
    torch.add(m3, m4, out=m1)
    torch.sub(m3, m4, out=m2)
    torch.add(m0, y2, out=y0).add_(m1)
    y2.add_(m1, alpha=4)
    torch.add(m5, y1, out=y3).add_(m2, alpha=8)
    y1.add_(m2, alpha=2)
