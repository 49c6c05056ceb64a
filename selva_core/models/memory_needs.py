"""How much of a device's memory a model needs, from its row in the table, before anything is loaded.

Estimates: weights of each part in the precision that they run in, what a stage holds beside them, and what CUDA itself takes.
This module is light: it imports neither torch nor av.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selva_core.models.catalog import Model
from selva_core.models.specs import ModelSpec

AUTO, LOW, NORMAL = "auto", "low", "normal"
MEMORY_MODES = (AUTO, LOW, NORMAL)
"""normal: all parts of a model stay on the device. low: each only while it runs. auto: low where the others would not fit."""

CONTEXT_BYTES = 500_000_000
"""What CUDA and its libraries take on a card before anything is loaded, about."""
STORED_TOKENS_BYTES = 1 << 28
"""How much the tokens of the last picture may take on the device in the mode low."""
CHUNK_SEGMENTS = 8
"""Segments of a picture that are prepared together (see `selva_core.inference.token_encoder`)."""

_STAGES: Mapping[str, tuple[str, ...]] = {
    "text, T5": ("t5",),
    "text, CLIP": ("clip_text",),
    "picture": ("video_encoder",),
    "sampling": ("generator",),
    "sound, VAE": ("vae",),
    "sound, vocoder": ("vocoder",),
}
_LOADED_SHARE: Mapping[str, float] = {"vae": 0.58}
"""Of the bytes of a published file; the VAE's also holds the encoder, which rendering does not load."""
_REDUCED_SHARE: Mapping[str, float] = {"video_encoder": 1.0, "generator": 0.66}
"""Of a part's weights, those that run in bfloat16 where the device has it; of the generator at least so many."""
_FULL_BYTES, _HALF_BYTES = 4, 2


@dataclass(frozen=True, kw_only=True)
class StageNeed:
    """weights_bytes: of the parts that run. working_bytes: of what they work on, one item at a time."""

    stage: str
    weights_bytes: int
    working_bytes: int


@dataclass(frozen=True, kw_only=True)
class MemoryNeeds:
    """Of one model in one precision. reserved_bytes: what the device needs for itself."""

    stages: tuple[StageNeed, ...]
    reserved_bytes: int

    @property
    def low_bytes(self) -> int:
        """With only the parts of the running stage on the device."""
        return self.reserved_bytes + max(
            (stage.weights_bytes + stage.working_bytes for stage in self.stages), default=0
        )

    @property
    def normal_bytes(self) -> int:
        """With all parts on the device."""
        weights = sum(stage.weights_bytes for stage in self.stages)
        return self.reserved_bytes + weights + max((stage.working_bytes for stage in self.stages), default=0)

    @property
    def widest_stage(self) -> StageNeed:
        """The one that needs most in the mode low."""
        return max(self.stages, key=lambda stage: stage.weights_bytes + stage.working_bytes)


def estimate_needs(model: Model, *, has_bfloat16: bool, on_cuda: bool = True) -> MemoryNeeds:
    """has_bfloat16: whether the large products run in it. Raises ValueError for a model without a network."""
    if model.spec is None:
        raise ValueError(f"{model.model_id} has no network, and needs no memory of a device")
    working = _working_bytes(model.spec)
    return MemoryNeeds(
        stages=tuple(
            StageNeed(
                stage=stage,
                weights_bytes=sum(_weights_bytes(model, part, has_bfloat16=has_bfloat16) for part in parts),
                working_bytes=working[stage],
            )
            for stage, parts in _STAGES.items()
        ),
        reserved_bytes=CONTEXT_BYTES if on_cuda else 0,
    )


def token_bytes_per_s(spec: ModelSpec, *, has_bfloat16: bool) -> float:
    """What the tokens of a second of picture take, in memory and in the cache; they have the precision of the encoder.

    In float32 they are stored in float32: rounded to 16 bits they would change stems by up to 1.2e-3 of full scale (selva-nano),
    more than parity allows, and a stem must not depend on whether the cache was hit.
    """
    encoder = spec.video_encoder
    num_tokens = encoder.num_times * encoder.num_patches
    item_bytes = _HALF_BYTES if has_bfloat16 else _FULL_BYTES
    return float(num_tokens * encoder.width * item_bytes / spec.segment_hop_s)


def _weights_bytes(model: Model, part: str, *, has_bfloat16: bool) -> int:
    # The files of models that come with this package hold half of what is loaded: they are stored in 16 bits.
    full = model.files[part].stored_bytes * (2 if model.is_bundled else _LOADED_SHARE.get(part, 1.0))
    reduced = _REDUCED_SHARE.get(part, 0.0) if has_bfloat16 else 0.0
    return round(full * (1.0 - reduced + reduced * _HALF_BYTES / _FULL_BYTES))


def _working_bytes(spec: ModelSpec) -> dict[str, int]:
    """By stage, of a window of the trained length: factors are tensors of that size alive at the same time, rounded up (a test
    counts them on tensors without values).
    """
    encoder, generator, vae, vocoder = spec.video_encoder, spec.generator, spec.vae, spec.vocoder
    lengths = spec.lengths(spec.window_s)
    frame = 3 * encoder.frame_size_px**2
    chunk_frames = (CHUNK_SEGMENTS - 1) * encoder.segment_hop_frames + encoder.segment_num_frames
    segment_tokens = (encoder.num_times * encoder.num_patches + 1) * encoder.width
    sequence = lengths.num_latents + lengths.num_clip_frames + generator.num_text_tokens
    mel_frames = lengths.num_latents * vae.frames_per_latent
    block_samples = vocoder.initial_channels * 160 * max(vocoder.up_rates)
    numbers = {
        "text, T5": 8 * spec.t5.max_tokens * (spec.t5.mlp_width + spec.t5.num_heads * spec.t5.max_tokens),
        "text, CLIP": 8 * spec.clip_text.num_tokens * spec.clip_text.mlp_width,
        "picture": 4 * chunk_frames * frame
        + 2 * CHUNK_SEGMENTS * encoder.segment_num_frames * frame
        + (CHUNK_SEGMENTS + 24) * segment_tokens,
        "sampling": 40 * 2 * sequence * generator.width,
        "sound, VAE": 8 * mel_frames * max(vae.level_widths) + 3 * 3 * max(vae.level_widths) ** 2,
        "sound, vocoder": 12 * block_samples,
    }
    # The tokens of the last picture stay, for the next job may be over the same.
    token_bytes = min(STORED_TOKENS_BYTES, _FULL_BYTES * lengths.num_segments * segment_tokens)
    return {stage: _FULL_BYTES * count + token_bytes for stage, count in numbers.items()}
