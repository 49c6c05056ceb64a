"""Requests as folders: whole files, one bridge at a time, patience with readers."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.errors import NothingToRenderError, ProtocolMismatchError, SnapshotError
from selva_plugins.progress import RequestProgress
from selva_plugins.request_folder import (
    PROTOCOL,
    RequestFolder,
    RequestStatus,
    read_json,
    read_status,
    remove_old_requests,
    write_json,
)

PROGRESS = RequestProgress(message="sampling", fraction=0.25, seconds_left=None)


def put_request(folder: Path, **changed: Any) -> RequestFolder:
    folder.mkdir(parents=True)
    values = {
        "schema": "selva.request/1",
        "protocol": PROTOCOL,
        "host": "reaper",
        "action": "items",
        "label": "Dog: bark",
        "script_version": "0.1.0",
        "script_folder": "/x",
        "wishes": {"takes": "2"},
        "stems_folder": "/stems",
        "project": {"name": "film.rpp"},
        **changed,
    }
    (folder / "request.json").write_text(json.dumps(values), encoding="utf-8")
    return RequestFolder(folder)


def test_request_is_read_with_its_snapshot(tmp_path: Path) -> None:
    folder = put_request(tmp_path / "r")
    (tmp_path / "r" / "snapshot.json").write_text('{"name": "日本"}', encoding="utf-8")
    request = folder.read_request()
    assert (request.host, request.action, request.form_values) == ("reaper", "items", {"takes": "2"})
    assert (request.stems_folder, request.snapshot) == (Path("/stems"), '{"name": "日本"}')


@pytest.mark.parametrize("changed", [{"protocol": PROTOCOL + 1}, {"schema": "other/1"}, {"protocol": None}])
def test_script_of_another_version_is_refused_with_what_to_do(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    with pytest.raises(ProtocolMismatchError, match="selva host install reaper"):
        put_request(tmp_path / "r", **changed).read_request()


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "[" * 100_000])
def test_broken_file_is_refused_in_bounded_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SnapshotError):
        read_json(tmp_path / "x.json")


def test_status_holds_progress_and_a_rising_number(tmp_path: Path) -> None:
    folder = put_request(tmp_path / "r")
    folder.write_progress(PROGRESS, ["a note"])
    first = read_json(tmp_path / "r" / "status.json")
    folder.write_failed(NothingToRenderError("no picture"), [])
    second = read_json(tmp_path / "r" / "status.json")
    assert (first["state"], first["fraction"], first["notices"]) == ("working", 0.25, ["a note"])
    assert (second["state"], second["error"]["code"]) == ("failed", "nothing-to-render")
    assert second["heartbeat"] > first["heartbeat"]
    assert folder.is_answered()


def test_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = put_request(tmp_path / "r1")
    folder.write_progress(PROGRESS, ["a notice"])
    status = read_status(folder.path)
    assert status == RequestStatus(
        state="working", message="sampling", heartbeat=1, fraction=0.25, notices=("a notice",)
    )
    assert status.describe() == "25 %  sampling"
    assert not status.is_final
    folder.write_cancelled()
    final = read_status(folder.path)
    assert final is not None
    assert final.is_final


@pytest.mark.parametrize("text", [None, "", "[]", '{"state": "wor'])
def test_status_that_is_missing_or_torn_is_none_yet(tmp_path: Path, text: str | None) -> None:
    folder = put_request(tmp_path / "r1")
    if text is not None:
        (folder.path / "status.json").write_text(text)
    assert read_status(folder.path) is None


def test_heartbeat_counts_while_the_status_stays(tmp_path: Path) -> None:
    folder = put_request(tmp_path / "r")
    folder.write_progress(PROGRESS, [])
    with folder.heartbeat(every_s=0.01):
        before = read_json(tmp_path / "r" / "status.json")["heartbeat"]
        give_up_s = time.monotonic() + 10
        while read_json(tmp_path / "r" / "status.json")["heartbeat"] < before + 3:
            assert time.monotonic() < give_up_s
            time.sleep(0.01)


def test_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_json(path, {"text": ""})
    stop = threading.Event()

    def write() -> None:
        for count in range(200):
            write_json(path, {"text": "x" * (count * 97 % 5000)})
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        read_json(path)
    writer.join()
    assert [child.name for child in tmp_path.iterdir()] == ["status.json"]


def test_only_one_bridge_works_on_a_request(tmp_path: Path) -> None:
    folder = put_request(tmp_path / "r")
    with folder.try_lock() as first, RequestFolder(folder.path).try_lock() as second:
        assert (first, second) == (True, False)
    with RequestFolder(folder.path).try_lock() as third:
        assert third


def test_requests_of_two_weeks_ago_are_deleted(tmp_path: Path) -> None:
    for name in ("old", "new"):
        put_request(tmp_path / name)
    (tmp_path / "not a request").mkdir()
    long_ago_s = time.time() - 15 * 86_400
    os.utime(tmp_path / "old", (long_ago_s, long_ago_s))
    os.utime(tmp_path / "not a request", (long_ago_s, long_ago_s))
    assert remove_old_requests(tmp_path, now_s=time.time()) == 1
    assert sorted(child.name for child in tmp_path.iterdir()) == ["new", "not a request"]
