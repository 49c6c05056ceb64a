"""Autoencoder between mel frames and latents, of magnitude-preserving 1-D convolutions (EDM2, arXiv 2312.02696).

Dimensions: B batch, C channels, M mels, N latents, R mel frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from selva_core.models.part_specs import VaeSpec
from selva_core.network._layers import StoredWeight, check_shape, draw_normal

Check = Callable[[], None]
_EPS = 1e-4
_BRANCH_SHARE = 0.3


@dataclass(frozen=True)
class Posterior:
    """Gaussian over latents: mean and std, (B, N, C) each."""

    mean: Tensor
    std: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """noise (B, N, C), standard normal -> latents (B, N, C)."""
        return self.mean + self.std * noise


class Vae(nn.Module):
    """Mel frames to latents and back; attribute names are the published ones.

    has_encoder: needed for training and evaluation; rendering needs the decoder only.
    """

    data_mean: Tensor
    data_std: Tensor

    def __init__(self, spec: VaeSpec, *, has_encoder: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("data_mean", torch.zeros(1, spec.num_mels, 1))
        self.register_buffer("data_std", torch.ones(1, spec.num_mels, 1))
        self.encoder = VaeEncoder(spec) if has_encoder else None
        self.decoder = VaeDecoder(spec)

    def encode(self, mel: Tensor) -> Posterior:
        """mel (B, M, R), R a multiple of the frames per latent -> posterior over (B, N, C) latents.

        Raises RuntimeError when the VAE was built without its encoder.
        """
        if self.encoder is None:
            raise RuntimeError("this VAE was loaded without its encoder; load it with has_encoder=True")
        check_shape("mel", mel, (None, self.spec.num_mels, None))
        moments = self.encoder((mel - self.data_mean) / self.data_std)
        mean, log_variance = rearrange(moments, "b (two c) n -> two b n c", two=2)
        return Posterior(mean, torch.exp(0.5 * log_variance.clamp(-30.0, 20.0)))

    def decode(self, latents: Tensor, check: Check = lambda: None) -> Tensor:
        """latents (B, N, C) -> mel (B, M, N * frames per latent). `check` is called between blocks, and may raise to stop:
        one window of a published size takes seconds on a CPU.
        """
        check_shape("latents", latents, (None, None, self.spec.latent_channels))
        normalized: Tensor = self.decoder(rearrange(latents, "b n c -> b c n"), check)
        return normalized * self.data_std + self.data_mean


def _normalize(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Scale to a root mean square of one over `dims`, computed in float32."""
    count = math.prod(x.shape[dim] for dim in dims)
    norm = torch.linalg.vector_norm(x, dim=dims, keepdim=True, dtype=torch.float32)
    normalized: Tensor = x / (_EPS + norm / math.sqrt(count)).to(x.dtype)
    return normalized


def _silu(x: Tensor) -> Tensor:
    """SiLU that keeps the magnitude of normal input."""
    return F.silu(x) / 0.596


def _mix(x: Tensor, branch: Tensor) -> Tensor:
    """Weighted sum that keeps the magnitude."""
    share = _BRANCH_SHARE
    return torch.lerp(x, branch, share) / math.hypot(1.0 - share, share)


class MpConv(StoredWeight):
    """Convolution whose weights are used at unit magnitude, whatever their stored size."""

    stored_names = ("weight",)

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(draw_normal(out_channels, in_channels, kernel, spread=1.0))

    def build_weight(self) -> Tensor:
        return _normalize(self.weight, (1, 2)) / math.sqrt(self.weight[0].numel())

    def forward(self, x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        """x (B, in_channels, R) -> (B, out_channels, R)."""
        weight = self.weight_in_use
        return F.conv1d(x, weight * gain, padding=weight.shape[-1] // 2)


class ResBlock(nn.Module):
    """Pixel norm, then two convolutions mixed with the shortcut."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = MpConv(in_channels, out_channels, 3)
        self.conv2 = MpConv(out_channels, out_channels, 3)
        self.nin_shortcut = (
            MpConv(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()
        )

    def forward(self, x: Tensor, check: Check = lambda: None) -> Tensor:
        """x (B, in_channels, R) -> (B, out_channels, R)."""
        check()
        x = _normalize(x, (1,))
        branch = self.conv1(_silu(x))
        check()
        branch = self.conv2(_silu(branch))
        return _mix(self.nin_shortcut(x), branch)


class ChannelAttention(nn.Module):
    """One head over all positions; queries, keys and values are normalised over the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = MpConv(channels, 3 * channels, 1)
        self.proj_out = MpConv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, R) -> (B, C, R)."""
        q, k, v = rearrange(self.qkv(x), "b (c qkv) r -> qkv b 1 r c", qkv=3)
        q, k, v = (_normalize(y, (3,)).contiguous() for y in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v)
        return _mix(x, self.proj_out(rearrange(attended, "b 1 r c -> b c r")))


class Middle(nn.Module):
    """Residual block, attention, residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1 = ResBlock(channels, channels)
        self.attn_1 = ChannelAttention(channels)
        self.block_2 = ResBlock(channels, channels)

    def forward(self, x: Tensor, limit: float, check: Check = lambda: None) -> Tensor:
        """x (B, C, R) -> (B, C, R)."""
        x = self.block_1(x, check).clamp(-limit, limit)
        check()
        x = self.attn_1(x).clamp(-limit, limit)
        return cast(Tensor, self.block_2(x, check).clamp(-limit, limit))


class Downsample(nn.Module):
    """Half the rate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = MpConv(channels, channels, 1)
        self.conv2 = MpConv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, R) -> (B, C, R / 2)."""
        y: Tensor = self.conv2(F.avg_pool1d(self.conv1(x), 2))
        return y


class Upsample(nn.Module):
    """Twice the rate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = MpConv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, R) -> (B, C, 2 R)."""
        y: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest-exact"))
        return y


class Level(nn.Module):
    """Residual blocks at one width."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int) -> None:
        super().__init__()
        widths = [in_channels] + [out_channels] * num_blocks
        self.block = nn.ModuleList(ResBlock(one, other) for one, other in pairwise(widths))

    def forward(self, x: Tensor, limit: float, check: Check = lambda: None) -> Tensor:
        """x (B, in_channels, R) -> (B, out_channels, R)."""
        for block in self.block:
            x = block(x, check).clamp(-limit, limit)
        return x


class DownLevel(Level):
    """A level of the encoder, with half the rate after it where the spec says so."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int, *, halves: bool) -> None:
        super().__init__(in_channels, out_channels, num_blocks)
        self.downsample = Downsample(out_channels) if halves else nn.Identity()

    def forward(self, x: Tensor, limit: float, check: Check = lambda: None) -> Tensor:
        """x (B, in_channels, R) -> (B, out_channels, R or R / 2)."""
        y: Tensor = self.downsample(super().forward(x, limit, check))
        return y


class UpLevel(Level):
    """A level of the decoder, with twice the rate after it where the encoder halves it."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int, *, doubles: bool) -> None:
        super().__init__(in_channels, out_channels, num_blocks)
        self.upsample = Upsample(out_channels) if doubles else nn.Identity()

    def forward(self, x: Tensor, limit: float, check: Check = lambda: None) -> Tensor:
        """x (B, in_channels, R) -> (B, out_channels, R or 2 R)."""
        y: Tensor = self.upsample(super().forward(x, limit, check))
        return y


class VaeEncoder(nn.Module):
    """Mel frames to mean and log variance of the latents."""

    def __init__(self, spec: VaeSpec) -> None:
        super().__init__()
        self.limit = spec.activation_limit
        widths = spec.level_widths
        self.conv_in = MpConv(spec.num_mels, widths[0], 3)
        self.down = nn.ModuleList(
            DownLevel(widths[max(i - 1, 0)], width, spec.num_res_blocks, halves=i in spec.halving_levels)
            for i, width in enumerate(widths)
        )
        self.mid = Middle(widths[-1])
        self.conv_out = MpConv(widths[-1], 2 * spec.latent_channels, 3)
        self.learnable_gain = nn.Parameter(torch.zeros(()))

    def forward(self, mel: Tensor) -> Tensor:
        """mel (B, M, R), normalised -> (B, 2 C, N)."""
        x = self.conv_in(mel)
        for level in self.down:
            x = level(x, self.limit)
        x = self.mid(x, self.limit)
        moments: Tensor = self.conv_out(_silu(x), gain=self.learnable_gain + 1)
        return moments


class VaeDecoder(nn.Module):
    """Latents to normalised mel; `up` is numbered from the mel side, as published."""

    def __init__(self, spec: VaeSpec) -> None:
        super().__init__()
        self.limit = spec.activation_limit
        widths = spec.level_widths
        self.conv_in = MpConv(spec.latent_channels, widths[-1], 3)
        self.mid = Middle(widths[-1])
        self.up = nn.ModuleList(
            UpLevel(wider, width, spec.num_res_blocks + 1, doubles=i - 1 in spec.halving_levels)
            for i, (width, wider) in enumerate(zip(widths, (*widths[1:], widths[-1]), strict=True))
        )
        self.conv_out = MpConv(widths[0], spec.num_mels, 3)
        self.learnable_gain = nn.Parameter(torch.zeros(()))

    def forward(self, latents: Tensor, check: Check = lambda: None) -> Tensor:
        """latents (B, C, N) -> (B, M, R)."""
        x = self.mid(self.conv_in(latents), self.limit, check)
        for level in reversed(self.up):
            x = level(x, self.limit, check)
        mel: Tensor = self.conv_out(_silu(x), gain=self.learnable_gain + 1)
        return mel
