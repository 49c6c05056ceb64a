"""From latents to a waveform in bounded memory: VAE decoder, then vocoder, in pieces that join without a seam.

The vocoder is all convolutions: a piece that is decoded with enough mel frames of its neighbours comes out as it would from
the whole. The VAE's attention spans its whole input and was trained on one window: longer audio goes through it in
overlapping runs of that length, whose mel frames are blended along the overlap.

Dimensions: N latents, C channels, M mels, R mel frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selva_core.inference.batching import BatchLimit
from selva_core.inference.windows import blend_weights
from selva_core.models.part_specs import VocoderSpec
from selva_core.models.specs import ModelSpec
from selva_core.network import Network, Vae, Vocoder, host_copy

GPU_BATCH_BLOCKS = 4
CPU_BATCH_BLOCKS = 2  # more are no faster there, and each takes some 60 MB (nano)

_VAE_OVERLAP_LATENTS = 64  # over which the mel frames of two neighbouring runs are blended
_MAX_WHOLE_WINDOWS = 1.25  # audio up to this many windows long is decoded in one run
_BLOCK_FRAMES = 160
_ACTIVATION_REACH_SAMPLES = 6  # 12 taps up and 12 down at twice the rate


def iter_audio(
    network: Network, latents: Tensor, *, limit: BatchLimit, check: Callable[[], None]
) -> Iterator[npt.NDArray[np.float32]]:
    """latents (N, C), denormalised -> blocks that together are float32 (N * samples per latent), on the CPU.

    limit: how many blocks of mel frames go through the vocoder in one call. `check` may raise to stop. Raises
    OutOfMemoryError.
    """
    window_latents = network.spec.num_latents(network.spec.window_s)
    mel = iter_mel(network.vae, latents, window_latents=window_latents, check=check)
    return iter_waveform(network.vocoder, mel, limit=limit, check=check)


def decode_span(
    network: Network, latents: Tensor, span: slice, *, limit: BatchLimit, check: Callable[[], None]
) -> npt.NDArray[np.float32]:
    """The samples of some of the latents (N, C), as `iter_audio` makes them from all, to rounding; float32 on the CPU.

    Only what these samples depend on is decoded: a second of a long clip costs little. Raises OutOfMemoryError.
    """
    return decode_span_mel(
        network.vocoder,
        span_mel(network.vae, network.spec, latents, span, check=check),
        limit=limit,
        check=check,
    )


@dataclass(frozen=True, kw_only=True)
class SpanMel:
    """The mel (M, r) that some samples depend on, and which of its frames are theirs."""

    mel: Tensor
    frames: slice


def span_mel(
    vae: Vae, spec: ModelSpec, latents: Tensor, span: slice, *, check: Callable[[], None]
) -> SpanMel:
    """What the samples of some of the latents (N, C) are decoded from."""
    per_latent = vae.spec.frames_per_latent
    context = -(-count_context_frames(spec.vocoder) // per_latent)
    reached = slice(max(span.start - context, 0), min(span.stop + context, len(latents)))
    window_latents = spec.num_latents(spec.window_s)
    first, mel = _mel_around(vae, latents, reached, window_latents=window_latents, check=check)
    return SpanMel(
        mel=mel[:, (reached.start - first) * per_latent : (reached.stop - first) * per_latent],
        frames=slice((span.start - reached.start) * per_latent, (span.stop - reached.start) * per_latent),
    )


def decode_span_mel(
    vocoder: Vocoder, span: SpanMel, *, limit: BatchLimit, check: Callable[[], None]
) -> npt.NDArray[np.float32]:
    """The samples of the frames of a SpanMel, float32 on the CPU. Raises OutOfMemoryError."""
    hop = vocoder.spec.hop_samples
    blocks = list(iter_waveform(vocoder, [span.mel], limit=limit, check=check))
    return np.concatenate(blocks)[span.frames.start * hop : span.frames.stop * hop]


def _mel_around(
    vae: Vae, latents: Tensor, span: slice, *, window_latents: int, check: Callable[[], None]
) -> tuple[int, Tensor]:
    """The mel (M, r) of the runs that some of the latents (N, C) are in, and the latent at which it begins.

    It is the mel of the whole within `span`; beside it, frames that a run shares with one that was left out are faint.
    """
    runs = _spread_runs(len(latents), window_latents)
    touching = [run for run in runs if run.start < span.stop and span.start < run.stop]
    pieces = _iter_blended(vae, latents, runs, chosen=touching, check=check)
    return touching[0].start, torch.cat(list(pieces), dim=1)


def iter_mel(
    vae: Vae, latents: Tensor, *, window_latents: int, check: Callable[[], None] = lambda: None
) -> Iterator[Tensor]:
    """latents (N, C) -> pieces (M, r) that together are the mel (M, R), float32 on the latents' device."""
    runs = _spread_runs(len(latents), window_latents)
    return _iter_blended(vae, latents, runs, chosen=runs, check=check)


def _iter_blended(
    vae: Vae, latents: Tensor, runs: Sequence[slice], *, chosen: Sequence[slice], check: Callable[[], None]
) -> Iterator[Tensor]:
    """The mel of consecutive runs, blended along their overlaps with the weights that they have among all runs."""
    per_latent = vae.spec.frames_per_latent
    weight_of = dict(
        zip(
            (run.start for run in runs),
            blend_weights([slice(run.start * per_latent, run.stop * per_latent) for run in runs]),
            strict=True,
        )
    )
    frames = [slice(run.start * per_latent, run.stop * per_latent) for run in chosen]
    # After each run the mel is final up to where the next run begins.
    final_ends = [*(run_frames.start for run_frames in frames[1:]), frames[-1].stop]
    overlap = latents.new_zeros(vae.spec.num_mels, 0)
    for run, run_frames, final_end in zip(chosen, frames, final_ends, strict=True):
        check()
        weights = weight_of[run.start]
        weighted = (
            host_copy.to_device(torch.from_numpy(weights), latents.device)
            * vae.decode(latents[None, run], check)[0]
        )
        weighted[:, : overlap.shape[1]] += overlap
        num_final = final_end - run_frames.start
        yield weighted[:, :num_final]
        overlap = weighted[:, num_final:]


def iter_waveform(
    vocoder: Vocoder, mel: Iterable[Tensor], *, limit: BatchLimit, check: Callable[[], None] = lambda: None
) -> Iterator[npt.NDArray[np.float32]]:
    """Pieces (M, r) of a mel -> blocks of its waveform, float32 (r * hop) on the CPU.

    Together they are the same to rounding however the mel is cut.
    """
    context = count_context_frames(vocoder.spec)
    num_frames = limit.num_items * _BLOCK_FRAMES
    for padded, first, end in _iter_with_context(mel, num_frames=num_frames, context=context):
        yield _decode_frames(vocoder, padded, first, end, limit=limit, check=check)


def _iter_with_context(
    pieces: Iterable[Tensor], *, num_frames: int, context: int
) -> Iterator[tuple[Tensor, int, int]]:
    """Cut a mel anew into pieces of `num_frames`.

    Yields each within a tensor that has up to `context` frames more on either side, and where it begins and ends there.
    """
    remaining = iter(pieces)
    buffer = next(remaining)
    first, is_complete = 0, False
    while not is_complete or first < buffer.shape[1]:
        while not is_complete and buffer.shape[1] < first + num_frames + context:
            piece = next(remaining, None)
            is_complete = piece is None
            buffer = buffer if piece is None else torch.cat([buffer, piece], dim=1)
        end = min(first + num_frames, buffer.shape[1])
        yield buffer[:, : end + context], first, end
        buffer = buffer[:, max(end - context, 0) :]
        first = min(end, context)


def _decode_frames(
    vocoder: Vocoder, mel: Tensor, first: int, end: int, *, limit: BatchLimit, check: Callable[[], None]
) -> npt.NDArray[np.float32]:
    """The waveform of the frames from `first` to `end` of a mel (M, R), float32 on the CPU."""
    hop, context = vocoder.spec.hop_samples, count_context_frames(vocoder.spec)
    decoded: list[Tensor] = []

    def decode(blocks: Sequence[int]) -> None:
        check()
        begin, stop = blocks[0], min(blocks[-1] + _BLOCK_FRAMES, end)
        # The lead-in, and the frames after `stop`, are decoded and cut off: at the edges of its input a convolution pads with
        # zeros and an activation repeats a sample, so that the edges of each block would differ from the whole. The edges of
        # the audio itself keep that padding, as in training.
        lead = min(context, begin)
        waveform = vocoder(mel[None, :, begin - lead : stop + context], check)[0]
        decoded.append(waveform[lead * hop : (lead + stop - begin) * hop])

    limit.run(range(first, end, _BLOCK_FRAMES), decode)
    return host_copy.to_array(torch.cat(decoded))


def count_context_frames(spec: VocoderSpec) -> int:
    """How many mel frames on either side a sample of the vocoder's output depends on."""
    reach = Fraction(3)  # first convolution, 7 taps
    samples_per_frame = 1
    for rate, kernel in zip(spec.up_rates, spec.up_kernels, strict=True):
        reach += Fraction(kernel, 2 * rate * samples_per_frame) + Fraction(1, samples_per_frame)
        samples_per_frame *= rate
        widest = max(spec.res_kernels) // 2
        convolutions = sum(widest * dilation + widest for dilation in spec.res_dilations)
        activations = 2 * len(spec.res_dilations) * _ACTIVATION_REACH_SAMPLES
        reach += Fraction(convolutions + activations, samples_per_frame)
    return math.ceil(reach + Fraction(_ACTIVATION_REACH_SAMPLES + 3, samples_per_frame))


def _spread_runs(num_latents: int, window_latents: int) -> list[slice]:
    """Overlapping runs of one window's length, evenly spread; audio little longer than a window is one run."""
    if num_latents <= window_latents * _MAX_WHOLE_WINDOWS:
        return [slice(0, num_latents)]
    last = num_latents - window_latents
    num_hops = math.ceil(last / max(window_latents - _VAE_OVERLAP_LATENTS, 1))
    starts = [last * i // num_hops for i in range(num_hops + 1)]
    return [slice(start, start + window_latents) for start in starts]
