"""From noise to latents along a flow: seeds, Euler steps, guidance, windows tied together. Pure functions.

Dimensions: R stems, W windows, N latents of the whole clip, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from selva_core.inference.windows import Window, blend_weights
from selva_core.network import host_copy

Flow: TypeAlias = Callable[[Tensor, float], Tensor]
"""Velocity of latents at a time of the flow, 0 (noise) to 1 (audio)."""


def draw_noise(seed: int, num_latents: int, latent_channels: int) -> Tensor:
    """float32 (N, C), standard normal, from a CPU generator, so that a seed means the same on every device.

    One draw over the whole clip, so that overlapping windows begin from the same noise.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(num_latents, latent_channels, generator=generator, dtype=torch.float32)


def integrate(
    flow: Flow,
    noise: Tensor,
    *,
    num_steps: int,
    settle: Flow = lambda x, t: x,
    on_step: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """Integrate `flow` from `noise` in equal Euler steps from t = 0 to 1 (arXiv 2210.02747).

    settle: called with the latents after each step and the time they are at; what it returns goes into the next step.
    `on_step(k)` is called after the k-th step, from 1; it may raise to stop.
    """
    x = noise
    for step in range(num_steps):
        x = x + flow(x, step / num_steps) / num_steps
        x = settle(x, (step + 1) / num_steps)
        on_step(step + 1)
    return x


def guide(conditional: Tensor, unconditional: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance (arXiv 2207.12598): g * conditional - (g - 1) * unconditional."""
    return guidance * conditional - (guidance - 1.0) * unconditional


def separate(velocity: Tensor, conditional: Tensor, siblings: Tensor, weight: float) -> Tensor:
    """Lead a guided velocity (N, C) away from those of its siblings (K, N, C), as from a negative condition.

    conditional: its own without guidance. The difference is taken from it, not from the unconditional one: so nothing is added
    where a sibling sounds the same, or both are silent (negative audio guidance, arXiv 2506.20995).
    """
    return velocity + weight * (conditional - siblings.mean(dim=0))


def tie_windows(flow: Flow, windows: Sequence[Window]) -> Flow:
    """A flow over a whole clip (R, N, C) from a flow over its windows (R, W, window latents, C).

    Where windows overlap, the clip's velocity is the weighted mean of theirs, so that all windows take their next step from
    the same latents (MultiDiffusion, arXiv 2302.08113).
    """
    weights = [torch.from_numpy(w)[:, None] for w in blend_weights([window.latents for window in windows])]
    weights_of: dict[torch.device, list[Tensor]] = {}

    def tied(x: Tensor, t: float) -> Tensor:
        velocities = flow(torch.stack([x[:, window.latents] for window in windows], dim=1), t)
        if x.device not in weights_of:
            weights_of[x.device] = [host_copy.to_device(weight, x.device) for weight in weights]
        blended = torch.zeros_like(x)
        for index, (window, weight) in enumerate(zip(windows, weights_of[x.device], strict=True)):
            blended[:, window.latents] += weight * velocities[:, index]
        return blended

    return tied
