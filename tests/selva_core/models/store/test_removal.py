"""Taking models away."""

from __future__ import annotations

from pathlib import Path

from selva_core.base.file_lock import FileLock
from selva_core.models.catalog import missing_files
from selva_core.models.pull import partial_file
from selva_core.models.record import load_record
from selva_core.models.store.folder_lock import LOCK_NAME
from selva_core.models.store.removal import remove_model
from tests.support.hub_server import HubServer
from tests.support.pulling import files_in, pull
from tests.support.tiny_models import FIRST, SECOND, tiny_models


def test_the_last_model_that_uses_a_file_takes_it_along(models_dir: Path) -> None:
    report = remove_model(tiny_models()[FIRST], models_dir)
    assert len(report.removed) == len(tiny_models()[FIRST].files)
    assert report.freed_bytes > 10_000_000
    assert files_in(models_dir) == ["installed.json"]
    assert load_record(models_dir).files == {}


def test_files_that_another_installed_model_needs_stay(models_dir: Path, tiny_hub: HubServer) -> None:
    pull(tiny_models()[SECOND], models_dir, tiny_hub)
    report = remove_model(tiny_models()[FIRST], models_dir)
    assert [path.name for path in report.removed] == ["generator_first.safetensors"]
    assert report.shared["lab--net/vae.safetensors"] == [SECOND]
    assert missing_files(tiny_models()[SECOND], models_dir) == {}
    assert missing_files(tiny_models()[FIRST], models_dir).keys() == {"generator"}


def test_files_of_a_model_that_is_installed_in_part_keep_nothing(models_dir: Path) -> None:
    """The second model lacks its generator, so what it shares with the first is of no use to it."""
    assert missing_files(tiny_models()[SECOND], models_dir).keys() == {"generator"}
    assert remove_model(tiny_models()[FIRST], models_dir).shared == {}


def test_what_was_fetched_in_part_goes_too(tmp_path: Path) -> None:
    partial = partial_file(tmp_path, tiny_models()[FIRST].files["vae"])
    partial.path.parent.mkdir(parents=True)
    partial.path.write_bytes(b"x" * 1000)
    assert remove_model(tiny_models()[FIRST], tmp_path).freed_bytes == 1000
    assert not partial.path.exists()


def test_a_change_waits_for_the_process_that_holds_the_folder_and_says_so(models_dir: Path) -> None:
    holder = FileLock(models_dir / LOCK_NAME)
    holder.acquire()
    waits: list[str] = []

    def on_wait() -> None:
        waits.append("waiting")
        holder.release()

    remove_model(tiny_models()[FIRST], models_dir, on_wait=on_wait)
    assert waits == ["waiting"]
    assert "generator" in missing_files(tiny_models()[FIRST], models_dir)
