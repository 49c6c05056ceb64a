"""The vocoder's initial weights: a bank of oscillators on harmonics of the mel frame rate, one per mel band.

A network that only convolves and upsamples turns a steady mel into a waveform that repeats with every mel frame: sums of
harmonics of the frame rate (62.5 Hz). From random weights, losses on magnitudes find that structure only after very long
training, and the output is silent until then. So it is set up here: band b drives harmonic h = (r0 + n0 * (r1 + n1 * r2)),
whose residues are realised by one upsampling stage each, as complex amplitudes in pairs of channels. All other weights of each
stage are small and random.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from selva_core.network.mel import MelSpectrogram
from selva_core.network.vocoder import SnakeBeta, UpConv, Vocoder, WeightNormConv

Pair: TypeAlias = "tuple[int, int | None]"
"""Channels of the real and the imaginary part; None where there is only a real one."""
RANDOM_SCALE = 0.01
QUIET_MEL = -4.6
QUIET_SCALE = 0.05
INNER_GAIN = 30.0
"""Ratio of amplitudes inside the network to those of the waveform, which gives weights the size that optimisers expect."""
ACTIVATION_ANGLE = 0.8
"""Angle of the sine of an activation at log10 mel 0; below one radian its square is convex."""


def band_centres_hz(mel_of: MelSpectrogram) -> Tensor:
    """Frequency at which each mel filter is largest, float32 (M,)."""
    bins_hz = torch.linspace(0.0, mel_of.spec.sample_rate_hz / 2, mel_of.filters.shape[1])
    return bins_hz[mel_of.filters.argmax(dim=1)]


def amplitudes_of(mel: Tensor, mel_of: MelSpectrogram) -> Tensor:
    """Amplitudes (B, M, R) of one sine per band that would give about the log10 mel (B, M, R)."""
    peak = mel_of.filters.amax(dim=1)[None, :, None]
    return 0.6 * 10.0**mel / (peak * mel_of.spec.fft_samples / 2)


def run_first_stage(vocoder: Vocoder, mel: Tensor) -> Tensor:
    """The output of the stage at the frame rate: mel (B, M, R) -> (B, C, R)."""
    x = _up_convs(vocoder)[0](vocoder.conv_pre(mel))
    num_kernels = len(vocoder.spec.res_kernels)
    out: Tensor = torch.stack([block(x) for block in list(vocoder.resblocks)[:num_kernels]]).mean(dim=0)
    return out


def start_as_oscillators(vocoder: Vocoder, mel_of: MelSpectrogram) -> None:
    """Set up the bank in a vocoder whose first stage does not upsample.

    Raises ValueError for another layout.
    """
    rates = vocoder.spec.up_rates
    if rates[0] != 1:
        raise ValueError(f"the first stage of the vocoder does not upsample; got up_rates {rates}")
    harmonics = _harmonics(mel_of, rates[1])
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for name, layer in vocoder.named_modules():
            if isinstance(layer, WeightNormConv):
                _set(layer, RANDOM_SCALE * torch.randn_like(layer.weight_v))
                if ".convs2." in name:
                    layer.weight_g.mul_(0.3)
                if ".convs1." in name:
                    layer.weight_g.fill_(0.7)
        _set_first_stage(vocoder, mel_of)
        sources: list[Pair] = [(band, None) for band in range(len(harmonics))]
        groups = harmonics
        phases = rng.uniform(0, 2 * np.pi, len(harmonics))
        ups = _up_convs(vocoder)[1:]
        for up, rate in zip(ups, rates[1:], strict=True):
            is_last = up is ups[-1]
            sources, groups = _build_stage(up, rate, sources, groups, phases, is_last=is_last)
            phases = np.zeros(len(groups))
        _read_real_part(vocoder)


def _harmonics(mel_of: MelSpectrogram, rate: int) -> np.ndarray:
    """The harmonic of each band; one on the edge between two images moves to its neighbour."""
    frame_rate_hz = mel_of.spec.sample_rate_hz / mel_of.spec.hop_samples
    harmonics = np.rint(band_centres_hz(mel_of).numpy() / frame_rate_hz).astype(int).clip(1, 124)
    on_edge = (harmonics % rate == rate // 2) & (harmonics > rate // 2)
    return np.where(on_edge, harmonics + 1, harmonics)


def _up_convs(vocoder: Vocoder) -> list[UpConv]:
    return [layer for layer in vocoder.ups.modules() if isinstance(layer, UpConv)]


def _set(layer: WeightNormConv, weight: Tensor) -> None:
    layer.weight_v.copy_(weight)
    layer.weight_g.copy_(torch.linalg.vector_norm(weight, dim=(1, 2), keepdim=True))


def _set_first_stage(vocoder: Vocoder, mel_of: MelSpectrogram) -> None:
    """Give every band its own channel, in which two activations turn the log level approximately into an amplitude."""
    bands = torch.arange(mel_of.spec.num_mels)
    pre = 0.02 * RANDOM_SCALE * torch.randn_like(vocoder.conv_pre.weight_v)
    first_up = _up_convs(vocoder)[0]
    first = RANDOM_SCALE * torch.randn_like(first_up.weight_v)
    pre[bands, bands, pre.shape[-1] // 2] += QUIET_SCALE
    first[bands, bands, 0] += 1.0
    _set(vocoder.conv_pre, pre)
    _set(first_up, first)
    if vocoder.conv_pre.bias is not None:
        vocoder.conv_pre.bias.copy_(-QUIET_MEL * pre.sum(dim=(1, 2)))
    block = vocoder.resblocks[0]
    activations = [layer for layer in block.modules() if isinstance(layer, SnakeBeta)]
    convs = [layer for layer in block.modules() if isinstance(layer, WeightNormConv)]
    angles = ((ACTIVATION_ANGLE / (-QUIET_MEL * QUIET_SCALE), 1.0), (ACTIVATION_ANGLE, 10.0))
    for act, (angle, size) in zip(activations, angles, strict=True):
        act.alpha.fill_(math.log(angle))
        act.beta.fill_(math.log(math.sin(ACTIVATION_ANGLE) ** 2 / size))
    loudest = amplitudes_of(torch.zeros(1, len(bands), 1), mel_of)[0, :, 0]
    for conv, gains in zip(convs, (torch.ones(len(bands)), INNER_GAIN * loudest / 11.0), strict=True):
        weight = 0.003 * torch.randn_like(conv.weight_v)
        weight[bands, bands, weight.shape[-1] // 2] += gains
        _set(conv, weight)


def _build_stage(
    up: UpConv,
    rate: int,
    sources: list[Pair],
    groups: np.ndarray,
    phases: np.ndarray,
    *,
    is_last: bool,
) -> tuple[list[Pair], np.ndarray]:
    """One upsampling stage: source k has the index `groups[k]` = residue + rate * next group.

    sources: channels of the real and the imaginary part (None where real only). Returns sources and groups of its output.
    """
    weight = RANDOM_SCALE * torch.randn_like(up.weight_v)
    kernel = weight.shape[-1]
    taps = np.arange(kernel)
    window = np.sin(np.pi * (taps + 0.5) / kernel) ** 2 * (2 * rate / kernel)
    steps = taps - (kernel - rate) // 2
    following = np.zeros_like(groups) if is_last else (groups + rate // 2) // rate
    residues = groups - rate * following
    for (real, imaginary), group, residue, phase in zip(sources, following, residues, phases, strict=True):
        angle = 2 * math.pi * residue * steps / rate + phase
        cos, sin = (torch.from_numpy(window * f(angle)).float() for f in (np.cos, np.sin))
        weight[real, 2 * group] += cos
        weight[real, 2 * group + 1] += sin
        if imaginary is not None:
            weight[imaginary, 2 * group] -= sin
            weight[imaginary, 2 * group + 1] += cos
    _set(up, weight)
    distinct = np.unique(following)
    return [(2 * int(group), 2 * int(group) + 1) for group in distinct], distinct


def _read_real_part(vocoder: Vocoder) -> None:
    post = 0.01 * RANDOM_SCALE * torch.randn_like(vocoder.conv_post.weight_v)
    post[0, 0, post.shape[-1] // 2] += 1.0 / INNER_GAIN
    _set(vocoder.conv_post, post)
    vocoder.activation_post.act.alpha.fill_(-3.0)
