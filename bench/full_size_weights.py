"""Weights files of any model of the table at full size, filled with noise, in the layout that `selva models pull` leaves.

Speed and memory depend on sizes only. Files are written and read as the published ones are, so that a measured process
maps weights into memory as a user's does. One block of random numbers is repeated through all tensors: 4 GB take seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from selva_core.models.catalog import (
    Model,
    default_models_dir,
    file_path,
    find_model,
    installed_files,
    missing_files,
)
from selva_core.models.specs import ModelSpec
from selva_core.network.parts import PARTS, build_part, published_tensors
from selva_core.network.vocoder import build_low_pass

_BLOCK_NUMBERS = 1 << 20
_QUIET = 0.05  # keeps the last layer of the vocoder far from full scale


def ensure_weights(model: Model, folder: Path) -> None:
    """Write the files of `model` that are not in `folder`; a model that comes with the package needs none."""
    if model.spec is None:
        return
    for role, file in missing_files(model, folder).items():
        path = file_path(file, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f"{path.name}.part")
        if role in PARTS:
            _write_part(role, model.spec, staged, is_safetensors=path.suffix == ".safetensors")
        else:
            nano = find_model("selva-nano")
            shutil.copyfile(file_path(nano.files["tokenizer"], default_models_dir()), staged)
        staged.replace(path)


def _write_part(role: str, spec: ModelSpec, path: Path, *, is_safetensors: bool) -> None:
    with torch.device("meta"):
        # Published files hold the VAE's encoder too, which rendering leaves in the file.
        wanted = published_tensors(role, build_part(role, spec, for_training=True))
    block = torch.randn(_BLOCK_NUMBERS, generator=torch.Generator().manual_seed(1))
    tensors = {key: _fill(key, tuple(tensor.shape), block) for key, tensor in wanted.items()}
    if is_safetensors:
        save_file(tensors, path)
    else:
        torch.save(tensors, path)


def _fill(name: str, shape: tuple[int, ...], block: Tensor) -> Tensor:
    """float32 of `shape`: gains and spreads around 1, kernels scaled by their fan-in, everything else near 0."""
    leaf = name.rpartition(".")[2]
    if leaf == "filter":
        return build_low_pass()
    size = math.prod(shape)
    noise = block.repeat(math.ceil(size / _BLOCK_NUMBERS))[:size].reshape(shape)
    if leaf == "weight_g":
        return (1.0 + 0.1 * noise.abs()) * (_QUIET if "conv_post" in name else 1.0)
    if leaf in ("latent_std", "data_std") or (leaf == "weight" and len(shape) == 1):
        return 1.0 + 0.1 * noise.abs()
    if len(shape) >= 2:
        return noise / math.sqrt(math.prod(shape[1:]))
    return 0.02 * noise


def sizes_mb(model: Model, folder: Path) -> Mapping[str, float]:
    """Size of each file, by role; of those that lie there under whichever of their names."""
    return {
        role: round(path.stat().st_size / 1e6, 1) for role, path in installed_files(model, folder).items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    model = find_model(options.model)
    ensure_weights(model, options.folder)
    print(json.dumps(sizes_mb(model, options.folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
