"""Sampling a stretch of a stem whose other latents are known: inpainting along the flow.

A flow from noise to audio is straight in what it was trained on: at time t the latents are (1 - t) * noise + t * audio
(arXiv 2210.02747). So what is known can be put onto that line before each step, and the generator, which sees all latents of
a window, fits the stretch to both of its sides (as RePaint does for diffusion, arXiv 2201.09865).

Dimensions: R stems, N latents of the whole clip, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from selva_core.base.rational import round_half_up
from selva_core.inference.windows import Window
from selva_core.models.specs import ModelSpec

Settle = Callable[[Tensor, float], Tensor]
"""Latents (R, N, C) and a time of the flow -> the latents from which the next step is taken."""


@dataclass(frozen=True, kw_only=True)
class KnownLatents:
    """latents: float32 (N, C), normalised as the generator has them. stretch: the latents that are not known."""

    latents: Tensor
    stretch: slice


def latents_in(spec: ModelSpec, start_s: Fraction, end_s: Fraction, *, num_latents: int) -> slice:
    """The latents of a stretch of a clip, whose edges are rounded to the nearest latent; at least one."""
    per_second = Fraction(spec.sample_rate_hz) / spec.latent_hop_samples
    start = min(round_half_up(start_s * per_second), num_latents - 1)
    return slice(start, min(max(round_half_up(end_s * per_second), start + 1), num_latents))


def windows_touching(windows: Sequence[Window], stretch: slice) -> frozenset[int]:
    """The indices of the windows that make latents of a stretch."""
    return frozenset(
        index
        for index, window in enumerate(windows)
        if window.latents.start < stretch.stop and stretch.start < window.latents.stop
    )


def hold_known(known: Sequence[KnownLatents | None], noise: Tensor) -> Settle:
    """Put what is known of each stem onto its line from `noise` (R, N, C); None for a stem of which nothing is known."""

    def settle(x: Tensor, t: float) -> Tensor:
        held = x.clone()
        for index, each in enumerate(known):
            if each is not None:
                line = (1.0 - t) * noise[index] + t * each.latents
                line[each.stretch] = x[index, each.stretch]
                held[index] = line
        return held

    def leave(x: Tensor, t: float) -> Tensor:
        return x

    return settle if any(each is not None for each in known) else leave
