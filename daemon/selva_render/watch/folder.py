"""A watch folder: what is put into it is rendered, once, when it is no longer being written.

    put in -> scanner: still for `settle_s` -> journal: waiting -> worker: identified, claimed, rendered, published -> done,
    failed

The scanner looks when the system reports a change and from time to time (`observer`); what it finds is in the journal, so that a
restart continues where it was. Workers take from the journal as many items as may be rendered at the same time, so that ten
thousand files at once fill the journal and not the daemon's queue.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Event

from selva_core.base.errors import ConfigurationError, LockHeldError, StorageError
from selva_core.base.file_lock import FileLock
from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_core.base.render_options import RenderOptions
from selva_core.base.settings.active_hours import is_active, parse_active_hours
from selva_core.base.settings.watched_folder import WatchedFolder, require_watchable
from selva_daemon.client.client import Client
from selva_otio import SpotOptions
from selva_render.watch.claims import EXPIRY_S, ClaimFolder, ClaimKeeper, Owner
from selva_render.watch.hooks import Hooks
from selva_render.watch.item_outcomes import FolderContext, move_source
from selva_render.watch.item_worker import ItemWorker
from selva_render.watch.journal import JOURNAL_NAME, WatchJournal, open_journal
from selva_render.watch.journal_records import DONE, FAILED, RENDERING, WAITING, ItemRecord
from selva_render.watch.observer import FolderObserver
from selva_render.watch.result_places import ResultPlaces, sweep_staging
from selva_render.watch.scanner import Clock, FolderScanner, MessageListener

SETTLE_S = 2.0
RESCAN_S = 5.0
MIN_SCAN_GAP_S = 0.5
"""A file that is being copied reports changes all the time; each look reads the whole tree."""
PAUSED_CHECK_S = 1.0
SCAN_SHARE = 10.0
"""Items are rendered for so many times as long as a look took, before the next look."""
RELEASE_ATTEMPTS, RELEASE_WAIT_S = 5, 10.0


class FolderSession:
    """One watch folder that is being watched by this process: `open`, then `scan` and `work_one` again and again, then
    `close`."""

    def __init__(self, context: FolderContext, hooks: Hooks, lock_file: Path) -> None:
        self.context = context
        self._hooks = hooks
        self._lock_file = lock_file
        self._hours = parse_active_hours(context.watched.hours)
        context.on_ended = self._run_hooks
        self._in_hooks: set[str] = set()
        self._hooks_lock = threading.Lock()
        self.num_failed = 0

    @property
    def watched(self) -> WatchedFolder:
        return self.context.watched

    def open(self) -> None:
        """Raises LockHeldError when another process of this user watches the folder; StorageError."""
        lock = FileLock(self._lock_file)
        try:
            self._lock_file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except LockHeldError as error:
            raise LockHeldError(
                f"another `selva watch`, or the daemon, watches {self.watched.path} already; stop it, or choose another folder"
            ) from error
        except OSError as error:
            raise StorageError(f"{self._lock_file} cannot be made: {error}") from error
        self._lock = lock
        self._recover()

    def close(self) -> None:
        self._lock.release()

    def scan(self) -> float | None:
        """See FolderScanner.scan. Hooks that a crash or a failed write left are run, too."""
        wait_s = self.context.scanner.scan()
        for record in self.context.journal.unsent(self.watched.path):
            self._run_hooks(record)
        self._finish_moves()
        return wait_s

    def may_work(self) -> bool:
        """Whether items may be begun now: the folder is there and not paused, it is in its hours, and nothing stops all items."""
        context = self.context
        return (
            context.scanner.is_available
            and context.clock.wall_s() >= context.blocked_until_s
            and is_active(self._hours, datetime.fromtimestamp(context.clock.wall_s()))
            and not context.journal.folder(self.watched.path).is_paused
        )

    def handle(self, record: ItemRecord, *, raises_daemon_errors: bool = False) -> None:
        """Handle an item that the journal gave. Raises as ItemWorker.handle does."""
        try:
            ItemWorker(self.context, raises_daemon_errors=raises_daemon_errors).handle(record)
        except StorageError as error:
            self.context.on_message(f"{record.name!r}: {error.message}")
            self._release(record)

    def _recover(self) -> None:
        """What a crash cut off: its jobs are cancelled before the next item, and its half results are removed."""
        context = self.context
        cut_off = context.journal.recover(self.watched.path)
        context.cut_off_jobs.extend(job for record in cut_off for job in record.jobs)
        for parent in {context.places.parent_of(record.name) for record in cut_off}:
            sweep_staging(parent, journal_id=context.journal.journal_id)

    def _release(self, record: ItemRecord) -> None:
        """Let an item wait again whose outcome could not be recorded: its results, if it has any, are found the next time. Where
        that cannot be recorded either, it waits for the next start.
        """
        for _ in range(RELEASE_ATTEMPTS):
            with suppress(StorageError):
                current = self.context.journal.item(record.folder, record.name)
                if current is not None and current.state == RENDERING:
                    not_before_s = self.context.clock.wall_s() + RELEASE_WAIT_S
                    self.context.journal.update_item(
                        record.folder, record.name, state=WAITING, not_before_s=not_before_s
                    )
                return
            time.sleep(1.0)

    def _finish_moves(self) -> None:
        """Sources that were to be moved when a crash came."""
        scanner = self.context.scanner
        if not self.watched.move_sources or not scanner.is_available:
            return
        for record in self.context.journal.items(self.watched.path, states=(DONE, FAILED)):
            if record.moved_to and record.name in scanner.items and not Path(record.moved_to).exists():
                with suppress(OSError):
                    if scanner.items[record.name].take_fingerprint() == record.fingerprint:
                        move_source(self.context, record.name, Path(record.moved_to))

    def _run_hooks(self, record: ItemRecord) -> None:
        """Of one ended item, by one thread only: the scanner finds it in the journal while a worker runs its hooks."""
        with self._hooks_lock:
            if record.name in self._in_hooks:
                return
            self._in_hooks.add(record.name)
        try:
            if record.outcome == FAILED:
                self.num_failed += 1
            for line in self._hooks.run(record) if self._hooks.is_needed else ():
                self.context.on_message(line)
            self.context.journal.update_item(record.folder, record.name, unsent=False)
        finally:
            with self._hooks_lock:
                self._in_hooks.discard(record.name)


def open_session(
    watched: WatchedFolder,
    journal: WatchJournal,
    paths: AppPaths,
    keeper: ClaimKeeper,
    *,
    options: RenderOptions,
    spot_options: SpotOptions,
    connect: Callable[[], Client],
    on_message: MessageListener,
    clock: Clock | None = None,
    webhook_hosts: tuple[str, ...] = (),
    media_patience_s: float = 0.0,
    makes_pages: bool = True,
    owner: Owner | None = None,
    expiry_s: float = EXPIRY_S,
) -> FolderSession:
    """Begin to watch a folder. Raises LockHeldError, StorageError."""
    clock = clock or Clock()
    places = ResultPlaces(root=watched.path, results=watched.results)
    owner = owner or Owner.of_this_process(journal.journal_id)
    # Where the sources may only be read, those who write the results into one folder agree there.
    is_shared_there = watched.results is None or os.access(watched.path, os.W_OK)
    shared_root = watched.path if is_shared_there else watched.results or watched.path
    context = FolderContext(
        watched=watched,
        journal=journal,
        scanner=FolderScanner(watched, journal, on_message=on_message, clock=clock),
        claims=ClaimFolder(shared_root, owner, expiry_s=expiry_s, now_s=clock.monotonic_s),
        keeper=keeper,
        places=places,
        options=options,
        spot_options=spot_options,
        clock=clock,
        on_message=on_message,
        connect=connect,
        media_patience_s=media_patience_s,
        makes_pages=makes_pages,
    )
    session = FolderSession(
        context, Hooks(watched=watched, webhook_hosts=webhook_hosts), lock_file_of(watched.path, paths)
    )
    session.open()
    return session


def lock_file_of(folder: Path, paths: AppPaths) -> Path:
    """One watcher for each folder and state folder."""
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:24]
    return paths.state / "watch-locks" / f"{digest}.lock"


@contextmanager
def opened_journal(paths: AppPaths | None = None) -> Iterator[WatchJournal]:
    """The journal of this user's watch folders. Raises StorageError."""
    paths = paths or AppPaths.find()
    ensure_private_folder(paths.state)
    journal = open_journal(paths.state / JOURNAL_NAME)
    try:
        yield journal
    finally:
        journal.close()


class WatchFolder:
    """Watches one folder in this thread, for `selva watch run`.

    options, spot_options: how stems of timelines and videos are made; bundles say it themselves, but for a model they do not
    name. on_message: called with a line per item. settle_s: how long an item's files must not have changed. now_s: the clock
    that waits are measured with. watched: what else is known of the folder, in place of results and settle_s.
    """

    def __init__(
        self,
        inbox: Path,
        results: Path | None,
        options: RenderOptions,
        spot_options: SpotOptions,
        *,
        on_message: MessageListener,
        settle_s: float = SETTLE_S,
        connect: Callable[[], Client] = lambda: Client.connect(start_if_needed=True),
        now_s: Callable[[], float] | None = None,
        paths: AppPaths | None = None,
        makes_pages: bool = True,
        **more: object,
    ) -> None:
        """Raises ConfigurationError when the folders cannot be used, StorageError."""
        inbox = inbox.absolute()
        require_watchable(inbox)
        try:
            watched = WatchedFolder(
                path=inbox,
                results=None if results is None else results.absolute(),
                settle_s=settle_s,
                **{"rescan_s": RESCAN_S, **more},  # type: ignore[arg-type]
            )
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        self._watched = watched
        self._options, self._spot_options = options, spot_options
        self._on_message = on_message
        self._connect = connect
        self._clock = Clock() if now_s is None else Clock(monotonic_s=now_s, wall_s=now_s)
        self._paths = paths or AppPaths.find()
        self._makes_pages = makes_pages
        self._wake = Event()
        self._stopped = False
        self.num_failed = 0

    def run(self, *, once: bool = False) -> None:
        """Until `stop` is called or the user interrupts; once: until everything that is in the folder has been handled.

        Raises LockHeldError when the folder is being watched already; with `once`, DaemonError when the daemon cannot
        be reached, InstallationBrokenError when its libraries do not load, OutputError when the disk is full.
        """
        with self.opened() as session:
            observer = FolderObserver(
                self._watched.path,
                self._wake,
                subfolders=self._watched.subfolders,
                changes=self._watched.changes,
            )
            try:
                while not self._stopped:
                    observer.ensure()
                    self._wake.clear()
                    wait_s = self.step(session, once=once)
                    if wait_s is None and once:
                        return
                    longest_s = self._watched.rescan_s
                    self._wake.wait(longest_s if wait_s is None else min(wait_s, longest_s))
                    if not self._stopped:
                        time.sleep(min(MIN_SCAN_GAP_S, self._watched.settle_s))
            finally:
                observer.close()

    @contextmanager
    def opened(self) -> Iterator[FolderSession]:
        """The session for `step`. Raises LockHeldError, StorageError."""
        with ExitStack() as stack:
            journal = stack.enter_context(opened_journal(self._paths))
            keeper = ClaimKeeper()
            stack.callback(keeper.close)
            session = open_session(
                self._watched,
                journal,
                self._paths,
                keeper,
                options=self._options,
                spot_options=self._spot_options,
                connect=self._connect,
                on_message=self._on_message,
                clock=self._clock,
                makes_pages=self._makes_pages,
            )
            stack.callback(session.close)
            try:
                yield session
            finally:
                self.num_failed += session.num_failed

    def step(self, session: FolderSession, *, once: bool = False) -> float | None:
        """Look once and render what may be; returns after how many seconds to look again, None when nothing is waiting.

        Raises as `run` does.
        """
        began_s = time.monotonic()
        settling_s = session.scan()
        look_again_s = time.monotonic() + max(MIN_SCAN_GAP_S, SCAN_SHARE * (time.monotonic() - began_s))
        while not self._stopped and session.may_work():
            record = session.context.journal.take_next([self._watched.path], now_s=self._clock.wall_s())
            if record is None:
                break
            session.handle(record, raises_daemon_errors=once)
            if time.monotonic() > look_again_s:
                break
        start_s = session.context.journal.next_start_s([self._watched.path])
        if start_s is None or (once and not session.may_work()):
            return settling_s
        wait_s = max(start_s, session.context.blocked_until_s) - self._clock.wall_s()
        if wait_s <= 0:
            wait_s = 0.0 if session.may_work() else PAUSED_CHECK_S
        return min(wait_s, math.inf if settling_s is None else settling_s)

    def stop(self) -> None:
        """From another thread; the item that is being rendered is finished first."""
        self._stopped = True
        self._wake.set()
