"""What the file of each part must hold, by a few of its tensors whose shapes tell the models apart.

Loading compares every key (`selva_core.network.parts`); that needs torch and the whole network. These few are enough to
refuse a wrong file before it gets a model's name, and to recognise files that lie under other names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.specs import ModelSpec
from selva_core.models.tensors.spans import TensorSpan

Shapes = dict[str, tuple[int, ...] | None]
"""Shapes by names of tensors; None for a tensor that must not be there."""
Alternatives = tuple[Shapes, ...]


def _clip_text(spec: ModelSpec) -> Alternatives:
    clip = spec.clip_text
    last = clip.depth - 1
    return (
        {
            "token_embedding.weight": (clip.vocab_size, clip.width),
            "positional_embedding": (clip.num_tokens, clip.width),
            f"transformer.resblocks.{last}.mlp.c_fc.weight": (clip.mlp_width, clip.width),
            "ln_final.weight": (clip.width,),
        },
    )


def _t5(spec: ModelSpec) -> Alternatives:
    t5 = spec.t5
    rest: Shapes = {
        f"encoder.block.{t5.depth - 1}.layer.1.DenseReluDense.wi_1.weight": (t5.mlp_width, t5.width),
        "encoder.final_layer_norm.weight": (t5.width,),
    }
    table = (t5.vocab_size, t5.width)
    return ({"shared.weight": table, **rest}, {"encoder.embed_tokens.weight": table, **rest})


def _video_encoder(spec: ModelSpec) -> Alternatives:
    encoder = spec.video_encoder
    return (
        {
            "sup_text_feat": (encoder.num_sup_tokens, encoder.text_width),
            f"vfeat_extractor.blocks.{encoder.depth - 1}.timeattn.qkv.weight": (
                3 * encoder.width,
                encoder.width,
            ),
            "vfeat_extractor.temp_embed": (1, encoder.num_times, encoder.width),
        },
    )


def _generator(spec: ModelSpec) -> Alternatives:
    generator = spec.generator
    channels, width = generator.latent_channels, generator.width
    return (
        {
            "latent_mean": (1, 1, channels),
            "sync_pos_emb": (1, 1, generator.num_sync_per_segment, generator.sync_width),
            "audio_input_proj.0.weight": (width, channels, 7),
            f"joint_blocks.{generator.joint_depth - 1}.latent_block.attn.qkv.weight": (3 * width, width),
            f"joint_blocks.{generator.joint_depth}.latent_block.attn.qkv.weight": None,
            f"fused_blocks.{generator.fused_depth - 1}.attn.qkv.weight": (3 * width, width),
            f"fused_blocks.{generator.fused_depth}.attn.qkv.weight": None,
            "final_layer.conv.weight": (channels, width, 7),
        },
    )


def _vae(spec: ModelSpec) -> Alternatives:
    vae = spec.vae
    return (
        {
            "data_mean": (1, vae.num_mels, 1),
            "decoder.conv_in.weight": (vae.level_widths[-1], vae.latent_channels, 3),
            "decoder.conv_out.weight": (vae.num_mels, vae.width, 3),
        },
    )


def _vocoder(spec: ModelSpec) -> Alternatives:
    vocoder = spec.vocoder
    last = len(vocoder.up_rates) - 1
    channels = vocoder.initial_channels
    return (
        {
            "conv_pre.weight_v": (channels, vocoder.num_mels, 7),
            f"ups.{last}.0.weight_v": (channels >> last, channels >> (last + 1), vocoder.up_kernels[last]),
        },
    )


_SIGNATURES: Mapping[str, Callable[[ModelSpec], Alternatives]] = {
    "clip_text": _clip_text,
    "t5": _t5,
    "video_encoder": _video_encoder,
    "generator": _generator,
    "vae": _vae,
    "vocoder": _vocoder,
}


def has_signature(role: str) -> bool:
    """Whether the role's file holds tensors; tokenizers are text."""
    return role in _SIGNATURES


def fits(role: str, spec: ModelSpec, index: Mapping[str, TensorSpan]) -> bool:
    """Whether a file with these tensors can be the file of that role of a model with these sizes."""
    return any(not _complaints(shapes, index) for shapes in _SIGNATURES[role](spec))


def require_fit(role: str, spec: ModelSpec, index: Mapping[str, TensorSpan], *, source: str) -> None:
    """Raises WeightsMismatchError that names the tensors that are missing or have another shape."""
    if fits(role, spec, index):
        return
    complaints = min((_complaints(shapes, index) for shapes in _SIGNATURES[role](spec)), key=len)
    raise WeightsMismatchError(
        f"{source} is a file of weights, but not of this {role}: {'; '.join(complaints)}", source=source
    )


def is_reduced(index: Mapping[str, TensorSpan]) -> bool:
    """Whether a file holds numbers of half precision; the published ones hold 32 bits."""
    return any(span.dtype in ("F16", "BF16") for span in index.values())


def _complaints(shapes: Shapes, index: Mapping[str, TensorSpan]) -> list[str]:
    found = {name: index[name].shape if name in index else None for name in shapes}
    return [
        f"{name} is {found[name] or 'missing'}, needed is {shape or 'none'}"
        for name, shape in shapes.items()
        if found[name] != shape
    ]
