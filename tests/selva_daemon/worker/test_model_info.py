"""What is known of a model, without loading it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from selva_core.models.catalog import file_path, find_model
from selva_daemon.worker import model_info
from selva_daemon.worker.model_info import ModelInfo, ModelInfoCache


@pytest.fixture
def one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """selva-small-16k with a single made-up weights file, which is returned."""
    monkeypatch.setenv("SELVA_MODELS_DIR", str(tmp_path / "models"))
    model = find_model("selva-small-16k")
    weights = file_path(model.files["generator"], tmp_path / "models")
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    return weights


INFO = ModelInfo(model_id="selva-small-16k", weights_sha256="ab" * 32, licence="MIT", notices=("careful",))


def test_a_model_is_remembered_until_its_weights_change(one_model: Path, tmp_path: Path) -> None:
    known = ModelInfoCache(tmp_path / "cache" / "models.json")
    assert known.get(INFO.model_id) is None
    known.put(INFO)
    assert ModelInfoCache(tmp_path / "cache" / "models.json").get(INFO.model_id) == INFO
    one_model.write_bytes(b"other weights")
    assert known.get(INFO.model_id) is None


def test_a_model_is_remembered_for_each_precision_and_device_by_itself(
    one_model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "models.json"
    on_cpu = ModelInfoCache(file, device="cpu")
    reduced = msgspec.structs.replace(INFO, key_precision="bfloat16")
    on_cpu.put(reduced, precision="bfloat16")
    assert on_cpu.get(INFO.model_id, precision="bfloat16") == reduced
    assert on_cpu.get(INFO.model_id, precision="float32") is None
    assert ModelInfoCache(file, device="cuda").get(INFO.model_id, precision="bfloat16") is None


def test_a_model_that_samples_otherwise_from_the_same_files_is_read_anew(
    one_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its stems would have the keys of earlier ones, and the cache would answer with those."""
    file = tmp_path / "models.json"
    ModelInfoCache(file).put(INFO)
    model = find_model(INFO.model_id)
    assert model.spec is not None
    quieter = replace(model, spec=replace(model.spec, noise_scale=0.5))
    monkeypatch.setattr(model_info, "find_model", {INFO.model_id: quieter}.__getitem__)
    assert ModelInfoCache(file).get(INFO.model_id) is None
    ModelInfoCache(file).put(INFO)
    assert ModelInfoCache(file).get(INFO.model_id) == INFO


def test_a_model_without_files_is_never_remembered(tmp_path: Path) -> None:
    known = ModelInfoCache(tmp_path / "models.json")
    known.put(msgspec.structs.replace(INFO, model_id="selva-echo"))
    assert known.get("selva-echo") is None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_file_is_read_as_an_empty_one(content: str, one_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(content)
    known = ModelInfoCache(file)
    assert known.get(INFO.model_id) is None
    known.put(INFO)
    assert known.get(INFO.model_id) == INFO
