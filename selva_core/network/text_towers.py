"""FLAN-T5 encoder and CLIP text tower, through transformers; published files are read with their published names.

Dimensions: B batch, L text tokens, D width.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selva_core.models.part_specs import ClipTextSpec, T5Spec
from selva_core.network._layers import check_shape
from selva_core.network._transformers import import_transformers

if TYPE_CHECKING:
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel
else:
    transformers = import_transformers()
    CLIPTextConfig, CLIPTextModel = transformers.CLIPTextConfig, transformers.CLIPTextModel
    T5Config, T5EncoderModel = transformers.T5Config, transformers.T5EncoderModel


class T5TextEncoder(nn.Module):
    """FLAN-T5's encoder (arXiv 2210.11416); its states steer the video encoder."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.spec = spec
        self.model = T5EncoderModel(
            T5Config(
                vocab_size=spec.vocab_size,
                d_model=spec.width,
                d_kv=spec.head_width,
                d_ff=spec.mlp_width,
                num_layers=spec.depth,
                num_heads=spec.num_heads,
                relative_attention_num_buckets=spec.num_buckets,
                relative_attention_max_distance=spec.max_distance,
                feed_forward_proj="gated-gelu",
                dropout_rate=0.0,
            )
        )

    @property
    def core(self) -> nn.Module:
        """The module with the published key names."""
        core: nn.Module = self.model
        return core

    def tie_embedding(self) -> None:
        """Share one table between the two names that T5 has for it."""
        self.model.set_input_embeddings(self.model.encoder.embed_tokens)

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """token_ids int64 (B, L), mask (B, L), 1 where there is text -> states (B, L, D)."""
        check_shape("token_ids", token_ids, (None, None))
        check_shape("mask", mask, tuple(token_ids.shape))
        states: Tensor = self.model(input_ids=token_ids, attention_mask=mask.long()).last_hidden_state
        return states


class ClipTextEncoder(nn.Module):
    """CLIP's text tower (arXiv 2103.00020); the generator reads the states of all tokens."""

    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.spec = spec
        self.model = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=spec.vocab_size,
                hidden_size=spec.width,
                intermediate_size=spec.mlp_width,
                projection_dim=spec.width,
                num_hidden_layers=spec.depth,
                num_attention_heads=spec.num_heads,
                max_position_embeddings=spec.num_tokens,
                hidden_act="quick_gelu",
                bos_token_id=spec.vocab_size - 2,
                eos_token_id=spec.vocab_size - 1,
                layer_norm_eps=1e-5,
            )
        )

    @property
    def core(self) -> nn.Module:
        """The module with the key names of `clip_from_openclip`; before transformers 5 it was one level deeper."""
        core: nn.Module = getattr(self.model, "text_model", self.model)
        return core

    def reset_positions(self) -> None:
        """Compute the position ids, which no file holds."""
        embeddings: Any = self.core.embeddings
        device = embeddings.position_embedding.weight.device
        embeddings.position_ids = torch.arange(self.spec.num_tokens, device=device)[None]

    def forward(self, token_ids: Tensor) -> Tensor:
        """token_ids int64 (B, num_tokens), padded with 0 -> states (B, num_tokens, D), each of length one."""
        check_shape("token_ids", token_ids, (None, self.spec.num_tokens))
        states = self.model(input_ids=token_ids).last_hidden_state
        return F.normalize(states.float(), dim=-1).to(states.dtype)


# Key names of OpenCLIP and of transformers for the same weights. "#" stands for the number of the layer.
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
            joined = torch.cat([tensors[_clip_projection(match, letter)] for letter in "qkv"])
            renamed[f"transformer.resblocks.{layer}.attn.in_proj_{leaf}"] = joined
        elif not re.search(r"\.self_attn\.[kv]_proj\.", key):
            renamed[_rename(key, to_openclip)] = tensor
    return renamed


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
