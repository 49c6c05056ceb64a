"""Moving the folder of weights."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from selva_core.base.errors import OutputError
from selva_core.models.catalog import missing_files
from selva_core.models.store.relocation import move_models
from selva_core.models.store.verification import WHOLE, verify_models
from tests.support.pulling import files_in
from tests.support.tiny_models import FIRST, tiny_models


@pytest.fixture(params=["same drive", "another drive"])
def drive(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    if request.param == "another drive":
        monkeypatch.setattr("os.link", refuse)
    return str(request.param)


def test_everything_is_at_the_new_place_and_nothing_at_the_old(
    models_dir: Path, tmp_path: Path, drive: str
) -> None:
    files, target, chosen = files_in(models_dir), tmp_path / "drive" / "models", list[Path]()
    report = move_models(models_dir, target, change_setting=chosen.append)
    assert files_in(target) == files
    assert not models_dir.exists()
    assert chosen == [target]
    assert report.num_files == len(files)
    assert (report.copied_bytes > 0) == (drive == "another drive")
    assert {each.state for each in verify_models([tiny_models()[FIRST]], target)[FIRST]} == {WHOLE}


def test_a_move_that_is_interrupted_leaves_the_old_folder_whole_and_goes_on_when_repeated(
    models_dir: Path, tmp_path: Path, drive: str
) -> None:
    target = tmp_path / "drive"

    def interrupt(done: int, total: int) -> None:
        if done > total // 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_models(models_dir, target, change_setting=lambda _: None, on_bytes=interrupt)
    assert missing_files(tiny_models()[FIRST], models_dir) == {}
    seen: list[int] = []
    move_models(models_dir, target, change_setting=lambda _: None, on_bytes=lambda done, _: seen.append(done))
    assert missing_files(tiny_models()[FIRST], target) == {}
    assert not models_dir.exists()
    assert 0 < len(seen) < len(tiny_models()[FIRST].files)


def test_a_setting_that_cannot_be_written_leaves_the_old_folder_whole(
    models_dir: Path, tmp_path: Path
) -> None:
    def refuse(_: Path) -> None:
        raise OutputError("the settings cannot be written")

    with pytest.raises(OutputError, match="settings"):
        move_models(models_dir, tmp_path / "drive", change_setting=refuse)
    assert missing_files(tiny_models()[FIRST], models_dir) == {}


def test_a_folder_with_other_models_is_refused_and_nothing_in_it_changes(
    models_dir: Path, tmp_path: Path
) -> None:
    target = tmp_path / "drive"
    (target / "lab--net").mkdir(parents=True)
    (target / "lab--net" / "vae.safetensors").write_bytes(b"theirs")
    with pytest.raises(OutputError, match="holds other files of the same names"):
        move_models(models_dir, target, change_setting=lambda _: None)
    assert (target / "lab--net" / "vae.safetensors").read_bytes() == b"theirs"
    assert missing_files(tiny_models()[FIRST], models_dir) == {}


@pytest.mark.parametrize("place", [".", "inside", ".."])
def test_folders_inside_each_other_are_refused(models_dir: Path, place: str) -> None:
    with pytest.raises(OutputError, match=r"already|inside each other"):
        move_models(models_dir, models_dir / place, change_setting=lambda _: None)
    assert missing_files(tiny_models()[FIRST], models_dir) == {}


def test_what_is_not_of_models_stays_where_it_is_and_is_reported(
    models_dir: Path, tmp_path: Path, drive: str
) -> None:
    """A folder with work in it may have been chosen for the weights; a move took all of it along."""
    weights, target = files_in(models_dir), tmp_path / "drive"
    (models_dir / "project" / "empty").mkdir(parents=True)
    (models_dir / "project" / "cut.otio").write_text("work")
    (models_dir / "notes.md").write_text("notes")
    report = move_models(models_dir, target, change_setting=lambda _: None)
    assert files_in(target) == weights
    assert (models_dir / "project" / "cut.otio").read_text() == "work"
    assert (models_dir / "project" / "empty").is_dir()
    assert {path.name for path in report.foreign} == {"project", "notes.md"}
    assert missing_files(tiny_models()[FIRST], models_dir) != {}


def test_a_folder_of_models_alone_reports_nothing_foreign(models_dir: Path, tmp_path: Path) -> None:
    assert move_models(models_dir, tmp_path / "drive", change_setting=lambda _: None).foreign == ()
