"""`selva host resolve --watch`: answers the agent inside Resolve for as long as it runs.

Each letter that asks for stems becomes a request folder, which the bridge core answers in a thread of its
own; what it says is passed on to the agent as Lua. Requests outlive this process: what was cut short is asked
for again, what is finished and not placed waits.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import selva_core
from selva_core.base.errors import LockHeldError, SelvaError
from selva_core.base.file_lock import FileLock
from selva_plugins.bridge import answer_request
from selva_plugins.errors import HostError
from selva_plugins.hosts.resolve.adapter import (
    describe_application,
    find_project_folder,
    parse_snapshot,
    plan_frame,
)
from selva_plugins.hosts.resolve.install import ResolveHome
from selva_plugins.hosts.resolve.messages import Message, MessageFolder, PrefsTransport
from selva_plugins.hosts.resolve.plan import build_plan, list_place_notices
from selva_plugins.request_folder import (
    CANCELLED,
    FAILED,
    FINAL_STATES,
    PROTOCOL,
    READY,
    REQUEST_SCHEMA,
    read_json,
    write_json,
)

LOOK_EVERY_S = 0.1
WATCH_LOCK = "watch.lock"
MAX_LINES = 12

Say = Callable[[str], None]
Answer = Callable[[Path], None]


@dataclass
class _Request:
    """One request on its way: its folder, the thread that answers it, and what was passed on last."""

    folder: Path
    thread: threading.Thread | None = None
    passed_on: tuple[Any, ...] = ()

    @property
    def id(self) -> str:
        return self.folder.name

    def status(self) -> Mapping[str, Any]:
        try:
            return read_json(self.folder / "status.json")
        except (OSError, SelvaError):
            return {}

    def is_placed(self) -> bool:
        return any(self.folder.glob("report-*.json"))


@dataclass
class ResolveWatch:
    """One place where an agent posts letters. `step` is called over and over and never blocks for long.

    defaults: wishes that the agent's user cannot type, such as the model. projects_folder: where projects
    that name no media folder have their stems; None for the user's videos. marks_stems, replaces: as in the
    plan, for every request.
    """

    exchange: MessageFolder
    mailbox: PrefsTransport
    say: Say
    answer: Answer = answer_request
    projects_folder: Path | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    marks_stems: bool = False
    replaces: bool = False
    _requests: dict[str, _Request] = field(default_factory=dict)

    @classmethod
    def at(cls, home: ResolveHome, **choices: Any) -> ResolveWatch:
        """The watch of one installation."""
        return cls(exchange=home.exchange, mailbox=PrefsTransport([home.profiles_folder]), **choices)

    @property
    def requests_folder(self) -> Path:
        return self.exchange.folder / "requests"

    def start(self) -> None:
        """Take up what an earlier watch left: unanswered requests are answered, unplaced ones wait."""
        self.exchange.ensure()
        self.requests_folder.mkdir(exist_ok=True)
        for folder in sorted(self.requests_folder.iterdir()):
            if (folder / "request.json").is_file():
                self._take_up(_Request(folder))
        self._announce_waiting()

    def step(self) -> None:
        """Read new letters and pass on what has changed."""
        for letter in [*self.exchange.collect(), *self.mailbox.collect()]:
            self._read(letter)
        for request in list(self._requests.values()):
            self._pass_on(request)

    def close(self) -> None:
        """Stop working; what is unfinished is taken up by the next watch."""
        for request in self._requests.values():
            if request.thread is not None and request.thread.is_alive():
                (request.folder / "cancel").touch()
                request.thread.join()
                (request.folder / "cancel").unlink(missing_ok=True)
                (request.folder / "status.json").unlink(missing_ok=True)

    def is_busy(self) -> bool:
        """Whether a request is being answered or a finished one waits to be placed."""
        return bool(self._requests)

    # -- letters
    # ----------------------------------------------------------------------------------------------

    def _read(self, letter: Message) -> None:
        kind, request_id = letter.body.get("kind"), str(letter.body.get("request"))
        act = {"generate": self._open_request, "report": self._close_request, "stop": self._stop_all}.get(
            str(kind)
        )
        if re.fullmatch(re.escape(request_id) + r"-\d{1,9}", letter.name) is None or not request_id:
            self.say(f"ignored a letter that does not name its request: {letter.name}")
        elif act is None:
            self.say(f"ignored a letter of an unknown kind: {kind!r}; update the bridge")
        else:
            self._act_on(act, request_id, letter.body)

    def _act_on(
        self, act: Callable[[str, Mapping[str, Any]], None], request_id: str, body: Mapping[str, Any]
    ) -> None:
        """One letter must not stop the next: what cannot be read is told here and to the agent."""
        try:
            act(request_id, body)
        except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
            self.say(f"ignored a letter that cannot be read: {request_id}: {error!r}")
            title = "the bridge cannot read this request; run: selva host install resolve"
            self.exchange.reply(request_id, {"received": True, "beat": 0, "state": "failed", "title": title})

    def _open_request(self, request_id: str, body: Mapping[str, Any]) -> None:
        folder = self.requests_folder / request_id
        if folder.exists():
            return
        snapshot = body.get("snapshot") or {}
        project_folder = find_project_folder(snapshot, videos_folder=self.projects_folder)
        folder.mkdir()
        self._take_export(request_id, snapshot, folder)
        (folder / "snapshot.json").write_text(json.dumps(snapshot), encoding="utf-8")
        write_json(
            folder / "request.json",
            {
                "schema": REQUEST_SCHEMA,
                "protocol": PROTOCOL,
                "host": "resolve",
                "action": "generate",
                "label": str(snapshot["timeline"].get("name")),
                "script_version": str(body.get("agent")),
                "script_folder": "",
                "stems_folder": str(project_folder / "stems"),
                "project": {"name": str(snapshot["project"].get("name"))},
                "wishes": {
                    **self.defaults,
                    "sounds": [line for line in str(body.get("prompts") or "").splitlines() if line.strip()],
                    "takes": str(int(body.get("takes") or 1)),
                    "replaces": body.get("replaces") is True,
                },
            },
        )
        self.say(
            f"{snapshot['timeline'].get('name')}: request {request_id} from {describe_application(snapshot)}"
        )
        if body.get("agent") != selva_core.__version__:
            self.say(
                f"  the agent is version {body.get('agent')}, the bridge {selva_core.__version__}: run selva host install resolve"
            )
        self._take_up(_Request(folder))

    def _take_export(self, request_id: str, snapshot: dict[str, Any], folder: Path) -> None:
        """Resolve's export of what compounds hold comes beside the letter; no other file is ever opened."""
        if snapshot["timeline"].pop("otio_file", None) is None:
            return
        export = self.exchange.outbox / f"{request_id}.otio"
        if export.is_file():
            kept = folder / "timeline.otio"
            shutil.move(export, kept)
            snapshot["timeline"]["otio_file"] = str(kept)

    def _take_up(self, request: _Request) -> None:
        self._requests[request.id] = request
        if request.status().get("state") in FINAL_STATES:
            return
        request.thread = threading.Thread(
            target=self.answer, args=(request.folder,), name=f"answer-{request.id}"
        )
        request.thread.start()
        self.exchange.reply(request.id, {"received": True, "beat": 0, "state": "working"})

    def _close_request(self, request_id: str, body: Mapping[str, Any]) -> None:
        request = self._requests.pop(request_id, None)
        if request is None:
            return
        report = body["report"]
        write_json(request.folder / "report-1.json", report)
        stems = read_json(request.folder / "plan.json")["placements"]
        num_placed = sum(stem["status"] == "placed" for stem in report["stems"])
        self.say(f"{request_id}: {num_placed} of {len(report['stems'])} stems placed")
        for notice in list_place_notices(report, stems):
            self.say(f"  {notice}")
        self.exchange.reply(request_id, {"received": True, "beat": -1, "state": "reported"})
        self._announce_waiting()

    def _stop_all(self, request_id: str, _body: Mapping[str, Any]) -> None:
        for request in self._requests.values():
            if request.thread is not None and request.thread.is_alive():
                (request.folder / "cancel").touch()
        self.say("stopped by the user")
        self.exchange.reply(request_id, {"received": True, "beat": 0, "state": "done"})

    # -- what the agent is told
    # --------------------------------------------------------------------------------

    def _pass_on(self, request: _Request) -> None:
        status = request.status()
        seen = (status.get("heartbeat"), status.get("state"), status.get("message"))
        if not status or seen == request.passed_on:
            return
        is_news = seen[1:] != request.passed_on[1:]
        request.passed_on = seen
        if is_news:
            self.say(f"{request.id}: {_line(status)}")
        state = status.get("state")
        if state == READY:
            self._hand_out_plan(request, status)
        elif state in (FAILED, CANCELLED):
            self._reply(request, "failed", title=str(status.get("message") or state), lines=_lines(status))
            del self._requests[request.id]
        else:
            self._reply(request, "working", message=_line(status) if is_news else None)

    def _reply(self, request: _Request, state: str, **more: Any) -> None:
        answer = {"received": True, "beat": request.passed_on[0], "state": state, **more}
        self.exchange.reply(request.id, answer)

    def _hand_out_plan(self, request: _Request, status: Mapping[str, Any]) -> None:
        if request.is_placed():
            del self._requests[request.id]
            return
        snapshot = parse_snapshot((request.folder / "snapshot.json").read_text(encoding="utf-8"))
        wishes = read_json(request.folder / "request.json")["wishes"]
        frame = plan_frame(
            snapshot,
            has_markers=self.marks_stems,
            replaces=self.replaces or wishes.get("replaces") is True,
        )
        stems = read_json(request.folder / "plan.json")["placements"]
        self._reply(request, "done", plan=build_plan(stems, frame), lines=_lines(status))
        for line in _lines(status):
            self.say(f"  {line}")
        self._announce_waiting()

    def _announce_waiting(self) -> None:
        waiting = []
        for request in self._requests.values():
            if request.status().get("state") == READY and not request.is_placed():
                snapshot = json.loads((request.folder / "snapshot.json").read_text(encoding="utf-8"))
                waiting.append({"request": request.id, "timeline_id": snapshot["timeline"].get("id")})
        self.exchange.announce_waiting(waiting)


def _line(status: Mapping[str, Any]) -> str:
    fraction = status.get("fraction")
    percent = f"{100 * float(fraction):.0f} %  " if isinstance(fraction, int | float) else ""
    return f"{percent}{status.get('message') or status.get('state')}"


def _lines(status: Mapping[str, Any]) -> list[str]:
    notices = [str(notice) for notice in status.get("notices") or ()]
    more = len(notices) - MAX_LINES
    return notices if more <= 0 else [*notices[:MAX_LINES], f"and {more} more"]


def run_watch(
    homes: Iterable[ResolveHome],
    *,
    say: Say,
    defaults: Mapping[str, str],
    marks_stems: bool = False,
    replaces: bool = False,
    idle_exit_s: float | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Watch until `is_over()`, an interrupt, or nothing to do for `idle_exit_s`.

    What is being rendered on an interrupt is left to the next watch. Raises HostError when another watch is
    at work.
    """
    with ExitStack() as stack:
        watches = [
            ResolveWatch.at(home, say=say, defaults=defaults, marks_stems=marks_stems, replaces=replaces)
            for home in homes
            if _is_ours(home, stack)
        ]
        if not watches:
            raise HostError("another `selva host resolve` is at work already; stop it first, or let it be")
        for watch in watches:
            watch.start()
            stack.callback(watch.close)
        busy_at_s = time.monotonic()
        while not is_over():
            for watch in watches:
                watch.step()
            if any(watch.is_busy() for watch in watches):
                busy_at_s = time.monotonic()
            elif idle_exit_s is not None and time.monotonic() - busy_at_s >= idle_exit_s:
                return
            time.sleep(LOOK_EVERY_S)


def _is_ours(home: ResolveHome, stack: ExitStack) -> bool:
    home.exchange.ensure()
    lock = FileLock(home.exchange.folder / WATCH_LOCK)
    try:
        lock.acquire()
    except LockHeldError:
        return False
    stack.callback(lock.release)
    return True
