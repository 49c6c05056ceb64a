"""The watch: what it makes of the agent's messages, what it replies, and that nothing is lost when it ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.errors import HostError
from selva_plugins.hosts.resolve.agent.messages import MessageFolder, PrefsTransport
from selva_plugins.hosts.resolve.agent.watch import ResolveWatch, run_watch
from selva_plugins.hosts.resolve.homes import ResolveHome
from selva_plugins.progress import RequestProgress
from selva_plugins.request_folder import RequestFolder
from tests.selva_plugins.resolve.access import StudioAccess
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.scenes import build_scene

REQUEST = "20260101T120000Z-abcdef12"
STEM = {"id": "c-1", "file": "/stems/a.wav", "track": "Dog", "record_frame": 86400, "duration_frames": 24}


class WatchedFolder:
    """A watch whose requests are answered by `answer`, and the lines it printed."""

    def __init__(self, folder: Path, answer: Callable[[RequestFolder], None]) -> None:
        self.lines: list[str] = []
        self.folder = folder
        self.exchange = MessageFolder(folder / "exchange")
        self.watch = ResolveWatch(
            exchange=self.exchange,
            prefs=PrefsTransport([]),
            print_line=self.lines.append,
            answer=lambda path: answer(RequestFolder(path)),
            projects_folder=folder / "Videos",
            defaults={"model": "selva-echo"},
        )
        self.watch.start()

    def post(self, kind: str, *, number: int = 1, request: str = REQUEST, **body: Any) -> None:
        text = json.dumps({"schema": "selva.letter/1", "kind": kind, "request": request, **body})
        (self.exchange.outbox / f"{request}-{number}.json").write_text(text, encoding="utf-8")
        self.watch.step()

    def step_until(self, condition: Callable[[], bool]) -> None:
        give_up_s = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < give_up_s
            self.watch.step()
            time.sleep(0.01)

    def reply(self, request: str = REQUEST) -> str:
        path = self.exchange.inbox / f"{request}.lua"
        return path.read_text(encoding="utf-8") if path.exists() else ""


def make_ready(folder: RequestFolder) -> None:
    folder.write_plan([STEM])
    folder.write_ready("1 stems are ready", ["a.mov: offline"])


@pytest.fixture
def snapshot(open_host: OpenHost) -> Any:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/a.mov"), at=0, frames=24)
    return StudioAccess(open_host(build("21.0.4"), scene)).snapshot()


def test_a_message_becomes_a_request_with_its_form(tmp_path: Path, snapshot: Any) -> None:
    watched = WatchedFolder(tmp_path, make_ready)
    typed: dict[str, Any] = {"prompts": "Dog: bark\n\nSteps: boots", "takes": 2, "replaces": True}
    watched.post("generate", snapshot=snapshot, agent="0.0.9", **typed)
    watched.step_until(lambda: "plan" in watched.reply())
    request = RequestFolder(watched.watch.requests_folder / REQUEST).read_request()
    assert request.form_values == {
        "model": "selva-echo",
        "sounds": ["Dog: bark", "Steps: boots"],
        "takes": "2",
        "replaces": True,
    }
    assert '["replaces"]=true' in watched.reply()
    assert request.stems_folder == tmp_path / "Videos" / "Selva" / "Feature" / "stems"
    assert (request.host, request.project_name, request.script_version) == ("resolve", "Feature", "0.0.9")
    assert '["state"]="done"' in watched.reply()
    assert watched.lines[0].endswith("from DaVinci Resolve Studio 21.0.4.17, messages through files")
    assert "version 0.0.9" in watched.lines[1]
    assert f'["request"]="{REQUEST}"' in (watched.exchange.inbox / "waiting.lua").read_text()


def test_progress_and_failure_are_passed_on(tmp_path: Path, snapshot: Any) -> None:
    may_fail = threading.Event()

    def answer(folder: RequestFolder) -> None:
        folder.write_progress(RequestProgress(message="a.mov: sampling", fraction=0.4, seconds_left=None), [])
        may_fail.wait(20)
        folder.write_failed(HostError("the device is gone"), ["try again"])

    watched = WatchedFolder(tmp_path, answer)
    watched.post("generate", snapshot=snapshot)
    watched.step_until(lambda: "40 %  a.mov: sampling" in watched.reply())
    may_fail.set()
    watched.step_until(lambda: '["state"]="failed"' in watched.reply())
    assert '["title"]="the device is gone"' in watched.reply()
    assert any("40 %  a.mov: sampling" in line for line in watched.lines)
    assert not watched.watch.is_busy()


def test_a_report_ends_a_request(tmp_path: Path, snapshot: Any) -> None:
    watched = WatchedFolder(tmp_path, make_ready)
    watched.post("generate", snapshot=snapshot)
    watched.step_until(lambda: "plan" in watched.reply())
    report = {"stems": [{"id": "c-1", "status": "held", "reason": "the track is full"}], "saved": True}
    watched.post("report", number=2, report=report)
    assert '["state"]="reported"' in watched.reply()
    assert "  Dog: not placed: the track is full" in watched.lines
    assert not watched.watch.is_busy()
    assert REQUEST not in (watched.exchange.inbox / "waiting.lua").read_text()


def test_what_is_finished_and_not_placed_waits_for_the_next_watch(tmp_path: Path, snapshot: Any) -> None:
    first = WatchedFolder(tmp_path, make_ready)
    first.post("generate", snapshot=snapshot)
    first.step_until(lambda: "plan" in first.reply())
    first.watch.close()
    first.exchange.forget(REQUEST)
    second = WatchedFolder(tmp_path, lambda _folder: pytest.fail("it was answered already"))
    second.watch.step()
    assert "plan" in second.reply()
    assert (
        f'["timeline_id"]="{snapshot["timeline"]["id"]}"'
        in (second.exchange.inbox / "waiting.lua").read_text()
    )


def test_what_was_cut_short_is_asked_for_again(tmp_path: Path, snapshot: Any) -> None:
    def answer_until_cancelled(folder: RequestFolder) -> None:
        folder.write_progress(RequestProgress(message="sampling", fraction=0.1, seconds_left=None), [])
        while not folder.is_cancelled():
            time.sleep(0.01)
        folder.write_cancelled()

    first = WatchedFolder(tmp_path, answer_until_cancelled)
    first.post("generate", snapshot=snapshot)
    first.step_until(lambda: "sampling" in first.reply())
    first.watch.close()
    second = WatchedFolder(tmp_path, make_ready)
    second.step_until(lambda: "plan" in second.reply())


def test_stopping_cancels_what_runs_and_is_acknowledged(tmp_path: Path, snapshot: Any) -> None:
    def answer_until_cancelled(folder: RequestFolder) -> None:
        while not folder.is_cancelled():
            time.sleep(0.01)
        folder.write_cancelled()

    watched = WatchedFolder(tmp_path, answer_until_cancelled)
    watched.post("generate", snapshot=snapshot)
    watched.post("stop", request="20260101T130000Z-stop0001")
    assert '["state"]="done"' in watched.reply("20260101T130000Z-stop0001")
    watched.step_until(lambda: '["state"]="failed"' in watched.reply())
    assert '["title"]="cancelled"' in watched.reply()


def test_messages_that_make_no_sense_are_reported_and_do_no_harm(tmp_path: Path, snapshot: Any) -> None:
    watched = WatchedFolder(tmp_path, make_ready)
    watched.post("generate", request="a", snapshot={"timeline": 5})
    assert "selva host install resolve" in watched.reply("a")
    watched.post("dance", request="b")
    (watched.exchange.outbox / "c-1.json").write_text(
        json.dumps(
            {"schema": "selva.letter/1", "kind": "generate", "request": "../../c", "snapshot": snapshot}
        )
    )
    (watched.exchange.outbox / "d-1.json").write_text(json.dumps({"schema": "selva.letter/1", "request": ""}))
    watched.watch.step()
    assert len(watched.lines) == 4
    assert all("ignored" in line for line in watched.lines)
    watched.post("generate", snapshot=snapshot)
    watched.step_until(lambda: "plan" in watched.reply())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exchange"]


def test_a_second_watch_is_refused(tmp_path: Path) -> None:
    home = ResolveHome("DaVinci Resolve", tmp_path / "Fusion", MessageFolder(tmp_path / "exchange"))
    looks: list[str] = []

    def try_another() -> bool:
        with pytest.raises(HostError, match="already"):
            run_watch([home], print_line=looks.append, defaults={}, is_over=lambda: True)
        looks.append("done")
        return True

    run_watch([home], print_line=looks.append, defaults={}, is_over=try_another)
    assert looks == ["done"]
    run_watch([home], print_line=looks.append, defaults={}, is_over=lambda: True)


def test_a_watch_with_nothing_to_do_ends_when_asked_to(tmp_path: Path) -> None:
    home = ResolveHome("DaVinci Resolve", tmp_path / "Fusion", MessageFolder(tmp_path / "exchange"))
    run_watch([home], print_line=lambda _text: None, defaults={}, idle_exit_s=0.0)
