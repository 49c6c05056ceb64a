"""The sizes of each part of a network, as frozen values that check themselves.

The network takes every size from them, so that the same code runs the published models and `selva-nano`. Sizes of the
published models: arXiv 2512.02650 (SelVA), arXiv 2412.15322 (MMAudio), arXiv 2206.04658 (BigVGAN). This module is light: it
imports neither torch nor av.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


def require(is_allowed: bool, message: str) -> None:
    if not is_allowed:
        raise ValueError(message)


def require_positive(spec: object, *names: str) -> None:
    for name in names:
        value = getattr(spec, name)
        require(value > 0, f"{type(spec).__name__}.{name} is a positive number; got {value}")


def require_divisible(spec: object, name: str, divisor_name: str) -> None:
    value, divisor = getattr(spec, name), getattr(spec, divisor_name)
    require(
        value % divisor == 0,
        f"{type(spec).__name__}.{name} is a multiple of {divisor_name}; got {value} and {divisor}",
    )


def gated_width(width: int, *, ratio: float, multiple: int) -> int:
    """Hidden width of a gated MLP: two thirds of `ratio * width`, rounded up to a multiple (arXiv
    2002.05202).
    """
    return multiple * math.ceil(int(2 * width * ratio / 3) / multiple)


@dataclass(frozen=True, kw_only=True)
class VideoEncoderSpec:
    """Text-steered video encoder: a Motionformer over segments of frames, then cross-attention to the text.

    width: also of its sync features. text_width: of the T5 states it reads. bridges_segments: whether what lies at the edges of
    segments is seen from further ones that lie across their borders (`selva_core.network.bridges`).
    """

    frame_size_px: int = 224
    patch_px: int = 16
    tubelet_frames: int = 2
    segment_num_frames: int = 16
    segment_hop_frames: int = 8
    frame_rate_hz: int = 25
    width: int = 768
    depth: int = 12
    num_heads: int = 12
    mlp_width: int = 3072
    text_width: int = 768
    num_sup_tokens: int = 5
    num_cross_blocks: int = 1
    gated_ratio: float = 4.0
    gated_multiple: int = 256
    bridges_segments: bool = False

    def __post_init__(self) -> None:
        require_positive(
            self, "frame_size_px", "patch_px", "tubelet_frames", "segment_num_frames", "segment_hop_frames"
        )
        require_positive(self, "frame_rate_hz", "width", "depth", "num_heads", "mlp_width", "text_width")
        require_positive(self, "num_cross_blocks", "gated_ratio", "gated_multiple")
        require(
            self.num_sup_tokens >= 0, f"the number of [SUP] tokens is 0 or more; got {self.num_sup_tokens}"
        )
        require_divisible(self, "frame_size_px", "patch_px")
        require_divisible(self, "segment_num_frames", "tubelet_frames")
        require_divisible(self, "width", "num_heads")
        require(
            self.segment_hop_frames <= self.segment_num_frames,
            f"segments leave no frame out: the hop is at most {self.segment_num_frames} frames; "
            f"got {self.segment_hop_frames}",
        )
        require(
            not self.bridges_segments
            or (self.segment_hop_frames == self.segment_num_frames and self.num_times % 4 == 0),
            "segments are bridged where they do not overlap and have a multiple of 4 tubelets; got a hop of "
            f"{self.segment_hop_frames} of {self.segment_num_frames} frames and {self.num_times} tubelets",
        )

    @property
    def num_patches(self) -> int:
        """Patches of a frame."""
        return (self.frame_size_px // self.patch_px) ** 2

    @property
    def num_times(self) -> int:
        """Tubelets along time in one segment, and sync features of one segment."""
        return self.segment_num_frames // self.tubelet_frames

    @property
    def gated_width(self) -> int:
        return gated_width(self.width, ratio=self.gated_ratio, multiple=self.gated_multiple)


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec:
    """Flow-matching generator over audio latents: joint blocks over three streams, then blocks over the latents alone.

    is_v2: MMAudio's second recipe: SiLU everywhere, one more activation in the text and clip input projections, and another
    time embedding.
    """

    latent_channels: int
    width: int
    num_heads: int
    depth: int = 12
    fused_depth: int = 8
    text_width: int = 1024
    num_text_tokens: int = 77
    clip_width: int = 1024
    sync_width: int = 768
    num_sync_per_segment: int = 8
    gated_ratio: float = 4.0
    gated_multiple: int = 256
    v1_time_width: int = 256
    is_v2: bool = False

    def __post_init__(self) -> None:
        require_positive(
            self, "latent_channels", "width", "num_heads", "depth", "text_width", "num_text_tokens"
        )
        require_positive(
            self, "clip_width", "sync_width", "num_sync_per_segment", "gated_ratio", "gated_multiple"
        )
        require_positive(self, "v1_time_width")
        require_divisible(self, "width", "num_heads")
        require(
            self.head_width % 2 == 0,
            f"rotary positions turn pairs: width / num_heads is even; got {self.head_width}",
        )
        require(self.time_width % 2 == 0, f"the time embedding has an even width; got {self.time_width}")
        require(
            0 <= self.fused_depth < self.depth,
            f"at least one of the {self.depth} blocks is a joint block; got fused_depth {self.fused_depth}",
        )

    @property
    def head_width(self) -> int:
        return self.width // self.num_heads

    @property
    def joint_depth(self) -> int:
        return self.depth - self.fused_depth

    @property
    def time_width(self) -> int:
        """Width of the sinusoids of the time embedding."""
        return self.width if self.is_v2 else self.v1_time_width

    @property
    def gated_width(self) -> int:
        return gated_width(self.width, ratio=self.gated_ratio, multiple=self.gated_multiple)


@dataclass(frozen=True, kw_only=True)
class VaeSpec:
    """Autoencoder between mel frames and latents. halving_levels: the levels after which the rate is halved."""

    num_mels: int
    latent_channels: int
    width: int
    multipliers: tuple[int, ...] = (1, 2, 4)
    num_res_blocks: int = 2
    halving_levels: tuple[int, ...] = (0,)
    activation_limit: float = 256.0

    def __post_init__(self) -> None:
        require_positive(self, "num_mels", "latent_channels", "width", "num_res_blocks", "activation_limit")
        require(
            len(self.multipliers) > 0 and min(self.multipliers) > 0,
            "VaeSpec.multipliers are positive numbers",
        )
        allowed = range(len(self.multipliers) - 1)
        require(
            len(set(self.halving_levels)) == len(self.halving_levels)
            and all(level in allowed for level in self.halving_levels),
            f"VaeSpec.halving_levels are different levels below the last, {list(allowed)}; got {self.halving_levels}",
        )

    @property
    def level_widths(self) -> tuple[int, ...]:
        return tuple(self.width * multiplier for multiplier in self.multipliers)

    @property
    def frames_per_latent(self) -> int:
        return int(2 ** len(self.halving_levels))


@dataclass(frozen=True, kw_only=True)
class VocoderSpec:
    """BigVGAN: mel frames to waveform; each stage upsamples by its `up_rates` and halves the channels."""

    num_mels: int
    initial_channels: int
    up_rates: tuple[int, ...]
    up_kernels: tuple[int, ...]
    res_kernels: tuple[int, ...] = (3, 7, 11)
    res_dilations: tuple[int, ...] = (1, 3, 5)
    has_final_bias: bool = True
    final: Literal["tanh", "clamp"] = "tanh"

    def __post_init__(self) -> None:
        require_positive(self, "num_mels", "initial_channels")
        require(
            len(self.up_rates) == len(self.up_kernels) > 0,
            f"every up-sampling rate has a kernel; got {self.up_rates} and {self.up_kernels}",
        )
        require(
            all(k >= r and (k - r) % 2 == 0 for r, k in zip(self.up_rates, self.up_kernels, strict=True)),
            f"an up-sampling kernel exceeds its rate by an even number; got {self.up_rates} and {self.up_kernels}",
        )
        require(
            all(k % 2 == 1 for k in self.res_kernels), f"residual kernels are odd; got {self.res_kernels}"
        )
        require(
            self.initial_channels % 2 ** len(self.up_rates) == 0,
            f"initial_channels can be halved {len(self.up_rates)} times; got {self.initial_channels}",
        )
        require(self.final in ("tanh", "clamp"), f"final is 'tanh' or 'clamp'; got {self.final!r}")

    @property
    def hop_samples(self) -> int:
        return math.prod(self.up_rates)


@dataclass(frozen=True, kw_only=True)
class MelSpec:
    """Mel spectrogram: short-time Fourier transform, Slaney filters, logarithm."""

    sample_rate_hz: int
    fft_samples: int
    hop_samples: int
    num_mels: int
    f_min_hz: float = 0.0
    f_max_hz: float
    log: Literal["log10", "ln"]
    floor: float = 1e-5

    def __post_init__(self) -> None:
        require_positive(
            self, "sample_rate_hz", "fft_samples", "hop_samples", "num_mels", "f_max_hz", "floor"
        )
        require(
            0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate_hz / 2,
            f"mel filters lie between 0 Hz and half of {self.sample_rate_hz} Hz; got {self.f_min_hz}..{self.f_max_hz} Hz",
        )
        require((self.fft_samples - self.hop_samples) % 2 == 0, "fft_samples - hop_samples is even")
        require(self.log in ("log10", "ln"), f"log is 'log10' or 'ln'; got {self.log!r}")


@dataclass(frozen=True, kw_only=True)
class T5Spec:
    """FLAN-T5 encoder (gated GELU); the video encoder reads its last hidden states."""

    vocab_size: int = 32128
    width: int = 768
    depth: int = 12
    num_heads: int = 12
    head_width: int = 64
    mlp_width: int = 2048
    num_buckets: int = 32
    max_distance: int = 128
    max_tokens: int = 512

    def __post_init__(self) -> None:
        require_positive(self, "vocab_size", "width", "depth", "num_heads", "head_width", "mlp_width")
        require_positive(self, "num_buckets", "max_distance", "max_tokens")


@dataclass(frozen=True, kw_only=True)
class ClipTextSpec:
    """CLIP text tower (quick GELU, causal); the generator reads all of its token states."""

    vocab_size: int = 49408
    width: int = 1024
    depth: int = 24
    num_heads: int = 16
    mlp_width: int = 4096
    num_tokens: int = 77

    def __post_init__(self) -> None:
        require_positive(self, "vocab_size", "width", "depth", "num_heads", "mlp_width", "num_tokens")
        require_divisible(self, "width", "num_heads")
