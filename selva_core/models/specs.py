"""The sizes of a whole model, the lengths that follow from a duration, and the published models.

This module is light: it imports neither torch nor av.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from selva_core.base.limits import DEFAULT_GUIDANCE
from selva_core.models.part_specs import (
    ClipTextSpec,
    GeneratorSpec,
    MelSpec,
    T5Spec,
    VaeSpec,
    VideoEncoderSpec,
    VocoderSpec,
    require,
    require_positive,
)

PUBLISHED_GUIDANCE = DEFAULT_GUIDANCE
"""Guidance that the published models sound best with (arXiv 2512.02650)."""


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
    best with. num_start_latents_held: the number of latents at a clip's start that are replaced by the one after them, for a
    model that tends to begin with the end of a sound that started before the clip. noise_scale: of the noise that sampling begins
    from, relative to that of training; a small model imagines less when it begins from less.
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
    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self, "window_s", "clip_rate_hz", "noise_scale")
        require(
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
            require(
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

    @property
    def sampling_mark(self) -> str:
        """What changes the samples of the same weights, in short and exactly; empty for the values of published models."""
        is_usual = self.noise_scale == 1.0 and self.usual_guidance == PUBLISHED_GUIDANCE
        noise = "" if is_usual else f"noise {self.noise_scale} guidance {self.usual_guidance}"
        return " ".join(filter(None, (noise, "bridges" if self.video_encoder.bridges_segments else "")))

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
    require(duration_s > 0, f"a duration is longer than 0 s; got {float(duration_s):g} s")
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
