"""Notices that something in a folder has changed: by the system's events, or by polling where these cannot be trusted."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from threading import Event

from watchdog.events import FileClosedNoWriteEvent, FileOpenedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from selva_core.base.settings.watched_folder import AUTO, EVENTS, POLLING
from selva_render.watch.file_names import SHARED_FOLDER
from selva_render.watch.file_system import ChangeSource, choose_change_source

POLL_INTERVAL_S = 10.0


class FolderObserver:
    """Sets `wake` when something below a folder changes; for one thread. `close` it.

    A folder that went away and came back (a share that was mounted again) is another one to the system, so `ensure` starts the
    observer anew; it is cheap to call before every look at the folder.
    """

    def __init__(
        self,
        folder: Path,
        wake: Event,
        *,
        subfolders: bool,
        changes: str = AUTO,
        poll_s: float = POLL_INTERVAL_S,
    ) -> None:
        self._folder = folder
        self._wake = wake
        self._subfolders = subfolders
        self._changes = changes
        self._poll_s = poll_s
        self._observer: BaseObserver | None = None
        self._identity: tuple[int, int] | None = None
        self.source: ChangeSource | None = None

    def ensure(self) -> None:
        """Watch the folder that is there now. Without one, or where the system refuses, only `wake` set by others remains."""
        try:
            status = os.stat(self._folder)
        except OSError:
            self.close()
            return
        identity = (status.st_dev, status.st_ino)
        if identity == self._identity and self._is_alive():
            return
        self.close()
        self._identity = identity
        self.source = choose_change_source(self._folder, self._changes)
        if self.source.kind == EVENTS and not self._start(Observer()):
            # inotify's watches are limited for each user (fs.inotify.max_user_watches): one a folder.
            self.source = ChangeSource(kind=POLLING, reason="the system has no more watches for this user")
        if self.source.kind == POLLING:
            self._start(PollingObserver(timeout=self._poll_s))

    def close(self) -> None:
        observer, self._observer, self._identity = self._observer, None, None
        if observer is not None:
            observer.stop()
            observer.join()

    def _start(self, observer: BaseObserver) -> bool:
        # Folders that are made one in another while watchdog begins to watch them are registered twice, to the same effect; its
        # warning of it comes from a thread of its own and would stand among the lines of `selva watch run`.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, r"watchdog\.")
        try:
            observer.schedule(_ChangeListener(self._wake), str(self._folder), recursive=self._subfolders)
            observer.start()
        except OSError:
            with suppress(RuntimeError):  # its thread may not have been started
                observer.stop()
                observer.join()
            return False
        self._observer = observer
        return True

    def _is_alive(self) -> bool:
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and all(each.is_alive() for each in observer.emitters)
        )


class _ChangeListener(FileSystemEventHandler):
    """Ends the wait of the watcher. Reading is no change: the watcher itself reads what it finds."""

    def __init__(self, wake: Event) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        is_ours = SHARED_FOLDER in os.fsdecode(event.src_path)
        if not is_ours and not isinstance(event, FileOpenedEvent | FileClosedNoWriteEvent):
            self._wake.set()
