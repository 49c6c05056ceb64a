"""From the attention and the features of a clip's segments to evidence over time.

Dimensions: S segments, T tubelets along time of a segment, H heads, P patches, D width, K time steps of the clip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from einops import rearrange
from torch import Tensor

from selva_core.base.evidence import Evidence
from selva_core.inference.presence import PresenceModel, follow_presence, narrowness, presence_features
from selva_core.models.part_specs import VideoEncoderSpec
from selva_core.network import host_copy

BEST_S = 1.0
_SMOOTHED_STEPS = 3


class EvidenceTrack:
    """Collects what the encoder saw of one prompt, chunk by chunk, reduced to one row of places per tubelet.

    What it collects stays on the device until `build`. model: on the same device; None where none was fitted: presence is then
    how narrow the attention is.
    """

    def __init__(self, spec: VideoEncoderSpec, model: PresenceModel | None) -> None:
        self._spec = spec
        self._model = model
        self._maps: list[Tensor] = []
        self._presence: list[Tensor] = []

    def add(self, sync: Tensor, attention: Tensor) -> None:
        """sync (S * T, D), attention (S * T, H, P) of the segments that follow."""
        together = attention.mean(dim=1)
        model = self._model
        self._maps.append(together)
        self._presence.append(
            narrowness(together) if model is None else model.presence(presence_features(sync, attention))
        )

    def build(self, duration_s: Fraction, *, threshold: float | None) -> Evidence:
        """The evidence over a clip of that duration. threshold: see Evidence; None without a fitted model."""
        spec = self._spec
        rate_hz = Fraction(spec.frame_rate_hz, spec.tubelet_frames)
        num_steps = max(math.ceil(duration_s * rate_hz), 1)
        maps = self._merge(torch.from_numpy(host_copy.to_array(torch.cat(self._maps))), num_steps)
        seen = self._merge(
            torch.from_numpy(host_copy.to_array(torch.cat(self._presence)))[:, None], num_steps
        )[:, 0]
        smooth = _smooth(seen).tolist()
        side = math.isqrt(spec.num_patches)
        x, y, spread = _centre(maps, side)
        heat = (maps / maps.amax(dim=1, keepdim=True) * 255.0).round().to(torch.uint8)
        return Evidence(
            rate_hz=rate_hz,
            presence=tuple(smooth if self._model is None else follow_presence(seen.tolist())),
            x=tuple(x.tolist()),
            y=tuple(y.tolist()),
            spread=tuple(spread.tolist()),
            rows=side,
            columns=side,
            heat=heat.numpy().tobytes(),
            whole=whole_presence(smooth, steps_per_s=float(rate_hz)),
            threshold=threshold if self._model is not None else None,
        )

    def _merge(self, values: Tensor, num_steps: int) -> Tensor:
        """(S * T, V) -> (K, V): the mean of the segments that overlap; the last one is held where the clip goes on."""
        spec = self._spec
        hop = spec.segment_hop_frames // spec.tubelet_frames
        segments = rearrange(values, "(s t) v -> s t v", t=spec.num_times)
        num_covered = (len(segments) - 1) * hop + spec.num_times
        total = values.new_zeros(num_covered, values.shape[1])
        count = values.new_zeros(num_covered, 1)
        for time in range(spec.num_times):
            steps = slice(time, time + (len(segments) - 1) * hop + 1, hop)
            total[steps] += segments[:, time]
            count[steps] += 1
        merged = total / count
        missing = num_steps - num_covered
        return torch.cat([merged, merged[-1:].expand(missing, -1)]) if missing > 0 else merged[:num_steps]


def whole_presence(presence: Sequence[float], *, steps_per_s: float) -> float:
    """Presence in a whole clip: the mean over its best second, so that a thing that is seen for a second is not lost."""
    num_steps = min(max(round(BEST_S * steps_per_s), 1), len(presence))
    sums = [0.0]
    for value in presence:
        sums.append(sums[-1] + value)
    return max(last - first for first, last in zip(sums, sums[num_steps:], strict=False)) / num_steps


def _centre(maps: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """maps (K, P), row by row from the top left -> x, y and spread, each (K,)."""
    centres = (torch.arange(side) + 0.5) / side
    columns, rows = centres.repeat(side), centres.repeat_interleave(side)
    x, y = maps @ columns, maps @ rows
    distances = (columns - x[:, None]).square() + (rows - y[:, None]).square()
    return x, y, (maps * distances).sum(dim=1).sqrt()


def _smooth(values: Tensor) -> Tensor:
    """The mean over _SMOOTHED_STEPS around each value (K,)."""
    half = _SMOOTHED_STEPS // 2
    padded = torch.cat([values[:1].expand(half), values, values[-1:].expand(half)])
    return padded.unfold(0, _SMOOTHED_STEPS, 1).mean(dim=1)
