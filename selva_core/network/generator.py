"""Flow-matching generator over audio latents (MMAudio, arXiv 2412.15322; steered by SelVA's sync features).

Conditions are computed once per prompt by `prepare_conditions`; each step of the sampler is one call of `flow`. Lengths
come with the tensors and are never stored.

Dimensions: B batch, N audio latents, K CLIP frames, L text tokens, S segments, D width, C latent channels, H
heads, R sync features of a segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from selva_core.models.part_specs import GeneratorSpec
from selva_core.network._layers import GatedConvMlp, GatedMlp, TokenConv, check_shape, draw_normal, zero
from selva_core.network._streams import (
    FusedBlock,
    JointBlock,
    RepeatedRows,
    Rotations,
    Streams,
    build_rotation,
    find_repeated,
    modulate,
)

_WIDE = 192  # in narrower ones a look for equal rows takes what it saves
_MAX_HELD_BYTES = 1 << 30  # of transformed taps: the small models take 0.82 GB, medium would take 3.2


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the generator needs of prompts and video, for any number of steps.

    sync: (B, N, D), one vector per latent; clip: (B, K, D); text: (B, L, D); pooled: (B, D). All float32.
    """

    sync: Tensor
    clip: Tensor
    text: Tensor
    pooled: Tensor
    rotations: Rotations

    @property
    def batch_size(self) -> int:
        return self.sync.shape[0]

    @property
    def num_latents(self) -> int:
        return self.sync.shape[1]

    def expand(self, batch_size: int) -> Conditions:
        """Repeat a batch of 1 to `batch_size`, as views."""
        return Conditions(
            sync=self.sync.expand(batch_size, -1, -1),
            clip=self.clip.expand(batch_size, -1, -1),
            text=self.text.expand(batch_size, -1, -1),
            pooled=self.pooled.expand(batch_size, -1),
            rotations=self.rotations,
        )


def join_conditions(parts: Sequence[Conditions]) -> Conditions:
    """One batch from several of the same lengths. Raises ValueError when the lengths differ."""
    for one, other in pairwise(parts):
        check_shape("sync to join", other.sync, (None, *one.sync.shape[1:]))
        check_shape("clip to join", other.clip, (None, *one.clip.shape[1:]))
    return Conditions(
        sync=torch.cat([part.sync for part in parts]),
        clip=torch.cat([part.clip for part in parts]),
        text=torch.cat([part.text for part in parts]),
        pooled=torch.cat([part.pooled for part in parts]),
        rotations=parts[0].rotations,
    )


class Generator(nn.Module):
    """The velocity field of the flow; attribute names are the published ones.

    Input projections, conditions and final layer are float32; the blocks' attention and MLPs may run in bfloat16 (see PARTS).
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec
        width, hidden = spec.width, spec.gated_width
        self.sync_pos_emb = nn.Parameter(
            draw_normal(1, 1, spec.num_sync_per_segment, spec.sync_width, spread=0.02)
        )
        self.register_buffer("latent_mean", torch.zeros(1, 1, spec.latent_channels))
        self.register_buffer("latent_std", torch.ones(1, 1, spec.latent_channels))
        self.empty_string_feat = nn.Parameter(draw_normal(spec.num_text_tokens, spec.text_width, spread=0.02))
        self.empty_clip_feat = nn.Parameter(draw_normal(1, spec.clip_width, spread=0.02))
        self.empty_sync_feat = nn.Parameter(draw_normal(1, spec.sync_width, spread=0.02))

        def activation() -> nn.Module:
            return nn.SiLU() if spec.is_v2 else nn.SELU()

        v2_activation = [nn.SiLU()] if spec.is_v2 else []
        self.audio_input_proj = nn.Sequential(
            TokenConv(spec.latent_channels, width, 7), activation(), GatedConvMlp(width, hidden, 7)
        )
        self.clip_input_proj = nn.Sequential(
            nn.Linear(spec.clip_width, width), *v2_activation, GatedConvMlp(width, hidden, 3)
        )
        self.sync_input_proj = nn.Sequential(
            TokenConv(spec.sync_width, width, 7), activation(), GatedConvMlp(width, hidden, 3)
        )
        self.text_input_proj = nn.Sequential(
            nn.Linear(spec.text_width, width), *v2_activation, GatedMlp(width, hidden)
        )
        self.clip_cond_proj = nn.Linear(width, width)
        self.text_cond_proj = nn.Linear(width, width)
        self.global_cond_mlp = GatedMlp(width, hidden)
        self.t_embed = TimeEmbedding(spec)
        self.joint_blocks = nn.ModuleList(
            JointBlock(width, spec.num_heads, hidden, is_last=i == spec.joint_depth - 1)
            for i in range(spec.joint_depth)
        )
        self.fused_blocks = nn.ModuleList(
            FusedBlock(width, spec.num_heads, hidden, kernel=3) for _ in range(spec.fused_depth)
        )
        self.final_layer = FinalLayer(width, spec.latent_channels)

    def prepare_conditions(
        self,
        *,
        text: Tensor,
        sync: Tensor,
        clip: Tensor | None = None,
        num_clip_frames: int,
        num_latents: int,
    ) -> Conditions:
        """Compute what does not change from step to step, once per prompt.

        text: (B, L, text_width), normalised CLIP token states; sync: (B, S * sync per segment, sync_width);
        clip: (B, num_clip_frames, clip_width), normalised CLIP image features, or None for a model without them.
        """
        spec = self.spec
        check_shape("text", text, (None, spec.num_text_tokens, spec.text_width))
        batch_size = text.shape[0]
        check_shape("sync", sync, (batch_size, None, spec.sync_width))
        if sync.shape[1] == 0 or sync.shape[1] % spec.num_sync_per_segment:
            raise ValueError(
                f"sync has {spec.num_sync_per_segment} features per segment; got {sync.shape[1]} features"
            )
        if clip is None:
            clip = self.empty_clip_feat.expand(batch_size, num_clip_frames, -1)
        check_shape("clip", clip, (batch_size, num_clip_frames, spec.clip_width))

        text_tokens = self.text_input_proj(text.float())
        clip_tokens = self.clip_input_proj(clip.float())
        pooled = self.clip_cond_proj(clip_tokens.mean(dim=1)) + self.text_cond_proj(text_tokens.mean(dim=1))
        head_width = spec.head_width
        return Conditions(
            sync=self._project_sync(sync, num_latents),
            clip=clip_tokens,
            text=text_tokens,
            pooled=self.global_cond_mlp(pooled),
            rotations=Rotations(
                latent=build_rotation(num_latents, head_width, 1.0, text.device),
                clip=build_rotation(num_clip_frames, head_width, num_latents / num_clip_frames, text.device),
            ),
        )

    def prepare_null_conditions(
        self, *, text: Tensor | None = None, num_sync: int, num_clip_frames: int, num_latents: int
    ) -> Conditions:
        """The conditions that guidance leads away from: no video, and a negative prompt or no text.

        text: (B, L, text_width), normalised CLIP token states of the negative prompts, or None for a batch of
        1 without text.
        """
        text = self.empty_string_feat[None] if text is None else text
        return self.prepare_conditions(
            text=text,
            sync=self.empty_sync_feat.expand(text.shape[0], num_sync, -1),
            num_clip_frames=num_clip_frames,
            num_latents=num_latents,
        )

    def flow(self, latents: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        """Velocity at time t of the flow, 0 (noise) to 1 (audio).

        latents: (B, N, C), normalised; t: () or (B,); returns (B, N, C) in the dtype of `latents`.
        """
        batch_size, num_latents = conditions.batch_size, conditions.num_latents
        check_shape("latents", latents, (batch_size, num_latents, self.spec.latent_channels))
        time = self.t_embed(t.to(latents.device).expand(batch_size))
        c = rearrange(time + conditions.pooled, "b d -> b 1 d")
        e: Tensor | RepeatedRows = c + conditions.sync
        if self.spec.width >= _WIDE and latents.device.type == "cpu" and not torch.is_grad_enabled():
            e = find_repeated(c + conditions.sync, conditions.sync)

        x = self.audio_input_proj(latents.float())
        streams = Streams(x, conditions.clip, conditions.text)
        for block in self.joint_blocks:
            streams = block(streams, c, e, conditions.rotations)
        x = streams.latent
        for block in self.fused_blocks:
            x = block(x, e, conditions.rotations.latent)
        velocity: Tensor = self.final_layer(x, c)
        return velocity.to(latents.dtype)

    @contextmanager
    def many_steps(self) -> Iterator[None]:
        """Prepare for many calls of `flow` without a gradient: on a CPU they take a fifth less time, for memory that is given
        back at the end. Numbers differ by rounding.
        """
        used_in_each = (self.audio_input_proj, self.joint_blocks, self.fused_blocks)
        convolutions = [
            layer for part in used_in_each for layer in part.modules() if isinstance(layer, TokenConv)
        ]
        if sum(layer.num_held_bytes for layer in convolutions) > _MAX_HELD_BYTES:
            yield
            return
        try:
            for layer in convolutions:
                layer.hold_taps()
            yield
        finally:
            for layer in convolutions:
                layer.drop_taps()

    def normalize(self, latents: Tensor) -> Tensor:
        """The VAE's latents (B, N, C) -> normalised latents of the flow."""
        return (latents - self.latent_mean) / self.latent_std

    def unnormalize(self, latents: Tensor) -> Tensor:
        """Normalised latents of the flow (B, N, C) -> the VAE's latents."""
        return latents * self.latent_std + self.latent_mean

    def _project_sync(self, sync: Tensor, num_latents: int) -> Tensor:
        """sync (B, S * R, sync_width) -> one vector per latent (B, N, D), nearest in time."""
        per_segment = rearrange(sync.float(), "b (s r) d -> b s r d", r=self.spec.num_sync_per_segment)
        positioned = rearrange(per_segment + self.sync_pos_emb, "b s r d -> b (s r) d")
        projected = self.sync_input_proj(positioned)
        resampled = F.interpolate(projected.transpose(1, 2), size=num_latents, mode="nearest-exact")
        return resampled.transpose(1, 2).contiguous()


class TimeEmbedding(nn.Module):
    """The flow's time as a vector: sinusoids computed in float32, then a small MLP."""

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.num_frequencies = spec.time_width // 2
        self.frequency_scale = 10_000.0 if spec.is_v2 else 1.0
        self.mlp = nn.Sequential(
            nn.Linear(spec.time_width, spec.width), nn.SiLU(), nn.Linear(spec.width, spec.width)
        )

    def forward(self, t: Tensor) -> Tensor:
        """t (B,) -> (B, D)."""
        # A reciprocal of a power, not a negative power, as in training: at the angles of v2 the rounding of float32 is audible.
        shares = (
            torch.arange(self.num_frequencies, dtype=torch.float32, device=t.device) / self.num_frequencies
        )
        frequencies = self.frequency_scale * (1.0 / 10_000.0**shares)
        angles = t.float()[:, None] * frequencies
        sinusoids = torch.cat([angles.cos(), angles.sin()], dim=-1)
        embedded: Tensor = self.mlp(sinusoids)
        return embedded


class FinalLayer(nn.Module):
    """From width to latent channels, modulated by time and prompt."""

    def __init__(self, width: int, latent_channels: int) -> None:
        super().__init__()
        modulation = nn.Linear(width, 2 * width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), modulation)
        self.conv = TokenConv(width, latent_channels, 7)
        zero(modulation)
        zero(self.conv)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """x (B, N, D), c (B, 1, D) -> (B, N, C)."""
        shift, scale = self.adaLN_modulation(c).chunk(2, dim=-1)
        velocity: Tensor = self.conv(modulate(x, shift, scale))
        return velocity
