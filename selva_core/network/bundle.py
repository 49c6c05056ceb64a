"""The whole network of one model: its parts, where they run and in what precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from selva_core.checkpoints import read_tensors
from selva_core.errors import WeightsMissingError
from selva_core.network._layers import bake_weights
from selva_core.network.generator import Generator
from selva_core.network.parts import PARTS, build_part, load_part
from selva_core.network.text_towers import ClipTextEncoder, T5TextEncoder
from selva_core.network.vae import Vae
from selva_core.network.video_encoder import VideoEncoder
from selva_core.network.vocoder import Vocoder
from selva_core.specs import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Network:
    """The parts of one model, owned by whoever loaded them.

    `dtype` is what the text towers, the video encoder and the generator run in; VAE and vocoder are always
    float32.
    """

    spec: ModelSpec
    device: torch.device
    dtype: torch.dtype
    clip_text: ClipTextEncoder
    t5: T5TextEncoder
    video_encoder: VideoEncoder
    generator: Generator
    vae: Vae
    vocoder: Vocoder

    def parts(self) -> dict[str, nn.Module]:
        """The parts by the names of `selva_core.network.parts.PARTS`."""
        return {name: getattr(self, name) for name in PARTS}

    def num_parameters(self) -> int:
        """Numbers learned, over all parts."""
        return sum(p.numel() for part in self.parts().values() for p in part.parameters())


def build_network(spec: ModelSpec, *, for_training: bool) -> Network:
    """A network with fresh weights, float32 on the CPU: to train, or to stand in for weights that do not
    exist yet.
    """
    parts = {name: build_part(name, spec, for_training=for_training) for name in PARTS}
    for part in parts.values():
        part.requires_grad_(for_training).train(for_training)
    return _bundle(spec, parts, torch.device("cpu"), torch.float32)


def load_network(
    spec: ModelSpec,
    files: Mapping[str, Path],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    for_training: bool = False,
) -> Network:
    """The network of a model from its weights files, one per part (`selva_core.models.installed_files` finds
    them).

    Raises WeightsMissingError when a part has no file, WeightsMismatchError when a file does not fit its
    part.
    """
    missing = [name for name in PARTS if name not in files]
    if missing:
        raise WeightsMissingError(f"no weights files are given for {', '.join(missing)}", missing=missing)
    device = torch.device(device)
    parts: dict[str, nn.Module] = {}
    for name, row in PARTS.items():
        path = files[name]
        part = load_part(name, spec, read_tensors(path), source=path.name, for_training=for_training)
        part = part.to(device=device, dtype=torch.float32 if row.keeps_float32 else dtype)
        if not for_training:
            bake_weights(part)
        parts[name] = part
    return _bundle(spec, parts, device, dtype)


def _bundle(
    spec: ModelSpec, parts: Mapping[str, nn.Module], device: torch.device, dtype: torch.dtype
) -> Network:
    generator = parts["generator"]
    if isinstance(generator, Generator):
        spec = replace(spec, generator=generator.spec)  # the file says which of the two layouts it has
    return Network(spec=spec, device=device, dtype=dtype, **parts)  # type: ignore[arg-type]
