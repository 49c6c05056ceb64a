"""The transformers inside the two text towers; attribute names are those that checkpoints of them are stored under.

Letters: B batch, L text tokens, D width, H heads.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from selva_core.specs import ClipTextSpec, T5Spec

_T5_EPS = 1e-6


class T5Norm(nn.Module):
    """Root-mean-square norm with T5's epsilon."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> the same shape."""
        return F.rms_norm(x, self.weight.shape, self.weight, _T5_EPS)


class T5Attention(nn.Module):
    """Attention without scaling; only the first block's has the table of relative positions (arXiv 1910.10683)."""

    def __init__(self, spec: T5Spec, *, has_positions: bool) -> None:
        super().__init__()
        self.spec = spec
        inner = spec.num_heads * spec.head_width
        self.q = _linear(spec.width, inner, std=(spec.width * spec.head_width) ** -0.5)
        self.k = _linear(spec.width, inner, std=spec.width**-0.5)
        self.v = _linear(spec.width, inner, std=spec.width**-0.5)
        self.o = _linear(inner, spec.width, std=inner**-0.5)
        if has_positions:
            self.relative_attention_bias = nn.Embedding(spec.num_buckets, spec.num_heads)
            nn.init.normal_(self.relative_attention_bias.weight, std=spec.width**-0.5)

    def build_bias(self, num_tokens: int) -> Tensor:
        """What relative positions add to the attention, (1, H, L, L)."""
        table = self.relative_attention_bias.weight
        places = torch.arange(num_tokens, device=table.device)
        buckets = _bucket_distances(
            places[None] - places[:, None], self.spec.num_buckets, self.spec.max_distance
        )
        return rearrange(F.embedding(buckets, table), "q k h -> 1 h q k")

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, L, D), bias broadcastable to (B, H, L, L) -> (B, L, D)."""
        q, k, v = (
            rearrange(layer(x), "b l (h d) -> b h l d", h=self.spec.num_heads)
            for layer in (self.q, self.k, self.v)
        )
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), scale=1.0)
        attended: Tensor = self.o(rearrange(seen, "b h l d -> b l (h d)"))
        return attended


class T5Mlp(nn.Module):
    """Gated GELU (arXiv 2002.05202), by the tanh that T5 counts it with."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.wi_0 = _linear(spec.width, spec.mlp_width, std=spec.width**-0.5)
        self.wi_1 = _linear(spec.width, spec.mlp_width, std=spec.width**-0.5)
        self.wo = _linear(spec.mlp_width, spec.width, std=spec.mlp_width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> the same shape."""
        gated: Tensor = self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))
        return gated


class T5AttentionLayer(nn.Module):
    """Attention behind a norm, added to what comes in."""

    def __init__(self, spec: T5Spec, *, has_positions: bool) -> None:
        super().__init__()
        self.SelfAttention = T5Attention(spec, has_positions=has_positions)
        self.layer_norm = T5Norm(spec.width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, L, D), bias broadcastable to (B, H, L, L) -> (B, L, D)."""
        added: Tensor = x + self.SelfAttention(self.layer_norm(x), bias)
        return added


class T5MlpLayer(nn.Module):
    """The MLP behind a norm, added to what comes in."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.DenseReluDense = T5Mlp(spec)
        self.layer_norm = T5Norm(spec.width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> the same shape."""
        added: Tensor = x + self.DenseReluDense(self.layer_norm(x))
        return added


class T5Block(nn.Module):
    """One block of the encoder."""

    def __init__(self, spec: T5Spec, *, has_positions: bool) -> None:
        super().__init__()
        self.layer = nn.ModuleList([T5AttentionLayer(spec, has_positions=has_positions), T5MlpLayer(spec)])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, L, D), bias broadcastable to (B, H, L, L) -> (B, L, D)."""
        attention, mlp = self.layer
        mixed: Tensor = mlp(attention(x, bias))
        return mixed


class T5Encoder(nn.Module):
    """T5's encoder stack."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(spec.vocab_size, spec.width)
        self.block = nn.ModuleList(T5Block(spec, has_positions=i == 0) for i in range(spec.depth))
        self.final_layer_norm = T5Norm(spec.width)

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """token_ids int64 (B, L), mask (B, L), 1 where there is text -> states (B, L, D)."""
        x = self.embed_tokens(token_ids)
        first: Any = self.block[0]
        positions: Tensor = first.layer[0].SelfAttention.build_bias(token_ids.shape[1])
        hidden = rearrange(mask == 0, "b k -> b 1 1 k")
        bias = positions.masked_fill(hidden, torch.finfo(positions.dtype).min)
        for block in self.block:
            x = block(x, bias)
        states: Tensor = self.final_layer_norm(x)
        return states


class ClipAttention(nn.Module):
    """Attention of each token to itself and those before it."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.num_heads = spec.num_heads
        inward, outward = (2 * spec.depth * spec.width) ** -0.5, spec.width**-0.5
        self.q_proj = _linear(spec.width, spec.width, std=inward, has_bias=True)
        self.k_proj = _linear(spec.width, spec.width, std=inward, has_bias=True)
        self.v_proj = _linear(spec.width, spec.width, std=inward, has_bias=True)
        self.out_proj = _linear(spec.width, spec.width, std=outward, has_bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> the same shape."""
        q, k, v = (
            rearrange(layer(x), "b l (h d) -> b h l d", h=self.num_heads)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        attended: Tensor = self.out_proj(rearrange(seen, "b h l d -> b l (h d)"))
        return attended


class ClipMlp(nn.Module):
    """Two matrices around CLIP's quick GELU, x * sigmoid(1.702 x)."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        outward = (2 * spec.depth * spec.width) ** -0.5
        self.fc1 = _linear(spec.width, spec.mlp_width, std=(2 * spec.width) ** -0.5, has_bias=True)
        self.fc2 = _linear(spec.mlp_width, spec.width, std=outward, has_bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> the same shape."""
        wide = self.fc1(x)
        narrowed: Tensor = self.fc2(wide * torch.sigmoid(1.702 * wide))
        return narrowed


class ClipBlock(nn.Module):
    """Attention and MLP, each behind a norm and added to what comes in."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.self_attn = ClipAttention(spec)
        self.layer_norm1 = nn.LayerNorm(spec.width)
        self.mlp = ClipMlp(spec)
        self.layer_norm2 = nn.LayerNorm(spec.width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> the same shape."""
        attended: Tensor = x + self.self_attn(self.layer_norm1(x))
        mixed: Tensor = attended + self.mlp(self.layer_norm2(attended))
        return mixed


class ClipEmbeddings(nn.Module):
    """Tokens and their places."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(spec.vocab_size, spec.width)
        self.position_embedding = nn.Embedding(spec.num_tokens, spec.width)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.position_embedding.weight, std=0.02)

    def forward(self, token_ids: Tensor) -> Tensor:
        """token_ids int64 (B, L) -> (B, L, D)."""
        embedded: Tensor = self.token_embedding(token_ids) + self.position_embedding.weight
        return embedded


class ClipBlocks(nn.Module):
    """Holds the blocks under the name they are stored with."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ClipBlock(spec) for _ in range(spec.depth))


def _linear(in_width: int, out_width: int, *, std: float, has_bias: bool = False) -> nn.Linear:
    """A matrix that starts with normal numbers."""
    layer = nn.Linear(in_width, out_width, bias=has_bias)
    nn.init.normal_(layer.weight, std=std)
    if has_bias:
        nn.init.zeros_(layer.bias)
    return layer


def _bucket_distances(distances: Tensor, num_buckets: int, max_distance: int) -> Tensor:
    """int64 distances from query to key -> the number of their bucket: half for each direction; near ones by
    themselves, far ones together by their logarithm, the farthest in one (arXiv 1910.10683)."""
    half = num_buckets // 2
    num_exact = half // 2
    size = distances.abs()
    growth = torch.log(size.clamp(min=1).float() / num_exact) / math.log(max_distance / num_exact)
    far = (num_exact + (growth * (half - num_exact)).long()).clamp(max=half - 1)
    return torch.where(size < num_exact, size, far) + half * (distances > 0)
