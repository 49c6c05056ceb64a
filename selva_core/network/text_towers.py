"""FLAN-T5 encoder and CLIP text tower; published files are read under their published names.

They are our own because importing the transformers library takes longer than making a short stem.

Letters: B batch, L text tokens, D width.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selva_core.network._layers import check_shape
from selva_core.network._text_layers import ClipBlocks, ClipEmbeddings, T5Encoder
from selva_core.specs import ClipTextSpec, T5Spec


class T5Model(nn.Module):
    """T5 as files have it: the encoder, and its table of tokens under a second name."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.encoder = T5Encoder(spec)
        self.shared = self.encoder.embed_tokens


class T5TextEncoder(nn.Module):
    """FLAN-T5's encoder (arXiv 2210.11416); its states steer the video encoder."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.spec = spec
        self.model = T5Model(spec)

    @property
    def core(self) -> nn.Module:
        """The module whose names are the published ones."""
        return self.model

    def tie_embedding(self) -> None:
        """One table under the two names that T5 has for it."""
        self.model.shared = self.model.encoder.embed_tokens

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """token_ids int64 (B, L), mask (B, L), 1 where there is text -> states (B, L, D)."""
        check_shape("token_ids", token_ids, (None, None))
        check_shape("mask", mask, tuple(token_ids.shape))
        states: Tensor = self.model.encoder(token_ids, mask)
        return states


class ClipTextModel(nn.Module):
    """CLIP's text tower under the names that `clip_from_openclip` gives."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.embeddings = ClipEmbeddings(spec)
        self.encoder = ClipBlocks(spec)
        self.final_layer_norm = nn.LayerNorm(spec.width)

    def forward(self, token_ids: Tensor) -> Tensor:
        """token_ids int64 (B, L) -> states (B, L, D)."""
        x = self.embeddings(token_ids)
        for layer in self.encoder.layers:
            x = layer(x)
        states: Tensor = self.final_layer_norm(x)
        return states


class ClipTextEncoder(nn.Module):
    """CLIP's text tower (arXiv 2103.00020); every token's state goes to the generator."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.spec = spec
        self.model = ClipTextModel(spec)

    @property
    def core(self) -> nn.Module:
        """The module whose names `clip_from_openclip` gives."""
        return self.model

    def forward(self, token_ids: Tensor) -> Tensor:
        """token_ids int64 (B, num_tokens), padded with 0 -> states (B, num_tokens, D), each of length one."""
        check_shape("token_ids", token_ids, (None, self.spec.num_tokens))
        states = self.model(token_ids)
        return F.normalize(states.float(), dim=-1).to(states.dtype)


# The same tower twice: a name of OpenCLIP, and ours, which is that of the transformers library. "#" stands for the
# number of the layer.
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
_OUR_Q = re.compile(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)")


def clip_from_openclip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenCLIP's names to ours; queries, keys and values are taken apart."""
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if match := _OPENCLIP_QKV.fullmatch(key):
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                renamed[_clip_projection(match, letter)] = part
        else:
            renamed[_rename(key, _CLIP_NAMES)] = tensor
    return renamed


def clip_to_openclip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names to OpenCLIP's; queries, keys and values are put together."""
    to_openclip = {theirs: ours for ours, theirs in _CLIP_NAMES.items()}
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if match := _OUR_Q.fullmatch(key):
            layer, leaf = match.groups()
            joined = torch.cat([tensors[_clip_projection(match, letter)] for letter in "qkv"])
            renamed[f"transformer.resblocks.{layer}.attn.in_proj_{leaf}"] = joined
        elif not re.search(r"\.self_attn\.[kv]_proj\.", key):
            renamed[_rename(key, to_openclip)] = tensor
    return renamed


def _clip_projection(match: re.Match[str], letter: str) -> str:
    layer, leaf = match.groups()
    return f"encoder.layers.{layer}.self_attn.{letter}_proj.{leaf}"


def _rename(key: str, names: Mapping[str, str]) -> str:
    """The other name of `key`; a key that is in no row keeps its own, for the strict check to find."""
    number = re.search(r"\.(\d+)\.", key)
    layer = number[1] if number else "#"
    for row, other in names.items():
        prefix = row.replace("#", layer)
        if key.startswith(prefix):
            return other.replace("#", layer) + key.removeprefix(prefix)
    return key
