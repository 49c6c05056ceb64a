"""What a model costs: disk, memory and time, each with what the figure rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from selva_core.models.catalog import Model, installed_files, missing_files
from selva_core.models.memory_needs import estimate_needs
from selva_core.models.specs import ModelSpec
from selva_core.models.store.speed import MachineSpeed

_BASE_MEMORY_BYTES = 1_000_000_000
"""Peak of a process with selva-nano, whose weights take 15 MB: 1028 MB for 20 s (docs/models/network.md, Memory)."""
_VAE_SHARE_LOADED = 0.6
"""The file also holds the encoder, which rendering does not load."""
_PARAMETER_BYTES = 4
_GUIDED_STEPS = 50
"""25 steps, each with the prompt and without."""
_EFFICIENCY = 0.75
"""Share of the speed of a large product that the network reaches. The reference took 103 s for the 9.1e12 operations of the
video encoder and 45 s for the 4.6e12 of small_16k's steps on two AVX2 cores, some 0.09e12 per second, where products of that kind
of processor reach 0.12e12.
"""
_START_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ModelCosts:
    """Bytes and seconds; each basis says whether the figure was measured, published or estimated, and from what.

    disk_bytes: of the model alone; models share files. download_bytes: of files that are not installed, 0 when all are.
    memory_bytes: of a worker at its peak. device_bytes, device_low_bytes: of a GPU with all parts of the model on it, and with
    those that run only (see `selva_core.models.memory_needs`); 0 for an engine without a network. seconds: for one stem of 8 s
    of a picture that is new, None where not known.
    """

    disk_bytes: int
    disk_basis: str
    download_bytes: int
    memory_bytes: int
    memory_basis: str
    device_bytes: int
    device_low_bytes: int
    seconds: float | None
    time_basis: str


def estimate_costs(model: Model, models_dir: Path, *, speed: MachineSpeed | None) -> ModelCosts:
    """speed: of this machine, where it was measured."""
    installed, missing = installed_files(model, models_dir), missing_files(model, models_dir)
    disk_bytes = sum(path.stat().st_size for path in set(installed.values()))
    disk_bytes += sum(file.stored_bytes for file in missing.values())
    seconds, time_basis = _estimate_time(model, speed)
    needs = None if model.spec is None else estimate_needs(model, has_bfloat16=True)
    return ModelCosts(
        disk_bytes=disk_bytes,
        disk_basis="as published, rounded" if missing else "measured: its files here",
        download_bytes=0 if model.is_bundled else sum(file.stored_bytes for file in missing.values()),
        memory_bytes=_estimate_memory(model),
        memory_basis="estimated: its weights in 32 bits and the 1 GB that selva-nano was measured with; a GPU holds about half "
        "of the weights' part",
        device_bytes=0 if needs is None else needs.normal_bytes,
        device_low_bytes=0 if needs is None else needs.low_bytes,
        seconds=seconds,
        time_basis=time_basis,
    )


def _estimate_memory(model: Model) -> int:
    weights = sum(
        file.stored_bytes * (_VAE_SHARE_LOADED if role == "vae" else 1.0)
        for role, file in model.files.items()
        if not file.path.endswith(".json")
    )
    return _BASE_MEMORY_BYTES + int(weights)


def _estimate_time(model: Model, speed: MachineSpeed | None) -> tuple[float | None, str]:
    if model.spec is None:
        return None, "it has no network"
    if speed is None:
        return None, "the speed of this machine was not measured"
    seconds = _START_S + _count_operations(model, model.spec) / (speed.flops * _EFFICIENCY)
    return seconds, (
        f"estimated: its arithmetic at {speed.flops / 1e9:.0f} GFLOP/s, measured here on {speed.device} beside what else runs"
    )


def _count_operations(model: Model, spec: ModelSpec) -> float:
    """Floating-point operations of one stem of a window: two for each weight and token that meets it."""
    lengths = spec.lengths(spec.window_s)
    encoder = spec.video_encoder
    num_tokens = lengths.num_segments * (encoder.num_times * encoder.num_patches + 1)
    video = 2.0 * _weights(model, "video_encoder") * num_tokens
    stream = lengths.num_latents + lengths.num_clip_frames + spec.generator.num_text_tokens
    # About a quarter of the weights are of the text and clip streams, which are shorter.
    steps = 2.0 * _weights(model, "generator") * stream * 0.75 * _GUIDED_STEPS
    # A vocoder's layers run at rising rates; its operations per sample are about those of its mean layer.
    sound = 2.0 * _weights(model, "vocoder") * math.sqrt(spec.vocoder.hop_samples) * lengths.num_latents * 2
    return video + steps + sound


def _weights(model: Model, role: str) -> float:
    return model.files[role].size_bytes / _PARAMETER_BYTES
