"""Weights from folders of other programs, known by their content."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from selva_core.base.errors import MediaNotFoundError
from selva_core.models.catalog import missing_files
from selva_core.models.record import load_record
from selva_core.models.store.importing import import_weights
from selva_core.models.store.verification import WHOLE, verify_models
from tests.support.hub_server import HubServer
from tests.support.pulling import pull
from tests.support.tiny_models import FIRST, SECOND, load_part, published_files, tiny_models, write_files


def test_files_under_other_names_in_other_folders_make_a_model(tmp_path: Path) -> None:
    theirs = tmp_path / "ComfyUI" / "models" / "mmaudio"
    write_files(theirs / "downloads")
    for number, path in enumerate(sorted((theirs / "downloads").iterdir())):
        is_tokenizer = path.suffix == ".json"
        path.rename(theirs / (f"clip_{path.name}" if is_tokenizer else f"file{number}{path.suffix}"))
    (theirs / "unrelated.safetensors").write_bytes(os.urandom(1 << 19))
    before = {path: path.read_bytes() for path in theirs.iterdir() if path.is_file()}
    models_dir = tmp_path / "models"
    report = import_weights(tmp_path / "ComfyUI", models_dir)
    # The tokenizer of selva-nano is neither CLIP's nor T5's, so no role recognises it.
    assert missing_files(tiny_models()[FIRST], models_dir).keys() == {"tokenizer"}
    assert missing_files(tiny_models()[SECOND], models_dir).keys() == {"tokenizer"}
    how = {each.path.name: each.how for each in report.imported}
    assert how["vae.safetensors"] == "linked"
    assert (how["clip_text.safetensors"], how["t5_encoder.safetensors"]) == ("extracted", "extracted")
    assert {path: path.read_bytes() for path in theirs.iterdir() if path.is_file()} == before
    found = {each.role: each.state for each in verify_models([tiny_models()[FIRST]], models_dir)[FIRST]}
    assert {state for role, state in found.items() if role != "tokenizer"} == {WHOLE}
    assert list(report.refused) == [str(theirs / "unrelated.safetensors")]


def test_a_linked_file_is_one_file_with_two_names_and_is_recorded_so(tmp_path: Path) -> None:
    write_files(tmp_path / "theirs", "vae.safetensors")
    (imported,) = import_weights(tmp_path / "theirs", tmp_path / "models").imported
    assert os.path.samefile(imported.path, tmp_path / "theirs" / "vae.safetensors")
    row = load_record(tmp_path / "models").files["lab--net/vae.safetensors"]
    assert (row.origin, row.source) == ("linked", str(tmp_path / "theirs" / "vae.safetensors"))


def test_on_another_drive_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr("os.link", refuse)
    write_files(tmp_path / "theirs", "vae.safetensors")
    (imported,) = import_weights(tmp_path / "theirs", tmp_path / "models").imported
    assert imported.how == "copied"
    assert imported.path.read_bytes() == published_files()["vae.safetensors"]
    assert not os.path.samefile(imported.path, tmp_path / "theirs" / "vae.safetensors")


def test_weights_of_the_same_shapes_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    tensors = load_part("generator")
    tensors["latent_std"] = tensors["latent_std"] * 2
    save_file(tensors, theirs / "mmaudio.safetensors")
    report = import_weights(theirs, tmp_path / "models")
    assert report.imported == []
    (reason,) = report.refused.values()
    assert "has the shapes of generator_first.safetensors" in reason
    assert "is not the published one" in reason


def test_half_precision_copies_are_refused_by_name(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    tensors = {key: tensor.half() for key, tensor in load_part("vae").items()}
    save_file(tensors, theirs / "vae_fp16.safetensors")
    save_file({"x": torch.zeros(200_000)}, theirs / "other.safetensors")
    report = import_weights(theirs, tmp_path / "models")
    assert list(report.refused) == [str(theirs / "vae_fp16.safetensors")]
    assert "half precision" in report.refused[str(theirs / "vae_fp16.safetensors")]


def test_a_file_with_code_in_its_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    mark = tmp_path / "was run"

    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(mark),))

    torch.save({"w": torch.zeros(100_000), "x": Attack()}, theirs / "a.pth")
    report = import_weights(theirs, tmp_path / "models")
    assert "is not used by tensors" in report.refused[str(theirs / "a.pth")]
    assert not mark.exists()


def test_installed_files_are_left_as_they_are(models_dir: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "theirs")
    report = import_weights(tmp_path / "theirs", models_dir)
    assert [each.path.name for each in report.imported] == ["generator_second.pth"]
    assert "lab--net/vae.safetensors" in report.present


def test_an_import_of_part_of_a_model_is_completed_by_a_pull(tmp_path: Path, tiny_hub: HubServer) -> None:
    models_dir = tmp_path / "models"
    write_files(tmp_path / "theirs", "generator_first.safetensors", "clip.bin")
    import_weights(tmp_path / "theirs", models_dir)
    report = pull(tiny_models()[FIRST], models_dir, tiny_hub)
    assert "generator_first.safetensors" not in [path.name for path in report.added]
    assert missing_files(tiny_models()[FIRST], models_dir) == {}


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match="there is no folder"):
        import_weights(tmp_path / "nothing", tmp_path / "models")
