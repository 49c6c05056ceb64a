"""Weights files: read them, and check them against a network key by key.

Only tensors are read from a file, never code. Checking is strict: a missing key, an unexpected key or a wrong shape is
refused by name. `selva_core.network.parts` defines the keys of each part of the network.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from selva_core.base.errors import WeightsMismatchError, WeightsMissingError

_NUM_KEYS_NAMED = 4


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file, or of a .pth, .pt or .bin file that holds nothing else.

    Raises WeightsMissingError when there is no file, WeightsMismatchError when it holds anything but named
    tensors.
    """
    if not path.is_file():
        raise WeightsMissingError(
            f"no weights file at {path}; fetch the model's weights first", path=str(path)
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as exc:
        raise WeightsMismatchError(f"{path} is not a file of weights: {exc}", path=str(path)) from exc
    if isinstance(content, dict) and isinstance(
        content.get("generator"), dict
    ):  # BigVGAN's checkpoints have this outer level
        content = content["generator"]
    if not isinstance(content, dict) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise WeightsMismatchError(f"{path} holds something other than named tensors", path=str(path))
    return content


def check_tensors(expected: Mapping[str, Tensor], got: Mapping[str, Tensor], *, source: str) -> None:
    """Check that tensors have exactly the expected names and shapes.

    Raises WeightsMismatchError with the missing and unexpected names and the wrong shapes.
    """
    missing = [key for key in expected if key not in got]
    left_over = [key for key in got if key not in expected]
    misshapen = [
        f"{key} {tuple(got[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in got and got[key].shape != tensor.shape
    ]
    complaints = [
        f"{what} {_name_some(keys)}"
        for what, keys in (("missing", missing), ("left over", left_over), ("wrong shape", misshapen))
        if keys
    ]
    if complaints:
        raise WeightsMismatchError(
            f"the weights in {source} do not fit this network: {'; '.join(complaints)}",
            source=source,
            missing=missing,
            left_over=left_over,
            misshapen=misshapen,
        )


def _name_some(keys: list[str]) -> str:
    named = ", ".join(keys[:_NUM_KEYS_NAMED])
    num_more = len(keys) - _NUM_KEYS_NAMED
    return f"{named} and {num_more} more" if num_more > 0 else named


def _is_zip(path: Path) -> bool:
    """Whether torch wrote the file in its zipped layout, which can be mapped into memory."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"
