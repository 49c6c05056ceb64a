"""Transformer blocks of the generator: streams of tokens, modulated by time and prompt (arXiv 2403.03206, 2412.15322).

Dimensions: B batch, N latents, K CLIP frames, L text tokens, D width, H heads, d width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from selva_core.network._layers import GatedConvMlp, GatedMlp, RmsNorm, TokenConv, zero


@dataclass(frozen=True)
class Rotation:
    """Cosines and sines of rotary positions, float32 (N, d / 2) each (arXiv 2104.09864)."""

    cos: Tensor
    sin: Tensor


@dataclass(frozen=True)
class Streams:
    """Tokens of the three streams: latent (B, N, D), clip (B, K, D), text (B, L, D)."""

    latent: Tensor
    clip: Tensor
    text: Tensor


@dataclass(frozen=True)
class Rotations:
    """Rotary positions of the two streams along time."""

    latent: Rotation
    clip: Rotation


@dataclass(frozen=True)
class RepeatedRows:
    """Conditions of which many rows are equal: the different ones (R, D), and which of them each row is (B, N)."""

    rows: Tensor
    index: Tensor


def find_repeated(condition: Tensor, source: Tensor) -> Tensor | RepeatedRows:
    """condition (B, N, D), whose rows are equal within a batch element where those of source (B, N, D) are.

    Sync features are repeated to the rate of the latents, and those of no video repeat from segment to segment: with guidance
    about half of all rows are different. Rows are grouped by a sum; should two different ones have the same, all are kept.
    """
    batch_size, num_rows, width = source.shape
    weights = torch.linspace(1.0, 2.0, width, dtype=torch.float64).cos()
    first, index = 0, torch.empty(batch_size, num_rows, dtype=torch.long)
    chosen = []
    for number, sums in enumerate(source.double() @ weights):
        kinds, kind_of = sums.unique(return_inverse=True)
        one_of_kind = torch.empty(len(kinds), dtype=torch.long).scatter_(0, kind_of, torch.arange(num_rows))
        if not torch.equal(source[number, one_of_kind[kind_of]], source[number]):
            return condition
        index[number] = kind_of + first
        first += len(kinds)
        chosen.append(condition[number, one_of_kind])
    return RepeatedRows(torch.cat(chosen), index)


def build_rotation(num_tokens: int, head_width: int, step: float, device: torch.device) -> Rotation:
    """Rotary positions 0, step, 2 * step ... with base 10000; pairs (2i, 2i + 1) are rotated together."""
    exponents = torch.arange(0, head_width, 2, dtype=torch.float32, device=device) / head_width
    positions = torch.arange(num_tokens, dtype=torch.float32, device=device) * step
    angles = torch.outer(positions, 10_000.0**-exponents)
    return Rotation(angles.cos(), angles.sin())


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """x (B, H, N, d), rotated in float32 -> the same shape and dtype."""
    even, odd = rearrange(x.float(), "b h n (pair two) -> two b h n pair", two=2)
    rotated = torch.stack(
        [even * rotation.cos - odd * rotation.sin, even * rotation.sin + odd * rotation.cos], dim=-1
    )
    return rotated.flatten(-2).to(x.dtype)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without weights, then scale and shift: x (B, N, D), shift and scale (B, 1 or N, D)."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), 1 + scale)


class SelfAttention(nn.Module):
    """Queries, keys and values of one stream; the attention itself runs over all streams of a block."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = RmsNorm(width // num_heads)
        self.k_norm = RmsNorm(width // num_heads)

    def forward(self, x: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, N, D) -> q, k, v (B, H, N, d) each; queries and keys are normalised, then rotated where `rotation` is given."""
        q, k, v = rearrange(self.qkv(x), "b n (h d qkv) -> qkv b h n d", h=self.num_heads, qkv=3)
        q, k = self.q_norm(q), self.k_norm(k)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        return q, k, v.contiguous()


class StreamBlock(nn.Module):
    """One stream of a joint block: its inputs to the attention, and its update from the attention's output.

    kernel: 3 for streams along time, 1 for text. has_update: false for a stream that the last joint block only reads.
    Streams, conditions and modulation are float32; attention and MLP run in the precision of their weights.
    """

    def __init__(
        self, width: int, num_heads: int, hidden_width: int, *, kernel: int, has_update: bool = True
    ) -> None:
        super().__init__()
        self.attn = SelfAttention(width, num_heads)
        self.num_parts = 6 if has_update else 2
        modulation = nn.Linear(width, self.num_parts * width)
        zero(modulation)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), modulation)
        if not has_update:
            return
        self.linear1: nn.Module
        self.ffn: nn.Module
        if kernel == 1:
            self.linear1 = nn.Linear(width, width)
            self.ffn = GatedMlp(width, hidden_width)
        else:
            self.linear1 = TokenConv(width, width, kernel)
            self.ffn = GatedConvMlp(width, hidden_width, kernel)

    def prepare_attention(
        self, x: Tensor, condition: Tensor | RepeatedRows, rotation: Rotation | None
    ) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, ...]]:
        """x (B, N, D), condition (B, 1 or N, D) -> (q, k, v), and the modulation that `update` needs."""
        if isinstance(condition, RepeatedRows):
            modulation = F.embedding(condition.index, self.adaLN_modulation(condition.rows))
        else:
            modulation = self.adaLN_modulation(condition)
        shift, scale, *rest = modulation.chunk(self.num_parts, dim=-1)
        modulated = modulate(x, shift, scale).to(self.attn.qkv.weight.dtype)
        return self.attn(modulated, rotation), tuple(rest)

    def update(self, x: Tensor, attended: Tensor, modulation: tuple[Tensor, ...]) -> Tensor:
        """x (B, N, D), attended (B, N, D) -> (B, N, D)."""
        gate, shift_mlp, scale_mlp, gate_mlp = modulation
        x = torch.addcmul(x, self.linear1(attended).float(), gate)
        branch = self.ffn(modulate(x, shift_mlp, scale_mlp).to(attended.dtype))
        return torch.addcmul(x, branch.float(), gate_mlp)


class FusedBlock(StreamBlock):
    """A block over the latents alone."""

    def forward(self, x: Tensor, e: Tensor | RepeatedRows, rotation: Rotation) -> Tensor:
        """x (B, N, D), e (B, N, D) -> (B, N, D)."""
        (q, k, v), modulation = self.prepare_attention(x, e, rotation)
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.update(x, rearrange(attended, "b h n d -> b n (h d)"), modulation)


class JointBlock(nn.Module):
    """Latents, CLIP frames and text attend to each other; the last joint block updates the latents only."""

    def __init__(self, width: int, num_heads: int, hidden_width: int, *, is_last: bool) -> None:
        super().__init__()
        self.is_last = is_last
        self.latent_block = StreamBlock(width, num_heads, hidden_width, kernel=3)
        self.clip_block = StreamBlock(width, num_heads, hidden_width, kernel=3, has_update=not is_last)
        self.text_block = StreamBlock(width, num_heads, hidden_width, kernel=1, has_update=not is_last)

    def forward(self, x: Streams, c: Tensor, e: Tensor | RepeatedRows, rotations: Rotations) -> Streams:
        """c (B, 1, D) modulates clip and text, e (B, N, D) the latents; returns the three streams."""
        latent_qkv, latent_modulation = self.latent_block.prepare_attention(x.latent, e, rotations.latent)
        clip_qkv, clip_modulation = self.clip_block.prepare_attention(x.clip, c, rotations.clip)
        text_qkv, text_modulation = self.text_block.prepare_attention(x.text, c, None)

        q, k, v = (torch.cat(parts, dim=2) for parts in zip(latent_qkv, clip_qkv, text_qkv, strict=True))
        if self.is_last:
            q = latent_qkv[0]
        attended = rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)")

        clip_start = x.latent.shape[1]
        text_start = clip_start + x.clip.shape[1]
        latent = self.latent_block.update(x.latent, attended[:, :clip_start], latent_modulation)
        if self.is_last:
            return Streams(latent, x.clip, x.text)
        clip = self.clip_block.update(x.clip, attended[:, clip_start:text_start], clip_modulation)
        text = self.text_block.update(x.text, attended[:, text_start:], text_modulation)
        return Streams(latent, clip, text)
