"""The whole network of one model: its parts, where they run and in what precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
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
from selva_core.network.residency import (
    FileState,
    Residency,
    ResidentPart,
    drop_tensors,
    let_file_go,
    shared_part,
)
from selva_core.network.text_towers import ClipTextEncoder, T5TextEncoder
from selva_core.network.vae import Vae
from selva_core.network.video_encoder import VideoEncoder
from selva_core.network.vocoder import Vocoder

_SHARED_PARTS = ("clip_text", "t5")
"""Those whose files are the same for several models, and which nothing changes once they are loaded."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """The parts of one model on one device.

    dtype: of the video encoder and the generator's blocks; everything else is float32. residency: which parts are on the
    device; before one is run, it must be needed there (`Residency.need`).
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
    residency: Residency = field(default_factory=Residency)

    def parts(self) -> dict[str, nn.Module]:
        """The parts by the names of `selva_core.network.parts.PARTS`."""
        return {name: getattr(self, name) for name in PARTS}

    def num_parameters(self) -> int:
        """Trained parameters of all parts."""
        return sum(p.numel() for part in self.parts().values() for p in part.parameters())

    def close(self) -> None:
        """Free the memory of all parts that no other network runs; this one cannot run afterwards."""
        of_its_own = [part for name, part in self.parts().items() if name not in self.residency.names]
        self.residency.close()
        for part in of_its_own:
            drop_tensors(part)


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
    on_demand: bool = False,
) -> Network:
    """Load the network of a model from its weights files, by part; `selva_core.models.catalog.installed_files` finds them.

    Networks for inference are baked (see `bake_weights`) and can neither be trained nor saved. On a CPU their weights are the
    mapped files themselves wherever a file has the precision that is run. on_demand: parts come when they are needed and
    leave when others are (see `Residency`). Raises WeightsMissingError when a part has no file, WeightsMismatchError when a file
    does not fit.
    """
    missing = [name for name in PARTS if name not in files]
    if missing:
        raise WeightsMissingError(f"no weights files are given for {', '.join(missing)}", missing=missing)
    device = torch.device(device)
    if for_training:
        modules: dict[str, Any] = {}
        for name in PARTS:
            modules[name] = _read_part(name, spec, files[name], for_training=True)
            place_part(name, modules[name], device, dtype)
        residency = Residency()
    else:
        resident = {
            name: _resident_part(name, spec, files[name], device, dtype, on_demand=on_demand)
            for name in PARTS
        }
        modules = {name: part.module for name, part in resident.items()}
        residency = Residency(resident, on_demand=on_demand, device=device)
    spec = replace(
        spec, generator=modules["generator"].spec
    )  # the file shows which of the two layouts it has
    return Network(spec=spec, device=device, dtype=dtype, residency=residency, **modules)


def _resident_part(
    name: str, spec: ModelSpec, path: Path, device: torch.device, dtype: torch.dtype, *, on_demand: bool
) -> ResidentPart:
    file = FileState(path)

    def bring() -> nn.Module:
        file.require_unchanged()
        part = _read_part(name, spec, path)
        place_part(name, part, device, dtype)
        bake_weights(part)
        if device.type == "cpu":
            let_file_go(part)
        return part

    if on_demand:  # read all the same, so that a file that does not fit is refused now
        build = partial(lambda: ResidentPart(_read_part(name, spec, path), bring))
    else:
        build = partial(ResidentPart.brought, bring)
    if name not in _SHARED_PARTS:
        return build()
    return shared_part((name, getattr(spec, name), file.identity, device, on_demand), build)


def _read_part(name: str, spec: ModelSpec, path: Path, *, for_training: bool = False) -> nn.Module:
    return load_part(name, spec, read_tensors(path), source=path.name, for_training=for_training)
