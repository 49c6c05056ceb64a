"""Weights files are read as tensors and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from selva_core.base.errors import WeightsMismatchError, WeightsMissingError
from selva_core.models.checkpoints import check_tensors, read_tensors

TENSORS = {"one.weight": torch.arange(6.0).reshape(2, 3), "two": torch.tensor(3.0)}


def assert_same(got: dict[str, Tensor]) -> None:
    assert got.keys() == TENSORS.keys()
    assert all(torch.equal(got[key], tensor) for key, tensor in TENSORS.items())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
@pytest.mark.parametrize("is_zipped", [True, False])
def test_a_file_written_by_torch_is_read(tmp_path: Path, suffix: str, is_zipped: bool) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=is_zipped)
    assert_same(read_tensors(path))


def test_a_safetensors_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(TENSORS, path)
    assert_same(read_tensors(path))


def test_the_outer_level_of_a_vocoder_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "vocoder.pt"
    torch.save({"generator": TENSORS}, path)
    assert_same(read_tensors(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="no weights file at"):
        read_tensors(tmp_path / "none.pth")


class Trap:
    """Unpickling it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_weights_file_is_refused_and_never_run(tmp_path: Path) -> None:
    path, folder = tmp_path / "weights.pth", tmp_path / "sprung"
    torch.save({"one.weight": Trap(folder)}, path)
    with pytest.raises(WeightsMismatchError, match="is not a file of weights"):
        read_tensors(path)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".pth":
        torch.save(TENSORS, path)
    else:
        save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsMismatchError, match="is not a file of weights"):
        read_tensors(path)


@pytest.mark.parametrize("content", [{"step": 3}, [torch.zeros(2)], torch.zeros(2)])
def test_a_file_that_holds_more_than_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(WeightsMismatchError, match="something other than named tensors"):
        read_tensors(path)


def test_tensors_that_fit_are_accepted() -> None:
    check_tensors(TENSORS, {key: tensor.clone() for key, tensor in TENSORS.items()}, source="x")


def test_every_mismatch_is_named() -> None:
    got = {"one.weight": torch.zeros(3, 2), "three": torch.zeros(1)}
    with pytest.raises(WeightsMismatchError) as refusal:
        check_tensors(TENSORS, got, source="weights.pth")
    assert str(refusal.value) == (
        "the weights in weights.pth do not fit this network: missing two; left over three; "
        "wrong shape one.weight (3, 2) instead of (2, 3)"
    )
    assert refusal.value.facts["missing"] == ["two"]
    assert refusal.value.facts["left_over"] == ["three"]


def test_a_long_list_of_keys_is_cut_in_the_message_and_whole_in_the_facts() -> None:
    expected = {f"layer.{i}": torch.zeros(1) for i in range(30)}
    with pytest.raises(WeightsMismatchError, match=r"layer\.3 and 26 more$") as refusal:
        check_tensors(expected, {}, source="weights.pth")
    missing = refusal.value.facts["missing"]
    assert isinstance(missing, list)
    assert len(missing) == 30
