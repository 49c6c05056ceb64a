"""BigVGAN: mel frames to a waveform through anti-aliased periodic activations (arXiv 2206.04658).

Dimensions: B batch, C channels, M mels, R mel frames, n samples at the rate of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selva_core.models.part_specs import VocoderSpec
from selva_core.network._layers import StoredWeight, check_shape, draw_normal
from selva_core.network._short_conv import arrange_taps, convolve, is_wide, transform_taps
from selva_core.network._snake_rows import activate_rows

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""x (B, C, n), alpha and 1 / beta (C,), taps (12,) -> the anti-aliased SnakeBeta of x, the same shape."""

FILTER_TAPS = 12
_SAMPLES_AT_A_TIME = 1 << 18  # 1 MB a buffer: half of that and less cost more in calls than the cache saves


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
    """Convolution whose weight is stored as directions and norms along its first axis (arXiv 1602.07868)."""

    stored_names = ("weight_g", "weight_v")

    def __init__(self, shape: tuple[int, int, int], *, num_bias: int, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        directions = draw_normal(*shape, spread=0.01)
        norms = torch.empty(shape[0], 1, 1)
        if not norms.is_meta:  # see `draw_normal`
            torch.linalg.vector_norm(directions, dim=(1, 2), keepdim=True, out=norms)
        self.weight_g = nn.Parameter(norms)
        self.weight_v = nn.Parameter(directions)
        self.bias = nn.Parameter(torch.zeros(num_bias)) if num_bias else None

    def build_weight(self) -> Tensor:
        norms = torch.linalg.vector_norm(self.weight_v, dim=(1, 2), keepdim=True)
        weight: Tensor = self.weight_v * (self.weight_g / norms)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in, n) -> (B, out, n)."""
        weight = self.weight_in_use
        padding = self.dilation * (weight.shape[-1] // 2)
        return F.conv1d(x, weight, self.bias, padding=padding, dilation=self.dilation)


class ResidualConv(WeightNormConv):
    """A convolution of a residual block. A wide one, once baked on a CPU, holds its taps as `convolve` reads them."""

    def __init__(self, shape: tuple[int, int, int], *, num_bias: int, dilation: int = 1) -> None:
        super().__init__(shape, num_bias=num_bias, dilation=dilation)
        self.kernel = shape[2]

    @property
    def is_arranged(self) -> bool:
        """Whether the weight is in the form of `arrange_taps`. Told from the weight alone: weights come and go without the layer
        (`selva_core.network.residency`).
        """
        return self.baked_weight is not None and self.baked_weight.shape[2] != self.kernel

    def bake(self) -> None:
        super().bake()
        weight = self.weight_in_use
        if not self.is_arranged and is_wide(weight):
            self.baked_weight = arrange_taps(weight).contiguous()

    def convolve_rows(self, x: Tensor) -> Tensor:
        """x (B, n, in) -> (B, n, out); for a wide one."""
        points = transform_taps(self.weight_in_use)
        return convolve(x, points, self.bias, kernel=self.kernel, dilation=self.dilation)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in, n) -> (B, out, n)."""
        return self.convolve_rows(x.mT).mT if self.is_arranged else super().forward(x)


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

    def share(self) -> Tensor:
        """1 / beta, (C, 1)."""
        share: Tensor = 1.0 / (self.beta.exp()[:, None] + 1e-9)
        return share

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, n) -> the same shape."""
        alpha = self.alpha.exp()[:, None]
        return torch.addcmul(x, self.share(), torch.sin(x * alpha).square())


class SlidingSum(torch.autograd.Function):
    """A filter with fixed taps, as a sum of shifted copies of its input.

    On a CPU this is faster than a convolution per channel, and so is its gradient, which is the filter with reversed taps
    over the zero-padded gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Sequence[float]) -> Tensor:
        """x (..., n) -> (..., n - len(taps) + 1): y[i] = sum of taps[k] * x[i + k]."""
        ctx.taps = taps
        num_outputs = x.shape[-1] - len(taps) + 1
        total = x[..., :num_outputs] * taps[0]
        for k, tap in enumerate(taps[1:], 1):
            total.add_(x[..., k : k + num_outputs], alpha=tap)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient of the sums (..., n - len(taps) + 1) -> that of x."""
        padding = len(ctx.taps) - 1
        return slide(F.pad(gradients[0], (padding, padding)), ctx.taps[::-1]), None


def slide(x: Tensor, taps: Sequence[float]) -> Tensor:
    """`SlidingSum` of x (..., n), with its gradient."""
    slid: Tensor = SlidingSum.apply(x, taps)  # type: ignore[no-untyped-call]
    return slid


@cache
def _low_pass_phases() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The taps of the low pass with even index, and those with odd index."""
    taps = build_low_pass().flatten().tolist()
    return tuple(taps[0::2]), tuple(taps[1::2])


class LowPass(nn.Module):
    """Holds the filter taps that published files contain, twice per activation; `build_low_pass` computes the same ones."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.empty(1, 1, FILTER_TAPS)
        self.register_buffer("filter", taps if taps.is_meta else build_low_pass())


class Downsampler(nn.Module):
    """Gives the low pass its published key name."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = LowPass()


class AntiAliasedSnake(nn.Module):
    """SnakeBeta at twice the rate: upsampled by a low pass, activated, downsampled by a low pass; edges are repeated.

    The samples at twice the rate are never interleaved: `on` are those that coincide with samples of x, `between` are those
    that follow them.

    Most of a vocoder's time goes into this. Without a gradient it is computed in place and, on a CPU, a few channels at a
    time, so that what is computed stays in the processor's cache: 0.5 to 0.7 of the time, with the same bits.
    """

    _taps: Tensor | None

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = SnakeBeta(channels)
        self.upsample = LowPass()
        self.downsample = Downsampler()
        self._kernel: Kernel | None = None
        self.register_buffer("_taps", None, persistent=False)  # a buffer, so that it is freed with the rest

    def use_kernel(self, kernel: Kernel, taps: Tensor) -> None:
        """Compute it by one kernel instead (see `selva_core.network.fused_snake`)."""
        self._kernel, self._taps = kernel, taps

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, n) -> the same shape."""
        if torch.is_grad_enabled():
            return self._forward_with_gradient(x)
        if self._kernel is not None and self._taps is not None:
            return self._kernel(x, self.act.alpha.exp(), self.act.share()[:, 0], self._taps)
        alpha, share = self.act.alpha.exp()[:, None], self.act.share()
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        if x.device.type != "cpu":
            # One call for the whole batch: there a call costs more than a small tensor takes.
            batch_size = len(x)
            _activate(
                x.flatten(0, 1), alpha.repeat(batch_size, 1), share.repeat(batch_size, 1), out=y.flatten(0, 1)
            )
            return y
        channels = max(_SAMPLES_AT_A_TIME // x.shape[2], 1)
        for waveform, result in zip(x, y, strict=True):
            for first in range(0, x.shape[1], channels):
                some = slice(first, first + channels)
                _activate(waveform[some], alpha[some], share[some], out=result[some])
        return y

    def forward_rows(self, x: Tensor) -> Tensor:
        """x (B, n, C) on a CPU, without a gradient -> the same shape."""
        alpha, share = self.act.alpha.exp(), self.act.share()[:, 0]
        return activate_rows(x, alpha, share, _low_pass_phases())

    def _forward_with_gradient(self, x: Tensor) -> Tensor:
        even, odd = _low_pass_phases()
        left, right = len(odd) // 2 - 1, len(odd) // 2  # padding for six taps
        padded = F.pad(x, (right, right), mode="replicate")
        on = self.act(2.0 * slide(padded[..., :-1], odd[::-1]))
        between = self.act(2.0 * slide(padded[..., 1:], even[::-1]))
        first, last = on[..., :1], between[..., -1:]
        on = torch.cat([first] * left + [on] + [last] * right, dim=-1)
        between = torch.cat([first] * right + [between] + [last] * left, dim=-1)
        return slide(on, odd) + slide(between, even)


def _activate(x: Tensor, alpha: Tensor, share: Tensor, *, out: Tensor) -> None:
    """The anti-aliased SnakeBeta of x (C, n) into `out`; alpha and share (C, 1)."""
    even, odd = _low_pass_phases()
    left, right = len(odd) // 2 - 1, len(odd) // 2
    num_samples = x.shape[1]
    padded = x.new_empty(len(x), num_samples + 2 * right)
    padded[:, right:-right] = x
    padded[:, :right], padded[:, -right:] = x[:, :1], x[:, -1:]
    on = x.new_empty(len(x), num_samples + left + right)
    between = torch.empty_like(on)
    spare = torch.empty_like(out)
    inner_on, inner_between = on[:, left:-right], between[:, right:-left]
    for taps, source, inner in ((odd, padded[:, :-1], inner_on), (even, padded[:, 1:], inner_between)):
        _slide_into(source, [2.0 * tap for tap in reversed(taps)], out=inner)
        torch.mul(inner, alpha, out=spare)
        inner.addcmul_(share, spare.sin_().square_())
    first, last = inner_on[:, :1], inner_between[:, -1:]
    on[:, :left], on[:, -right:] = first, last
    between[:, :right], between[:, -left:] = first, last
    _slide_into(on, odd, out=out)
    _slide_into(between, even, out=spare)
    out.add_(spare)


def _slide_into(x: Tensor, taps: Sequence[float], *, out: Tensor) -> None:
    """`SlidingSum` without a gradient."""
    num_outputs = out.shape[-1]
    torch.mul(x[..., :num_outputs], taps[0], out=out)
    for k, tap in enumerate(taps[1:], 1):
        out.add_(x[..., k : k + num_outputs], alpha=tap)


_Pair = tuple[ResidualConv, ResidualConv, AntiAliasedSnake, AntiAliasedSnake]


class ResidualBlock(nn.Module):
    """Pairs of convolutions, one dilated and one not, each after an activation."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        shape = (channels, channels, kernel)
        self.convs1 = nn.ModuleList(ResidualConv(shape, num_bias=channels, dilation=d) for d in dilations)
        self.convs2 = nn.ModuleList(ResidualConv(shape, num_bias=channels) for _ in dilations)
        self.activations = nn.ModuleList(AntiAliasedSnake(channels) for _ in range(2 * len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, n) -> the same shape."""
        for i, (conv1, conv2) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            activation1, activation2 = self.activations[2 * i], self.activations[2 * i + 1]
            x = x + conv2(activation2(conv1(activation1(x))))
        return x

    @property
    def is_wide(self) -> bool:
        """Whether `forward_rows` computes it."""
        return all(conv.is_arranged for conv in (*self.convs1, *self.convs2))

    def forward_rows(self, x: Tensor) -> Tensor:
        """x (B, n, C) -> the same shape; in this layout the convolutions of a wide block are matrix products."""
        layers = zip(self.convs1, self.convs2, self.activations[::2], self.activations[1::2], strict=True)
        for conv1, conv2, activation1, activation2 in cast(Iterator[_Pair], layers):
            y = conv1.convolve_rows(activation1.forward_rows(x))
            x = conv2.convolve_rows(activation2.forward_rows(y)).add_(x)
        return x


class Vocoder(nn.Module):
    """The BigVGAN generator; attribute names are the published ones. Always float32: stems have 24 bits."""

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

    def forward(self, mel: Tensor, check: Callable[[], None] = lambda: None) -> Tensor:
        """mel float32 (B, M, R) -> waveform (B, R * hop), -1..1. `check` is called between stages; it may raise to stop."""
        check_shape("mel", mel, (None, self.spec.num_mels, None))
        num_kernels = len(self.spec.res_kernels)
        x = self.conv_pre(mel)
        for i, up in enumerate(self.ups):
            x = up(x)
            blocks = cast(Sequence[ResidualBlock], self.resblocks[i * num_kernels : (i + 1) * num_kernels])
            x = _run_stage(blocks, x, check)
        waveform = self.conv_post(self.activation_post(x)).squeeze(1)
        return torch.tanh(waveform) if self.spec.final == "tanh" else waveform.clamp(-1.0, 1.0)


def _run_stage(blocks: Sequence[ResidualBlock], x: Tensor, check: Callable[[], None]) -> Tensor:
    """x (B, C, n) -> the mean of the blocks over it, the same shape."""
    is_wide = all(block.is_wide for block in blocks) and not torch.is_grad_enabled()
    if is_wide:
        x = x.mT.contiguous()
    total = None
    for block in blocks:
        check()
        branch = block.forward_rows(x) if is_wide else block(x)
        total = branch if total is None else total + branch
    mean = cast(Tensor, total) / len(blocks)
    return mean.mT if is_wide else mean
