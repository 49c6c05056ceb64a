"""Layers that several parts of the network share.

Dimensions: B batch, S segments, T tubelets along time, P patches, N audio latents, L text tokens, D width, C channels, H heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selva_core.network._short_conv import (
    MIN_ROWS,
    NUM_POINTS,
    TRIPLE,
    Points,
    arrange_taps,
    convolve,
    is_wide,
    transform_taps,
)
from selva_core.network._strassen import TallLinear

RMS_EPS = torch.finfo(torch.float32).eps


def check_shape(name: str, tensor: Tensor, expected: tuple[int | None, ...]) -> None:
    """Check the shape of a tensor; None stands for any size.

    Raises ValueError with the shape expected and the shape got.
    """
    fits = tensor.ndim == len(expected) and all(
        size is None or got == size for got, size in zip(tensor.shape, expected, strict=True)
    )
    if not fits:
        sizes = ", ".join("any" if size is None else str(size) for size in expected)
        raise ValueError(f"{name} has shape ({sizes}); got {tuple(tensor.shape)}")


def draw_normal(*shape: int, spread: float) -> Tensor:
    """Normal numbers of that spread to train from; none on the meta device, where modules are built to be filled from files.

    On the meta device torch draws in Python code whose first call imports its compiler: two seconds of processor time, more than
    a stem of selva-nano takes.
    """
    numbers = torch.empty(shape)
    return numbers if numbers.is_meta else numbers.normal_(std=spread)


class RmsNorm(nn.Module):
    """Root-mean-square norm over the last axis, computed in float32 (arXiv 1910.07467)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., width) -> the same shape."""
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), RMS_EPS).to(x.dtype)


def zero(layer: nn.Linear | nn.Conv1d) -> None:
    """Initialise a layer with zeros, so that its block starts training as the identity (arXiv 2212.09748)."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class GatedMlp(nn.Module):
    """w2(SiLU(w1 x) * w3 x) without bias (arXiv 2002.05202)."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.w1 = TallLinear(width, hidden_width, bias=False)
        self.w2 = TallLinear(hidden_width, width, bias=False)
        self.w3 = TallLinear(width, hidden_width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        gated: Tensor = self.w2(F.silu(self.w1(x)) * self.w3(x))
        return gated


class TokenConv(nn.Conv1d):
    """A convolution along the tokens (B, N, C) that keeps their number.

    Between `hold_taps` and `drop_taps` a wide one takes half the multiplications on a CPU (of three taps; of seven, two thirds;
    see `_short_conv`).
    """

    def __init__(self, in_width: int, out_width: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__(in_width, out_width, kernel, padding=kernel // 2, bias=bias)
        self._points: Points | None = None

    @property
    def num_held_bytes(self) -> int:
        """What `hold_taps` takes of memory; 0 where it does nothing."""
        num_taps = self.kernel_size[0]
        num_points = NUM_POINTS * -(-num_taps // TRIPLE)
        return num_points * self.weight.nbytes // num_taps if is_wide(self.weight) else 0

    def hold_taps(self) -> None:
        """For many calls without a gradient and without a change of the weight."""
        if self.num_held_bytes:
            self._points = transform_taps(arrange_taps(self.weight.detach()))

    def drop_taps(self) -> None:
        self._points = None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, N, in_width) -> (B, N, out_width)."""
        if self._points is not None and x.shape[1] >= MIN_ROWS:
            return convolve(x, self._points, self.bias, kernel=self.kernel_size[0])
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class GatedConvMlp(nn.Module):
    """The gated MLP with convolutions along the tokens instead of its three matrices."""

    def __init__(self, width: int, hidden_width: int, kernel: int) -> None:
        super().__init__()
        self.w1 = TokenConv(width, hidden_width, kernel, bias=False)
        self.w2 = TokenConv(hidden_width, width, kernel, bias=False)
        self.w3 = TokenConv(width, hidden_width, kernel, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, N, D) -> (B, N, D)."""
        gated: Tensor = self.w2(F.silu(self.w1(x)) * self.w3(x))
        return gated


class StoredWeight(nn.Module, ABC):
    """A layer that stores its weight in one form and uses it in another.

    In training the form in use is computed on every call; `bake` computes it once and drops the stored form.
    """

    stored_names: ClassVar[tuple[str, ...]]
    baked_weight: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("baked_weight", None)

    @abstractmethod
    def build_weight(self) -> Tensor:
        """The weight in the form that is used."""

    @property
    def weight_in_use(self) -> Tensor:
        return self.build_weight() if self.baked_weight is None else self.baked_weight

    def bake(self) -> None:
        """Compute the weight once, for inference; later calls do nothing."""
        if self.baked_weight is not None:
            return
        weight = self.build_weight().detach()
        for name in self.stored_names:
            delattr(self, name)
        self.baked_weight = weight


def bake_weights(part: nn.Module) -> None:
    """Bake every layer of `part`, which then runs faster but can neither be trained nor saved."""
    for layer in part.modules():
        if isinstance(layer, StoredWeight):
            layer.bake()
