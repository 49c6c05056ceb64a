"""Sampling a stretch of a stem whose other latents are known: inpainting along the flow.

A flow from noise to audio is straight in what it was trained on: at time t the latents are (1 - t) * noise + t * audio
(arXiv 2210.02747). So what is known can be put onto that line before each step, and the generator, which sees all latents of
a window, fits the stretch to both of its sides (as RePaint does for diffusion, arXiv 2201.09865). A stem goes on before its
start and after its end in the same way, the stretches being on the outer sides of what is known.

Dimensions: R stems, N latents of the whole clip, C channels.
"""

from __future__ import annotations

import math
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
    """latents: float32 (N, C), normalised as the generator has them. stretches: the latents that are not known, whatever
    `latents` has there.
    """

    latents: Tensor
    stretches: tuple[slice, ...]


def latents_in(spec: ModelSpec, start_s: Fraction, end_s: Fraction, *, num_latents: int) -> slice:
    """The latents of a stretch of a clip, whose edges are rounded to the nearest latent; at least one."""
    per_second = Fraction(spec.sample_rate_hz) / spec.latent_hop_samples
    start = min(round_half_up(start_s * per_second), num_latents - 1)
    return slice(start, min(max(round_half_up(end_s * per_second), start + 1), num_latents))


@dataclass(frozen=True, kw_only=True)
class ExtendedSpan:
    """Where the latents of an earlier stem go among those of a longer one.

    first: the place of its first latent. known: the latents of the whole that are taken from it. delay_s: by how much what is
    decoded begins too early to fit to the earlier stem, whose start is hardly ever a whole number of latents away, and whose
    own file may be later than its latents; at most half a latent either way.
    """

    first: int
    known: slice
    delay_s: Fraction
    num_latents: int

    @property
    def stretches(self) -> tuple[slice, ...]:
        """The latents that are made."""
        spans = (slice(0, self.known.start), slice(self.known.stop, self.num_latents))
        return tuple(span for span in spans if span.start < span.stop)


def locate_earlier(
    spec: ModelSpec,
    *,
    head_s: Fraction,
    earlier_s: Fraction,
    tail_s: Fraction,
    num_latents: int,
    earlier_delay_s: Fraction = Fraction(0),
) -> ExtendedSpan:
    """Where a stem of `earlier_s` goes in one of `num_latents` that begins `head_s` before it and ends `tail_s` after it.

    earlier_delay_s: by how much the file of the earlier stem is later than its latents, because its head was extended before.

    Latents that reach beyond an edge at which the stem goes on are made anew, at least one there, and so are those that are held
    at a clip's start.
    """
    per_second = Fraction(spec.sample_rate_hz) / spec.latent_hop_samples
    start_s = head_s + earlier_delay_s
    first = round_half_up(
        start_s * per_second
    )  # `num_latents` where less than half a latent of the earlier stem is left
    start = max(first + spec.num_start_latents_held, 1) if head_s else 0
    stop = (
        first + math.floor((earlier_s - earlier_delay_s) * per_second)
        if tail_s
        else first + spec.num_latents(earlier_s)
    )
    stop = min(max(stop, start), num_latents - 1 if tail_s else num_latents)
    return ExtendedSpan(
        first=first,
        known=slice(min(start, stop), stop),
        delay_s=start_s - first / per_second,
        num_latents=num_latents,
    )


def windows_touching(windows: Sequence[Window], stretches: Sequence[slice]) -> frozenset[int]:
    """The indices of the windows that make latents of some stretches."""
    return frozenset(
        index
        for index, window in enumerate(windows)
        if any(window.latents.start < each.stop and each.start < window.latents.stop for each in stretches)
    )


def hold_known(known: Sequence[KnownLatents | None], noise: Tensor) -> Settle:
    """Put what is known of each stem onto its line from `noise` (R, N, C); None for a stem of which nothing is known."""

    def settle(x: Tensor, t: float) -> Tensor:
        held = x.clone()
        for index, each in enumerate(known):
            if each is not None:
                line = (1.0 - t) * noise[index] + t * each.latents
                for stretch in each.stretches:
                    line[stretch] = x[index, stretch]
                held[index] = line
        return held

    def leave(x: Tensor, t: float) -> Tensor:
        return x

    return settle if any(each is not None for each in known) else leave
