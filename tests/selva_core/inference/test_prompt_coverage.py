"""Whether a prompt is similar to those a small model was trained for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from selva_core.base.errors import WeightsMismatchError
from selva_core.inference.prompt_coverage import PromptCoverage, average_states, load_prompt_coverage


def build_coverage() -> PromptCoverage:
    return PromptCoverage(phrases=torch.eye(4)[:2], min_similarity=torch.tensor(0.6))


def test_phrase_near_a_known_one_isbuild_coverage() -> None:
    assert build_coverage().is_known(torch.tensor([[[1.0, 0.1, 0.0, 0.0], [3.0, 0.0, 0.2, 0.0]]]))


def test_phrase_far_from_all_known_ones_is_notbuild_coverage() -> None:
    assert not build_coverage().is_known(torch.tensor([[[0.1, 0.0, 1.0, 1.0]]]))


def test_average_has_unit_length() -> None:
    assert torch.allclose(average_states(torch.randn(3, 5, 8)).norm(dim=1), torch.ones(3))


def test_coverage_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "coverage.safetensors"
    save_file({"phrases": torch.eye(4).half(), "least_likeness": torch.tensor(0.5)}, path)
    coverage = load_prompt_coverage(path, text_width=4)
    assert torch.equal(coverage.phrases, torch.eye(4))
    assert float(coverage.min_similarity) == 0.5


def test_coverage_of_another_width_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "coverage.safetensors"
    save_file({"phrases": torch.eye(4), "least_likeness": torch.tensor(0.5)}, path)
    with pytest.raises(WeightsMismatchError, match="phrases"):
        load_prompt_coverage(path, text_width=8)
