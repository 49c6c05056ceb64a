"""The whole network of one model: its parts, where they run and in what precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from selva_core.base.errors import WeightsMissingError
from selva_core.models.checkpoints import read_tensors
from selva_core.models.specs import ModelSpec
from selva_core.network._layers import bake_weights
from selva_core.network.generator import Generator
from selva_core.network.parts import PARTS, build_part, load_part, place_part
from selva_core.network.text_towers import ClipTextEncoder, T5TextEncoder
from selva_core.network.vae import Vae
from selva_core.network.video_encoder import VideoEncoder
from selva_core.network.vocoder import Vocoder


@dataclass(frozen=True, kw_only=True)
class Network:
    """The parts of one model on one device.

    dtype: of the video encoder and the generator's blocks; everything else is float32.
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

    def free(self) -> None:
        """Drop all tensors of the parts, which cannot run afterwards, also where others still hold the parts.

        Not by moving them to "meta", which fake tensors refuse: so a test can count what is left on a card.
        """
        for part in self.parts().values():
            for layer in part.modules():
                for held in (layer.named_parameters(recurse=False), layer.named_buffers(recurse=False)):
                    for name, _ in list(held):
                        setattr(layer, name, None)

    def num_parameters(self) -> int:
        """Trained parameters of all parts."""
        return sum(p.numel() for part in self.parts().values() for p in part.parameters())


def build_network(spec: ModelSpec, *, for_training: bool) -> Network:
    """A network with random weights, float32 on the CPU: to train, or to fill with dummy weights."""
    parts: dict[str, Any] = {name: build_part(name, spec, for_training=for_training) for name in PARTS}
    for part in parts.values():
        part.requires_grad_(for_training).train(for_training)
    return Network(spec=spec, device=torch.device("cpu"), dtype=torch.float32, **parts)


def load_network(
    spec: ModelSpec,
    files: Mapping[str, Path],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    for_training: bool = False,
) -> Network:
    """Load the network of a model from its weights files, by part; `selva_core.models.catalog.installed_files` finds them.

    Networks for inference are baked (see `bake_weights`) and can neither be trained nor saved. Raises WeightsMissingError
    when a part has no file, WeightsMismatchError when a file does not fit.
    """
    missing = [name for name in PARTS if name not in files]
    if missing:
        raise WeightsMissingError(f"no weights files are given for {', '.join(missing)}", missing=missing)
    device = torch.device(device)
    parts: dict[str, Any] = {}
    for name in PARTS:
        path = files[name]
        part = load_part(name, spec, read_tensors(path), source=path.name, for_training=for_training)
        place_part(name, part, device, dtype)
        if not for_training:
            bake_weights(part)
        parts[name] = part
    spec = replace(spec, generator=parts["generator"].spec)  # the file shows which of the two layouts it has
    return Network(spec=spec, device=device, dtype=dtype, **parts)
