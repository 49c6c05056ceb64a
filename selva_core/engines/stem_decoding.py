"""From the latents of sampled stems to their samples: the VAE makes mels, the vocoder samples from them.

Where parts of the network share a device's memory in turn, the VAE makes the mels of all stems before the vocoder comes; else
each stem's mel is decoded as it is made, so that a long clip's is never there as a whole.

Dimensions: N latents, C channels, M mels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from selva_core.engine import REDO_MARGIN_S
from selva_core.inference.audio_decoder import (
    CPU_BATCH_BLOCKS,
    GPU_BATCH_BLOCKS,
    SpanMel,
    decode_span_mel,
    iter_mel,
    iter_waveform,
    span_mel,
)
from selva_core.inference.batching import BatchLimit, device_memory
from selva_core.inference.progress import AUDIO_COST
from selva_core.network import Network

Check = Callable[[], None]
"""Called between pieces of work; raises to stop."""


@dataclass(frozen=True, kw_only=True)
class MelSpan:
    """num_silent: the samples of silence before it. mel: what its samples are decoded from."""

    num_silent: int
    mel: SpanMel


@dataclass(frozen=True, kw_only=True)
class StemMel:
    """pieces: of a whole stem's mel, each (M, r); its samples are `num_samples`. stretches: in their place, where only those of
    a stem are wanted.
    """

    pieces: Iterable[Tensor] = ()
    num_samples: int
    stretches: tuple[MelSpan, ...] | None = None


class StemDecoder:
    """Decodes with one network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._limit = BatchLimit(
            CPU_BATCH_BLOCKS if network.device.type == "cpu" else GPU_BATCH_BLOCKS,
            memory=device_memory(network.device),
        )

    def build_mel(self, latents: Tensor, stretches: Sequence[slice] | None, check: Check) -> StemMel:
        """latents (N, C), denormalised, of a stem; stretches: where only these and REDO_MARGIN_S beside them are wanted.

        The VAE must be resident (`Residency.need`) until this returns, or, where all parts are, until the mel is decoded.
        """
        spec = self._network.spec
        num_samples = len(latents) * spec.latent_hop_samples
        if stretches is not None:
            return StemMel(
                stretches=tuple(self._iter_stretches(latents, stretches, check)), num_samples=num_samples
            )
        pieces: Iterable[Tensor] = iter_mel(
            self._network.vae, latents, window_latents=spec.num_latents(spec.window_s), check=check
        )
        if self._network.residency.on_demand:
            pieces = list(pieces)
        return StemMel(pieces=pieces, num_samples=num_samples)

    def iter_samples(
        self, mel: StemMel, *, num_windows: int, check: Check, on_cost: Callable[[float], None]
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Blocks of the stem's samples from its start, silence between stretches; the vocoder must be resident.

        on_cost: called with the cost of each block that was taken. Raises OutOfMemoryError.
        """
        vocoder = self._network.vocoder
        if mel.stretches is not None:
            for stretch in mel.stretches:
                yield np.zeros(stretch.num_silent, np.float32)
                yield decode_span_mel(vocoder, stretch.mel, limit=self._limit, check=check)
            on_cost(AUDIO_COST)
            return
        for block in iter_waveform(vocoder, mel.pieces, limit=self._limit, check=check):
            yield block
            on_cost(AUDIO_COST * num_windows * len(block) / mel.num_samples)

    def _iter_stretches(self, latents: Tensor, stretches: Sequence[slice], check: Check) -> Iterator[MelSpan]:
        spec = self._network.spec
        margin = math.ceil(REDO_MARGIN_S * spec.sample_rate_hz / spec.latent_hop_samples)
        done = 0
        for stretch in stretches:
            span = slice(max(stretch.start - margin, done), min(stretch.stop + margin, len(latents)))
            yield MelSpan(
                num_silent=(span.start - done) * spec.latent_hop_samples,
                mel=span_mel(self._network.vae, spec, latents, span, check=check),
            )
            done = span.stop
