"""Looks through one watch folder and writes into the journal what has come, changed and gone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from selva_core.base.settings.watched_folder import WatchedFolder
from selva_render.watch.file_names import SHARED_FOLDER
from selva_render.watch.inbox import Fingerprint, InboxItem, Listing, list_inbox
from selva_render.watch.journal import WatchJournal
from selva_render.watch.journal_records import (
    FAILED,
    GONE,
    IGNORED,
    RENDERING,
    UNPROMPTED,
    WAITING,
    ItemRecord,
)

MessageListener = Callable[[str], None]
SHOWN_UNREADABLE = 3
GONE_REMEMBERED_S = 30 * 86_400.0
"""Items whose files went so long ago are forgotten; one that comes back later has the outcome that its claim holds."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """monotonic_s: for waits in this process. wall_s: seconds since 1970, for times in the journal."""

    monotonic_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time


class FolderScanner:
    """For one thread. `items` are those of the last look, by their names in the folder."""

    def __init__(
        self,
        watched: WatchedFolder,
        journal: WatchJournal,
        *,
        on_message: MessageListener,
        clock: Clock,
    ) -> None:
        self._watched = watched
        self._root = watched.path
        self._journal = journal
        self._on_message = on_message
        self._clock = clock
        self._unsettled: dict[str, tuple[Fingerprint, float]] = {}
        self._rules: list[tuple[str, int, int]] | None = None
        self._unreadable: frozenset[Path] = frozenset()
        self.items: Mapping[str, InboxItem] = {}
        self.is_available = False

    def scan(self) -> float | None:
        """Returns after how many seconds to look again because something is being written; None when nothing is.

        Raises StorageError.
        """
        listing = self._list()
        if listing is None:
            return None
        items = {item.path.relative_to(self._root).as_posix(): item for item in listing.items}
        known = {record.name: record for record in self._journal.items(self._root)}
        if self._looks_unmounted(known.values(), items):
            self._set_unavailable(
                "another file system lies there than before, with none of its files: the share is probably not mounted"
            )
            return None
        self._set_available(listing, items)
        changes: list[tuple[ItemRecord | None, ItemRecord]] = []
        waits: list[float] = []
        for name, item in items.items():
            try:
                fingerprint = item.take_fingerprint()
            except OSError:  # it is being moved or removed
                known.pop(name, None)
                continue
            self._compare(name, fingerprint, known.pop(name, None), changes, waits)
        self._forget_long_gone(known.values())
        changes += [(record, replace(record, state=GONE, jobs=())) for record in self._find_gone(known)]
        changes += self._requeue_after_new_rules(listing)
        if changes:
            now_s = self._clock.wall_s()
            self._journal.write_unless_changed(
                (before, replace(after, changed_s=now_s)) for before, after in changes
            )
        for name in [name for name in self._unsettled if name not in items]:
            del self._unsettled[name]
        return min(waits, default=None)

    def _compare(
        self,
        name: str,
        fingerprint: Fingerprint,
        record: ItemRecord | None,
        changes: list[tuple[ItemRecord | None, ItemRecord]],
        waits: list[float],
    ) -> None:
        """Note what is new about one item."""
        if record is not None and record.state == RENDERING:
            return  # its worker looks itself whether it has changed
        is_back = record is not None and (record.state == GONE or bool(record.moved_to))
        if record is not None and record.fingerprint == fingerprint and not is_back:
            self._unsettled.pop(name, None)
            if record.state == FAILED and self._is_note_deleted(record):
                changes.append((record, replace(record, state=WAITING, again=True, not_before_s=0.0)))
            return
        left_s = self._settle(name, fingerprint)
        if left_s > 0:
            waits.append(left_s)
            return
        self._unsettled.pop(name, None)
        after = record or ItemRecord(folder=self._root, name=name, state=WAITING, fingerprint=fingerprint)
        changes.append(
            (
                record,
                replace(
                    after,
                    state=WAITING,
                    fingerprint=fingerprint,
                    moved_to="",
                    reason=after.reason if after.outcome == FAILED else "",
                    not_before_s=0.0,
                ),
            )
        )

    def _settle(self, name: str, fingerprint: Fingerprint) -> float:
        """For how many seconds more the item must stay as it is."""
        now_s = self._clock.monotonic_s()
        known, since_s = self._unsettled.get(name, (None, now_s))
        if known != fingerprint:
            self._unsettled[name] = fingerprint, now_s
            return self._watched.settle_s
        return since_s + self._watched.settle_s - now_s

    def _find_gone(self, missing: Mapping[str, ItemRecord]) -> Iterable[ItemRecord]:
        for record in missing.values():
            if record.state in (GONE, RENDERING) or record.moved_to:
                continue
            if any(folder in self._unreadable for folder in record.path.parents):
                continue
            try:  # it may have been moved here after its folder was listed
                os.lstat(record.path)
            except (FileNotFoundError, NotADirectoryError):
                yield record
            except (OSError, ValueError):
                continue

    def _forget_long_gone(self, missing: Iterable[ItemRecord]) -> None:
        before_s = self._clock.wall_s() - GONE_REMEMBERED_S
        names = [record.name for record in missing if record.state == GONE and record.changed_s < before_s]
        if names:
            self._journal.forget(self._root, names)

    def _is_note_deleted(self, record: ItemRecord) -> bool:
        """Deleting the note is how people ask for another attempt; a share that is away has deleted nothing."""
        if not record.note:
            return False
        root = self._watched.results or self._root
        return not os.path.lexists(record.note) and root.is_dir()

    def _requeue_after_new_rules(self, listing: Listing) -> Iterable[tuple[ItemRecord, ItemRecord]]:
        """Items that had no prompts, or were left out, are looked at again when a file of rules has come or changed."""
        rules = sorted(listing.rules)
        if rules == self._rules:
            return []
        self._rules = rules
        return [
            (record, replace(record, state=WAITING, not_before_s=0.0))
            for record in self._journal.items(self._root, states=(UNPROMPTED, IGNORED))
        ]

    # -- whether the folder is there -----------------------------------------------------------------------

    def _list(self) -> Listing | None:
        skipped = () if self._watched.results is None else (self._watched.results,)
        try:
            self._status = os.stat(self._root)
            return list_inbox(self._root, subfolders=self._watched.subfolders, skipped=skipped)
        except OSError as error:
            self._set_unavailable(f"it cannot be read now: {error.strerror or error}")
            return None

    def _looks_unmounted(self, known: Iterable[ItemRecord], items: Mapping[str, InboxItem]) -> bool:
        """An empty folder where a share was: its mount point. Files that all were deleted leave the file system as it was."""
        device = self._journal.folder(self._root).device
        if device is None or device == self._status.st_dev or (self._root / SHARED_FOLDER).is_dir():
            return False
        names = [record.name for record in known if record.state != GONE and not record.moved_to]
        return bool(names) and not any(name in items for name in names)

    def _set_unavailable(self, note: str) -> None:
        if self.is_available or self._journal.folder(self._root).note != note:
            self._on_message(f"{self._root}: {note}")
        self.is_available = False
        self._unsettled.clear()
        self._journal.update_folder(self._root, is_available=False, note=note)

    def _set_available(self, listing: Listing, items: Mapping[str, InboxItem]) -> None:
        unreadable = frozenset(listing.unreadable)
        for folder in sorted(unreadable - self._unreadable)[:SHOWN_UNREADABLE]:
            self._on_message(f"{folder} cannot be read: {listing.unreadable[folder]}")
        self._unreadable = unreadable
        self.items = items
        was_available, self.is_available = self.is_available, True
        before = self._journal.folder(self._root)
        if not before.is_available:
            self._on_message(f"{self._root} is there again")
        note = f"{len(unreadable)} folders in it cannot be read" if unreadable else ""
        is_new = not was_available or (before.note, before.device) != (note, self._status.st_dev)
        # The time of the look alone is not worth a write for every event.
        if is_new or self._clock.wall_s() - (before.scanned_s or 0.0) > self._watched.rescan_s / 2:
            self._journal.update_folder(
                self._root,
                is_available=True,
                note=note,
                device=self._status.st_dev,
                scanned_s=self._clock.wall_s(),
            )
