"""Linear layers over many rows with seven products of half the size in place of eight (Strassen's algorithm, in the form of
Winograd: Higham, Accuracy and Stability of Numerical Algorithms, section 23.1).

One level only: of halves of halves the sums take what the products save. The sums of the weight are held by the caller for as
long as they serve many calls. Numbers differ from those of the plain product by rounding: 1e-6 of the largest in float32.

Dimensions: N rows, C channels, O output channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_MIN_ROWS = 768
_MIN_WIDTH = 768
_MIN_LARGER_WIDTH = 1536  # 768 by 768 takes as long as before

WeightSums = tuple[Tensor, Tensor, Tensor, Tensor]
"""Sums of the quarters of a weight, (O / 2, C / 2) each."""


def is_large(weight: Tensor) -> bool:
    """Whether products with weight (O, C) are faster here: on a CPU, in float32, of many channels."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and min(weight.shape) >= _MIN_WIDTH
        and max(weight.shape) >= _MIN_LARGER_WIDTH
        and not any(size % 2 for size in weight.shape)
    )


def sum_weight(weight: Tensor) -> WeightSums:
    """weight (O, C), both even; the sums take as much memory as the weight."""
    (w11, w21), (w12, w22) = _quarters(weight)
    t1 = w12 - w11
    t2 = w22 - t1
    return t1, t2, w22 - w12, t2 - w21


def multiply(x: Tensor, weight: Tensor, sums: WeightSums, bias: Tensor | None) -> Tensor:
    """x (N, C), weight (O, C), its sums, bias (O,) -> (N, O).

    With an odd number of rows the two halves share the middle one, which is computed twice: what is written last stays.
    """
    num_rows, out_width = len(x), len(weight)
    half = -(-num_rows // 2)
    (w11, w21), (_, w22) = _quarters(weight)
    t1, t2, t3, t4 = (part.t() for part in sums)
    (x11, x12), (x21, x22) = (rows.chunk(2, dim=1) for rows in (x[:half], x[num_rows - half :]))
    y = x.new_empty(num_rows, out_width)
    (y11, y12), (y21, y22) = (rows.chunk(2, dim=1) for rows in (y[:half], y[num_rows - half :]))
    left, right = x.new_zeros(2, out_width // 2) if bias is None else bias.view(2, -1)

    s1 = x21 + x22
    s2 = s1 - x11
    # Every output holds `common` once, and those on the right `of_right` too: so the biases are in these.
    common = torch.addmm(left, x11, w11.t())
    torch.addmm(common, x12, w21.t(), out=y11)
    common.addmm_(s2, t2)
    of_right = torch.addmm(right - left, s1, t1)
    torch.add(common, of_right, out=y12).addmm_(torch.sub(x12, s2, out=s1), w22.t())
    torch.addmm(common, torch.sub(x11, x21, out=s2), t3, out=y21)
    torch.add(of_right, y21, out=y22)
    y21.addmm_(x22, t4, alpha=-1)
    return y


def _quarters(weight: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """weight (O, C) -> by half of the outputs, then by half of the channels."""
    first, second = (rows.chunk(2, dim=1) for rows in weight.chunk(2))
    return (first[0], first[1]), (second[0], second[1])


class TallLinear(nn.Linear):
    """A linear layer over many rows. Inside `held_sums` a large one takes seven eighths of the multiplications on a CPU."""

    _sums: WeightSums | None = None

    def hold_sums(self) -> None:
        """For many calls without a gradient and without a change of the weight."""
        if is_large(self.weight):
            self._sums = sum_weight(self.weight.detach())

    def drop_sums(self) -> None:
        self._sums = None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> (..., O)."""
        if self._sums is None or x.shape[:-1].numel() < _MIN_ROWS:
            return super().forward(x)
        return multiply(x.flatten(0, -2), self.weight, self._sums, self.bias).view(*x.shape[:-1], -1)


@contextmanager
def held_sums(part: nn.Module) -> Iterator[None]:
    """The layers of `part` hold their sums inside."""
    layers = [layer for layer in part.modules() if isinstance(layer, TallLinear)]
    try:
        for layer in layers:
            layer.hold_sums()
        yield
    finally:
        for layer in layers:
            layer.drop_sums()
