"""Layers of steering: the encoder's half that reads the text, over tokens that are the same for every prompt.

Dimensions: B prompts, N video tokens, P patches of a frame, L text tokens, D width, H heads, d width of a head, R rows, one per
tubelet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from selva_core.network._layers import RMS_EPS, GatedMlp, RmsNorm, draw_normal


@dataclass(frozen=True)
class Queries:
    """Queries of video tokens before their norm (N, D), and what the norm multiplies each head's with, float32 (N, H)."""

    vectors: Tensor
    scales: Tensor


@dataclass(frozen=True)
class TextReading:
    """One prompt as `CrossBlock.steer_rows` reads it: normed and scaled keys (H, d, L), and values of all heads after the
    projection that follows the attention (H * L, D).
    """

    keys: Tensor
    values: Tensor


class CrossBlock(nn.Module):
    """Video tokens attend to the text, then a gated MLP; each branch has a LayerNorm (eps 1e-5)."""

    def __init__(self, width: int, num_heads: int, hidden_width: int) -> None:
        super().__init__()
        self.attn = CrossAttention(width, num_heads)
        self.linear1 = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-5)
        self.norm2 = nn.LayerNorm(width, eps=1e-5)
        self.ffn = GatedMlp(width, hidden_width)

    def forward(self, x: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """x (1 or B, N, D), text (B, L, D), text_mask (B, L) -> (B, N, D)."""
        x = x + self.norm1(self.linear1(self.attn(x, text, text_mask)))
        branch: Tensor = self.ffn(self.norm2(x))
        return x + branch

    def read_text(self, text: Tensor) -> TextReading:
        """text (L, D), all of it to be read.

        The projection after the attention is taken into the values: for the few tokens of a prompt that is less than a square
        product for every token of the video.
        """
        keys, values = self.attn.project_text(text)
        per_head = rearrange(self.linear1.weight, "out (h d) -> h d out", h=self.attn.num_heads)
        projected = torch.bmm(values, per_head)
        return TextReading(keys, rearrange(projected, "h l out -> (h l) out"))

    def steer_rows(self, x: Tensor, queries: Queries, reading: TextReading) -> Tensor:
        """x (N, D), its queries -> (N, D). The same numbers as `forward` for one prompt, but for rounding; without a gradient."""
        attention = self.attn.attend(queries, reading.keys).to(x.dtype)
        attended = torch.addmm(self.linear1.bias, attention, reading.values)
        x = self.norm1(attended).add_(x)
        normed = self.norm2(x)
        hidden = F.silu(self.ffn.w1(normed), inplace=True).mul_(self.ffn.w3(normed))
        return x.add_(self.ffn.w2(hidden))


class CrossAttention(nn.Module):
    """Queries from the video, keys and values from the text; queries and keys are normalised per head."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, width)
        self.kv_proj = nn.Linear(width, 2 * width)
        self.q_norm = RmsNorm(width // num_heads)
        self.k_norm = RmsNorm(width // num_heads)

    def forward(self, x: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """x (1 or B, N, D), text (B, L, D), text_mask (B, L) -> (B, N, D)."""
        q = self.q_norm(rearrange(self.q_proj(x), "b n (h d) -> b h n d", h=self.num_heads))
        k, v = rearrange(self.kv_proj(text), "b l (h d kv) -> kv b h l d", h=self.num_heads, kv=2)
        attended = F.scaled_dot_product_attention(
            q.expand(text.shape[0], -1, -1, -1),
            self.k_norm(k),
            v.contiguous(),
            attn_mask=rearrange(text_mask, "b l -> b 1 1 l"),
        )
        return rearrange(attended, "b h n d -> b n (h d)")

    def project_video(self, x: Tensor) -> Queries:
        """x (N, D). Every prompt has the same ones."""
        vectors = self.q_proj(x)
        per_head = rearrange(vectors, "n (h d) -> n h d", h=self.num_heads).float()
        mean_square = torch.linalg.vector_norm(per_head, dim=-1).square_().div_(per_head.shape[-1])
        return Queries(vectors, mean_square.add_(RMS_EPS).rsqrt_())

    def project_text(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """text (L, D) -> keys (H, d, L), which hold the weights of both norms and the scale of the scores; values (H, L, d)."""
        keys, values = rearrange(self.kv_proj(text), "l (h d kv) -> kv h l d", h=self.num_heads, kv=2)
        weight = self.q_norm.weight.float() / math.sqrt(keys.shape[-1])
        weighted = self.k_norm(keys).float() * weight
        return weighted.to(text.dtype).mT.contiguous(), values

    def attend(self, queries: Queries, keys: Tensor) -> Tensor:
        """keys (H, d, L) -> attention float32 (N, H * L), which sums to 1 over L."""
        per_head = rearrange(queries.vectors, "n (h d) -> h n d", h=self.num_heads)
        scores = torch.bmm(per_head, keys).float().mul_(queries.scales.t()[..., None])
        return rearrange(scores.softmax(dim=-1), "h n l -> n (h l)")


class SpaceAggregation(nn.Module):
    """One vector per tubelet: a learned CLS aggregates the patches through one pre-norm transformer layer.

    Only CLS is used afterwards, so only its query and its MLP are computed.
    """

    def __init__(self, width: int, num_heads: int, mlp_width: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(draw_normal(1, 1, width, spread=0.02))
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attn = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.linear1 = nn.Linear(width, mlp_width)
        self.linear2 = nn.Linear(mlp_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (R, P, D) -> (R, D)."""
        return self.gather(x)[0]

    def gather(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (R, P, D) -> vectors (R, D), and the attention of CLS over the patches (R, H, P), float32, summing to 1 over P.

        The query of CLS is the same in every row, because CLS is learned. Taken into the weights of the keys, it leaves one
        product of a width by the number of heads; the values are projected after they were averaged, one vector per head. So no
        patch goes through a square product: a fifth of steering's arithmetic is saved. A bias of the keys adds the same to
        all scores.
        """
        average, attention = self.average(x, *self.build_query())
        return self.finish(average), attention

    def build_query(self) -> tuple[Tensor, Tensor]:
        """CLS normed (1, D), and what a normed token is multiplied with for its scores: float32 (H, D)."""
        own: Tensor = self.norm1(self.cls_token[0])
        return own, self._build_reading(own)

    def average(self, x: Tensor, own: Tensor, reading: Tensor) -> tuple[Tensor, Tensor]:
        """x (R, P, D), own and reading of `build_query` -> normed tokens under each head's attention (R, H, D), and the attention
        over the patches.
        """
        normed = self.norm1(x)
        own_score = (own.float() @ reading.T)[..., None].expand(x.shape[0], -1, -1)
        scores = torch.cat([own_score, (normed.float() @ reading.T).transpose(1, 2)], dim=2)
        attention = scores.softmax(dim=-1)
        of_own, of_patches = attention[:, :, :1], attention[:, :, 1:]
        average = of_patches.to(x.dtype) @ normed + of_own.to(x.dtype) * own
        return average, of_patches / of_patches.sum(dim=-1, keepdim=True)

    def finish(self, average: Tensor) -> Tensor:
        """average (R, H, D) -> (R, D)."""
        y = self.cls_token[0] + self.self_attn.out_proj(self._project_values(average))
        mixed: Tensor = y + self.linear2(F.gelu(self.linear1(self.norm2(y))))
        return mixed

    def _build_reading(self, own: Tensor) -> Tensor:
        """own (1, D), CLS normed -> what a normed token is multiplied with for its scores: float32 (H, D)."""
        query_weight, key_weight, _ = self.self_attn.in_proj_weight.float().chunk(3)
        query_bias = self.self_attn.in_proj_bias.float().chunk(3)[0]
        num_heads, head_width = self.self_attn.num_heads, self.self_attn.head_dim
        query = rearrange(query_weight @ own[0].float() + query_bias, "(h w) -> h w", h=num_heads)
        key_weight = rearrange(key_weight, "(h w) d -> h w d", h=num_heads)
        return torch.einsum("hw,hwd->hd", query, key_weight) / math.sqrt(head_width)

    def _project_values(self, average: Tensor) -> Tensor:
        """average (R, H, D), the normed tokens under each head's attention -> the values of all heads (R, D)."""
        weight, bias = (
            part.chunk(3)[2] for part in (self.self_attn.in_proj_weight, self.self_attn.in_proj_bias)
        )
        per_head = rearrange(weight, "(h w) d -> h w d", h=self.self_attn.num_heads)
        return torch.einsum("rhd,hwd->rhw", average, per_head).flatten(1) + bias
