"""`selva host resolve --watch`: answers the agent inside Resolve for as long as it runs.

Each message that asks for stems becomes a request folder, which the bridge answers in a thread of its own; its status is passed
on to the agent as Lua. Requests outlive this process: one that was cut short is answered again, one that is finished and not
placed waits.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import selva_core
from selva_core.base.command_line import selva_command
from selva_core.base.errors import LockHeldError, SelvaError
from selva_core.base.file_lock import FileLock
from selva_plugins.bridge import PANEL_ACTION, answer_request
from selva_plugins.errors import HostError
from selva_plugins.hosts.resolve.adapter import find_project_folder
from selva_plugins.hosts.resolve.agent.messages import Message, MessageFolder, PrefsTransport
from selva_plugins.hosts.resolve.agent.watched_request import (
    EXPORT_FILE,
    MAX_NOTICES,
    REQUEST_FILE,
    SNAPSHOT_FILE,
    GenerateMessage,
    WatchedRequest,
    list_status_notices,
    write_request,
)
from selva_plugins.hosts.resolve.conform.last_cuts import LastCuts
from selva_plugins.hosts.resolve.conform.request import CONFORM, CONFORM_RENDER, CONFORM_TITLE
from selva_plugins.hosts.resolve.homes import ResolveHome
from selva_plugins.hosts.resolve.json_fields import JsonFields
from selva_plugins.hosts.resolve.plan import build_plan, build_target, list_place_notices
from selva_plugins.hosts.resolve.plan_schema import PlacementReport
from selva_plugins.request_folder import CANCELLED, FAILED, READY, RequestStatus, read_json

POLL_S = 0.1
WATCH_LOCK = "watch.lock"

PrintLine = Callable[[str], None]
MessageBody = Mapping[str, Any]


@dataclass
class ResolveWatch:
    """One place where an agent leaves messages. `step` is called again and again and never blocks for long.

    answer: brings a request folder to its end, in a thread. defaults: form fields that the agent's user cannot type, such as
    the model. projects_folder: where projects that name no media folder have their stems; None for the user's videos.
    marks_stems, replaces: as in the plan, for every request.
    """

    exchange: MessageFolder
    prefs: PrefsTransport
    print_line: PrintLine
    answer: Callable[[Path], None] = answer_request
    projects_folder: Path | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    marks_stems: bool = False
    replaces: bool = False
    _requests: dict[str, WatchedRequest] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def at(cls, homes: Sequence[ResolveHome], **options: Any) -> ResolveWatch:
        """The watch of installations that share one exchange folder, as the two trees of an App Store container do."""
        prefs = PrefsTransport([home.profiles_folder for home in homes])
        return cls(exchange=homes[0].exchange, prefs=prefs, **options)

    @property
    def requests_folder(self) -> Path:
        return self.exchange.folder / "requests"

    @property
    def last_cuts(self) -> LastCuts:
        return LastCuts(self.exchange.folder / "cuts")

    def start(self) -> None:
        """Take up what an earlier watch left: unanswered requests are answered, finished ones wait to be placed."""
        self.exchange.ensure()
        self.requests_folder.mkdir(exist_ok=True)
        for folder in sorted(self.requests_folder.iterdir()):
            if (folder / REQUEST_FILE).is_file():
                self._take_up(WatchedRequest(folder))
        self._announce_waiting()

    def step(self) -> None:
        """Handle new messages and pass on what has changed. One request that goes wrong does not stop the others."""
        self._take_up_placements()
        for message in [*self.exchange.collect(), *self.prefs.collect()]:
            self._handle(message)
        for request in list(self._requests.values()):
            try:
                self._forward_status(request)
            except (SelvaError, OSError, KeyError) as error:
                self._give_up(request, f"its plan cannot be read: {error}")

    def close(self) -> None:
        """Stop working; the next watch takes up what is unfinished."""
        for request in self._requests.values():
            request.interrupt()

    def is_busy(self) -> bool:
        """Whether a request is being answered or a finished one waits to be placed."""
        return bool(self._requests)

    def _take_up_placements(self) -> None:
        """Requests that the panel has written beside its own, finished from the start."""
        if not any(request.is_for_panel for request in self._requests.values()):
            return
        for folder in self.requests_folder.iterdir():
            if (
                folder.name not in self._requests
                and folder.name not in self._seen
                and (folder / REQUEST_FILE).is_file()
            ):
                self._seen.add(folder.name)
                request = WatchedRequest(folder)
                if request.waits_to_be_placed:
                    self._requests[request.id] = request

    # -- messages of the agent --------------------------------------------------------------------------

    def _handle(self, message: Message) -> None:
        kind, request_id = message.body.get("kind"), str(message.body.get("request"))
        handlers = {
            "generate": self._open_request,
            "panel": self._open_request,
            "conform": self._open_request,
            "report": self._close_request,
            "stop": self._stop_all,
        }
        handler = handlers.get(str(kind))
        # The name and the body say the same id, which becomes a folder's name.
        if not request_id or re.fullmatch(re.escape(request_id) + r"-\d{1,9}", message.name) is None:
            self.print_line(f"ignored a message that does not name its request: {message.name}")
        elif handler is None:
            self.print_line(f"ignored a message of an unknown kind: {kind!r}; update the bridge")
        else:
            self._run_handler(handler, request_id, message.body)

    def _run_handler(
        self, handler: Callable[[str, MessageBody], None], request_id: str, body: MessageBody
    ) -> None:
        """One message must not stop the next: what cannot be read is reported here and to the agent."""
        try:
            handler(request_id, body)
        except (SelvaError, OSError, KeyError) as error:
            self.print_line(f"ignored a message that cannot be used: {request_id}: {error}")
            self.exchange.reply(
                request_id, {"received": True, "beat": 0, "state": "failed", "title": str(error)}
            )

    def _open_request(self, request_id: str, body: MessageBody) -> None:
        folder = self.requests_folder / request_id
        if folder.exists():
            return
        message = GenerateMessage.read(body)
        self._close_placed(message.placed_ids)
        project_folder = find_project_folder(message.snapshot, videos_folder=self.projects_folder)
        folder.mkdir()
        write_request(
            folder,
            message,
            stems_folder=project_folder / "stems",
            defaults=self.defaults,
            action=self._choose_action(str(body.get("kind")), message),
            last_cut=self.last_cuts.find(message.snapshot.timeline.id),
            export=self._take_export(request_id, message, folder),
        )
        application = message.snapshot.application.label_with_transport
        self.print_line(f"{message.snapshot.timeline.name}: request {request_id} from {application}")
        if message.agent_version != selva_core.__version__:
            self.print_line(
                f"  the agent is version {message.agent_version}, the bridge {selva_core.__version__}: "
                f"run {selva_command('host', 'install', 'resolve')}"
            )
        self._take_up(WatchedRequest(folder))

    def _choose_action(self, kind: str, message: GenerateMessage) -> str:
        """A conform is first shown, and done when it is requested once more of the same timeline."""
        if kind != "conform":
            return PANEL_ACTION if kind == "panel" else "generate"
        return CONFORM_RENDER if self.last_cuts.was_shown(message.raw_snapshot) else CONFORM

    def _take_export(self, request_id: str, message: GenerateMessage, folder: Path) -> Path | None:
        """Resolve's export of what compounds hold lies beside the message; it moves into the request's folder."""
        export = self.exchange.outbox / f"{request_id}.otio"
        if message.snapshot.timeline.otio_file is None or not export.is_file():
            return None
        moved = folder / EXPORT_FILE
        shutil.move(export, moved)
        return moved

    def _take_up(self, request: WatchedRequest) -> None:
        self._requests[request.id] = request
        if request.is_answered:
            return
        request.thread = threading.Thread(
            target=self.answer, args=(request.folder,), name=f"answer-{request.id}"
        )
        request.thread.start()
        self.exchange.reply(request.id, {"received": True, "beat": 0, "state": "working"})

    def _close_request(self, request_id: str, body: MessageBody) -> None:
        request = self._requests.get(request_id)
        if request is None:
            return
        raw_report = JsonFields(body, "the agent's message").raw("report")
        report = PlacementReport.from_json(raw_report)
        request.write_report(raw_report)
        if report.num_placed or report.num_removed:
            self.last_cuts.keep(request.snapshot.timeline.id, request.folder / SNAPSHOT_FILE)
        del self._requests[request_id]
        self.print_line(f"{request_id}: {report.num_placed} of {len(report.stems)} stems placed")
        for notice in list_place_notices(report, request.read_plan_stems()):
            self.print_line(f"  {notice}")
        self.exchange.reply(request_id, {"received": True, "beat": -1, "state": "reported"})
        self._announce_waiting()

    def _close_placed(self, placed_ids: Collection[str]) -> None:
        """Close requests whose plans the agent has placed while no watch received its report: in Fusion's preferences the
        next message overwrites one that nobody fetched.
        """
        for request in list(self._requests.values()):
            if request.id in placed_ids and request.waits_to_be_placed:
                timeline_id = request.snapshot.timeline.id
                request.write_report(
                    PlacementReport(timeline_id=timeline_id, is_saved=True, stems=()).to_json()
                )
                del self._requests[request.id]
                self.print_line(f"{request.id}: was placed while no bridge was running")
        self._announce_waiting()

    def _stop_all(self, request_id: str, _body: MessageBody) -> None:
        for request in self._requests.values():
            if request.is_running:
                request.cancel()
        self.print_line("stopped by the user")
        self.exchange.reply(request_id, {"received": True, "beat": 0, "state": "done"})

    # -- replies to the agent ---------------------------------------------------------------------------

    def _forward_status(self, request: WatchedRequest) -> None:
        status, last = request.read_status(), request.last_seen
        if status is None or status == last:
            return
        is_news = last is None or (status.state, status.message) != (last.state, last.message)
        request.last_seen = status
        if is_news:
            self.print_line(f"{request.id}: {status.describe()}")
        if status.state == READY:
            self._hand_out_plan(request, status)
        elif status.state in (FAILED, CANCELLED):
            title = status.message or status.state
            self._reply(request, "failed", title=title, lines=list_status_notices(status))
            del self._requests[request.id]
        else:
            self._reply(request, "working", message=status.describe() if is_news else None)

    def _hand_out_plan(self, request: WatchedRequest, status: RequestStatus) -> None:
        if request.is_placed:
            del self._requests[request.id]
            return
        if request.read_action() == CONFORM:
            self._show_conform(request)
            return
        target = build_target(
            request.snapshot,
            marks_stems=self.marks_stems,
            replaces=self.replaces or request.wants_replacement(),
        )
        plan = build_plan(request.read_plan_stems(), target, request.read_plan().get("removals", ()))
        notices = list_status_notices(status)
        self._reply(request, "done", plan=plan.to_json(), lines=notices)
        for notice in notices:
            self.print_line(f"  {notice}")
        self._announce_waiting()

    def _show_conform(self, request: WatchedRequest) -> None:
        """The list of what would be done; the same request once more does it."""
        shown = request.read_plan()["conform"]
        lines = [*map(str, shown["lines"][:MAX_NOTICES])]
        if len(shown["lines"]) > MAX_NOTICES:
            lines.append(f"and {len(shown['lines']) - MAX_NOTICES} more, in the log of the bridge")
        if shown["has_changes"]:
            lines.append(
                f"choose '{CONFORM_TITLE}' once more to do it; an edit in between shows the list again"
            )
            self.last_cuts.note_shown(read_json(request.folder / SNAPSHOT_FILE))
        for line in (shown["summary"], *shown["lines"]):
            self.print_line(f"  {line}")
        timeline_id = request.snapshot.timeline.id
        request.write_report(PlacementReport(timeline_id=timeline_id, is_saved=True, stems=()).to_json())
        del self._requests[request.id]
        self._reply(request, "done", title=shown["summary"], lines=lines)

    def _give_up(self, request: WatchedRequest, reason: str) -> None:
        """A request whose files cannot be used; they stay where they are."""
        self._requests.pop(request.id, None)
        self.print_line(f"{request.id}: {reason}")
        self._reply(request, "failed", title=reason)

    def _reply(self, request: WatchedRequest, state: str, **more: Any) -> None:
        beat = 0 if request.last_seen is None else request.last_seen.heartbeat
        self.exchange.reply(request.id, {"received": True, "beat": beat, "state": state, **more})

    def _announce_waiting(self) -> None:
        waiting = []
        for request in list(self._requests.values()):
            if request.waits_to_be_placed:
                try:
                    waiting.append({"request": request.id, "timeline_id": request.snapshot.timeline.id})
                except (SelvaError, OSError) as error:
                    self._give_up(request, f"its snapshot cannot be read: {error}")
        self.exchange.announce_waiting(waiting)


def run_watch(
    homes: Iterable[ResolveHome],
    *,
    print_line: PrintLine,
    defaults: Mapping[str, str],
    marks_stems: bool = False,
    replaces: bool = False,
    idle_exit_s: float | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Watch until `is_over()`, an interrupt, or nothing to do for `idle_exit_s`.

    What is being rendered on an interrupt is left to the next watch. Raises HostError when another watch is at work.
    """
    with ExitStack() as stack:
        watches = [
            ResolveWatch.at(
                sharing, print_line=print_line, defaults=defaults, marks_stems=marks_stems, replaces=replaces
            )
            for sharing in _group_by_exchange(homes)
            if _try_lock(sharing[0], stack)
        ]
        if not watches:
            raise HostError(
                "another `selva host resolve` is at work already; stop it first, or leave it running"
            )
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
            time.sleep(POLL_S)


def _group_by_exchange(homes: Iterable[ResolveHome]) -> list[list[ResolveHome]]:
    groups: dict[Path, list[ResolveHome]] = {}
    for home in homes:
        groups.setdefault(home.exchange.folder, []).append(home)
    return list(groups.values())


def _try_lock(home: ResolveHome, stack: ExitStack) -> bool:
    """Whether no other watch answers the agent of this installation; locked until the stack closes."""
    home.exchange.ensure()
    lock = FileLock(home.exchange.folder / WATCH_LOCK)
    try:
        lock.acquire()
    except LockHeldError:
        return False
    stack.callback(lock.release)
    return True
