"""The model table: names, files and their paths."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from selva_core.base.errors import UnknownModelError
from selva_core.models.catalog import (
    BUNDLED_WEIGHTS_DIR,
    MODELS,
    Model,
    default_models_dir,
    file_path,
    find_model,
    installed_files,
    listed_models,
    missing_files,
)

PUBLISHED_IDS = ["selva-small-16k", "selva-small-44k", "selva-medium-44k", "selva-large-44k"]
PARTS = {"clip_text", "t5", "video_encoder", "generator", "vae", "vocoder"}


def test_lists_show_every_model_but_the_test_engine() -> None:
    assert [model.model_id for model in listed_models()] == ["selva-nano", *PUBLISHED_IDS]
    assert find_model("selva-echo").spec is None


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownModelError, match="'selva-huge'; models are selva-nano, selva-small-16k"
    ) as refusal:
        find_model("selva-huge")
    assert refusal.value.facts["known"] == ["selva-nano", *PUBLISHED_IDS]
    assert find_model("selva-nano").model_id == "selva-nano"


@pytest.mark.parametrize("model", listed_models(), ids=lambda model: model.model_id)
def test_every_part_of_a_listed_network_has_a_file(model: Model) -> None:
    assert model.files.keys() >= PARTS
    assert model.licences
    assert model.spec is not None
    assert model.spec.num_latents(model.spec.window_s) > 0


@pytest.mark.parametrize(
    ("model_id", "sample_rate_hz"),
    [("selva-small-16k", 16_000), ("selva-small-44k", 44_100), ("selva-large-44k", 44_100)],
)
def test_published_models_have_the_sample_rate_in_their_name(model_id: str, sample_rate_hz: int) -> None:
    spec = find_model(model_id).spec
    assert spec is not None
    assert spec.sample_rate_hz == sample_rate_hz
    assert spec.window_s == Fraction(8)


def test_published_models_share_the_files_they_have_in_common(tmp_path: Path) -> None:
    paths = {
        model_id: {role: file_path(file, tmp_path) for role, file in find_model(model_id).files.items()}
        for model_id in PUBLISHED_IDS
    }
    one, other = paths["selva-small-44k"], paths["selva-large-44k"]
    assert {role for role in one if one[role] != other[role]} == {"generator"}
    assert all(path.is_relative_to(tmp_path) for files in paths.values() for path in files.values())


def test_different_files_never_have_the_same_path(tmp_path: Path) -> None:
    lying_at: dict[Path, tuple[str | None, str]] = {}
    for model in MODELS.values():
        for file in model.files.values():
            path = file_path(file, tmp_path)
            assert lying_at.setdefault(path, (file.repository, file.path)) == (file.repository, file.path)


def test_installed_and_missing_files_make_up_the_model(tmp_path: Path) -> None:
    model = find_model("selva-small-16k")
    assert installed_files(model, tmp_path) == {}
    assert missing_files(model, tmp_path) == model.files
    path = file_path(model.files["vae"], tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert installed_files(model, tmp_path) == {"vae": path}
    assert missing_files(model, tmp_path).keys() == model.files.keys() - {"vae"}


def test_only_the_text_tower_of_the_clip_file_is_stored(tmp_path: Path) -> None:
    file = find_model("selva-small-16k").files["clip_text"]
    assert file.path.endswith(".bin")
    assert file_path(file, tmp_path).name == "open_clip_text.safetensors"


def test_the_small_model_comes_with_the_package(tmp_path: Path) -> None:
    nano = find_model("selva-nano")
    assert nano.is_bundled
    assert not find_model("selva-small-16k").is_bundled
    paths = [file_path(file, tmp_path) for file in nano.files.values()]
    assert all(path.parent == BUNDLED_WEIGHTS_DIR / "selva-nano" for path in paths)
    assert nano.size_bytes < 20_000_000


def test_a_model_without_files_is_always_installed(tmp_path: Path) -> None:
    assert missing_files(find_model("selva-echo"), tmp_path) == {}


def test_the_folder_of_weights_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SELVA_MODELS_DIR", str(tmp_path))
    assert default_models_dir() == tmp_path
    monkeypatch.delenv("SELVA_MODELS_DIR")
    assert default_models_dir().parts[-2:] == ("selva-bridge", "models")
