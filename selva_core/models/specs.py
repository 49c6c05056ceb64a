"""The sizes of a network, and the lengths that follow from a duration.

A spec is a frozen value that checks itself; the network takes every size from it, so that the same code runs the
published models and `selva-nano`. Sizes of the published models: arXiv 2512.02650 (SelVA), arXiv 2412.15322
(MMAudio), arXiv 2206.04658 (BigVGAN). This module is light: it imports neither torch nor av.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from selva_core.base.limits import DEFAULT_GUIDANCE

PUBLISHED_GUIDANCE = DEFAULT_GUIDANCE
"""Guidance that the published models sound best with (arXiv 2512.02650)."""


def _require(is_allowed: bool, message: str) -> None:
    if not is_allowed:
        raise ValueError(message)


def _require_positive(spec: object, *names: str) -> None:
    for name in names:
        value = getattr(spec, name)
        _require(value > 0, f"{type(spec).__name__}.{name} is a positive number; got {value}")


def _require_divisible(spec: object, name: str, divisor_name: str) -> None:
    value, divisor = getattr(spec, name), getattr(spec, divisor_name)
    _require(
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

    width: also of its sync features. text_width: of the T5 states it reads.
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

    def __post_init__(self) -> None:
        _require_positive(
            self, "frame_size_px", "patch_px", "tubelet_frames", "segment_num_frames", "segment_hop_frames"
        )
        _require_positive(self, "frame_rate_hz", "width", "depth", "num_heads", "mlp_width", "text_width")
        _require_positive(self, "num_cross_blocks", "gated_ratio", "gated_multiple")
        _require(
            self.num_sup_tokens >= 0, f"the number of [SUP] tokens is 0 or more; got {self.num_sup_tokens}"
        )
        _require_divisible(self, "frame_size_px", "patch_px")
        _require_divisible(self, "segment_num_frames", "tubelet_frames")
        _require_divisible(self, "width", "num_heads")
        _require(
            self.segment_hop_frames <= self.segment_num_frames,
            f"segments leave no frame out: the hop is at most {self.segment_num_frames} frames; "
            f"got {self.segment_hop_frames}",
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
        _require_positive(
            self, "latent_channels", "width", "num_heads", "depth", "text_width", "num_text_tokens"
        )
        _require_positive(
            self, "clip_width", "sync_width", "num_sync_per_segment", "gated_ratio", "gated_multiple"
        )
        _require_positive(self, "v1_time_width")
        _require_divisible(self, "width", "num_heads")
        _require(
            self.head_width % 2 == 0,
            f"rotary positions turn pairs: width / num_heads is even; got {self.head_width}",
        )
        _require(self.time_width % 2 == 0, f"the time embedding has an even width; got {self.time_width}")
        _require(
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
        _require_positive(self, "num_mels", "latent_channels", "width", "num_res_blocks", "activation_limit")
        _require(
            len(self.multipliers) > 0 and min(self.multipliers) > 0,
            "VaeSpec.multipliers are positive numbers",
        )
        allowed = range(len(self.multipliers) - 1)
        _require(
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
        _require_positive(self, "num_mels", "initial_channels")
        _require(
            len(self.up_rates) == len(self.up_kernels) > 0,
            f"every up-sampling rate has a kernel; got {self.up_rates} and {self.up_kernels}",
        )
        _require(
            all(k >= r and (k - r) % 2 == 0 for r, k in zip(self.up_rates, self.up_kernels, strict=True)),
            f"an up-sampling kernel exceeds its rate by an even number; got {self.up_rates} and {self.up_kernels}",
        )
        _require(
            all(k % 2 == 1 for k in self.res_kernels), f"residual kernels are odd; got {self.res_kernels}"
        )
        _require(
            self.initial_channels % 2 ** len(self.up_rates) == 0,
            f"initial_channels can be halved {len(self.up_rates)} times; got {self.initial_channels}",
        )
        _require(self.final in ("tanh", "clamp"), f"final is 'tanh' or 'clamp'; got {self.final!r}")

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
        _require_positive(
            self, "sample_rate_hz", "fft_samples", "hop_samples", "num_mels", "f_max_hz", "floor"
        )
        _require(
            0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate_hz / 2,
            f"mel filters lie between 0 Hz and half of {self.sample_rate_hz} Hz; got {self.f_min_hz}..{self.f_max_hz} Hz",
        )
        _require((self.fft_samples - self.hop_samples) % 2 == 0, "fft_samples - hop_samples is even")
        _require(self.log in ("log10", "ln"), f"log is 'log10' or 'ln'; got {self.log!r}")


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
        _require_positive(self, "vocab_size", "width", "depth", "num_heads", "head_width", "mlp_width")
        _require_positive(self, "num_buckets", "max_distance", "max_tokens")


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
        _require_positive(self, "vocab_size", "width", "depth", "num_heads", "mlp_width", "num_tokens")
        _require_divisible(self, "width", "num_heads")


@dataclass(frozen=True, kw_only=True)
class ClipLengths:
    """All counts that follow from the duration of a clip.

    num_frames: video frames that the segments cover, at the encoder's frame rate; where the clip is shorter, its last frame
    is repeated. num_samples: of the waveform for `num_latents`, a little more than the duration where the rates do not
    divide.
    """

    num_frames: int
    num_segments: int
    num_sync: int
    num_clip_frames: int
    num_latents: int
    num_samples: int


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One whole model, whose parts fit together; lengths follow from durations here and nowhere else.

    window_s: the duration the model was trained on. clip_rate_hz: of CLIP frames, in Hz. usual_guidance: the guidance it sounds
    best with. num_start_latents_held: so many latents at a clip's start are replaced by the one after them, for a model that
    tends to begin with the end of a sound that would have started before the clip.
    """

    video_encoder: VideoEncoderSpec
    generator: GeneratorSpec
    vae: VaeSpec
    vocoder: VocoderSpec
    mel: MelSpec
    t5: T5Spec
    clip_text: ClipTextSpec
    window_s: Fraction = Fraction(8)
    clip_rate_hz: int = 8
    num_start_latents_held: int = 0
    usual_guidance: float = PUBLISHED_GUIDANCE

    def __post_init__(self) -> None:
        _require_positive(self, "window_s", "clip_rate_hz")
        _require(
            self.usual_guidance >= 1.0,
            f"the usual guidance is 1 or more; got {self.usual_guidance}",
        )
        pairs = {
            "latent channels of generator and VAE": (
                self.generator.latent_channels,
                self.vae.latent_channels,
            ),
            "mels of VAE and vocoder": (self.vae.num_mels, self.vocoder.num_mels),
            "mels of VAE and mel spectrogram": (self.vae.num_mels, self.mel.num_mels),
            "hops of vocoder and mel spectrogram": (self.vocoder.hop_samples, self.mel.hop_samples),
            "sync widths of video encoder and generator": (
                self.video_encoder.width,
                self.generator.sync_width,
            ),
            "sync features per segment": (self.video_encoder.num_times, self.generator.num_sync_per_segment),
            "T5 widths": (self.t5.width, self.video_encoder.text_width),
            "CLIP text widths": (self.clip_text.width, self.generator.text_width),
            "CLIP text tokens": (self.clip_text.num_tokens, self.generator.num_text_tokens),
        }
        for what, (one, other) in pairs.items():
            _require(
                one == other, f"the parts of a model fit together: {what} are equal; got {one} and {other}"
            )

    @property
    def sample_rate_hz(self) -> int:
        return self.mel.sample_rate_hz

    @property
    def latent_hop_samples(self) -> int:
        """Samples of one latent."""
        return self.mel.hop_samples * self.vae.frames_per_latent

    @property
    def segment_hop_s(self) -> Fraction:
        """Seconds between the starts of two segments (0.32 s in the published models)."""
        return Fraction(self.video_encoder.segment_hop_frames, self.video_encoder.frame_rate_hz)

    def own_guidance(self, guidance: float) -> float:
        """Convert guidance from the users' scale, where 1 is none and 4.5 is usual, to this model's own scale."""
        if self.usual_guidance == PUBLISHED_GUIDANCE:
            return guidance
        return 1.0 + (guidance - 1.0) * (self.usual_guidance - 1.0) / (PUBLISHED_GUIDANCE - 1.0)

    def num_latents(self, duration_s: Fraction) -> int:
        """Latents that cover the duration: ceil(duration * sample rate / samples of one latent)."""
        return math.ceil(_positive(duration_s) * self.sample_rate_hz / self.latent_hop_samples)

    def num_segments(self, duration_s: Fraction) -> int:
        """Segments that lie wholly inside the duration; at least one, whose last frame is repeated where the clip is shorter."""
        encoder = self.video_encoder
        spare_frames = _positive(duration_s) * encoder.frame_rate_hz - encoder.segment_num_frames
        return max(math.floor(spare_frames / encoder.segment_hop_frames) + 1, 1)

    def num_frames(self, duration_s: Fraction) -> int:
        """Video frames that the segments cover."""
        encoder = self.video_encoder
        return (self.num_segments(duration_s) - 1) * encoder.segment_hop_frames + encoder.segment_num_frames

    def num_sync(self, duration_s: Fraction) -> int:
        """Sync features."""
        return self.num_segments(duration_s) * self.video_encoder.num_times

    def num_clip_frames(self, duration_s: Fraction) -> int:
        """CLIP frames inside the duration; at least one."""
        return max(math.floor(_positive(duration_s) * self.clip_rate_hz), 1)

    def lengths(self, duration_s: Fraction) -> ClipLengths:
        """All lengths of a clip of `duration_s` seconds."""
        num_latents = self.num_latents(duration_s)
        return ClipLengths(
            num_frames=self.num_frames(duration_s),
            num_segments=self.num_segments(duration_s),
            num_sync=self.num_sync(duration_s),
            num_clip_frames=self.num_clip_frames(duration_s),
            num_latents=num_latents,
            num_samples=num_latents * self.latent_hop_samples,
        )


def _positive(duration_s: Fraction) -> Fraction:
    _require(duration_s > 0, f"a duration is longer than 0 s; got {float(duration_s):g} s")
    return Fraction(duration_s)


MEL_16K = MelSpec(
    sample_rate_hz=16_000, fft_samples=1024, hop_samples=256, num_mels=80, f_max_hz=8_000.0, log="log10"
)
MEL_44K = MelSpec(
    sample_rate_hz=44_100, fft_samples=2048, hop_samples=512, num_mels=128, f_max_hz=22_050.0, log="ln"
)
VAE_16K = VaeSpec(num_mels=80, latent_channels=20, width=384)
VAE_44K = VaeSpec(num_mels=128, latent_channels=40, width=512)
VOCODER_16K = VocoderSpec(
    num_mels=80, initial_channels=1536, up_rates=(4, 4, 2, 2, 2, 2), up_kernels=(8, 8, 4, 4, 4, 4)
)
VOCODER_44K = VocoderSpec(
    num_mels=128,
    initial_channels=1536,
    up_rates=(8, 4, 2, 2, 2, 2),
    up_kernels=(16, 8, 4, 4, 4, 4),
    has_final_bias=False,
    final="clamp",
)
GENERATOR_SMALL_16K = GeneratorSpec(latent_channels=20, width=448, num_heads=7)
GENERATOR_SMALL_44K = GeneratorSpec(latent_channels=40, width=448, num_heads=7)
GENERATOR_MEDIUM_44K = GeneratorSpec(latent_channels=40, width=896, num_heads=14)
GENERATOR_LARGE_44K = GeneratorSpec(latent_channels=40, width=896, num_heads=14, depth=21, fused_depth=14)


def build_published_spec(generator: GeneratorSpec) -> ModelSpec:
    """The published model around one generator; the number of latent channels decides between 16 and 44.1 kHz."""
    is_16k = generator.latent_channels == VAE_16K.latent_channels
    return ModelSpec(
        video_encoder=VideoEncoderSpec(),
        generator=generator,
        vae=VAE_16K if is_16k else VAE_44K,
        vocoder=VOCODER_16K if is_16k else VOCODER_44K,
        mel=MEL_16K if is_16k else MEL_44K,
        t5=T5Spec(),
        clip_text=ClipTextSpec(),
    )
