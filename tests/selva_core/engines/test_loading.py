"""Engines are loaded by model name: weights found, checked and hashed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from selva_core.base.errors import DeviceUnavailableError, UnknownModelError, WeightsMissingError
from selva_core.engines import load_engine
from selva_core.engines.loading import load_network_engine
from selva_core.inference.dummy_weights import NOTICE
from selva_core.models.file_hash import hash_files


def test_nano_is_loaded_with_the_weights_of_the_package() -> None:
    engine = load_engine("selva-nano", device="cpu")
    assert engine.notices == ()
    engine.close()


def test_nano_without_its_weights_runs_on_dummies_and_every_result_carries_a_notice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("selva_core.models.catalog.BUNDLED_WEIGHTS_DIR", tmp_path)
    engine = load_engine("selva-nano", device="cpu")
    assert engine.notices == (NOTICE,)
    assert "not trained" in NOTICE
    assert engine.model_id == "selva-nano"
    assert len(engine.weights_sha256) == 64
    assert "cpu" in engine.device_report
    assert "Apache-2.0" in engine.licence


def test_published_model_without_weights_names_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="selva models pull selva-small-16k") as error:
        load_network_engine("selva-small-16k", device="cpu", models_dir=tmp_path)
    missing = error.value.facts["missing"]
    assert isinstance(missing, list)
    assert "generator" in missing


def test_unknown_model_and_missing_device_are_refused() -> None:
    with pytest.raises(UnknownModelError, match="selva-nano"):
        load_engine("selva-giant")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceUnavailableError, match="cuda"):
            load_engine("selva-nano", device="cuda")


def test_hash_covers_every_file_and_its_role(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"a" * 3_000_000)
    other.write_bytes(b"b")
    first = hash_files({"vae": one, "t5": other})
    assert first == hash_files({"t5": other, "vae": one})
    assert first != hash_files({"t5": one, "vae": other})
    assert first == hash_files({"vae": one, "t5": other}, sampling_mark="")
    assert first != hash_files({"vae": one, "t5": other}, sampling_mark="noise 0.5 guidance 2")
    other.write_bytes(b"c")
    assert first != hash_files({"vae": one, "t5": other})
