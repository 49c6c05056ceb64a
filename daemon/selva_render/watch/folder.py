"""A watch folder: what is put into it is rendered, once, when it is no longer being written.

The system reports changes (watchdog). Network drives do not always, so the folder is also scanned from time to time. What
was done is on disk (`records`), so that a restart continues where it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from selva_core.base.errors import (
    ConfigurationError,
    InstallationBrokenError,
    LockHeldError,
    SelvaError,
)
from selva_core.base.file_lock import FileLock
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import (
    DaemonError,
    DaemonRefusedError,
    DaemonStartError,
    DaemonTimeoutError,
    DaemonUnavailableError,
)
from selva_otio import SpotOptions
from selva_render.watch.inbox import Fingerprint, InboxItem, list_inbox
from selva_render.watch.item_renderer import ItemRenderer
from selva_render.watch.records import Outcome, WatchRecords

SETTLE_S = 2.0
SCAN_INTERVAL_S = 5.0
DAEMON_RETRY_S = 30.0
BROKEN_RETRY_S = 300.0
LOCK_NAME = ".selva-watch.lock"
_OF_EVERY_ITEM = (
    DaemonRefusedError,
    DaemonStartError,
    DaemonTimeoutError,
    DaemonUnavailableError,
    InstallationBrokenError,
)
"""What stops the other items as well: they are not tried before the next attempt at this one."""

MessageListener = Callable[[str], None]


class WatchFolder:
    """Watches one folder.

    options, spot_options: how stems of timelines and videos are made; bundles say it themselves, but for a model they do not
    name. on_message: called with a line per item. settle_s: how long an item's files must not have changed. now_s: the clock
    that this is measured with.
    """

    def __init__(
        self,
        inbox: Path,
        results: Path,
        options: RenderOptions,
        spot_options: SpotOptions,
        *,
        on_message: MessageListener,
        settle_s: float = SETTLE_S,
        connect: Callable[[], Client] = lambda: Client.connect(start_if_needed=True),
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigurationError when the folders cannot be used."""
        self._inbox, self._results = inbox.absolute(), results.absolute()
        if not self._inbox.is_dir():
            raise ConfigurationError(f"there is no folder {self._inbox} to watch; make it first")
        if self._inbox == self._results:
            raise ConfigurationError("results go to another folder than the one that is watched")
        self._options, self._spot_options = options, spot_options
        self._on_message = on_message
        self._settle_s = settle_s
        self._connect = connect
        self._now_s = now_s
        self._records = WatchRecords(self._results)
        self._wake = Event()
        self._unsettled: dict[Path, tuple[Fingerprint, float]] = {}
        self._once = self._stopped = False
        self._blocked_by: str | None = None
        self._retry_at_s = -math.inf
        self.num_failed = 0

    def run(self, *, once: bool = False) -> None:
        """Until `stop` is called or the user interrupts; once: until everything that is in the folder has been handled.

        Raises LockHeldError when another watcher writes to the same results; with `once`, DaemonError when the daemon cannot
        be reached, InstallationBrokenError when its libraries do not load.
        """
        self._once = once
        self._results.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._results / LOCK_NAME)
        try:
            lock.acquire()
        except LockHeldError as error:
            raise LockHeldError(
                f"another `selva watch` writes to {self._results}; stop it, or choose another folder"
            ) from error
        observer = Observer()
        observer.schedule(_ChangeListener(self._wake), str(self._inbox))
        observer.start()
        try:
            while not self._stopped:
                wait_s = self.scan()
                if wait_s is None and once:
                    return
                self._wake.wait(SCAN_INTERVAL_S if wait_s is None else wait_s)
                self._wake.clear()
        finally:
            observer.stop()
            observer.join()
            lock.release()

    def stop(self) -> None:
        """From another thread; the item that is being rendered is finished first."""
        self._stopped = True
        self._wake.set()

    def scan(self) -> float | None:
        """Render what is complete; returns after how many seconds to scan again, None when nothing is waiting."""
        waits: list[float] = []
        for item in self._list_items():
            try:
                fingerprint = item.take_fingerprint()
            except OSError:  # it is being moved or removed
                continue
            if self._records.is_handled(item, fingerprint):
                self._unsettled.pop(item.path, None)
                continue
            known, since_s = self._unsettled.get(item.path, (None, 0.0))
            if known != fingerprint:
                self._unsettled[item.path] = fingerprint, self._now_s()
                waits.append(self._settle_s)
            elif (left_s := max(since_s + self._settle_s, self._retry_at_s) - self._now_s()) > 0:
                waits.append(left_s)
            elif not self._handle(item, fingerprint):
                waits.append(DAEMON_RETRY_S)
        return min(waits, default=None)

    def _list_items(self) -> list[InboxItem]:
        try:
            return list_inbox(self._inbox)
        except OSError as error:
            self._on_message(f"{self._inbox} cannot be read now: {error.strerror or error}")
            return []

    def _handle(self, item: InboxItem, fingerprint: Fingerprint) -> bool:
        """Render an item and record its outcome; False when it must wait, as the daemon cannot be reached or not render."""
        try:
            with self._connect() as client:
                renderer = ItemRenderer(self._options, self._spot_options, self._records, client)
                outcome = renderer.render(item, fingerprint)
        except (DaemonError, InstallationBrokenError) as error:
            if self._once:
                raise
            self._postpone(item, error)
            return False
        except SelvaError as error:
            outcome = Outcome(fingerprint=fingerprint, failures=(error.message,))
        except OSError as error:
            outcome = Outcome(fingerprint=fingerprint, failures=(str(error),))
        self._blocked_by = None
        self._finish(item, outcome)
        return True

    def _postpone(self, item: InboxItem, error: SelvaError) -> None:
        """Say once why it waits, though it is tried again and again. What stops all items is tried again by one of them only:
        with a broken installation every try of every item leaves failed jobs in the daemon's list.
        """
        if isinstance(error, _OF_EVERY_ITEM):
            is_broken = isinstance(error, InstallationBrokenError)
            self._retry_at_s = self._now_s() + (BROKEN_RETRY_S if is_broken else DAEMON_RETRY_S)
        if error.message != self._blocked_by:
            self._blocked_by = error.message
            self._on_message(f"{item.path.name} waits: {error.message}")

    def _finish(self, item: InboxItem, outcome: Outcome) -> None:
        self._unsettled.pop(item.path, None)
        for line in outcome.failures:
            self._on_message(f"{item.path.name} failed: {line}")
        if outcome.failures:
            self.num_failed += 1
        else:
            self._on_message(f"{item.path.name} is done: {self._records.folder_of(item)}")
        try:
            self._records.write(item, outcome)
        except (SelvaError, OSError) as error:
            self._on_message(f"the outcome of {item.path.name} cannot be recorded: {error}")


class _ChangeListener(FileSystemEventHandler):
    """Ends the wait of the watcher."""

    def __init__(self, wake: Event) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._wake.set()
