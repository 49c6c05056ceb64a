"""The bridge's side of the conversation: what it makes of letters, and that nothing is lost when it ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.errors import HostError
from selva_plugins.hosts.resolve.install import ResolveHome
from selva_plugins.hosts.resolve.messages import MessageFolder, PrefsTransport
from selva_plugins.hosts.resolve.watch import ResolveWatch, run_watch
from selva_plugins.progress import RequestProgress
from selva_plugins.request_folder import RequestFolder
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.faces import PythonFace
from tests.selva_plugins.resolve.scenes import build_scene

REQUEST = "20260101T120000Z-abcdef12"
STEM = {"id": "c-1", "file": "/stems/a.wav", "track": "Dog", "record_frame": 86400, "duration_frames": 24}


class RequestHandlers:
    """A watch whose requests are answered by `answer`, and what it said."""

    def __init__(self, folder: Path, answer: Callable[[RequestFolder], None]) -> None:
        self.said: list[str] = []
        self.folder = folder
        self.exchange = MessageFolder(folder / "exchange")
        self.watch = ResolveWatch(
            exchange=self.exchange,
            mailbox=PrefsTransport([]),
            say=self.said.append,
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
    return PythonFace(open_host(build("21.0.4"), scene)).snapshot()


def test_a_letter_becomes_a_request_with_its_wishes(tmp_path: Path, snapshot: Any) -> None:
    desk = RequestHandlers(tmp_path, make_ready)
    typed = {"prompts": "Dog: bark\n\nSteps: boots", "takes": 2, "replaces": True}
    desk.post("generate", snapshot=snapshot, agent="0.0.9", **typed)
    desk.step_until(lambda: "plan" in desk.reply())
    request = RequestFolder(desk.watch.requests_folder / REQUEST).read_request()
    assert request.form_values == {
        "model": "selva-echo",
        "sounds": ["Dog: bark", "Steps: boots"],
        "takes": "2",
        "replaces": True,
    }
    assert '["replaces"]=true' in desk.reply()
    assert request.stems_folder == tmp_path / "Videos" / "Selva" / "Feature" / "stems"
    assert (request.host, request.project_name, request.script_version) == ("resolve", "Feature", "0.0.9")
    assert '["state"]="done"' in desk.reply()
    assert desk.said[0].endswith("from DaVinci Resolve Studio 21.0.4.17, letters through files")
    assert "version 0.0.9" in desk.said[1]
    assert f'["request"]="{REQUEST}"' in (desk.exchange.inbox / "waiting.lua").read_text()


def test_progress_and_failure_are_passed_on(tmp_path: Path, snapshot: Any) -> None:
    go_on = threading.Event()

    def answer(folder: RequestFolder) -> None:
        folder.write_progress(RequestProgress(message="a.mov: sampling", fraction=0.4, seconds_left=None), [])
        go_on.wait(20)
        folder.write_failed(HostError("the device is gone"), ["try again"])

    desk = RequestHandlers(tmp_path, answer)
    desk.post("generate", snapshot=snapshot)
    desk.step_until(lambda: "40 %  a.mov: sampling" in desk.reply())
    go_on.set()
    desk.step_until(lambda: '["state"]="failed"' in desk.reply())
    assert '["title"]="the device is gone"' in desk.reply()
    assert any("40 %  a.mov: sampling" in line for line in desk.said)
    assert not desk.watch.is_busy()


def test_a_report_ends_a_request(tmp_path: Path, snapshot: Any) -> None:
    desk = RequestHandlers(tmp_path, make_ready)
    desk.post("generate", snapshot=snapshot)
    desk.step_until(lambda: "plan" in desk.reply())
    report = {"stems": [{"id": "c-1", "status": "held", "reason": "the track is full"}], "saved": True}
    desk.post("report", number=2, report=report)
    assert '["state"]="reported"' in desk.reply()
    assert "  Dog: not placed: the track is full" in desk.said
    assert not desk.watch.is_busy()
    assert REQUEST not in (desk.exchange.inbox / "waiting.lua").read_text()


def test_what_is_finished_and_not_placed_waits_for_the_next_watch(tmp_path: Path, snapshot: Any) -> None:
    first = RequestHandlers(tmp_path, make_ready)
    first.post("generate", snapshot=snapshot)
    first.step_until(lambda: "plan" in first.reply())
    first.watch.close()
    first.exchange.forget(REQUEST)
    second = RequestHandlers(tmp_path, lambda _folder: pytest.fail("it was answered already"))
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

    first = RequestHandlers(tmp_path, answer_until_cancelled)
    first.post("generate", snapshot=snapshot)
    first.step_until(lambda: "sampling" in first.reply())
    first.watch.close()
    second = RequestHandlers(tmp_path, make_ready)
    second.step_until(lambda: "plan" in second.reply())


def test_stopping_cancels_what_runs_and_is_acknowledged(tmp_path: Path, snapshot: Any) -> None:
    def answer_until_cancelled(folder: RequestFolder) -> None:
        while not folder.is_cancelled():
            time.sleep(0.01)
        folder.write_cancelled()

    desk = RequestHandlers(tmp_path, answer_until_cancelled)
    desk.post("generate", snapshot=snapshot)
    desk.post("stop", request="20260101T130000Z-stop0001")
    assert '["state"]="done"' in desk.reply("20260101T130000Z-stop0001")
    desk.step_until(lambda: '["state"]="failed"' in desk.reply())
    assert '["title"]="cancelled"' in desk.reply()


def test_letters_that_make_no_sense_are_told_and_do_no_harm(tmp_path: Path, snapshot: Any) -> None:
    desk = RequestHandlers(tmp_path, make_ready)
    desk.post("generate", request="a", snapshot={"timeline": 5})
    assert "selva host install resolve" in desk.reply("a")
    desk.post("dance", request="b")
    (desk.exchange.outbox / "c-1.json").write_text(
        json.dumps(
            {"schema": "selva.letter/1", "kind": "generate", "request": "../../c", "snapshot": snapshot}
        )
    )
    (desk.exchange.outbox / "d-1.json").write_text(json.dumps({"schema": "selva.letter/1", "request": ""}))
    desk.watch.step()
    assert len(desk.said) == 4
    assert all("ignored" in line for line in desk.said)
    desk.post("generate", snapshot=snapshot)
    desk.step_until(lambda: "plan" in desk.reply())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exchange"]


def test_a_second_watch_gives_way(tmp_path: Path) -> None:
    home = ResolveHome("DaVinci Resolve", tmp_path / "Fusion", MessageFolder(tmp_path / "exchange"))
    looks: list[str] = []

    def try_another() -> bool:
        with pytest.raises(HostError, match="already"):
            run_watch([home], say=looks.append, defaults={}, is_over=lambda: True)
        looks.append("done")
        return True

    run_watch([home], say=looks.append, defaults={}, is_over=try_another)
    assert looks == ["done"]
    run_watch([home], say=looks.append, defaults={}, is_over=lambda: True)


def test_a_watch_with_nothing_to_do_leaves_when_told_so(tmp_path: Path) -> None:
    home = ResolveHome("DaVinci Resolve", tmp_path / "Fusion", MessageFolder(tmp_path / "exchange"))
    run_watch([home], say=lambda _text: None, defaults={}, idle_exit_s=0.0)
