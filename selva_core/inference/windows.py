"""Covers a clip of any length with windows of the length that a model was trained on.

Windows start on the grid of the video encoder's segments (0.32 s), so that neighbours share segments exactly. Latents do
not fall on that grid at every sample rate: a window's first latent is its start time rounded once, never a sum of steps.
Where windows overlap, their velocities are blended at every step of the sampler (MultiDiffusion, arXiv 2302.08113), which
ties them during sampling, so that no cross-fade is needed afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from selva_core.base.rational import round_half_up
from selva_core.models.specs import ModelSpec

MIN_OVERLAP_S = Fraction(8, 5)


@dataclass(frozen=True, kw_only=True)
class Window:
    """One run of the generator: the segments it reads and the latents of the clip it makes."""

    first_segment: int
    num_segments: int
    first_latent: int
    num_latents: int

    @property
    def segments(self) -> slice:
        return slice(self.first_segment, self.first_segment + self.num_segments)

    @property
    def latents(self) -> slice:
        return slice(self.first_latent, self.first_latent + self.num_latents)


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """All windows of one clip; they have the same lengths, so that they can share a batch.

    num_frames, num_segments, num_latents: of the whole clip; past the clip's end its last frame is repeated.
    num_clip_frames: CLIP frames of one window.
    """

    windows: tuple[Window, ...]
    num_frames: int
    num_segments: int
    num_latents: int
    num_clip_frames: int


def plan_windows(
    spec: ModelSpec, duration_s: Fraction, *, min_overlap_s: Fraction = MIN_OVERLAP_S
) -> WindowPlan:
    """Cover `duration_s` with windows that overlap by at least `min_overlap_s`, evenly spread.

    A clip up to one segment step longer than a window is one window of whole segments: models tolerate 4 % more than they
    were trained on. Each segment has as many latents as in training, or audio would drift against video; the excess
    is cut off later.
    """
    encoder = spec.video_encoder
    if duration_s <= spec.window_s + spec.segment_hop_s:
        num_segments, window_s = _fit_segments(spec, duration_s)
        starts = [0]
    else:
        num_segments, window_s = spec.num_segments(spec.window_s), spec.window_s
        starts = _spread_starts(spec, duration_s, min_overlap_s)
    windows = tuple(
        Window(
            first_segment=start,
            num_segments=num_segments,
            first_latent=_latent_at(spec, start),
            num_latents=spec.num_latents(window_s),
        )
        for start in starts
    )
    num_segments = windows[-1].segments.stop
    return WindowPlan(
        windows=windows,
        num_frames=(num_segments - 1) * encoder.segment_hop_frames + encoder.segment_num_frames,
        num_segments=num_segments,
        num_latents=windows[-1].latents.stop,
        num_clip_frames=spec.num_clip_frames(window_s),
    )


def blend_weights(runs: Sequence[slice]) -> list[npt.NDArray[np.float32]]:
    """The weight of each of several overlapping runs at each of its positions; at every position they sum to 1.

    A weight rises linearly from the run's edges, so that two neighbours cross over along their whole overlap.
    """
    total = np.zeros(max(run.stop for run in runs))
    weights = []
    for run in runs:
        position = np.arange(run.stop - run.start) + 0.5
        weights.append(np.minimum(position, position[::-1]))
        total[run] += weights[-1]
    return [(weight / total[run]).astype(np.float32) for run, weight in zip(runs, weights, strict=True)]


def _fit_segments(spec: ModelSpec, duration_s: Fraction) -> tuple[int, Fraction]:
    """The fewest whole segments whose latents reach the clip's end, and their duration at the trained pace."""
    segment_s = spec.window_s / spec.num_segments(spec.window_s)
    num_segments = max(math.floor(duration_s / segment_s), 1)
    while spec.num_latents(num_segments * segment_s) < spec.num_latents(duration_s):
        num_segments += 1
    return num_segments, num_segments * segment_s


def _spread_starts(spec: ModelSpec, duration_s: Fraction, min_overlap_s: Fraction) -> list[int]:
    """First segments of the windows; the last is the smallest whose latents reach the clip's end."""
    needed, in_window = spec.num_latents(duration_s), spec.num_latents(spec.window_s)
    last = math.ceil((duration_s - spec.window_s) / spec.segment_hop_s)
    while _latent_at(spec, last) + in_window < needed:
        last += 1
    longest_hop = max(math.floor((spec.window_s - min_overlap_s) / spec.segment_hop_s), 1)
    num_hops = math.ceil(Fraction(last, longest_hop))
    return [round_half_up(Fraction(last * i, num_hops)) for i in range(num_hops + 1)]


def _latent_at(spec: ModelSpec, segment: int) -> int:
    """The latent nearest in time to the start of a segment."""
    return round_half_up(segment * spec.segment_hop_s * spec.sample_rate_hz / spec.latent_hop_samples)
