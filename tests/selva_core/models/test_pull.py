"""Fetching weights, from a real HTTP server on loopback that answers as the hub does."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from selva_core.base.errors import DownloadError, WeightsMismatchError
from selva_core.models.catalog import MODELS, Excerpt, installed_files, missing_files
from selva_core.models.pull import STAGING_NAME, PullProgress, PullReport, pull_model
from selva_core.models.record import load_record
from selva_core.models.transfer.hub import Hub
from tests.support.hub_server import COMMIT, Fault, HubServer
from tests.support.pulling import files_in, pull
from tests.support.weights_files import CONTENT, PATH, REPOSITORY, model_file, model_with, safetensors_bytes

STORED = Path("lab--net", "weights", "a.pth")


@pytest.mark.parametrize("linked", [True, False])
def test_pulled_files_are_found_by_the_model_and_recorded(
    tmp_path: Path, hub: HubServer, linked: bool
) -> None:
    hub.linked = linked
    other = safetensors_bytes(500, seed=1)
    hub.publish(REPOSITORY, "weights/b.pth", other)
    model = model_with(
        generator=model_file(PATH, CONTENT), vae=model_file("weights/b.pth", other, with_md5=False)
    )
    report = pull(model, tmp_path, hub)
    assert [path.read_bytes() for path in report.added] == [CONTENT, other]
    assert report.fetched_bytes == report.stored_bytes == len(CONTENT) + len(other)
    assert set(installed_files(model, tmp_path)) == {"generator", "vae"}
    row = load_record(tmp_path).files[STORED.as_posix()]
    assert row.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert row.source == f"{REPOSITORY}/{PATH}@{COMMIT}"
    assert files_in(tmp_path) == ["installed.json", "lab--net/weights/a.pth", "lab--net/weights/b.pth"]


def test_one_count_of_bytes_goes_over_all_files(tmp_path: Path, hub: HubServer) -> None:
    other = safetensors_bytes(700_000, seed=1)
    hub.publish(REPOSITORY, "weights/b.pth", other)
    model = model_with(generator=model_file(PATH, CONTENT), vae=model_file("weights/b.pth", other))
    seen: list[PullProgress] = []
    pull(model, tmp_path, hub, seen=seen)
    downloads = [each for each in seen if each.stage == "download"]
    assert {each.total_bytes for each in downloads} == {len(CONTENT) + len(other)}
    done = [each.done_bytes for each in downloads]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, len(CONTENT) + len(other))
    stages = [stage for stage, _ in itertools.groupby(seen, key=lambda each: each.stage)]
    assert stages == ["look-up", "download", "verify", "download", "verify"]


def test_installed_files_are_not_fetched_again(tmp_path: Path, hub: HubServer) -> None:
    model = model_with(generator=model_file(PATH, CONTENT))
    pull(model, tmp_path, hub)
    num_requests = len(hub.requests)
    assert pull(model, tmp_path, hub) == PullReport()
    assert len(hub.requests) == num_requests


@pytest.mark.parametrize("linked", [True, False])
def test_a_broken_transfer_goes_on_where_it_broke(tmp_path: Path, hub: HubServer, linked: bool) -> None:
    hub.linked = linked
    hub.fail(PATH, Fault(after_bytes=700_000), Fault(after_bytes=300_000))
    report = pull(model_with(generator=model_file(PATH, CONTENT)), tmp_path, hub)
    assert report.added[0].read_bytes() == CONTENT
    assert report.fetched_bytes == len(CONTENT)
    assert hub.ranges() == [f"bytes={start}-{len(CONTENT) - 1}" for start in (0, 700_000, 1_000_000)]


def test_a_connection_that_never_holds_is_given_up_and_keeps_what_came(
    tmp_path: Path, hub: HubServer
) -> None:
    hub.fail(PATH, Fault(after_bytes=500_000), *(Fault(after_bytes=0) for _ in range(6)))
    model = model_with(generator=model_file(PATH, CONTENT))
    with pytest.raises(DownloadError, match="What was fetched is kept"):
        pull(model, tmp_path, hub)
    assert installed_files(model, tmp_path) == {}
    hub.faults.clear()
    report = pull(model, tmp_path, hub)
    assert report.added[0].read_bytes() == CONTENT
    assert report.fetched_bytes == len(CONTENT) - 500_000


_PULL = """
import sys
from pathlib import Path
from selva_core.models.pull import pull_model
from tests.support.weights_files import CONTENT, PATH, model_file, model_with
pull_model(model_with(generator=model_file(PATH, CONTENT)), Path(sys.argv[1]), on_progress=lambda _: None)
"""


def start_pull(folder: Path, hub: HubServer) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[3]
    environment = {
        **os.environ,
        **hub.environment(),
        "HF_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.Popen([sys.executable, "-c", _PULL, str(folder)], env=environment, cwd=root)


def test_after_a_kill_the_next_process_fetches_the_rest_only(tmp_path: Path, hub: HubServer) -> None:
    release = threading.Event()
    hub.fail(PATH, Fault(after_bytes=1_500_000, hold=release))
    model = model_with(generator=model_file(PATH, CONTENT))
    partial = tmp_path / STAGING_NAME / "lab--net--weights--a.pth.part"
    process = start_pull(tmp_path, hub)
    try:
        give_up_s = time.monotonic() + 60
        while not (partial.exists() and partial.stat().st_size >= 1_300_000):
            assert process.poll() is None
            assert time.monotonic() < give_up_s
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
        release.set()
    num_there = partial.stat().st_size
    assert missing_files(model, tmp_path).keys() == {"generator"}
    report = pull(model, tmp_path, hub)
    assert report.added[0].read_bytes() == CONTENT
    assert report.fetched_bytes == len(CONTENT) - num_there
    assert hub.ranges()[-1] == f"bytes={num_there}-{len(CONTENT) - 1}"
    assert files_in(tmp_path) == ["installed.json", "lab--net/weights/a.pth"]


def test_two_processes_that_pull_one_model_fetch_it_once(tmp_path: Path, hub: HubServer) -> None:
    processes = [start_pull(tmp_path, hub) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert hub.ranges() == [f"bytes=0-{len(CONTENT) - 1}"]
    assert (tmp_path / STORED).read_bytes() == CONTENT


def test_a_file_that_changed_on_the_hub_is_fetched_from_its_start(tmp_path: Path, hub: HubServer) -> None:
    model = model_with(generator=model_file(PATH, CONTENT, with_md5=False))
    hub.fail(PATH, Fault(after_bytes=900_000), *(Fault(after_bytes=0) for _ in range(6)))
    with pytest.raises(DownloadError):
        pull(model, tmp_path, hub)
    hub.faults.clear()
    changed = safetensors_bytes(2_000_000, seed=7)
    hub.publish(REPOSITORY, PATH, changed)
    assert pull(model, tmp_path, hub).added[0].read_bytes() == changed


def test_bytes_that_changed_on_the_way_are_noticed_by_the_hash_of_the_hub(
    tmp_path: Path, hub: HubServer
) -> None:
    model = model_with(generator=model_file(PATH, CONTENT, with_md5=False))
    hub.fail(PATH, Fault(flip=1_000_000))
    with pytest.raises(WeightsMismatchError, match="the hub states"):
        pull(model, tmp_path, hub)
    assert pull(model, tmp_path, hub).added[0].read_bytes() == CONTENT


def test_a_file_is_found_under_the_other_name_it_is_published_with(tmp_path: Path, hub: HubServer) -> None:
    model = model_with(generator=model_file("weights/a_44khz.pth", CONTENT, other_paths=(PATH,)))
    (path,) = pull(model, tmp_path, hub).added
    assert path.name == "a_44khz.pth"
    assert (
        load_record(tmp_path)
        .files["lab--net/weights/a_44khz.pth"]
        .source.startswith("lab/net/weights/a.pth@")
    )
    other = tmp_path / "by hand"
    (other / STORED).parent.mkdir(parents=True)
    (other / STORED).write_bytes(CONTENT)
    assert installed_files(model, other) == {"generator": other / STORED}


def test_a_renamed_repository_is_followed(tmp_path: Path, hub: HubServer) -> None:
    hub.files = {("lab/net-v2", PATH): CONTENT}
    hub.renamed = {REPOSITORY: "lab/net-v2"}
    assert (
        pull(model_with(generator=model_file(PATH, CONTENT)), tmp_path, hub).added[0].read_bytes() == CONTENT
    )


def test_the_token_goes_to_the_hub_alone(tmp_path: Path, hub: HubServer) -> None:
    with HubServer({(REPOSITORY, PATH): CONTENT}, linked=False).running() as storage:
        hub.storage_address = storage.address
        pull_model(
            model_with(generator=model_file(PATH, CONTENT)),
            tmp_path,
            on_progress=lambda _: None,
            hub=Hub({"HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_secret"}),
        )
        assert {each.authorization for each in hub.requests} == {"Bearer hf_secret"}
        assert {each.authorization for each in storage.requests} == {None}
        assert storage.ranges() == [f"bytes=0-{len(CONTENT) - 1}"]


def test_proxies_of_the_environment_are_used(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy is asked for whole addresses; the double takes them as a proxy would."""
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", hub.address)
    report = pull_model(
        model_with(generator=model_file(PATH, CONTENT)),
        tmp_path,
        on_progress=lambda _: None,
        hub=Hub({"HF_ENDPOINT": "http://hub.invalid"}),
    )
    assert report.added[0].read_bytes() == CONTENT
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(DownloadError, match="SOCKS proxy"):
        Hub({"HF_ENDPOINT": "http://hub.invalid"}).look_up(REPOSITORY, (PATH,))


def test_a_file_without_a_published_hash_is_pinned_by_its_first_download(
    tmp_path: Path, hub: HubServer
) -> None:
    model = model_with(generator=model_file(PATH, CONTENT, with_md5=False))
    (path,) = pull(model, tmp_path, hub).added
    assert load_record(tmp_path).pins == {STORED.as_posix(): hashlib.sha256(CONTENT).hexdigest()}
    path.unlink()
    changed = safetensors_bytes(2_000_000, seed=9)
    hub.publish(REPOSITORY, PATH, changed)
    with pytest.raises(WeightsMismatchError, match=r"first download.*--accept-changed"):
        pull(model, tmp_path, hub)
    assert pull(model, tmp_path, hub, accept_changed=True).added[0].read_bytes() == changed


def torch_bytes(tensors: Mapping[str, torch.Tensor], *, legacy: bool = False) -> bytes:
    """What `torch.save` writes; legacy: in the layout from before torch 1.6."""
    stream = io.BytesIO()
    torch.save(dict(tensors), stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


TOWERS = {
    "positional_embedding": torch.arange(6.0),
    "visual.a.weight": torch.ones(700_000),
    "visual.b.weight": torch.ones(10),
    "transformer.c.weight": torch.arange(40.0).reshape(8, 5),
    "ln_final.weight": torch.arange(3.0),
}
TEXT = Excerpt(stored_name="text.safetensors", keys=r"(?!visual\.).*", size_bytes=1000)


@pytest.mark.parametrize("kind", ["torch archive", "safetensors", "torch before 1.6"])
@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_only_the_tensors_that_are_used_are_stored_and_where_possible_fetched(
    tmp_path: Path, hub: HubServer, kind: str, ignores_ranges: bool
) -> None:
    content = save(TOWERS) if kind == "safetensors" else torch_bytes(TOWERS, legacy=kind != "torch archive")
    hub.publish(REPOSITORY, "clip.bin", content)
    hub.ignores_ranges = ignores_ranges
    report = pull(
        model_with(clip_text=model_file("clip.bin", content, with_md5=False, excerpt=TEXT)), tmp_path, hub
    )
    assert report.added == (tmp_path / "lab--net" / "text.safetensors",)
    stored = load_file(report.added[0])
    wanted = {name: tensor for name, tensor in TOWERS.items() if not name.startswith("visual.")}
    assert stored.keys() == wanted.keys()
    assert all(torch.equal(stored[name], wanted[name]) for name in wanted)
    is_sparing = not ignores_ranges and kind != "torch before 1.6"
    assert (report.fetched_bytes < 1_000_000) == is_sparing
    assert files_in(tmp_path) == ["installed.json", "lab--net/text.safetensors"]


def test_a_tensor_that_arrives_damaged_is_fetched_again_by_itself(tmp_path: Path, hub: HubServer) -> None:
    content = torch_bytes({"a": torch.zeros(300_000), "visual.x": torch.ones(9), "b": torch.ones(300_000)})
    hub.publish(REPOSITORY, "clip.bin", content)
    position = content.rindex(torch.ones(300_000).numpy().tobytes()) + 1_000_000
    hub.fail("clip.bin", Fault(), Fault(), *(Fault(flip=position) for _ in range(1)))
    model = model_with(clip_text=model_file("clip.bin", content, with_md5=False, excerpt=TEXT))
    (path,) = pull(model, tmp_path, hub).added
    assert torch.equal(load_file(path)["b"], torch.ones(300_000))
    first, last = hub.ranges()[-1][len("bytes=") :].split("-")
    assert int(last) - int(first) + 1 == 1_200_000


def test_a_torn_record_is_written_anew_from_the_files(tmp_path: Path, hub: HubServer) -> None:
    other = safetensors_bytes(500, seed=1)
    hub.publish(REPOSITORY, "weights/b.pth", other)
    pull(model_with(generator=model_file(PATH, CONTENT)), tmp_path, hub)
    record = tmp_path / "installed.json"
    record.write_bytes(record.read_bytes()[:40])
    model = model_with(generator=model_file(PATH, CONTENT), vae=model_file("weights/b.pth", other))
    assert missing_files(model, tmp_path).keys() == {"vae"}
    pull(model, tmp_path, hub)
    assert not load_record(tmp_path).is_torn
    assert (tmp_path / "installed.json.damaged").stat().st_size == 40


def test_a_file_of_another_size_than_recorded_counts_as_missing_and_is_fetched(
    tmp_path: Path, hub: HubServer
) -> None:
    model = model_with(generator=model_file(PATH, CONTENT))
    (path,) = pull(model, tmp_path, hub).added
    path.write_bytes(CONTENT[:-1])
    assert missing_files(model, tmp_path).keys() == {"generator"}
    assert pull(model, tmp_path, hub).added[0].read_bytes() == CONTENT


def test_leftovers_of_earlier_versions_are_removed_and_partial_files_of_other_models_stay(
    tmp_path: Path, hub: HubServer
) -> None:
    staging = tmp_path / STAGING_NAME
    old = staging / "lab--net" / ".cache" / "huggingface" / "download" / "a.incomplete"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    other = staging / "other--net--b.pth.part"
    other.write_bytes(b"part")
    pull(model_with(generator=model_file(PATH, CONTENT)), tmp_path, hub)
    assert not old.exists()
    assert other.exists()


def test_every_published_model_has_a_repository_for_each_file() -> None:
    for model in MODELS.values():
        if not model.is_bundled:
            assert all(file.repository and file.size_bytes > 1_000_000 for file in model.files.values())
            assert model.licences
