"""A network of every part at small sizes, for tests of what holds at any size."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import nn

from selva_core.models.part_specs import (
    ClipTextSpec,
    GeneratorSpec,
    T5Spec,
    VaeSpec,
    VideoEncoderSpec,
    VocoderSpec,
)
from selva_core.models.specs import MEL_16K, ModelSpec
from selva_core.network import (
    Conditions,
    Network,
    build_network,
)

TINY = ModelSpec(
    video_encoder=VideoEncoderSpec(
        frame_size_px=32, width=24, depth=2, num_heads=2, mlp_width=48, text_width=20, gated_multiple=16
    ),
    generator=GeneratorSpec(
        latent_channels=4,
        width=16,
        num_heads=2,
        depth=3,
        fused_depth=1,
        text_width=12,
        num_text_tokens=9,
        clip_width=10,
        sync_width=24,
        gated_multiple=16,
        v1_time_width=8,
    ),
    vae=VaeSpec(num_mels=80, latent_channels=4, width=8),
    vocoder=VocoderSpec(
        num_mels=80,
        initial_channels=16,
        up_rates=(16, 16),
        up_kernels=(32, 32),
        res_kernels=(3,),
        res_dilations=(1,),
    ),
    mel=MEL_16K,
    t5=T5Spec(vocab_size=50, width=20, depth=1, num_heads=2, head_width=8, mlp_width=24, max_tokens=16),
    clip_text=ClipTextSpec(vocab_size=50, width=12, depth=1, num_heads=2, mlp_width=24, num_tokens=9),
)
LENGTHS = TINY.lengths(Fraction(128, 100))


def build_tiny(*, for_training: bool = False, spec: ModelSpec = TINY) -> Network:
    """A tiny network whose layers that start at zero are filled, so that every input reaches the output."""
    torch.manual_seed(5)
    network = build_network(spec, for_training=for_training)
    with torch.no_grad():
        for part in network.parts().values():
            for parameter in part.parameters():
                if not parameter.any():
                    nn.init.normal_(parameter, std=0.2)
    return network


def prepare(network: Network, *, batch_size: int = 2, num_latents: int = LENGTHS.num_latents) -> Conditions:
    torch.manual_seed(7)
    spec = TINY.generator
    return network.generator.prepare_conditions(
        text=torch.randn(batch_size, spec.num_text_tokens, spec.text_width),
        sync=torch.randn(batch_size, LENGTHS.num_sync, spec.sync_width),
        num_clip_frames=LENGTHS.num_clip_frames,
        num_latents=num_latents,
    )
