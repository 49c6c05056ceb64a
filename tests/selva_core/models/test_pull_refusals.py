"""What a pull refuses, and what it says then: wrong files, refusing servers, full disks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from selva_core.base.errors import DownloadError, OutputError, WeightsMismatchError
from selva_core.models.catalog import installed_files
from selva_core.models.pull import STAGING_NAME, PullProgress, PullReport, pull_model
from selva_core.models.transfer.hub import Hub
from tests.support.hub_server import Fault, HubServer
from tests.support.pulling import files_in, pull
from tests.support.weights_files import CONTENT, PATH, REPOSITORY, model_file, model_with, safetensors_bytes


@pytest.mark.parametrize(
    ("content", "with_md5", "complaint"),
    [
        (safetensors_bytes(2_000_000, seed=3), True, "its MD5 is"),
        (b"<html>404</html>", False, "16 bytes where about 2000"),
        (b"x" * len(CONTENT), False, "no directory of tensors|not a file of weights"),
        (CONTENT[:-9], False, "it is not whole"),
    ],
)
def test_a_file_that_is_not_the_published_one_is_refused_and_leaves_nothing(
    tmp_path: Path, hub: HubServer, content: bytes, with_md5: bool, complaint: str
) -> None:
    hub.publish(REPOSITORY, PATH, content)
    model = model_with(generator=model_file(PATH, CONTENT, with_md5=with_md5))
    with pytest.raises(WeightsMismatchError, match=complaint):
        pull(model, tmp_path, hub)
    assert installed_files(model, tmp_path) == {}
    assert files_in(tmp_path) == []


def test_a_page_with_status_200_is_recognised_before_anything_is_written(
    tmp_path: Path, hub: HubServer
) -> None:
    model = model_with(generator=model_file(PATH, CONTENT))
    hub.fail(PATH, Fault(page="<html>log in</html>", on_head=True))
    with pytest.raises(DownloadError, match="a login page"):
        pull(model, tmp_path, hub)
    hub.fail(PATH, Fault(page="<html>log in</html>"))
    with pytest.raises(DownloadError, match="19 bytes instead of"):
        pull(model, tmp_path, hub)
    assert installed_files(model, tmp_path) == {}
    assert pull(model, tmp_path, hub).added[0].read_bytes() == CONTENT


def test_a_renamed_file_is_explained_with_the_names_that_are_there(tmp_path: Path, hub: HubServer) -> None:
    model = model_with(generator=model_file("weights/a_5.pth", CONTENT))
    with pytest.raises(
        DownloadError, match=r"no longer has weights/a_5.pth.*similar.*weights/a.pth"
    ) as error:
        pull(model, tmp_path, hub)
    assert error.value.facts["similar"] == [PATH]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(status=403, headers={"X-Error-Code": "GatedRepo"}, on_head=True), "conditions accepted first"),
        (Fault(status=403, on_head=True), "refuses it; try without HF_TOKEN"),
        (Fault(status=401, on_head=True), "token in HF_TOKEN is not valid"),
        (Fault(status=401, headers={"X-Error-Code": "RepoNotFound"}, on_head=True), "the hub has no lab/net"),
        (Fault(status=407, on_head=True), "write them into HTTPS_PROXY"),
        (Fault(status=429, headers={"Retry-After": "3600"}, on_head=True), "asks to wait 3600 s"),
    ],
)
def test_each_refusal_says_what_it_is_and_what_to_do(
    tmp_path: Path, hub: HubServer, fault: Fault, message: str
) -> None:
    hub.fail(PATH, fault)
    model = model_with(generator=model_file(PATH, CONTENT))
    with pytest.raises(DownloadError, match=message):
        pull(model, tmp_path, hub)
    assert pull(model, tmp_path, hub).added[0].read_bytes() == CONTENT


def test_a_busy_server_is_given_the_time_it_asks_for(tmp_path: Path, hub: HubServer) -> None:
    hub.fail(
        PATH,
        Fault(status=429, headers={"Retry-After": "7"}, on_head=True),
        Fault(status=503),
        Fault(status=502),
    )
    waits: list[float] = []
    seen: list[PullProgress] = []
    pull_model(
        model_with(generator=model_file(PATH, CONTENT)),
        tmp_path,
        on_progress=seen.append,
        hub=Hub({"HF_ENDPOINT": hub.address}),
        sleep=waits.append,
    )
    assert waits == [7, 1, 2]
    notes = [each.note for each in seen if each.stage == "retry"]
    assert "too many requests (status 429); again in 7 s" in notes[0]
    assert "fault of its own (status 503)" in notes[1]


def test_offline_is_refused_with_the_other_way_and_needs_nothing_for_an_installed_model(
    tmp_path: Path, hub: HubServer
) -> None:
    model = model_with(generator=model_file(PATH, CONTENT))
    offline = Hub({"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "1"})
    with pytest.raises(DownloadError, match=r"HF_HUB_OFFLINE is set.*models import FOLDER"):
        pull_model(model, tmp_path, on_progress=lambda _: None, hub=offline)
    assert hub.requests == []
    pull(model, tmp_path, hub)
    assert pull_model(model, tmp_path, on_progress=lambda _: None, hub=offline) == PullReport()


def test_an_address_without_a_server_is_explained(tmp_path: Path, hub: HubServer) -> None:
    nowhere = Hub({"HF_ENDPOINT": "http://127.0.0.1:9"})
    with pytest.raises(DownloadError, match=r"127.0.0.1:9 does not answer.*check the network"):
        pull_model(
            model_with(generator=model_file(PATH, CONTENT)),
            tmp_path,
            on_progress=lambda _: None,
            hub=nowhere,
            sleep=lambda _: None,
        )


@pytest.mark.parametrize(
    "address", ["rubbish", "ftp://hub.example", "https://", "http://hub:port", "http://[::1", "http://a b"]
)
def test_an_endpoint_that_is_no_address_is_named_with_what_it_should_be(address: str) -> None:
    with pytest.raises(DownloadError, match=r"is no address of a hub; HF_ENDPOINT reads like https://"):
        Hub({"HF_ENDPOINT": address}).look_up(REPOSITORY, (PATH,))


@pytest.mark.parametrize("proxy", ["http://[::1", "http://127.0.0.1:port"])
def test_a_proxy_that_is_no_address_is_refused_with_its_variable(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(DownloadError, match=r"proxy for it is no valid address .*HTTP_PROXY"):
        Hub({"HF_ENDPOINT": "http://hub.invalid"}).look_up(REPOSITORY, (PATH,))


def test_an_endpoint_with_a_slash_at_its_end_is_an_address(hub: HubServer) -> None:
    hub.publish(REPOSITORY, PATH, CONTENT)
    assert Hub({"HF_ENDPOINT": f"{hub.address}/"}).look_up(REPOSITORY, (PATH,)).size_bytes == len(CONTENT)


def test_a_disk_without_room_is_reported_before_anything_is_fetched(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_with(generator=model_file(PATH, CONTENT))
    monkeypatch.setattr("selva_core.models.store.room.free_bytes", lambda _: 500_000_001)
    with pytest.raises(OutputError, match="SELVA_MODELS_DIR") as error:
        pull(model, tmp_path, hub)
    assert error.value.facts["needed_bytes"] == len(CONTENT) + 500_000_000
    assert hub.ranges() == []
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "*")
    assert len(pull(model, tmp_path, hub).added) == 1


def test_a_disk_that_fills_up_keeps_what_came_and_says_how_to_go_on(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_with(generator=model_file(PATH, CONTENT))
    partial = tmp_path / STAGING_NAME / "lab--net--weights--a.pth.part"
    with monkeypatch.context() as patch:
        patch.setattr("selva_core.models.transfer.partial_file._open_unbuffered", _NearlyFullDisk)
        with pytest.raises(OutputError, match=r"is full after 1 MB of .*a\.pth.*models move FOLDER"):
            pull(model, tmp_path, hub)
    assert partial.stat().st_size == 1_000_000
    report = pull(model, tmp_path, hub)
    assert report.added[0].read_bytes() == CONTENT
    assert report.fetched_bytes == len(CONTENT) - 1_000_000


class _NearlyFullDisk:
    """A file on a disk that takes 1 MB, the last bytes in part, as disks do."""

    def __init__(self, path: Path, mode: str) -> None:
        self._file = path.open(mode, buffering=0)

    def write(self, content: memoryview) -> int:
        room = 1_000_000 - self._file.tell()
        if room <= 0:
            raise OSError(28, os.strerror(28))
        return self._file.write(content[:room])

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def close(self) -> None:
        self._file.close()
