"""Transformer blocks of the video encoder's text-free half: divided space-time attention (arXiv 2106.05392).

Dimensions: S segments, N tokens of a segment, T tubelets along time, P patches of a frame, D width, H heads, d width of a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from selva_core.network._strassen import TallLinear


class DividedBlock(nn.Module):
    """Attention along time, attention along space, MLP, each after a LayerNorm."""

    def __init__(self, width: int, num_heads: int, mlp_width: int) -> None:
        super().__init__()
        self.norm3 = nn.LayerNorm(width, eps=1e-6)
        self.timeattn = DividedAttention(width, num_heads)
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = DividedAttention(width, num_heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, mlp_width)

    def forward(self, x: Tensor, num_times: int, num_patches: int) -> Tensor:
        """x (S, 1 + T * P, D), CLS first, then time-major patches -> the same shape."""
        x = x + self.timeattn(self.norm3(x), "s h (t p) d -> (s p) h t d", num_times, num_patches)
        x = x + self.attn(self.norm1(x), "s h (t p) d -> (s t) h p d", num_times, num_patches)
        branch: Tensor = self.mlp(self.norm2(x))
        return x + branch


class DividedAttention(nn.Module):
    """CLS attends to all tokens; a patch attends to CLS and to the patches of its own group."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = TallLinear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, grouping: str, num_times: int, num_patches: int) -> Tensor:
        """x (S, 1 + T * P, D) -> the same shape; grouping: the einops pattern that gathers a group of patches."""
        q, k, v = rearrange(self.qkv(x), "s n (qkv h d) -> qkv s h n d", qkv=3, h=self.num_heads)
        cls = F.scaled_dot_product_attention(q[:, :, :1], k, v)

        sizes = {"t": num_times, "p": num_patches}
        grouped_q = rearrange(q[:, :, 1:], grouping, **sizes)
        num_groups = grouped_q.shape[0] // x.shape[0]
        grouped_k, grouped_v = (
            torch.cat(
                [
                    repeat(y[:, :, :1], "s h one d -> (s g) h one d", g=num_groups),
                    rearrange(y[:, :, 1:], grouping, **sizes),
                ],
                dim=2,
            )
            for y in (k, v)
        )
        patches = F.scaled_dot_product_attention(grouped_q, grouped_k, grouped_v)

        before, after = grouping.split(" -> ")
        in_order = before.replace("s h (t p) d", "s (t p) h d")
        patches = rearrange(patches, f"{after} -> {in_order}", **sizes)
        attended = torch.cat([cls.transpose(1, 2), patches], dim=1)  # in the layout of the product: one copy
        mixed: Tensor = self.proj(attended.flatten(2))
        return mixed


class Mlp(nn.Module):
    """Linear, GELU, Linear."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.fc1 = TallLinear(width, hidden_width)
        self.fc2 = TallLinear(hidden_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y
