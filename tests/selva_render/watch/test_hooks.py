"""Programs, web addresses and notices that hear of ended items."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.settings.watched_folder import WatchedFolder
from selva_render.watch.hooks import (
    HookFailedError,
    Hooks,
    build_event,
    build_notice_command,
    is_loopback,
    post_event,
    run_program,
)
from selva_render.watch.journal_records import DONE, FAILED, ItemRecord

WRITE_INPUT = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"


@pytest.fixture
def record(tmp_path: Path) -> ItemRecord:
    results = tmp_path / "out" / "walk"
    results.mkdir(parents=True)
    (results / "report.json").write_text("{}")
    return ItemRecord(
        folder=tmp_path,
        name="day1/walk.mov",
        state=DONE,
        outcome=DONE,
        fingerprint=(),
        results=str(results),
        changed_s=5.0,
    )


class Receiver(HTTPServer):
    """Answers with `status` and remembers what it was sent."""

    status = 200
    received: list[Any]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/selva"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.send_header("Location", "http://example.invalid/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), _Handler)
    server.received = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_program_gets_its_arguments_as_they_are_and_the_outcome_on_its_input(
    record: ItemRecord, tmp_path: Path
) -> None:
    target = tmp_path / "a b; $(touch x).json"
    watched = WatchedFolder(path=tmp_path, hook=(sys.executable, "-c", WRITE_INPUT, str(target)))
    assert Hooks(watched=watched).run(record) == []
    event = json.loads(target.read_bytes())
    assert event == build_event(record)
    assert (event["state"], event["name"], event["failures"]) == ("done", "day1/walk.mov", [])
    assert event["report"] == str(Path(record.results) / "report.json")
    assert event["page"] is None


def test_an_event_of_a_failure_has_its_reasons(record: ItemRecord) -> None:
    failed = ItemRecord(
        folder=record.folder, name="a\udcff.mov", state=FAILED, fingerprint=(), reason="one\ntwo"
    )
    event = build_event(failed)
    assert (event["failures"], event["results"], event["name"]) == (["one", "two"], None, "a\\udcff.mov")
    json.dumps(event).encode()


def test_a_program_that_fails_is_named_with_its_last_line() -> None:
    with pytest.raises(HookFailedError, match=r"ended with status 3: no mail"):
        run_program([sys.executable, "-c", "import sys; sys.stderr.write('x\\nno mail\\n'); sys.exit(3)"], {})
    with pytest.raises(HookFailedError, match="had not ended"):
        run_program([sys.executable, "-c", "import time; time.sleep(60)"], {}, timeout_s=0.2)
    with pytest.raises(HookFailedError, match="cannot be run"):
        run_program(["/no/such/program"], {})


def test_a_web_address_of_this_machine_gets_the_outcome(
    record: ItemRecord, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")  # which would look for it on its own machine
    assert Hooks(watched=WatchedFolder(path=tmp_path, webhook=receiver.address)).run(record) == []
    assert receiver.received == [build_event(record)]


@pytest.mark.parametrize("status", [302, 500])
def test_an_answer_that_is_no_success_is_a_failure_and_redirections_are_not_followed(
    status: int, record: ItemRecord, receiver: Receiver
) -> None:
    receiver.status = status
    with pytest.raises(HookFailedError, match=f"answered {status}"):
        post_event(receiver.address, build_event(record), allowed_hosts=())
    assert len(receiver.received) == 1


def test_nothing_is_sent_to_a_host_that_is_not_allowed(record: ItemRecord) -> None:
    for address in (
        "http://nas.example.invalid/",
        "http://127.0.0.1.example.invalid/",
        "http://[2001:db8::1]/",
    ):
        with pytest.raises(HookFailedError, match="nothing was sent"):
            post_event(address, build_event(record), allowed_hosts=["other.example.invalid"])
    with pytest.raises(HookFailedError, match="was not reached"):
        post_event("http://NAS.invalid/", build_event(record), allowed_hosts=["nas.INVALID"])


def test_loopback_is_by_address_or_localhost() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.1.2.3", "::1")))
    assert not any(map(is_loopback, ("localhost.example.com", "10.0.0.1", "0.0.0.0", "")))  # noqa: S104 - no binding


def test_texts_of_notices_are_arguments_or_variables_on_every_system() -> None:
    text = '"; rm -rf / #'
    mac, _ = build_notice_command("Selva", text, platform="darwin")
    assert mac is not None
    assert mac[-2:] == [text, "Selva"]
    assert text not in " ".join(mac[:-2])
    windows, variables = build_notice_command("Selva", text, platform="win32")
    assert windows is not None
    assert text not in " ".join(windows)
    assert variables["SELVA_NOTICE_TEXT"] == text
    linux, _ = build_notice_command("Selva", text, platform="linux", find=lambda name: f"/usr/bin/{name}")
    assert linux is not None
    assert linux[-3:] == ["--", "Selva", text]
    assert build_notice_command("Selva", text, platform="linux", find=lambda name: None) == (None, {})
