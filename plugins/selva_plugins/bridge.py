"""The bridge: from what a host script asked for to a plan of what it shall place.

    request folder -> host room (snapshot -> timeline -> cues) -> daemon -> stems -> plan -> request folder

A request that was cut short (reboot, crash) is answered by simply asking again: whatever was made comes from the daemon's
cache. A host is a row of HOSTS; all that knows about one host lies in its own module.
"""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from selva_core.base.errors import RenderCancelled, SelvaError
from selva_daemon.client.client import Client
from selva_otio.errors import TimelineError
from selva_plugins.errors import HostError, NothingToRenderError
from selva_plugins.progress import RequestProgress
from selva_plugins.rendering import RenderBatch, connect_to_daemon, render_batches
from selva_plugins.request_folder import HostRequest, RequestFolder, remove_old_requests
from selva_render.report import RenderReport

HOSTS = {"reaper": "selva_plugins.hosts.reaper.adapter", "resolve": "selva_plugins.hosts.resolve.adapter"}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A request made ready for the daemon. `build_placements` turns its reports into the host's own plan."""

    batches: Sequence[RenderBatch]
    timeline_name: str
    notices: Sequence[str]
    build_placements: Callable[[Sequence[RenderReport]], list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Made:
    """What came of a request: the host's own plan entries, and what the user should know, each sentence once."""

    placements: list[dict[str, Any]]
    notices: list[str]


class HostAdapter(Protocol):
    """What the module of a host offers."""

    def prepare(self, request: HostRequest) -> Prepared:
        """Raises HostError, TimelineError."""
        ...

    def check(self, request: HostRequest) -> list[dict[str, str]]:
        """Facts about the installation: title, text, and level (ok, warning, fault)."""
        ...


def answer_request(path: Path, *, connect: Callable[[], Client] = connect_to_daemon) -> None:
    """Answer the request in a folder. Whatever goes wrong is said in its status; nothing is raised or printed."""
    folder = RequestFolder(path)
    with folder.hold() as is_ours:
        if not is_ours or folder.is_answered():
            return
        try:
            folder.say_progress(RequestProgress(message="starting", fraction=0.0, seconds_left=None), [])
            with folder.heartbeat():
                _answer(folder, connect)
        except RenderCancelled:
            folder.say_cancelled()
        except (SelvaError, TimelineError) as error:
            folder.say_failed(_as_selva_error(error), [])
        except Exception as error:
            log = path / "bridge.log"
            log.write_text(traceback.format_exc(), encoding="utf-8")
            fault = HostError(f"a fault in the bridge ({type(error).__name__}: {error}); details: {log}")
            folder.say_failed(fault, [])
    with suppress(OSError):
        remove_old_requests(path.parent, now_s=time.time())


def _answer(folder: RequestFolder, connect: Callable[[], Client]) -> None:
    request = folder.read_request()
    room = _find_host(request.host)
    if request.action == "check":
        folder.say_ready("checked", [], checks=room.check(request))
        return
    prepared = room.prepare(request)
    made = make_stems(
        prepared,
        on_progress=lambda progress: folder.say_progress(progress, list(prepared.notices)),
        is_cancelled=folder.is_cancelled,
        connect=connect,
    )
    folder.write_plan(made.placements)
    count = len(made.placements)
    folder.say_ready(f"{count} stem{'s are' if count != 1 else ' is'} ready", made.notices)


def make_stems(
    prepared: Prepared,
    *,
    on_progress: Callable[[RequestProgress], None],
    is_cancelled: Callable[[], bool] = lambda: False,
    connect: Callable[[], Client] = connect_to_daemon,
) -> Made:
    """Have the daemon make what was prepared; a clip that fails is in the notices and does not stop the others.

    Raises NothingToRenderError when no stem came of it, RenderCancelled once `is_cancelled()` is true, DaemonError.
    """
    reports = render_batches(
        prepared.batches,
        timeline_name=prepared.timeline_name,
        on_progress=on_progress,
        is_cancelled=is_cancelled,
        connect=connect,
    )
    notices = [*prepared.notices, *list_notices(reports)]
    placements = prepared.build_placements(reports)
    if not placements:
        raise NothingToRenderError(
            "no stem was made: " + ("; ".join(notices[:3]) or "there was nothing to make")
        )
    return Made(placements=placements, notices=notices)


def list_notices(reports: Sequence[RenderReport]) -> list[str]:
    """What the user should know of some reports, each sentence once: failed clips first."""
    failed = [f"{clip.name}: {clip.message}" for report in reports for clip in report.failed]
    warnings = [warning for report in reports for stem in report.stems for warning in stem.result.warnings]
    return list(dict.fromkeys(failed + warnings))


def _find_host(name: str) -> HostAdapter:
    if name not in HOSTS:
        raise HostError(f"no host is called {name!r}; there are {', '.join(HOSTS)}")
    return cast("HostAdapter", importlib.import_module(HOSTS[name]))


def _as_selva_error(error: SelvaError | TimelineError) -> SelvaError:
    return error if isinstance(error, SelvaError) else HostError(error.message)
