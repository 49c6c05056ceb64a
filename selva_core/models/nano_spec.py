"""The sizes of selva-nano: the published network at small widths, for a laptop's processor.

Segments do not overlap here, so that 8 s have 25 segments and 250 latents: ten latents per segment, without the slow drift
of overlapping segments. What lies at their borders is seen from further segments across these. Frames of 48 pixels in patches
of 12 are enough for the large shapes it was trained on.
"""

from __future__ import annotations

from fractions import Fraction

from selva_core.models.part_specs import (
    ClipTextSpec,
    GeneratorSpec,
    T5Spec,
    VaeSpec,
    VideoEncoderSpec,
    VocoderSpec,
)
from selva_core.models.specs import MEL_16K, ModelSpec

NANO_VOCAB_SIZE = 3072
NANO_TEXT_WIDTH = 64
NANO_NUM_TOKENS = 24

NANO_SPEC = ModelSpec(
    video_encoder=VideoEncoderSpec(
        frame_size_px=48,
        patch_px=12,
        segment_num_frames=8,
        segment_hop_frames=8,
        width=96,
        depth=4,
        num_heads=4,
        mlp_width=288,
        text_width=NANO_TEXT_WIDTH,
        gated_ratio=2.0,
        gated_multiple=32,
        bridges_segments=True,  # a clock's hand jumps between two frames: docs/models/selva-nano.md, "Borders of segments"
    ),
    generator=GeneratorSpec(
        latent_channels=16,
        width=128,
        num_heads=4,
        depth=5,
        fused_depth=3,
        text_width=NANO_TEXT_WIDTH,
        num_text_tokens=NANO_NUM_TOKENS,
        clip_width=8,
        sync_width=96,
        num_sync_per_segment=4,
        gated_ratio=2.0,
        gated_multiple=32,
        v1_time_width=64,
    ),
    vae=VaeSpec(num_mels=80, latent_channels=16, width=80, multipliers=(1, 2, 2), num_res_blocks=1),
    vocoder=VocoderSpec(
        num_mels=80,
        initial_channels=256,
        up_rates=(1, 8, 8, 4),
        up_kernels=(1, 16, 16, 8),
        res_kernels=(7,),
        res_dilations=(1,),
    ),
    mel=MEL_16K,
    t5=T5Spec(
        vocab_size=NANO_VOCAB_SIZE,
        width=NANO_TEXT_WIDTH,
        depth=2,
        num_heads=4,
        head_width=16,
        mlp_width=128,
        max_tokens=NANO_NUM_TOKENS,
    ),
    clip_text=ClipTextSpec(
        vocab_size=NANO_VOCAB_SIZE,
        width=NANO_TEXT_WIDTH,
        depth=2,
        num_heads=4,
        mlp_width=128,
        num_tokens=NANO_NUM_TOKENS,
    ),
    window_s=Fraction(8),
    num_start_latents_held=2,
    clip_rate_hz=1,
    usual_guidance=1.5,
    noise_scale=0.8,  # of 1, 0.9, 0.8 and 0.65: docs/models/selva-nano.md, "Noise"
)
