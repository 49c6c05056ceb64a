"""The bridge: from the request of a host script to a plan of what the script is to place.

    request folder -> host adapter (snapshot -> timeline -> cues) -> daemon -> stems -> plan -> request folder

A request that was cut short (reboot, crash) is answered when the script asks again: the stems that were made come from
the daemon's cache. A host is a row of HOSTS; everything that depends on the host lies in its own package.
"""

from __future__ import annotations

import importlib
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from selva_core.base.child_process import popen_options, windowless_python_executable
from selva_core.base.errors import RenderCancelled, SelvaError
from selva_daemon.client.client import Client
from selva_plugins.checks import CheckResult
from selva_plugins.errors import HostError, NothingToRenderError, SnapshotError
from selva_plugins.progress import RequestProgress
from selva_plugins.rendering import RenderTask, connect_to_daemon, render_tasks
from selva_plugins.request_folder import HostRequest, RequestFolder, read_json, remove_old_requests
from selva_render.report import RenderReport

PANEL_ACTION = "panel"
MAX_HINT_LINES = 20
HOSTS = {"reaper": "selva_plugins.hosts.reaper.adapter", "resolve": "selva_plugins.hosts.resolve.adapter"}


class PlanEntry(Protocol):
    """One entry of a host's plan: a value of the host's own, and JSON for its script."""

    def to_json(self) -> dict[str, Any]:
        """The entry as `plan.json` holds it."""
        ...


EntryT = TypeVar("EntryT", bound=PlanEntry)


@dataclass(frozen=True, kw_only=True)
class PreparedRequest(Generic[EntryT]):
    """A request made ready for the daemon. `build_placements` turns the reports, one per task, into the entries of the
    host's plan. build_more_tasks: what is rendered once the reports of `tasks` are known, in place of what failed. plan_extra:
    what else plan.json holds. may_be_empty: whether a plan without entries is one.
    """

    tasks: Sequence[RenderTask]
    timeline_name: str
    notices: Sequence[str]
    build_placements: Callable[[Sequence[RenderReport]], list[EntryT]]
    build_more_tasks: Callable[[Sequence[RenderReport]], Sequence[RenderTask]] = lambda reports: ()
    plan_extra: Mapping[str, Any] = field(default_factory=dict)
    may_be_empty: bool = False


@dataclass(frozen=True, kw_only=True)
class RequestResult(Generic[EntryT]):
    """The entries of the host's plan, and what the user should know, each sentence once."""

    placements: list[EntryT]
    notices: list[str]


class HostAdapter(Protocol):
    """What the `adapter` module of a host offers."""

    def prepare(self, request: HostRequest) -> PreparedRequest[Any]:
        """Raises HostError, TimelineError."""
        ...

    def find_events(self, request: HostRequest) -> list[dict[str, Any]]:
        """Where the sounds of stems begin, as entries of plan.json. Raises HostError."""
        ...

    def plan_conform(self, request: HostRequest) -> dict[str, Any]:
        """What a conform would do, as `conform` of plan.json. Raises HostError, TimelineError."""
        ...

    def check(self, request: HostRequest) -> list[CheckResult]:
        """The state of the installation that the request came from."""
        ...


def answer_request(path: Path, *, connect: Callable[[], Client] = connect_to_daemon) -> None:
    """Answer the request in a folder. Whatever goes wrong is written to its status; nothing is raised or printed."""
    folder = RequestFolder(path)
    if not folder.is_answered() and is_for_panel(path):
        open_panel(path)
        return
    with folder.try_lock() as is_locked:
        if not is_locked or folder.is_answered():
            return
        try:
            folder.write_progress(RequestProgress(message="starting", fraction=0.0, seconds_left=None), [])
            with folder.heartbeat():
                _answer(folder, connect)
        except RenderCancelled:
            folder.write_cancelled()
        except SelvaError as error:
            folder.write_failed(error, [])
        except Exception as error:
            log = path / "bridge.log"
            log.write_text(traceback.format_exc(), encoding="utf-8")
            fault = HostError(f"a fault in the bridge ({type(error).__name__}: {error}); details: {log}")
            folder.write_failed(fault, [])
    with suppress(OSError):
        remove_old_requests(path.parent, now_s=time.time())


def is_for_panel(path: Path) -> bool:
    """Whether a request asks for the panel, a program of its own that answers it for as long as it is open."""
    try:
        return read_json(path / "request.json").get("action") == PANEL_ACTION
    except (OSError, SnapshotError):
        return False


def open_panel(path: Path) -> None:
    """Start the panel for a request, and leave it: it outlives this process and the host. Raises OSError."""
    command = [windowless_python_executable(), "-m", "selva_cli", "panel", "--request", str(path)]
    silent: dict[str, Any] = {
        "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL
    }  # fmt: skip
    try:
        subprocess.Popen(command, **silent, **popen_options(own_group=True, leave_job=True))  # noqa: S603 - our own module
    except PermissionError:  # the host's job object keeps its processes in
        subprocess.Popen(command, **silent, **popen_options(own_group=True))  # noqa: S603


def _answer(folder: RequestFolder, connect: Callable[[], Client]) -> None:
    request = folder.read_request()
    adapter = _find_adapter(request.host)
    if request.action == "check":
        folder.write_ready("checked", [], checks=adapter.check(request))
        return
    if request.action == "events":
        folder.write_plan(adapter.find_events(request))
        folder.write_ready("the sounds are found", [])
        return
    if request.action == "conform":
        conform = adapter.plan_conform(request)
        folder.write_plan([], conform=conform)
        folder.write_ready("the cuts are compared", [])
        return
    prepared = adapter.prepare(request)
    result = make_stems(
        prepared,
        on_progress=lambda progress: folder.write_progress(progress, list(prepared.notices)),
        is_cancelled=folder.is_cancelled,
        connect=connect,
    )
    folder.write_plan([entry.to_json() for entry in result.placements], **prepared.plan_extra)
    count = len(result.placements)
    folder.write_ready(f"{count} stem{'s are' if count != 1 else ' is'} ready", result.notices)


def make_stems(
    prepared: PreparedRequest[EntryT],
    *,
    on_progress: Callable[[RequestProgress], None],
    is_cancelled: Callable[[], bool] = lambda: False,
    connect: Callable[[], Client] = connect_to_daemon,
) -> RequestResult[EntryT]:
    """Have the daemon render what was prepared; a clip that fails is in the notices and does not stop the others.

    Raises NothingToRenderError when there is no stem in the end, RenderCancelled once `is_cancelled()` is true,
    DaemonError.
    """
    reports: list[RenderReport] = []
    for build_tasks in (lambda _reports: prepared.tasks, prepared.build_more_tasks):
        reports += render_tasks(
            build_tasks(reports),
            timeline_name=prepared.timeline_name,
            on_progress=on_progress,
            is_cancelled=is_cancelled,
            connect=connect,
        )
    notices = [*prepared.notices, *list_render_notices(reports)]
    placements = prepared.build_placements(reports)
    if not placements and not prepared.may_be_empty:
        reasons = "; ".join(notices[:3]) or "there was nothing to make"
        raise NothingToRenderError(f"no stem was made: {reasons}")
    return RequestResult(placements=placements, notices=notices)


def list_render_notices(reports: Sequence[RenderReport]) -> list[str]:
    """What the user should know of some reports, each sentence once: failed clips first, what was measured of stems last."""
    failed = [f"{clip.name}: {clip.message}" for report in reports for clip in report.failed]
    warnings = [warning for report in reports for stem in report.stems for warning in stem.result.warnings]
    hints = [line for report in reports for line in report.hint_lines]
    left_out = [f"and {len(hints) - MAX_HINT_LINES} more stems"] if len(hints) > MAX_HINT_LINES else []
    measured = [f"measured, a hint for the ear: {line}" for line in (*hints[:MAX_HINT_LINES], *left_out)]
    return list(dict.fromkeys(failed + warnings + measured))


def _find_adapter(host: str) -> HostAdapter:
    """The adapter module, imported here because adapters import this module. Raises HostError."""
    if host not in HOSTS:
        raise HostError(f"no host is called {host!r}; there are {', '.join(HOSTS)}")
    return cast("HostAdapter", importlib.import_module(HOSTS[host]))
