"""BigVGAN: mel frames to a waveform through anti-aliased periodic activations (arXiv 2206.04658).

Letters: B batch, C channels, M mels, R mel frames, n samples at the rate of a layer.
"""

from __future__ import annotations

import math
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selva_core.network._layers import StoredWeight, check_shape
from selva_core.specs import VocoderSpec

FILTER_TAPS = 12


def build_low_pass() -> Tensor:
    """Low pass at half of Nyquist, 12 taps: a sinc under a Kaiser window, summing to one; float32 (1, 1, 12).

    The window is the one for a transition of 0.6 of the sample rate (Kaiser's formula for attenuation and
    beta).
    """
    half = FILTER_TAPS // 2
    attenuation_db = 2.285 * (half - 1) * math.pi * 4 * 0.3 + 7.95
    if attenuation_db > 50:
        beta = 0.1102 * (attenuation_db - 8.7)
    else:
        beta = 0.5842 * (attenuation_db - 21) ** 0.4 + 0.07886 * (attenuation_db - 21)
    window = torch.kaiser_window(FILTER_TAPS, periodic=False, beta=beta, dtype=torch.float64)
    taps = window * torch.sinc((torch.arange(-half, half, dtype=torch.float64) + 0.5) / 2)
    return (taps / taps.sum()).float()[None, None]


class WeightNormConv(StoredWeight):
    """Convolution whose weight is stored as directions and lengths along its first axis (arXiv 1602.07868)."""

    stored_names = ("weight_g", "weight_v")

    def __init__(self, shape: tuple[int, int, int], *, num_bias: int, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        directions = 0.01 * torch.randn(shape)
        self.weight_g = nn.Parameter(torch.linalg.vector_norm(directions, dim=(1, 2), keepdim=True))
        self.weight_v = nn.Parameter(directions)
        self.bias = nn.Parameter(torch.zeros(num_bias)) if num_bias else None

    def build_weight(self) -> Tensor:
        lengths = torch.linalg.vector_norm(self.weight_v, dim=(1, 2), keepdim=True)
        weight: Tensor = self.weight_v * (self.weight_g / lengths)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in, n) -> (B, out, n)."""
        weight = self.weight_in_use
        padding = self.dilation * (weight.shape[-1] // 2)
        return F.conv1d(x, weight, self.bias, padding=padding, dilation=self.dilation)


class UpConv(WeightNormConv):
    """Transposed convolution to a higher rate."""

    def __init__(self, in_channels: int, out_channels: int, rate: int, kernel: int) -> None:
        super().__init__((in_channels, out_channels, kernel), num_bias=out_channels)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in, n) -> (B, out, n * rate)."""
        weight = self.weight_in_use
        padding = (weight.shape[-1] - self.rate) // 2
        return F.conv_transpose1d(x, weight, self.bias, stride=self.rate, padding=padding)


class SnakeBeta(nn.Module):
    """x + sin(alpha x)^2 / beta, with alpha and beta stored as logarithms per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, n) -> the same shape."""
        alpha = self.alpha.exp()[:, None]
        share = 1.0 / (self.beta.exp()[:, None] + 1e-9)
        return torch.addcmul(x, share, torch.sin(x * alpha).square())


class LowPass(nn.Module):
    """Holds the taps of one low pass, a fixed table that published files carry once per activation."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", build_low_pass())


class Downsampler(nn.Module):
    """Gives the low pass its published name."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = LowPass()


class AntiAliasedSnake(nn.Module):
    """SnakeBeta at twice the rate: up by a low pass, bend, down by a low pass; edges are held."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = SnakeBeta(channels)
        self.upsample = LowPass()
        self.downsample = Downsampler()

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, n) -> the same shape."""
        num_channels = x.shape[1]
        up, down = (
            taps.expand(num_channels, -1, -1)
            for taps in (2.0 * self.upsample.filter, self.downsample.lowpass.filter)
        )
        left, right = FILTER_TAPS // 2 - 1, FILTER_TAPS // 2  # what the second low pass sees beyond the edges
        held = F.pad(x, (left, left), mode="replicate")
        doubled = F.conv_transpose1d(
            held, up, stride=2, padding=2 * left, output_padding=1, groups=num_channels
        )
        bent = self.act(doubled)
        bent[..., :left] = bent[..., left : left + 1]
        bent[..., -right:] = bent[..., -right - 1 : -right]
        return F.conv1d(bent, down, stride=2, groups=num_channels)


class ResidualBlock(nn.Module):
    """Pairs of convolutions, one dilated and one not, each behind an activation."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        shape = (channels, channels, kernel)
        self.convs1 = nn.ModuleList(WeightNormConv(shape, num_bias=channels, dilation=d) for d in dilations)
        self.convs2 = nn.ModuleList(WeightNormConv(shape, num_bias=channels) for _ in dilations)
        self.activations = nn.ModuleList(AntiAliasedSnake(channels) for _ in range(2 * len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, n) -> the same shape."""
        for i, (conv1, conv2) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            bend1, bend2 = self.activations[2 * i], self.activations[2 * i + 1]
            x = x + conv2(bend2(conv1(bend1(x))))
        return x


class Vocoder(nn.Module):
    """The BigVGAN generator; attribute names are the published ones. Always float32: sound keeps 24 bits."""

    def __init__(self, spec: VocoderSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = [spec.initial_channels // 2**i for i in range(len(spec.up_rates) + 1)]
        self.conv_pre = WeightNormConv((widths[0], spec.num_mels, 7), num_bias=widths[0])
        self.ups = nn.ModuleList(
            nn.Sequential(UpConv(widths[i], widths[i + 1], rate, kernel))
            for i, (rate, kernel) in enumerate(zip(spec.up_rates, spec.up_kernels, strict=True))
        )
        self.resblocks = nn.ModuleList(
            ResidualBlock(width, kernel, spec.res_dilations)
            for width, kernel in product(widths[1:], spec.res_kernels)
        )
        self.activation_post = AntiAliasedSnake(widths[-1])
        self.conv_post = WeightNormConv((1, widths[-1], 7), num_bias=int(spec.has_final_bias))

    def forward(self, mel: Tensor) -> Tensor:
        """mel float32 (B, M, R) -> waveform (B, R * hop), -1..1."""
        check_shape("mel", mel, (None, self.spec.num_mels, None))
        num_kernels = len(self.spec.res_kernels)
        x = self.conv_pre(mel)
        for i, up in enumerate(self.ups):
            x = up(x)
            blocks = self.resblocks[i * num_kernels : (i + 1) * num_kernels]
            x = sum(block(x) for block in blocks) / num_kernels
        wave = self.conv_post(self.activation_post(x)).squeeze(1)
        return torch.tanh(wave) if self.spec.final == "tanh" else wave.clamp(-1.0, 1.0)
