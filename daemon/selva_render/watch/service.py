"""`python -m selva_render.watch.service`: watches the folders of the settings, as a process of its own beside the daemon.

The daemon starts it when there are folders to watch, and it is a client of the daemon like others, so that nothing that
happens to a share can hold up the daemon. A thread looks after each folder, because a share may not answer for minutes; some
workers render. It ends when its standard input does, which the end of the daemon closes, however it ends. What it was
rendering then waits in the journal.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from selva_core.base.errors import ConfigurationError, SelvaError, StorageError
from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_core.base.render_options import RenderOptions
from selva_core.base.settings import Settings, load_settings
from selva_core.base.settings.watched_folder import WatchedFolder
from selva_daemon.client.client import Client
from selva_otio import SpotOptions
from selva_render.watch.claims import EXPIRY_S, RENEW_S, ClaimKeeper
from selva_render.watch.folder import MIN_SCAN_GAP_S, FolderSession, open_session
from selva_render.watch.journal import JOURNAL_NAME, WatchJournal, open_journal
from selva_render.watch.observer import FolderObserver

LOG_NAME = "watch.log"
MAX_LOG_BYTES = 5 << 20
RELOAD_S = 1.0
IDLE_S = 0.5
GAP_PER_SCAN = 4.0
"""Looking through ten thousand files takes a second; results that appear beside them must not keep a core busy with it."""
LOCK_RETRY_S = 5.0
MEDIA_PATIENCE_S = 600.0
STOP_GRACE_S = 2.0
_log = logging.getLogger("selva_render.watch.service")  # `__name__` is "__main__" when the module is run


class FolderThread:
    """Looks after one folder until `stop`; `session` is None while another process watches it."""

    def __init__(
        self, watched: WatchedFolder, open_it: Callable[[WatchedFolder], FolderSession], journal: WatchJournal
    ) -> None:
        self.watched = watched
        self.session: FolderSession | None = None
        self._open_it = open_it
        self._journal = journal
        self._num_busy = 0
        self._noted = ""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {watched.path}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns immediately; what is being rendered goes on, and the folder is released after it."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def begin(self) -> FolderSession | None:
        """The session for one item, to be given back with `end`; None while no item may be begun."""
        with self._lock:
            session = self.session
            if session is None or self._stop.is_set() or not session.may_work():
                return None
            self._num_busy += 1
            return session

    def end(self) -> None:
        with self._lock:
            self._num_busy -= 1

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                session = self._open_it(self.watched)
            except (SelvaError, OSError) as error:
                self._note(str(error))
                self._stop.wait(LOCK_RETRY_S)
                continue
            self.session = session
            try:
                self._look_after(session)
            except Exception as error:
                _log.exception("watching %s", self.watched.path)
                self._note(f"a fault in this program ({type(error).__name__}: {error}); it is watched anew")
                self._stop.wait(LOCK_RETRY_S)
            finally:
                self._release(session)

    def _look_after(self, session: FolderSession) -> None:
        watched = self.watched
        observer = FolderObserver(
            watched.path, self._wake, subfolders=watched.subfolders, changes=watched.changes
        )
        try:
            while not self._stop.is_set():
                observer.ensure()
                self._note_source(observer)
                self._wake.clear()
                began_s = time.monotonic()
                try:
                    wait_s = session.scan()
                except StorageError as error:  # a full disk
                    _log.error("%s", error.message)
                    wait_s = None
                took_s = time.monotonic() - began_s
                self._wake.wait(watched.rescan_s if wait_s is None else min(wait_s, watched.rescan_s))
                self._stop.wait(max(min(MIN_SCAN_GAP_S, watched.settle_s), GAP_PER_SCAN * took_s))
        finally:
            observer.close()

    def _note_source(self, observer: FolderObserver) -> None:
        """Say how changes are noticed, when that is another way than before."""
        if observer.source is None:
            return
        text = f"{observer.source.kind}: {observer.source.reason}"
        with suppress(StorageError):
            if self._journal.folder(self.watched.path).changes != text:
                self._journal.update_folder(self.watched.path, changes=text)
                _log.info("%s is watched by %s", self.watched.path, text)

    def _release(self, session: FolderSession) -> None:
        """Not before the last item has ended: another process could begin with it."""
        with self._lock:
            self.session = None
        while self._num_busy:
            time.sleep(IDLE_S)
        session.close()

    def _note(self, text: str) -> None:
        if text != self._noted:
            _log.warning("%s: %s", self.watched.path, text)
        self._noted = text
        with suppress(StorageError):
            self._journal.update_folder(self.watched.path, note=text)


class WatchService:
    """All watch folders of the settings. `run` until `stop` is set.

    renew_s, expiry_s: of claims, for tests.
    """

    def __init__(
        self,
        paths: AppPaths,
        *,
        stop: threading.Event,
        renew_s: float = RENEW_S,
        expiry_s: float = EXPIRY_S,
        media_patience_s: float = MEDIA_PATIENCE_S,
    ) -> None:
        """Raises StorageError."""
        self._paths = paths
        self._stop = stop
        self._expiry_s = expiry_s
        self._media_patience_s = media_patience_s
        self._journal = open_journal(paths.state / JOURNAL_NAME)
        self._keeper = ClaimKeeper(renew_s=renew_s)
        self._settings: Settings | None = None
        self._stamp: tuple[int, int] | None = None
        self._folders: list[FolderThread] = []
        self._ending: list[FolderThread] = []
        self._workers: list[threading.Thread] = []

    def run(self) -> None:
        """Follow the settings, which may change at any time."""
        while not self._stop.is_set():
            self._reload()
            self._stop.wait(RELOAD_S)
        for folder in self._folders:
            folder.stop()
        give_up_s = time.monotonic() + STOP_GRACE_S
        for folder in (*self._folders, *self._ending):
            folder.join(max(give_up_s - time.monotonic(), 0.0))
        self._keeper.drop_all()
        self._keeper.close()

    def _reload(self) -> None:
        file = self._paths.settings_file
        try:
            status = file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = (0, 0)
        if self._settings is not None and stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._settings = load_settings(file)
        except ConfigurationError as error:
            _log.error("the settings are not used: %s", error.message)
            return
        self._follow(self._settings)

    def _follow(self, settings: Settings) -> None:
        """Begin and end folders, so that those of the settings are watched as they say."""
        wanted = list(settings.watch_folders)
        for folder in [each for each in self._folders if each.watched not in wanted]:
            folder.stop()
            self._folders.remove(folder)
            self._ending.append(folder)
        watched = [folder.watched for folder in self._folders]
        self._folders += [
            FolderThread(each, self._open, self._journal) for each in wanted if each not in watched
        ]
        while len(self._workers) < settings.watch_items_at_once:
            worker = threading.Thread(
                target=self._work,
                args=(len(self._workers),),
                name=f"render {len(self._workers)}",
                daemon=True,
            )
            self._workers.append(worker)
            worker.start()

    def _open(self, watched: WatchedFolder) -> FolderSession:
        settings = self._settings or load_settings(self._paths.settings_file)
        return open_session(
            watched,
            self._journal,
            self._paths,
            self._keeper,
            options=RenderOptions(
                model=watched.model,
                num_takes=watched.takes,
                absent=settings.absent,
                precision=settings.precision,
            ),
            spot_options=SpotOptions(handles_s=Fraction(str(watched.handles_s))),
            connect=lambda: Client.connect(paths=self._paths),
            on_message=_log.info,
            webhook_hosts=settings.watch_webhook_hosts,
            media_patience_s=self._media_patience_s,
            makes_pages=watched.pages,
            expiry_s=self._expiry_s,
        )

    def _work(self, number: int) -> None:
        """A worker: one item after another, of whichever folder's item has waited longest."""
        while not self._stop.is_set():
            settings = self._settings
            is_needed = settings is not None and number < settings.watch_items_at_once
            try:
                worked = is_needed and self._work_one()
            except Exception:
                _log.exception("a fault in a worker")
                worked = False
            if not worked:
                self._stop.wait(IDLE_S)

    def _work_one(self) -> bool:
        """Whether there was an item to render."""
        busy: dict[Path, tuple[FolderThread, FolderSession]] = {}
        try:
            for folder in list(self._folders):
                session = folder.begin()
                if session is not None:
                    busy[folder.watched.path] = folder, session
            if not busy:
                return False
            record = self._journal.take_next(list(busy), now_s=time.time())
            if record is None:
                return False
            for path in [path for path in busy if path != record.folder]:
                busy.pop(path)[0].end()
            busy[record.folder][1].handle(record)
            return True
        finally:
            for folder, _ in busy.values():
                folder.end()


def stop_at_end_of_input(stop: threading.Event) -> None:
    """Sets `stop` when the daemon that started this process has ended, or wants it to end."""

    def wait() -> None:
        with suppress(OSError, ValueError):
            while os.read(0, 1024):
                pass
        stop.set()

    threading.Thread(target=wait, name="end of input", daemon=True).start()


def open_service_log(folder: Path) -> logging.Handler:
    handler = logging.handlers.RotatingFileHandler(
        folder / LOG_NAME, maxBytes=MAX_LOG_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler


def main(arguments: Sequence[str]) -> int:
    """arguments: for tests, `NAME=NUMBER` of WatchService's."""
    paths = AppPaths.find()
    stop = threading.Event()
    stop_at_end_of_input(stop)
    try:
        ensure_private_folder(paths.state)
        open_service_log(paths.state)
        numbers = {name: float(value) for name, value in (each.split("=") for each in arguments)}
        WatchService(paths, stop=stop, **numbers).run()
    except (SelvaError, OSError) as error:
        sys.stderr.write(f"selva: {error}\n")
        return 1
    logging.shutdown()
    # Workers may wait for the daemon for hours; what they render waits in the journal.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
