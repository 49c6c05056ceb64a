"""`selva models`: fetching, checking, importing, removing and moving, with a hub on loopback and two tiny models."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from selva_core.models.catalog import MODELS
from tests.selva_cli.command_line import RunCommand, read_json
from tests.support.hub_server import HubServer
from tests.support.tiny_models import FIRST, SECOND, publish, tiny_models, write_files


@pytest.fixture
def tiny_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.setattr(
        "selva_core.models.catalog.MODELS", {"selva-nano": MODELS["selva-nano"], **tiny_models()}
    )
    with HubServer().running() as hub:
        publish(hub)
        for name, value in hub.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        yield hub


@pytest.fixture
def models_dir(tiny_hub: HubServer, selva: RunCommand, tmp_path: Path) -> Path:
    assert selva("config", "set", "models_dir", str(tmp_path / "models"))[0] == 0
    return tmp_path / "models"


def pull(selva: RunCommand, model_id: str = FIRST) -> Any:
    return read_json(selva("models", "pull", model_id, "--accept-licence", "--json"))


def test_licences_are_shown_and_asked_about_once(
    models_dir: Path, selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, output, errors = selva("models", "pull", FIRST)
    assert status == 1
    assert "Apple Machine Learning Research Model licence" in output
    assert "there is no terminal to ask on" in errors
    assert "--accept-licence" in errors
    assert not models_dir.exists()
    status, output, errors = selva("models", "pull", FIRST, "--accept-licence")
    assert status == 0, errors
    assert output.endswith(f"{FIRST} is installed.\n")
    status, output, errors = selva("models", "pull", SECOND)
    assert status == 0, errors
    assert "Licences" not in output


def test_pull_says_how_much_was_fetched_and_stored(models_dir: Path, selva: RunCommand) -> None:
    report = pull(selva)
    assert report["installed"] is True
    assert len(report["added"]) == len(tiny_models()[FIRST].files)
    # The directories of the two files that are fetched in part come on top.
    assert 0 < report["fetched_bytes"] - report["stored_bytes"] < 1_000_000
    assert pull(selva)["added"] == []


def test_a_model_that_the_setting_refuses_is_not_fetched(
    models_dir: Path, selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELVA_ONLY_COMMERCIAL_MODELS", "true")
    status, output, errors = selva("models", "pull", FIRST, "--accept-licence", "--json")
    assert status == 1
    assert json.loads(output)["error"]["code"] == "configuration"
    assert "only_commercial_models" in errors
    assert not models_dir.exists()


def test_verify_finds_what_changed_and_pull_mends_it(models_dir: Path, selva: RunCommand) -> None:
    pull(selva)
    assert read_json(selva("models", "verify", "--json"))["whole"] is True
    vae = models_dir / "lab--net" / "vae.safetensors"
    vae.write_bytes(vae.read_bytes()[:-1] + b"!")
    status, output, errors = selva("models", "verify", FIRST)
    assert status == 1
    assert "damaged" in output
    assert "its MD5 is" in errors
    assert f"models pull {FIRST}" in errors
    assert [Path(path).name for path in pull(selva)["added"]] == ["vae.safetensors"]
    assert selva("models", "verify", FIRST)[0] == 0


def test_where_and_list_show_what_is_there(models_dir: Path, selva: RunCommand) -> None:
    pull(selva)
    pull(selva, SECOND)
    usage = read_json(selva("models", "where", "--json"))
    assert usage["folder"] == str(models_dir)
    assert usage["set_by"].endswith("line 2") or "selva.toml" in usage["set_by"]
    assert usage["installed"].keys() == {FIRST, SECOND}
    assert usage["weights_bytes"] < sum(usage["installed"].values())
    assert 0 < usage["shared_bytes"] < usage["weights_bytes"]
    assert str(models_dir) in selva("models", "where")[1]
    listed = read_json(selva("models", "list", "--commercial", "--json"))
    assert [row["model"] for row in listed] == ["selva-nano"]


def test_info_says_what_each_figure_rests_on(models_dir: Path, selva: RunCommand) -> None:
    before = read_json(selva("models", "info", FIRST, "--no-probe", "--json"))
    assert before["costs"]["disk_basis"].startswith("as published")
    assert before["costs"]["download_bytes"] > 0
    assert before["costs"]["seconds"] is None
    pull(selva)
    costs = read_json(selva("models", "info", FIRST, "--no-probe", "--json"))["costs"]
    assert costs["disk_basis"].startswith("measured")
    assert costs["download_bytes"] == 0
    assert costs["memory_basis"].startswith("estimated")
    status, output, _ = selva("models", "info", FIRST, "--no-probe")
    assert status == 0
    assert "time for one stem of 8 s: not known" in output


def test_import_of_a_folder_that_there_is_not_shows_no_licences_for_it(
    models_dir: Path, selva: RunCommand, tmp_path: Path
) -> None:
    for accepted in ((), ("--accept-licence",)):
        status, output, errors = selva("models", "import", str(tmp_path / "nonesuch"), *accepted)
        assert (status, output) == (1, "")
        assert "there is no folder" in errors


def test_import_links_files_and_names_what_is_still_needed(
    models_dir: Path, selva: RunCommand, tmp_path: Path
) -> None:
    write_files(tmp_path / "theirs", "vae.safetensors", "generator_first.safetensors")
    status, output, errors = selva("models", "import", str(tmp_path / "theirs"), "--accept-licence")
    assert status == 0, errors
    assert output.count("linked: ") == 2
    assert f"{FIRST} still needs: clip.bin, t5.safetensors, tokenizer.json" in output
    again = read_json(selva("models", "import", str(tmp_path / "theirs"), "--json"))
    assert len(again["present"]) == 2
    assert again["imported"] == []


def test_remove_keeps_what_the_other_model_needs(models_dir: Path, selva: RunCommand) -> None:
    pull(selva)
    pull(selva, SECOND)
    report = read_json(selva("models", "remove", FIRST, "--json"))
    assert [Path(path).name for path in report["removed"]] == ["generator_first.safetensors"]
    assert set(report["kept"]) >= {"lab--net/vae.safetensors", "lab--net/vocoder.safetensors"}
    status, output, _ = selva("models", "remove", SECOND, "--yes")
    assert status == 0
    assert "files removed" in output
    assert selva("models", "remove", "selva-nano", "--yes")[0] == 1


def test_remove_of_a_model_that_is_not_installed_is_refused(models_dir: Path, selva: RunCommand) -> None:
    status, output, errors = selva("models", "remove", FIRST, "--yes")
    assert (status, output) == (1, "")
    assert f"{FIRST} is not installed" in errors
    pull(selva)
    assert selva("models", "remove", FIRST, "--yes")[0] == 0
    status, output, _ = selva("models", "remove", FIRST, "--json")
    assert status == 1
    assert json.loads(output)["error"]["code"] == "model-weights-missing"


def test_remove_of_a_model_of_which_another_has_the_shared_files_says_why_they_stay(
    models_dir: Path, selva: RunCommand
) -> None:
    pull(selva)
    errors = selva("models", "remove", SECOND, "--yes")[2]
    assert f"{SECOND} is not installed; the files that it shares stay, because {FIRST} needs them" in errors


def test_move_changes_the_setting(models_dir: Path, selva: RunCommand, tmp_path: Path) -> None:
    pull(selva)
    target = tmp_path / "other drive é"
    report = read_json(selva("models", "move", str(target), "--json"))
    assert report["folder"] == str(target)
    assert not models_dir.exists()
    assert read_json(selva("models", "where", "--json"))["folder"] == str(target)
    assert pull(selva)["added"] == []


def test_move_is_refused_where_a_variable_names_the_folder(
    models_dir: Path, selva: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(selva)
    monkeypatch.setenv("SELVA_MODELS_DIR", str(models_dir))
    status, _, errors = selva("models", "move", str(tmp_path / "drive"))
    assert status == 1
    assert "SELVA_MODELS_DIR" in errors
    assert not (tmp_path / "drive").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(models_dir: Path, selva: RunCommand) -> None:
    models_dir.parent.chmod(0o500)
    try:
        status, _, errors = selva("models", "pull", FIRST, "--accept-licence")
    finally:
        models_dir.parent.chmod(0o700)
    assert status == 1
    assert "cannot be used" in errors
