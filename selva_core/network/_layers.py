"""Vocabulary that several parts of the network share.

Letters: B batch, S segments, T times, P places, N audio latents, L text tokens, D width, C channels, H heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RMS_EPS = torch.finfo(torch.float32).eps


def check_shape(name: str, tensor: Tensor, expected: tuple[int | None, ...]) -> None:
    """Refuse a tensor of the wrong shape; None stands for any size.

    Raises ValueError with the shape got and the shape expected.
    """
    fits = tensor.ndim == len(expected) and all(
        want is None or got == want for got, want in zip(tensor.shape, expected, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in expected)
        raise ValueError(f"{name} has shape ({wanted}); got {tuple(tensor.shape)}")


class RmsNorm(nn.Module):
    """Root-mean-square norm over the last axis, counted in float32 (arXiv 1910.07467)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., width) -> the same shape."""
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), RMS_EPS).to(x.dtype)


def zero(layer: nn.Linear | nn.Conv1d) -> None:
    """Start a layer at zero, so that the block behind it begins as the identity (arXiv 2212.09748)."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class GatedMlp(nn.Module):
    """w2(SiLU(w1 x) * w3 x) without bias (arXiv 2002.05202)."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(width, hidden_width, bias=False)
        self.w2 = nn.Linear(hidden_width, width, bias=False)
        self.w3 = nn.Linear(width, hidden_width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        gated: Tensor = self.w2(F.silu(self.w1(x)) * self.w3(x))
        return gated


class TokenConv(nn.Conv1d):
    """A convolution along the tokens that keeps their number; tokens come as (B, N, C)."""

    def __init__(self, in_width: int, out_width: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__(in_width, out_width, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, N, in_width) -> (B, N, out_width)."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class GatedConvMlp(nn.Module):
    """The gated MLP with convolutions along the tokens in place of the three matrices."""

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

    While training, the form in use is built on every call; `bake` builds it once and gives the stored form
    up.
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
        """Build the weight once, for inference; can be called again."""
        if self.baked_weight is not None:
            return
        weight = self.build_weight().detach()
        for name in self.stored_names:
            delattr(self, name)
        self.baked_weight = weight


def bake_weights(part: nn.Module) -> None:
    """Bake every layer of `part`; afterwards it makes sound faster, and can neither be trained nor saved."""
    for layer in part.modules():
        if isinstance(layer, StoredWeight):
            layer.bake()
