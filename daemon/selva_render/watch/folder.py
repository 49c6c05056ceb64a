"""A watch folder: what is put into it is rendered, once, when it has come to rest.

The system tells when something changes (watchdog); as network drives do not always tell, the folder is also looked at from time
to time. What was done is on disk (watch_records), so that a restart goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from selva_core.base.errors import ConfigurationError, LockHeldError, SelvaError
from selva_core.base.file_lock import FileLock
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonError
from selva_otio import SpotOptions
from selva_otio.errors import TimelineError
from selva_render.watch.inbox import Fingerprint, InboxItem, list_inbox
from selva_render.watch.records import Outcome, WatchRecords
from selva_render.watch.rendering import WatchRendering

SETTLE_S = 2.0
LOOK_EVERY_S = 5.0
TRY_DAEMON_AGAIN_S = 30.0
LOCK_NAME = ".selva-watch.lock"

Say = Callable[[str], None]


class WatchFolder:
    """Watches one folder. say: hears a line per item. settle_s: how long files must have been the same."""

    def __init__(
        self,
        inbox: Path,
        results: Path,
        options: RenderOptions,
        spot_options: SpotOptions,
        *,
        say: Say,
        settle_s: float = SETTLE_S,
        connect: Callable[[], Client] = lambda: Client.connect(start_if_needed=True),
    ) -> None:
        """Raises ConfigurationError when the folders cannot be used."""
        self._inbox, self._results = inbox.absolute(), results.absolute()
        if not self._inbox.is_dir():
            raise ConfigurationError(f"there is no folder {self._inbox} to watch; make it first")
        if self._inbox == self._results:
            raise ConfigurationError("results go to another folder than the one that is watched")
        self._options, self._spot_options = options, spot_options
        self._say = say
        self._settle_s = settle_s
        self._connect = connect
        self._records = WatchRecords(self._results)
        self._wake = Event()
        self._seen: dict[Path, tuple[Fingerprint, float]] = {}
        self._once = self._stopped = False
        self.num_failed = 0

    def run(self, *, once: bool = False) -> None:
        """Until `stop` is called or the user interrupts; once: until everything that is there has been handled.

        Raises LockHeldError when another one writes to the same results; with `once`, DaemonError when the daemon is
        not to be had.
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
        observer.schedule(_Waker(self._wake), str(self._inbox))
        observer.start()
        try:
            while not self._stopped:
                wait_s = self._look()
                if wait_s is None and once:
                    return
                self._wake.wait(LOOK_EVERY_S if wait_s is None else wait_s)
                self._wake.clear()
        finally:
            observer.stop()
            observer.join()
            lock.release()

    def stop(self) -> None:
        """From another thread; what is being rendered ends first."""
        self._stopped = True
        self._wake.set()

    def _look(self) -> float | None:
        """Handle what has come to rest; returns after how many seconds to look again, None when nothing is waiting."""
        waits: list[float] = []
        for item in self._list_items():
            try:
                fingerprint = item.take_fingerprint()
            except OSError:  # it is just being moved or removed
                continue
            if self._records.is_handled(item, fingerprint):
                self._seen.pop(item.path, None)
                continue
            known, since_s = self._seen.get(item.path, (None, 0.0))
            if known != fingerprint:
                self._seen[item.path] = fingerprint, time.monotonic()
                waits.append(self._settle_s)
            elif (rest_s := since_s + self._settle_s - time.monotonic()) > 0:
                waits.append(rest_s)
            elif not self._handle(item, fingerprint):
                waits.append(TRY_DAEMON_AGAIN_S)
        return min(waits, default=None)

    def _list_items(self) -> list[InboxItem]:
        try:
            return list_inbox(self._inbox)
        except OSError as error:
            self._say(f"{self._inbox} cannot be looked at now: {error.strerror or error}")
            return []

    def _handle(self, item: InboxItem, fingerprint: Fingerprint) -> bool:
        """Render an item and write down what came of it; False when the daemon is not there and it must wait."""
        try:
            with self._connect() as client:
                rendering = WatchRendering(self._options, self._spot_options, self._records, client)
                outcome = rendering.render(item, fingerprint)
        except DaemonError as error:
            if self._once:
                raise
            self._say(f"{item.path.name} waits: {error.message}")
            return False
        except (TimelineError, SelvaError) as error:
            outcome = Outcome(fingerprint=fingerprint, failures=(error.message,))
        except OSError as error:
            outcome = Outcome(fingerprint=fingerprint, failures=(str(error),))
        self._finish(item, outcome)
        return True

    def _finish(self, item: InboxItem, outcome: Outcome) -> None:
        self._seen.pop(item.path, None)
        for line in outcome.failures:
            self._say(f"{item.path.name} failed: {line}")
        if outcome.failures:
            self.num_failed += 1
        else:
            self._say(f"{item.path.name} is done: {self._records.folder_of(item)}")
        try:
            self._records.write(item, outcome)
        except (TimelineError, OSError) as error:
            self._say(f"what came of {item.path.name} cannot be written down: {error}")


class _Waker(FileSystemEventHandler):
    """Ends the wait of the watcher."""

    def __init__(self, wake: Event) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._wake.set()
