"""The panel for a request of a host's script: which host it is, and its request kept alive while the panel is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.errors import SelvaError
from selva_panel.delivery.targets import PlaceTarget
from selva_panel.hosts.reaper import open_reaper_request
from selva_panel.hosts.resolve import open_resolve_request
from selva_panel.timeline.cut import Cut
from selva_plugins.errors import HostError
from selva_plugins.progress import RequestProgress
from selva_plugins.request_folder import HostRequest, RequestFolder

OPEN_MESSAGE = "the panel is open in the browser"
Opener = Callable[[Path, HostRequest], tuple[Cut, PlaceTarget]]
OPENERS: dict[str, Opener] = {"reaper": open_reaper_request, "resolve": open_resolve_request}


@dataclass(frozen=True, kw_only=True)
class HostedCut:
    """A cut from a host, and where its stems go. is_closed_by_host: whether the user has cancelled the request there."""

    cut: Cut
    target: PlaceTarget
    is_closed_by_host: Callable[[], bool]


@contextmanager
def opened_request(path: Path) -> Iterator[HostedCut | None]:
    """The cut of a request folder; the host's script sees that it is worked on until the context ends.

    None where another panel has the request. Raises HostError, TimelineError, after the script has been given the reason.
    """
    folder = RequestFolder(path)
    with folder.try_lock() as is_locked:
        if not is_locked:
            yield None
            return
        try:
            request = folder.read_request()
            if request.host not in OPENERS:
                raise HostError(f"the panel opens for {', '.join(OPENERS)}; got {request.host!r}")
            cut, target = OPENERS[request.host](path, request)
        except SelvaError as error:
            folder.write_failed(error, [])
            raise
        folder.write_progress(
            RequestProgress(message=OPEN_MESSAGE, fraction=0.0, seconds_left=None), list(cut.notices)
        )
        try:
            with folder.heartbeat():
                yield HostedCut(cut=cut, target=target, is_closed_by_host=folder.is_cancelled)
        finally:
            folder.write_cancelled()
