"""From latents to a waveform in bounded memory: VAE decoder, then vocoder, in pieces that join.

The vocoder is all convolutions: a piece that is given its neighbours' nearest mel frames comes out as it
would from the whole. The VAE's attention sees everything at once, and was trained on one window: longer
sounds go through it in overlapping runs of that length, whose mel frames are blended along the overlap.

Letters: N latents, C channels, M mels, R mel frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from selva_core.inference.batching import BatchLimit
from selva_core.inference.windows import blend_weights
from selva_core.models.specs import VocoderSpec
from selva_core.network import Network, Vae, Vocoder

GPU_BLOCKS_TOGETHER = 4
CPU_BLOCKS_TOGETHER = 2  # more are no faster there, and each takes some 60 MB (nano)

_VAE_OVERLAP_LATENTS = 64
_VAE_STRETCH = 1.25  # a sound up to this many windows long is decoded whole
_BLOCK_FRAMES = 160
_ACTIVATION_REACH = 6  # samples: 12 taps up and 12 down at twice the rate


def iter_sound(
    network: Network, latents: Tensor, *, limit: BatchLimit, check: Callable[[], None]
) -> Iterator[Tensor]:
    """latents (N, C) as the VAE knows them -> blocks that together are float32 (N * samples per latent), on the CPU.

    limit: how many stretches of mel frames go through the vocoder together. `check` may raise to stop.
    Raises OutOfMemoryError.
    """
    window_latents = network.spec.num_latents(network.spec.window_s)
    mel = iter_mel(network.vae, latents, window_latents=window_latents, check=check)
    return iter_wave(network.vocoder, mel, limit=limit, check=check)


def iter_mel(
    vae: Vae, latents: Tensor, *, window_latents: int, check: Callable[[], None] = lambda: None
) -> Iterator[Tensor]:
    """latents (N, C) -> stretches (M, r) that together are the mel (M, R), float32 on the latents' device."""
    per_latent = vae.spec.frames_per_latent
    runs = _spread_runs(len(latents), window_latents)
    frames = [slice(run.start * per_latent, run.stop * per_latent) for run in runs]
    ends = [places.start for places in frames[1:]] + [
        frames[-1].stop
    ]  # how far the mel is done after each run
    unfinished = latents.new_zeros(vae.spec.num_mels, 0)
    for run, places, weights, end in zip(runs, frames, blend_weights(frames), ends, strict=True):
        check()
        share = torch.from_numpy(weights).to(latents.device) * vae.decode(latents[None, run])[0]
        share[:, : unfinished.shape[1]] += unfinished
        num_done = end - places.start
        yield share[:, :num_done]
        unfinished = share[:, num_done:]


def iter_wave(
    vocoder: Vocoder, mel: Iterable[Tensor], *, limit: BatchLimit, check: Callable[[], None] = lambda: None
) -> Iterator[Tensor]:
    """Stretches (M, r) of a mel -> blocks of its sound, float32 (r * hop) on the CPU.

    Together they are the same to rounding however the mel is cut.
    """
    context = count_context_frames(vocoder.spec)
    num_together = limit.num_items * _BLOCK_FRAMES
    for stretch, first, end in _iter_with_context(mel, num_frames=num_together, context=context):
        yield _decode_stretch(vocoder, stretch, first, end, limit=limit, check=check)


def _iter_with_context(
    stretches: Iterable[Tensor], *, num_frames: int, context: int
) -> Iterator[tuple[Tensor, int, int]]:
    """Cut a mel into pieces of `num_frames`: each with its place in a tensor that has up to `context` more around."""
    coming = iter(stretches)
    held = next(coming)
    first, is_whole = 0, False
    while not is_whole or first < held.shape[1]:
        while not is_whole and held.shape[1] < first + num_frames + context:
            stretch = next(coming, None)
            is_whole = stretch is None
            held = held if stretch is None else torch.cat([held, stretch], dim=1)
        end = min(first + num_frames, held.shape[1])
        yield held[:, : end + context], first, end
        held = held[:, max(end - context, 0) :]
        first = min(end, context)


def _decode_stretch(
    vocoder: Vocoder, mel: Tensor, first: int, end: int, *, limit: BatchLimit, check: Callable[[], None]
) -> Tensor:
    """The sound of the frames from `first` to `end` of a mel (M, R), float32 on the CPU."""
    hop, context = vocoder.spec.hop_samples, count_context_frames(vocoder.spec)
    made: list[Tensor] = []

    def decode(blocks: Sequence[int]) -> None:
        check()
        begin, stop = blocks[0], min(blocks[-1] + _BLOCK_FRAMES, end)
        lead = min(context, begin)
        piece = vocoder(mel[None, :, begin - lead : stop + context])[0]
        made.append(piece[lead * hop : (lead + stop - begin) * hop].cpu())

    limit.run(range(first, end, _BLOCK_FRAMES), decode)
    return torch.cat(made)


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
