"""The bridge core for every host: cue sheets go in, stems come out, through the daemon.

Starts the daemon when it is not running, tells progress for the whole request, cancels within a sampling step, and starts
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
from selva_plugins.progress import ProgressMeter, RequestProgress
from selva_render.jobs import ClipJob
from selva_render.options import OutputOptions
from selva_render.render import render_sheet
from selva_render.report import RenderReport

ProgressListener = Callable[[RequestProgress], None]

MAX_ATTEMPTS = 4
RETRY_AFTER_S = 2.0
LOOK_FOR_CANCEL_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class RenderBatch:
    """Cues that are made with the same options."""

    sheet: CueSheet
    options: RenderOptions
    output: OutputOptions


def connect_to_daemon() -> Client:
    """The user's daemon, started when it is not running. Raises DaemonStartError."""
    return Client.connect(start_if_needed=True)


def render_batches(
    batches: Sequence[RenderBatch],
    *,
    timeline_name: str,
    on_progress: ProgressListener,
    is_cancelled: Callable[[], bool],
    connect: Callable[[], Client] = connect_to_daemon,
    retry_after_s: float = RETRY_AFTER_S,
) -> list[RenderReport]:
    """One report per batch. A clip that fails is in its report and does not stop the others.

    Raises RenderCancelled once `is_cancelled()` is true, and DaemonError when the daemon is gone for good.
    """
    attempt = 1
    while True:
        try:
            return _render_once(
                batches,
                timeline_name=timeline_name,
                on_progress=on_progress,
                is_cancelled=is_cancelled,
                connect=connect,
            )
        except (DaemonUnavailableError, DaemonTimeoutError) as error:
            if attempt == MAX_ATTEMPTS:
                raise
            on_progress(
                RequestProgress(
                    message=f"the daemon went away, trying again: {error}", fraction=0.0, seconds_left=None
                )
            )
            time.sleep(retry_after_s * attempt)
            attempt += 1


def _render_once(
    batches: Sequence[RenderBatch],
    *,
    timeline_name: str,
    on_progress: ProgressListener,
    is_cancelled: Callable[[], bool],
    connect: Callable[[], Client],
) -> list[RenderReport]:
    meter = ProgressMeter([(batch.sheet, batch.options) for batch in batches])
    with connect() as client, _CancelWatch(is_cancelled, connect) as watch:

        def hear(job: ClipJob, status: JobStatus) -> None:
            watch.note(status)
            on_progress(meter.update(job, status))

        reports = []
        for batch in batches:
            watch.raise_if_cancelled()
            reports.append(
                render_sheet(
                    batch.sheet,
                    batch.options,
                    batch.output,
                    client=client,
                    timeline_name=timeline_name,
                    on_status=hear,
                )
            )
        watch.raise_if_cancelled()
        return reports


class _CancelWatch:
    """Asks the daemon to cancel from a thread of its own: while jobs wait in the queue the main thread hears nothing."""

    def __init__(self, is_cancelled: Callable[[], bool], connect: Callable[[], Client]) -> None:
        self._is_cancelled = is_cancelled
        self._connect = connect
        self._job_ids: set[str] = set()
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancel-watch", daemon=True)

    def __enter__(self) -> _CancelWatch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        self._thread.join()

    def note(self, status: JobStatus) -> None:
        """A job that may have to be cancelled. Raises RenderCancelled."""
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
        while not self._left.wait(LOOK_FOR_CANCEL_EVERY_S):
            if self._is_cancelled():
                with self._lock:
                    job_ids = tuple(self._job_ids)
                if job_ids:
                    with suppress(SelvaError), self._connect() as client:
                        client.cancel(*job_ids)
                return
