"""Cue sheets in, stems out, through the daemon: the part of the bridge that no host differs in.

Starts the daemon when it is not running, reports progress for the whole request, cancels within a sampling step, and starts
over when the daemon goes away: stems that were made come from its cache.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from selva_core.base.errors import RenderCancelled, SelvaError
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonTimeoutError, DaemonUnavailableError
from selva_daemon.protocol.status import JobStatus
from selva_otio import CueSheet
from selva_plugins.progress import RequestProgress, RequestProgressTracker
from selva_render.jobs import ClipJob
from selva_render.options import OutputOptions
from selva_render.render import render_sheet
from selva_render.report import RenderReport

ProgressListener = Callable[[RequestProgress], None]

MAX_ATTEMPTS = 4
RETRY_AFTER_S = 2.0
CANCEL_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class RenderTask:
    """One cue sheet and the options all its cues are rendered with. jobs: where they are built already, as those of a stretch
    that is made anew.
    """

    sheet: CueSheet
    options: RenderOptions
    output: OutputOptions
    jobs: Sequence[ClipJob] | None = None


def connect_to_daemon() -> Client:
    """The user's daemon, started when it is not running. Raises DaemonStartError."""
    return Client.connect(start_if_needed=True)


def render_tasks(
    tasks: Sequence[RenderTask],
    *,
    timeline_name: str,
    on_progress: ProgressListener,
    is_cancelled: Callable[[], bool],
    connect: Callable[[], Client] = connect_to_daemon,
    retry_after_s: float = RETRY_AFTER_S,
) -> list[RenderReport]:
    """One report per task. A clip that fails is in its report and does not stop the others.

    Raises RenderCancelled once `is_cancelled()` is true, and DaemonError when the daemon is gone for good.
    """
    if not tasks:
        return []
    attempt = 1
    # One watcher for all attempts: the jobs of an earlier one go on in the daemon, and a cancel is meant for them too.
    with _CancelWatcher(is_cancelled, connect) as watcher:
        while True:
            try:
                return _render_once(
                    tasks,
                    timeline_name=timeline_name,
                    on_progress=on_progress,
                    connect=connect,
                    watcher=watcher,
                )
            except (DaemonUnavailableError, DaemonTimeoutError) as error:
                if attempt == MAX_ATTEMPTS:
                    raise
                on_progress(
                    RequestProgress(
                        message=f"the daemon went away, trying again: {error}",
                        fraction=0.0,
                        seconds_left=None,
                    )
                )
                time.sleep(retry_after_s * attempt)
                attempt += 1


def _render_once(
    tasks: Sequence[RenderTask],
    *,
    timeline_name: str,
    on_progress: ProgressListener,
    connect: Callable[[], Client],
    watcher: _CancelWatcher,
) -> list[RenderReport]:
    tracker = RequestProgressTracker([(task.sheet, task.options) for task in tasks])
    with connect() as client:

        def on_status(job: ClipJob, status: JobStatus) -> None:
            watcher.update(status)
            on_progress(tracker.update(job, status))

        reports = []
        for task in tasks:
            watcher.raise_if_cancelled()
            reports.append(
                render_sheet(
                    task.sheet,
                    task.options,
                    task.output,
                    client=client,
                    timeline_name=timeline_name,
                    on_status=on_status,
                    jobs=task.jobs,
                )
            )
        watcher.raise_if_cancelled()
        return reports


class _CancelWatcher:
    """Asks the daemon to cancel from a thread of its own: the main thread gets no status, and so could not look, while all
    jobs wait in the queue.
    """

    def __init__(self, is_cancelled: Callable[[], bool], connect: Callable[[], Client]) -> None:
        self._is_cancelled = is_cancelled
        self._connect = connect
        self._job_ids: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancel-watcher", daemon=True)

    def __enter__(self) -> _CancelWatcher:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def update(self, status: JobStatus) -> None:
        """Remember a job that may have to be cancelled, until it is finished. Raises RenderCancelled."""
        with self._lock:
            if status.is_finished:
                self._job_ids.discard(status.job_id)
            else:
                self._job_ids.add(status.job_id)
        self.raise_if_cancelled()

    def raise_if_cancelled(self) -> None:
        if self._is_cancelled():
            raise RenderCancelled("cancelled")

    def _run(self) -> None:
        while not self._stop.wait(CANCEL_POLL_S):
            if self._is_cancelled():
                with self._lock:
                    job_ids = tuple(self._job_ids)
                if not job_ids:
                    return
                # ZeroMQ sockets belong to one thread, so this one has a connection of its own.
                with suppress(SelvaError), self._connect() as client:
                    client.cancel(*job_ids)
                    return
