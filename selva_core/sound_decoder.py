"""From latents to a waveform in bounded memory: VAE decoder, then vocoder, in pieces that join.

The vocoder is all convolutions: a piece that is given its neighbours' nearest mel frames comes out as it
would from the whole. The VAE's attention sees everything at once, and was trained on one window: longer
sounds go through it in overlapping runs of that length, whose mel frames are blended along the overlap.

Letters: N latents, C channels, M mels, R mel frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from selva_core.batching import BatchLimit
from selva_core.network import Network, Vae, Vocoder
from selva_core.specs import VocoderSpec
from selva_core.windows import blend_weights

VOCODER_BLOCKS_TOGETHER = 4

_VAE_OVERLAP_LATENTS = 64
_VAE_STRETCH = 1.25  # a sound up to this many windows long is decoded whole
_BLOCK_FRAMES = 160
_ACTIVATION_REACH = 6  # samples: 12 taps up and 12 down at twice the rate


def decode_sound(
    network: Network, latents: Tensor, *, limit: BatchLimit, check: Callable[[], None]
) -> Tensor:
    """latents (N, C) as the VAE knows them -> float32 (N * samples per latent) on the CPU.

    limit: how many blocks of mel frames go through the vocoder together. `check` may raise to stop.
    Raises OutOfMemoryError.
    """
    window_latents = network.spec.num_latents(network.spec.window_s)
    mel = decode_mel(network.vae, latents, window_latents=window_latents, check=check)
    return decode_wave(network.vocoder, mel, limit=limit, check=check)


def decode_mel(
    vae: Vae, latents: Tensor, *, window_latents: int, check: Callable[[], None] = lambda: None
) -> Tensor:
    """latents (N, C) -> mel (M, R), float32 on the latents' device."""
    runs = _spread_runs(len(latents), window_latents)
    per_latent = vae.spec.frames_per_latent
    frames = [slice(run.start * per_latent, run.stop * per_latent) for run in runs]
    mel = latents.new_zeros(vae.spec.num_mels, len(latents) * per_latent)
    for run, places, weights in zip(runs, frames, blend_weights(frames), strict=True):
        check()
        mel[:, places] += torch.from_numpy(weights).to(mel.device) * vae.decode(latents[None, run])[0]
    return mel


def decode_wave(
    vocoder: Vocoder, mel: Tensor, *, limit: BatchLimit, check: Callable[[], None] = lambda: None
) -> Tensor:
    """mel (M, R) -> float32 (R * hop) on the CPU, the same to rounding however it is cut into blocks."""
    num_frames, hop = mel.shape[1], vocoder.spec.hop_samples
    context = count_context_frames(vocoder.spec)
    wave = torch.empty(num_frames * hop)

    def decode(blocks: Sequence[int]) -> None:
        check()
        first, last = blocks[0], min(blocks[-1] + _BLOCK_FRAMES, num_frames)
        lead = min(context, first)
        piece = vocoder(mel[None, :, first - lead : last + context])[0]
        wave[first * hop : last * hop] = piece[lead * hop : (lead + last - first) * hop].cpu()

    limit.run(range(0, num_frames, _BLOCK_FRAMES), decode)
    return wave


def count_context_frames(spec: VocoderSpec) -> int:
    """How many mel frames on either side a sample of the vocoder's output depends on."""
    reach = Fraction(3)  # first convolution, 7 taps
    samples_per_frame = 1
    for rate, kernel in zip(spec.up_rates, spec.up_kernels, strict=True):
        reach += Fraction(kernel, 2 * rate * samples_per_frame) + Fraction(1, samples_per_frame)
        samples_per_frame *= rate
        widest = max(spec.res_kernels) // 2
        convolutions = sum(widest * dilation + widest for dilation in spec.res_dilations)
        activations = 2 * len(spec.res_dilations) * _ACTIVATION_REACH
        reach += Fraction(convolutions + activations, samples_per_frame)
    return math.ceil(reach + Fraction(_ACTIVATION_REACH + 3, samples_per_frame))


def _spread_runs(num_latents: int, window_latents: int) -> list[slice]:
    """Runs of one window's length that overlap, evenly spread; a sound of little more than one window is one run."""
    if num_latents <= window_latents * _VAE_STRETCH:
        return [slice(0, num_latents)]
    last = num_latents - window_latents
    num_hops = math.ceil(last / max(window_latents - _VAE_OVERLAP_LATENTS, 1))
    starts = [last * i // num_hops for i in range(num_hops + 1)]
    return [slice(start, start + window_latents) for start in starts]
