"""Requests from reading to the last status, with a real daemon and a host that is made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.paths import AppPaths
from selva_plugins import bridge
from selva_plugins.bridge import PreparedRequest, answer_request
from selva_plugins.request_folder import PROTOCOL, read_json
from tests.selva_plugins.tasks import connector, task_of


class FakeAdapter:
    """A host whose preparing is what the test says."""

    def __init__(self, prepare: Callable[[], PreparedRequest[Any]]) -> None:
        self.prepare = lambda request: prepare()
        self.check = lambda request: [{"title": "t", "text": "x", "level": "ok"}]


def put_request(folder: Path, action: str = "items") -> Path:
    folder.mkdir(parents=True)
    values = {"schema": "selva.request/1", "protocol": PROTOCOL, "host": "fake", "action": action}
    (folder / "request.json").write_text(json.dumps(values))
    return folder


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(
        prepare: Callable[[], PreparedRequest[Any]], *, connect: Any = None, action: str = "items"
    ) -> dict[str, Any]:
        monkeypatch.setattr(bridge, "_find_adapter", lambda name: FakeAdapter(prepare))
        folder = put_request(tmp_path / "requests" / "r1", action)
        answer_request(folder, connect=connect)
        return read_json(folder / "status.json")

    return run


@dataclass(frozen=True)
class CueEntry:
    """What this host places: it knows no more than the cue."""

    cue: str

    def to_json(self) -> dict[str, Any]:
        return {"cue": self.cue}


def prepared(movie: Path) -> PreparedRequest[Any]:
    return PreparedRequest(
        tasks=[task_of(movie)],
        timeline_name="film",
        notices=["an item had no picture"],
        build_placements=lambda reports: [
            CueEntry(stem.cue.id) for report in reports for stem in report.stems
        ],
    )


def test_answered_request_has_its_plan_before_its_status_is_ready(
    answer: Callable[..., dict[str, Any]], daemon: AppPaths, movie: Path, tmp_path: Path
) -> None:
    status = answer(lambda: prepared(movie), connect=connector(daemon))
    assert (status["state"], status["fraction"]) == ("ready", 1.0)
    assert status["notices"][0] == "an item had no picture"
    assert any("No model was run" in notice for notice in status["notices"])
    plan = read_json(tmp_path / "requests" / "r1" / "plan.json")
    assert len(plan["placements"]) == 1


def test_second_bridge_for_an_answered_request_does_nothing(
    answer: Callable[..., dict[str, Any]], daemon: AppPaths, movie: Path, tmp_path: Path
) -> None:
    before = answer(lambda: prepared(movie), connect=connector(daemon))
    answer_request(tmp_path / "requests" / "r1", connect=connector(daemon))
    assert read_json(tmp_path / "requests" / "r1" / "status.json") == before


def test_request_cut_short_is_answered_when_asked_again(
    answer: Callable[..., dict[str, Any]], daemon: AppPaths, movie: Path, tmp_path: Path
) -> None:
    """As after a crash of the bridge: a status without an end, a lock nobody holds."""
    folder = tmp_path / "requests" / "r1"
    status = answer(lambda: prepared(movie), connect=connector(daemon))
    (folder / "status.json").write_text(json.dumps({**status, "state": "working"}))
    (folder / "plan.json").unlink()
    answer_request(folder, connect=connector(daemon))
    assert read_json(folder / "status.json")["state"] == "ready"
    with connector(daemon)() as client:
        stems = [stem for job in client.jobs() for stem in client.job(job.job_id).stems]
    assert [stem.cached for stem in stems] == [False, True]


def test_fault_in_the_bridge_is_reported_and_logged(
    answer: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    def fail() -> PreparedRequest[Any]:
        raise ZeroDivisionError("by design")

    status = answer(fail)
    assert status["state"] == "failed"
    assert "a fault in the bridge (ZeroDivisionError: by design)" in status["message"]
    assert "ZeroDivisionError" in (tmp_path / "requests" / "r1" / "bridge.log").read_text()


def test_check_needs_no_daemon(answer: Callable[..., dict[str, Any]]) -> None:
    status = answer(lambda: prepared(Path("/x")), action="check")
    assert (status["state"], status["checks"][0]["level"]) == ("ready", "ok")


def test_cancelled_request_has_that_status(
    answer: Callable[..., dict[str, Any]], daemon: AppPaths, movie: Path, tmp_path: Path
) -> None:
    def prepare() -> PreparedRequest[Any]:
        (tmp_path / "requests" / "r1" / "cancel").touch()
        return prepared(movie)

    assert answer(prepare, connect=connector(daemon))["state"] == "cancelled"


def test_unknown_host_is_refused_by_name(tmp_path: Path) -> None:
    folder = put_request(tmp_path / "requests" / "r1")
    answer_request(folder)
    assert "no host is called 'fake'" in read_json(folder / "status.json")["message"]
