"""FLAN-T5 encoder and CLIP text tower; published files are read with their published names.

They are small and plain here, because importing transformers for its two classes took four seconds of processor time, twice
what torch itself takes; a test compares the states of both (docs/development/architecture.md).

Dimensions: B batch, L text tokens, D width, H heads, d width of a head.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from selva_core.models.part_specs import ClipTextSpec, T5Spec
from selva_core.network._layers import check_shape, draw_normal

_T5_EPS = 1e-6
_CLIP_EPS = 1e-5


def _build_table(num_rows: int, width: int, *, spread: float) -> nn.Embedding:
    """An embedding with normal numbers of this spread, to train from."""
    numbers = draw_normal(num_rows, width, spread=spread)
    table: nn.Embedding = nn.Embedding.from_pretrained(numbers, freeze=False)  # type: ignore[no-untyped-call]
    return table


class T5TextEncoder(nn.Module):
    """FLAN-T5's encoder (arXiv 2210.11416); its states steer the video encoder."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = T5Stack(spec)

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """token_ids int64 (B, L), mask (B, L), 1 where there is text -> states (B, L, D)."""
        check_shape("token_ids", token_ids, (None, None))
        check_shape("mask", mask, tuple(token_ids.shape))
        states: Tensor = self.encoder(token_ids, mask)
        return states


class T5Stack(nn.Module):
    """Embedding, layers and the last norm; attribute names are the published ones."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.spec = spec
        self.embed_tokens = _build_table(spec.vocab_size, spec.width, spread=1.0)
        self.block = nn.ModuleList(T5Block(spec, has_bias_table=i == 0) for i in range(spec.depth))
        self.final_layer_norm = T5Norm(spec.width)

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """token_ids (B, L), mask (B, L) -> (B, L, D)."""
        x = self.embed_tokens(token_ids)
        first: T5Block = self.block[0]  # type: ignore[assignment]  # its table of biases serves all layers
        bias = first.attention_bias(token_ids.shape[1])
        hidden = torch.finfo(bias.dtype).min
        bias = bias.masked_fill(~mask.bool()[:, None, None], hidden)
        for block in self.block:
            x = block(x, bias)
        states: Tensor = self.final_layer_norm(x)
        return states


class T5Norm(nn.Module):
    """Root-mean-square norm (arXiv 1910.07467)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> the same shape."""
        return F.rms_norm(x, self.weight.shape, self.weight, _T5_EPS)


class T5Block(nn.Module):
    """Attention, then a gated MLP, each after a norm; `layer` holds both under their published numbers."""

    def __init__(self, spec: T5Spec, *, has_bias_table: bool) -> None:
        super().__init__()
        attention, mlp = nn.Module(), nn.Module()
        attention.SelfAttention = T5Attention(spec, has_bias_table=has_bias_table)
        attention.layer_norm = T5Norm(spec.width)
        mlp.DenseReluDense = T5Mlp(spec)
        mlp.layer_norm = T5Norm(spec.width)
        self.layer = nn.ModuleList([attention, mlp])

    def attention_bias(self, num_tokens: int) -> Tensor:
        """The biases of all distances between tokens, (1, H, L, L)."""
        attention: T5Attention = self.layer[0].SelfAttention  # type: ignore[assignment]
        return attention.build_bias(num_tokens)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, L, D), bias (B, H, L, L) -> (B, L, D)."""
        attention, mlp = self.layer
        x = x + attention.SelfAttention(attention.layer_norm(x), bias)  # type: ignore[operator]
        branch: Tensor = mlp.DenseReluDense(mlp.layer_norm(x))  # type: ignore[operator]
        return x + branch


class T5Attention(nn.Module):
    """Attention whose scores are not scaled and have a bias for each distance (arXiv 1910.10683)."""

    def __init__(self, spec: T5Spec, *, has_bias_table: bool) -> None:
        super().__init__()
        self.spec = spec
        inner = spec.num_heads * spec.head_width
        self.q = nn.Linear(spec.width, inner, bias=False)
        self.k = nn.Linear(spec.width, inner, bias=False)
        self.v = nn.Linear(spec.width, inner, bias=False)
        self.o = nn.Linear(inner, spec.width, bias=False)
        if has_bias_table:
            self.relative_attention_bias = _build_table(spec.num_buckets, spec.num_heads, spread=0.05)

    def build_bias(self, num_tokens: int) -> Tensor:
        """(1, H, L, L), by the bucket of each distance."""
        positions = torch.arange(num_tokens, device=self.q.weight.device)
        buckets = distance_buckets(
            positions[None] - positions[:, None],
            num_buckets=self.spec.num_buckets,
            max_distance=self.spec.max_distance,
        )
        biases: Tensor = self.relative_attention_bias(buckets)
        return rearrange(biases, "query key h -> 1 h query key")

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, L, D), bias (B, H, L, L) -> (B, L, D)."""
        q, k, v = (
            rearrange(project(x), "b l (h d) -> b h l d", h=self.spec.num_heads)
            for project in (self.q, self.k, self.v)
        )
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), scale=1.0)
        mixed: Tensor = self.o(rearrange(attended, "b h l d -> b l (h d)"))
        return mixed


def distance_buckets(distance: Tensor, *, num_buckets: int, max_distance: int) -> Tensor:
    """int64 distances from query to key -> the bucket of each (arXiv 1910.10683, section 2.1).

    Half of the buckets are for keys behind the query. Of each half, one half again is for one distance each, and the other for
    logarithmically wider ranges up to `max_distance` and everything beyond it.
    """
    half = num_buckets // 2
    num_exact = half // 2
    size = distance.abs()
    octaves = torch.log(size.clamp_min(1).float() / num_exact) / math.log(max_distance / num_exact)
    wide = (num_exact + (octaves * (half - num_exact)).long()).clamp_max(half - 1)
    return torch.where(distance > 0, half, 0) + torch.where(size < num_exact, size, wide)


class T5Mlp(nn.Module):
    """wo(GELU(wi_0 x) * wi_1 x), with the GELU that is a tanh (arXiv 2002.05202)."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.wi_0 = nn.Linear(spec.width, spec.mlp_width, bias=False)
        self.wi_1 = nn.Linear(spec.width, spec.mlp_width, bias=False)
        self.wo = nn.Linear(spec.mlp_width, spec.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> (B, L, D)."""
        gated: Tensor = self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))
        return gated


class ClipTextEncoder(nn.Module):
    """CLIP's text tower (arXiv 2103.00020); the generator reads the states of all tokens."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.spec = spec
        self.core = ClipTextStack(spec)

    def forward(self, token_ids: Tensor) -> Tensor:
        """token_ids int64 (B, num_tokens), padded with 0 -> states (B, num_tokens, D), each of length one."""
        check_shape("token_ids", token_ids, (None, self.spec.num_tokens))
        states = self.core(token_ids)
        return F.normalize(states.float(), dim=-1).to(states.dtype)


class ClipTextStack(nn.Module):
    """Embeddings, layers and the last norm, with the key names of `clip_from_openclip`."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.embeddings = nn.Module()
        self.embeddings.token_embedding = _build_table(spec.vocab_size, spec.width, spread=0.02)
        self.embeddings.position_embedding = _build_table(spec.num_tokens, spec.width, spread=0.02)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(ClipBlock(spec) for _ in range(spec.depth))
        self.final_layer_norm = nn.LayerNorm(spec.width, eps=_CLIP_EPS)

    def forward(self, token_ids: Tensor) -> Tensor:
        """token_ids (B, L) -> (B, L, D)."""
        x = self.embeddings.token_embedding(token_ids)  # type: ignore[operator]
        x = x + self.embeddings.position_embedding.weight  # type: ignore[union-attr]
        for layer in self.encoder.layers:  # type: ignore[union-attr]
            x = layer(x)
        states: Tensor = self.final_layer_norm(x)
        return states


class ClipBlock(nn.Module):
    """Attention to the tokens before, then an MLP, each after a LayerNorm."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(spec.width, eps=_CLIP_EPS)
        self.self_attn = ClipAttention(spec)
        self.layer_norm2 = nn.LayerNorm(spec.width, eps=_CLIP_EPS)
        self.mlp = ClipMlp(spec)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> (B, L, D)."""
        x = x + self.self_attn(self.layer_norm1(x))
        branch: Tensor = self.mlp(self.layer_norm2(x))
        return x + branch


class ClipAttention(nn.Module):
    """Causal attention; the padding after the text is attended to as well, as in CLIP's training."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.num_heads = spec.num_heads
        self.q_proj = nn.Linear(spec.width, spec.width)
        self.k_proj = nn.Linear(spec.width, spec.width)
        self.v_proj = nn.Linear(spec.width, spec.width)
        self.out_proj = nn.Linear(spec.width, spec.width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> (B, L, D)."""
        q, k, v = (
            rearrange(project(x), "b l (h d) -> b h l d", h=self.num_heads)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed: Tensor = self.out_proj(rearrange(attended, "b h l d -> b l (h d)"))
        return mixed


class ClipMlp(nn.Module):
    """Linear, x * sigmoid(1.702 x), Linear."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.fc1 = nn.Linear(spec.width, spec.mlp_width)
        self.fc2 = nn.Linear(spec.mlp_width, spec.width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, D) -> (B, L, D)."""
        hidden = self.fc1(x)
        mixed: Tensor = self.fc2(hidden * torch.sigmoid(1.702 * hidden))
        return mixed


# Key names of OpenCLIP and those here, which are transformers', for the same weights. "#" stands for the number of the layer.
_CLIP_NAMES = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.": "final_layer_norm.",
    "transformer.resblocks.#.ln_1.": "encoder.layers.#.layer_norm1.",
    "transformer.resblocks.#.ln_2.": "encoder.layers.#.layer_norm2.",
    "transformer.resblocks.#.attn.out_proj.": "encoder.layers.#.self_attn.out_proj.",
    "transformer.resblocks.#.mlp.c_fc.": "encoder.layers.#.mlp.fc1.",
    "transformer.resblocks.#.mlp.c_proj.": "encoder.layers.#.mlp.fc2.",
}
_OPENCLIP_QKV = re.compile(r"transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)")
_TRANSFORMERS_Q = re.compile(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)")


def clip_from_openclip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename from OpenCLIP to transformers; the joined queries, keys and values are split."""
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if match := _OPENCLIP_QKV.fullmatch(key):
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                renamed[_clip_projection(match, letter)] = part
        else:
            renamed[_rename(key, _CLIP_NAMES)] = tensor
    return renamed


def clip_to_openclip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename from transformers to OpenCLIP; queries, keys and values are joined."""
    to_openclip = {theirs: ours for ours, theirs in _CLIP_NAMES.items()}
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if match := _TRANSFORMERS_Q.fullmatch(key):
            layer, leaf = match.groups()
            parts = [tensors[_clip_projection(match, letter)] for letter in "qkv"]
            renamed[f"transformer.resblocks.{layer}.attn.in_proj_{leaf}"] = _join(parts)
        elif not re.search(r"\.self_attn\.[kv]_proj\.", key):
            renamed[_rename(key, to_openclip)] = tensor
    return renamed


def _join(parts: Sequence[Tensor]) -> Tensor:
    """Queries, keys and values of one layer as one tensor; on the meta device only its shape (see `draw_normal`)."""
    if parts[0].is_meta:
        return parts[0].new_empty((len(parts) * len(parts[0]), *parts[0].shape[1:]))
    return torch.cat(list(parts))


def _clip_projection(match: re.Match[str], letter: str) -> str:
    layer, leaf = match.groups()
    return f"encoder.layers.{layer}.self_attn.{letter}_proj.{leaf}"


def _rename(key: str, names: Mapping[str, str]) -> str:
    """The other name of `key`; an unknown key keeps its own, which the strict check then reports."""
    number = re.search(r"\.(\d+)\.", key)
    layer = number[1] if number else "#"
    for row, other in names.items():
        prefix = row.replace("#", layer)
        if key.startswith(prefix):
            return other.replace("#", layer) + key.removeprefix(prefix)
    return key
