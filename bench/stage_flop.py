"""The arithmetic of each part of a render, counted on tensors without numbers, and what the device can do of it a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from selva_core.inference.windows import plan_windows
from selva_core.models.specs import ModelSpec
from selva_core.network import Network, build_network, join_conditions

_PEAK_SIZE = 2048
_PEAK_RUNS = 4
_NUM_T5_TOKENS = 8


def count_gflop(
    spec: ModelSpec, duration_s: Fraction, *, num_prompts: int, num_stems: int, num_steps: int
) -> dict[str, float]:
    """GFLOP of matrix products and convolutions by part, for one clip without anything cached."""
    plan = plan_windows(spec, duration_s)
    with torch.device("meta"):
        network = build_network(spec, for_training=False)
        encoder = spec.video_encoder
        size = encoder.frame_size_px
        segments = torch.empty(1, encoder.segment_num_frames, 3, size, size)
        tokens = torch.empty(1, encoder.num_times, encoder.num_patches, encoder.width)
        states = torch.empty(1, _NUM_T5_TOKENS, encoder.text_width)
        mask = torch.ones(1, _NUM_T5_TOKENS, dtype=torch.bool)
        latents = torch.empty(1, plan.num_latents, spec.vae.latent_channels)
        mel = torch.empty(1, spec.mel.num_mels, plan.num_latents * spec.vae.frames_per_latent)
    runs = num_stems * len(plan.windows)
    conditions, velocity = _count_sampling(network, spec, duration_s)
    return {
        "encoder": plan.num_segments * _count(lambda: network.video_encoder.encode_segments(segments)),
        "steering": num_prompts
        * plan.num_segments
        * _count(lambda: network.video_encoder.steer(tokens, states, mask)),
        "t5": num_prompts * _NUM_T5_TOKENS * _linear_gflop(network.t5),
        "clip_text": num_prompts * spec.clip_text.num_tokens * _linear_gflop(network.clip_text),
        "conditions": runs * conditions,
        "velocity": runs * num_steps * velocity,
        "vae": num_stems * _count(lambda: network.vae.decode(latents)),
        "vocoder": num_stems * _count(lambda: network.vocoder(mel)),
    }


def _count_sampling(network: Network, spec: ModelSpec, duration_s: Fraction) -> tuple[float, float]:
    """GFLOP of the conditions of one window, and of one step with both sides of guidance."""
    plan = plan_windows(spec, duration_s)
    window = plan.windows[0]
    num_sync = window.num_segments * spec.generator.num_sync_per_segment
    sizes: Any = {"num_clip_frames": plan.num_clip_frames, "num_latents": window.num_latents}
    with torch.device("meta"):
        text = torch.empty(1, spec.generator.num_text_tokens, spec.generator.text_width)
        sync = torch.empty(1, num_sync, spec.generator.sync_width)
        x = torch.empty(2, window.num_latents, spec.generator.latent_channels)
        t = torch.empty(())
    generator = network.generator
    prepared = generator.prepare_conditions(text=text, sync=sync, **sizes)
    both = join_conditions([prepared, prepared])
    return (
        _count(lambda: generator.prepare_conditions(text=text, sync=sync, **sizes)),
        _count(lambda: generator.flow(x, t, both)),
    )


def _linear_gflop(tower: nn.Module) -> float:
    """GFLOP of a text tower's linear layers for one token; attention itself is little beside them."""
    return sum(2 * layer.weight.numel() for layer in tower.modules() if isinstance(layer, nn.Linear)) / 1e9


def _count(work: Callable[[], Tensor | object]) -> float:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops()) / 1e9


@torch.inference_mode()
def measure_peak_gflops(device: torch.device, dtype: torch.dtype) -> float:
    """The best rate of a large square product, in GFLOP/s: what a stage is compared with."""
    size = _PEAK_SIZE if device.type == "cpu" else 4 * _PEAK_SIZE
    one = torch.randn(size, size, device=device).to(dtype)
    shortest_s = float("inf")
    for _ in range(_PEAK_RUNS):
        begun_s = time.perf_counter()
        product = one @ one
        if device.type != "cpu":
            float(product[0, 0])  # waits for the device
        shortest_s = min(shortest_s, time.perf_counter() - begun_s)
    return 2 * size**3 / shortest_s / 1e9


def share_of_peak(
    gflop: Mapping[str, float], seconds: Mapping[str, float], peaks: Mapping[str, float]
) -> dict[str, float]:
    """By part: its rate over the peak of the precision it runs in."""
    return {
        part: round(gflop[part] / seconds[part] / peaks[part], 3)
        for part in gflop
        if seconds.get(part, 0.0) > 0 and peaks[part] > 0
    }
