"""Reading installed files again."""

from __future__ import annotations

from pathlib import Path

from selva_core.models.catalog import MODELS, file_path, missing_files
from selva_core.models.record import load_record
from selva_core.models.store.verification import DAMAGED, MISSING, WHOLE, verify_models
from selva_core.network import load_network
from tests.support.hub_server import HubServer
from tests.support.pulling import pull
from tests.support.tiny_models import FIRST, SECOND, tiny_models, write_files


def states(folder: Path, model_id: str = FIRST) -> dict[str, str]:
    return {each.role: each.state for each in verify_models([tiny_models()[model_id]], folder)[model_id]}


def test_a_pulled_model_is_whole_and_its_network_loads(models_dir: Path) -> None:
    assert set(states(models_dir).values()) == {WHOLE}
    model = tiny_models()[FIRST]
    assert model.spec is not None
    files = {role: file_path(file, models_dir) for role, file in model.files.items()}
    assert load_network(model.spec, files, device="cpu").spec.sample_rate_hz == 16_000


def test_a_changed_byte_is_found_and_the_next_pull_replaces_the_file(
    models_dir: Path, tiny_hub: HubServer
) -> None:
    model = tiny_models()[FIRST]
    for role in ("vae", "clip_text"):  # one with a published MD5, one that was recorded
        path = file_path(model.files[role], models_dir)
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(content)
    assert missing_files(model, models_dir) == {}
    assert {role for role, state in states(models_dir).items() if state == DAMAGED} == {"vae", "clip_text"}
    assert missing_files(model, models_dir).keys() == {"vae", "clip_text"}
    pull(model, models_dir, tiny_hub)
    assert set(states(models_dir).values()) == {WHOLE}


def test_a_file_that_was_repaired_counts_again(models_dir: Path) -> None:
    path = file_path(tiny_models()[FIRST].files["vae"], models_dir)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert states(models_dir)["vae"] == DAMAGED
    path.write_bytes(content)
    assert states(models_dir)["vae"] == WHOLE
    assert missing_files(tiny_models()[FIRST], models_dir) == {}


def test_a_file_that_was_put_there_by_hand_is_opened_and_recorded(tmp_path: Path) -> None:
    folder = tmp_path / "by hand"
    write_files(folder / "lab--net")
    (folder / "lab--net" / "vocoder.safetensors").write_bytes(b"no weights" * 200_000)
    found = {each.role: each for each in verify_models([tiny_models()[SECOND]], folder)[SECOND]}
    assert found["t5"].state == WHOLE
    assert found["t5"].path.name == "t5.safetensors"
    assert (found["vocoder"].state, found["clip_text"].state) == (DAMAGED, MISSING)
    assert found["vae"].compared_with == "the published MD5"
    assert load_record(folder).files["lab--net/tokenizer.json"].origin == "found"


def test_a_file_that_two_models_share_is_read_once(models_dir: Path) -> None:
    num_bytes: list[int] = []
    found = verify_models(tiny_models().values(), models_dir, on_bytes=num_bytes.append)
    size_bytes = sum(path.stat().st_size for path in (models_dir / "lab--net").iterdir())
    assert sum(num_bytes) == size_bytes
    assert {each.role: each.state for each in found[SECOND]}["vae"] == WHOLE


def test_the_weights_of_the_package_are_compared_with_its_hashes(tmp_path: Path) -> None:
    found = verify_models([MODELS["selva-nano"]], tmp_path)["selva-nano"]
    assert {each.state for each in found} == {WHOLE}
    assert {each.compared_with for each in found} == {"the SHA-256 of the package"}
