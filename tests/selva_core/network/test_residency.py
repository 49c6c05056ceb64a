"""Which parts of a network are in memory: mapped from their files, shared, and there only while they run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.catalog import find_model, installed_files
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import Network, load_network, save_part
from selva_core.network.parts import PARTS, build_part


def load_nano(files: dict[str, Path] | None = None, *, on_demand: bool = False) -> Network:
    model = find_model("selva-nano")
    return load_network(NANO_SPEC, files or installed_files(model, Path()), on_demand=on_demand)


def has_weights(part: nn.Module) -> bool:
    return next(part.parameters(), None) is not None


def resident(network: Network) -> set[str]:
    return {name for name, part in network.parts().items() if has_weights(part)}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="which file a page is of is read from /proc")
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_that_keep_their_precision_are_the_mapped_file(tmp_path: Path, suffix: str) -> None:
    files = dict(installed_files(find_model("selva-nano"), Path()))
    part = build_part("video_encoder", NANO_SPEC, for_training=False)
    files["video_encoder"] = tmp_path / f"encoder{suffix}"
    if suffix == ".pth":
        torch.save(part.state_dict(), files["video_encoder"])
    else:
        save_part("video_encoder", part, files["video_encoder"])
    network = load_nano(files)
    maps = [
        (int(begin, 16), int(end, 16))
        for begin, end in (
            row.addr.split("-")
            for row in psutil.Process().memory_maps(grouped=False)
            if row.path == str(files["video_encoder"])
        )
    ]
    addresses = [parameter.data_ptr() for parameter in network.video_encoder.parameters()]
    assert all(any(begin <= address < end for begin, end in maps) for address in addresses)


def test_all_parts_are_there_from_the_start_and_gone_after_close() -> None:
    network = load_nano()
    assert resident(network) == set(PARTS)
    network.residency.need("t5")
    assert resident(network) == set(PARTS)
    network.close()
    assert resident(network) == set()


def test_on_demand_only_what_is_needed_is_there() -> None:
    network = load_nano(on_demand=True)
    assert resident(network) == set()
    network.residency.need("t5")
    assert resident(network) == {"t5"}
    network.residency.need("vae", "vocoder")
    assert resident(network) == {"vae", "vocoder"}
    network.residency.need()
    assert resident(network) == set()


def test_part_that_comes_again_has_the_same_weights() -> None:
    network, other = load_nano(on_demand=True), load_nano()
    for _ in range(2):
        network.residency.need("vocoder")
        expected = other.vocoder.state_dict()
        assert network.vocoder.state_dict().keys() == expected.keys()
        assert all(torch.equal(t, expected[key]) for key, t in network.vocoder.state_dict().items())
        network.residency.need()


def test_file_that_was_changed_while_it_is_in_use_is_refused(tmp_path: Path) -> None:
    files = dict(installed_files(find_model("selva-nano"), Path()))
    copied = tmp_path / "generator.safetensors"
    copied.write_bytes(files["generator"].read_bytes())
    network = load_nano({**files, "generator": copied}, on_demand=True)
    network.residency.need("generator")
    network.residency.need()
    status = copied.stat()
    os.utime(copied, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    with pytest.raises(WeightsMismatchError, match="was changed while a model"):
        network.residency.need("generator")
    network.residency.need("vae")
    assert resident(network) == {"vae"}


def test_file_that_does_not_fit_is_refused_when_the_model_is_loaded(tmp_path: Path) -> None:
    files = dict(installed_files(find_model("selva-nano"), Path()))
    with pytest.raises(WeightsMismatchError, match="do not fit this network"):
        load_nano({**files, "generator": files["vae"]}, on_demand=True)


def test_models_that_read_the_same_files_share_their_text_towers() -> None:
    one, other = load_nano(), load_nano()
    assert one.t5 is other.t5
    assert one.clip_text is other.clip_text
    assert one.generator is not other.generator
    one.close()
    assert resident(one) == {"t5", "clip_text"}
    assert resident(other) == set(PARTS)
    other.close()
    assert resident(other) == set()
    again = load_nano()
    assert resident(again) == set(PARTS)
    again.close()


def test_text_towers_of_other_files_are_not_shared(tmp_path: Path) -> None:
    files = dict(installed_files(find_model("selva-nano"), Path()))
    copied = tmp_path / "t5.safetensors"
    copied.write_bytes(files["t5"].read_bytes())
    one, other = load_nano(), load_nano({**files, "t5": copied})
    assert one.t5 is not other.t5
    assert one.clip_text is other.clip_text
    one.close()
    other.close()


def test_shared_tower_stays_while_one_of_two_models_needs_it() -> None:
    one, other = load_nano(on_demand=True), load_nano(on_demand=True)
    one.residency.need("t5")
    other.residency.need("t5")
    one.residency.need()
    assert resident(other) == {"t5"}
    other.residency.need()
    assert resident(other) == set()
