"""The journal: what is known of watch folders and their items, in SQLite beside the queue's, so that restarts lose nothing.

The service writes it, `selva watch` reads it and asks for things by writing into it (`requested`); both may have it open.
Names are stored as the bytes that the file system has, because those need not be text.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from selva_core.base.errors import StorageError
from selva_core.base.sqlite_migrations import migrate
from selva_render.watch.journal_records import (
    DONE,
    ELSEWHERE,
    ITEM_STATES,
    RENDERING,
    WAITING,
    FolderRecord,
    ItemRecord,
    as_text,
    read_folder,
    read_item,
)

JOURNAL_NAME = "watch.sqlite3"
MAX_REASON_CHARS = 4_000

_TABLES = """
CREATE TABLE identity (journal TEXT NOT NULL);
CREATE TABLE folders (
    path BLOB PRIMARY KEY,
    device INTEGER,
    paused INTEGER NOT NULL DEFAULT 0,
    available INTEGER NOT NULL DEFAULT 1,
    changes TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    scanned_s REAL
);
CREATE TABLE items (
    folder BLOB NOT NULL,
    name BLOB NOT NULL,
    state TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    content TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT '',
    outcome_content TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    results TEXT NOT NULL DEFAULT '',
    same_as TEXT NOT NULL DEFAULT '',
    moved_to TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    jobs TEXT NOT NULL DEFAULT '[]',
    again INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    unsent INTEGER NOT NULL DEFAULT 0,
    not_before_s REAL NOT NULL DEFAULT 0,
    changed_s REAL NOT NULL,
    PRIMARY KEY (folder, name)
);
CREATE INDEX items_by_content ON items (folder, outcome_content);
CREATE INDEX items_by_state ON items (state, not_before_s);
"""
MIGRATIONS: tuple[str, ...] = (_TABLES,)


class WatchJournal:
    """Opened by each process that needs it; safe for several threads. `close` it. What a method changes is on disk when it
    returns. Methods raise StorageError when the database cannot be read or written, which leaves it as it was.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.RLock()
        with self._translated():
            # timeout: the service and a command write at the same time.
            self._database = sqlite3.connect(
                file, isolation_level=None, timeout=30.0, check_same_thread=False
            )
            self._database.row_factory = sqlite3.Row
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            try:
                migrate(self._database, name=str(file), migrations=MIGRATIONS)
            except sqlite3.OperationalError:  # another process has made the tables meanwhile
                migrate(self._database, name=str(file), migrations=MIGRATIONS)
        self.journal_id = self._find_identity()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _find_identity(self) -> str:
        with self._transaction():
            row = self._database.execute("SELECT journal FROM identity").fetchone()
            if row is None:
                self._database.execute("INSERT INTO identity VALUES (?)", (uuid.uuid4().hex,))
                row = self._database.execute("SELECT journal FROM identity").fetchone()
        return str(row[0])

    # -- folders -------------------------------------------------------------------------------------------

    def folder(self, path: Path) -> FolderRecord:
        """What is known of a folder; of one that is not known, a record that says nothing."""
        with self._translated():
            row = self._database.execute(
                "SELECT * FROM folders WHERE path = ?", (os.fsencode(path),)
            ).fetchone()
        return FolderRecord(path=path) if row is None else read_folder(row)

    def write_folder(self, record: FolderRecord) -> None:
        with self._transaction():
            self._write_folder(record)

    def set_paused(self, path: Path, paused: bool) -> None:
        with self._transaction():
            self._write_folder(replace(self.folder(path), is_paused=paused))

    def update_folder(self, path: Path, **changes: Any) -> FolderRecord:
        """Change some fields, and leave those that a command may have changed meanwhile."""
        with self._transaction():
            record = replace(self.folder(path), **changes)
            self._write_folder(record)
        return record

    def _write_folder(self, record: FolderRecord) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO folders (path, device, paused, available, changes, note, scanned_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(record.path),
                record.device,
                record.is_paused,
                record.is_available,
                record.changes,
                record.note[:MAX_REASON_CHARS],
                record.scanned_s,
            ),
        )

    def remove_folder(self, path: Path) -> None:
        """Forget a folder and its items; files stay."""
        with self._transaction():
            for table, column in (("folders", "path"), ("items", "folder")):
                self._database.execute(f"DELETE FROM {table} WHERE {column} = ?", (os.fsencode(path),))  # noqa: S608 - our own names

    # -- items ---------------------------------------------------------------------------------------------

    def items(
        self, folder: Path, *, states: Sequence[str] = ITEM_STATES, limit: int = -1
    ) -> list[ItemRecord]:
        """The items of a folder in these states, those that changed last at the end."""
        marks = ", ".join("?" * len(states))
        with self._translated():
            rows = self._database.execute(
                f"SELECT * FROM (SELECT * FROM items WHERE folder = ? AND state IN ({marks})"  # noqa: S608 - marks
                " ORDER BY changed_s DESC, name DESC LIMIT ?) ORDER BY changed_s, name",
                (os.fsencode(folder), *states, limit),
            ).fetchall()
        return [read_item(row) for row in rows]

    def item(self, folder: Path, name: str) -> ItemRecord | None:
        with self._translated():
            row = self._database.execute(
                "SELECT * FROM items WHERE folder = ? AND name = ?", (os.fsencode(folder), os.fsencode(name))
            ).fetchone()
        return None if row is None else read_item(row)

    def counts(self, folder: Path) -> Mapping[str, int]:
        """How many items of a folder are in each state."""
        with self._translated():
            rows = self._database.execute(
                "SELECT state, count(*) FROM items WHERE folder = ? GROUP BY state", (os.fsencode(folder),)
            ).fetchall()
        return dict.fromkeys(ITEM_STATES, 0) | {str(row[0]): int(row[1]) for row in rows}

    def write_items(self, records: Iterable[ItemRecord]) -> None:
        """All of them in one transaction: ten thousand files may arrive together."""
        with self._transaction():
            for record in records:
                self._write_item(record)

    def write_unless_changed(self, pairs: Iterable[tuple[ItemRecord | None, ItemRecord]]) -> list[ItemRecord]:
        """Write new records of items whose present record is still the first of its pair (None: there is none); returns those
        that were written. Another thread may have begun to render one of them meanwhile.
        """
        written = []
        with self._transaction():
            for before, after in pairs:
                if self.item(after.folder, after.name) == before:
                    self._write_item(after)
                    written.append(after)
        return written

    def update_item(self, folder: Path, name: str, **changes: Any) -> ItemRecord | None:
        """Change some fields of an item that is still known; None when it was forgotten meanwhile."""
        with self._transaction():
            record = self.item(folder, name)
            if record is None:
                return None
            record = replace(record, changed_s=time.time(), **changes)
            self._write_item(record)
        return record

    def take_next(self, folders: Sequence[Path], *, now_s: float) -> ItemRecord | None:
        """Mark the item of these folders that waits longest as RENDERING; None when none may begin now."""
        marks = ", ".join("?" * len(folders))
        with self._transaction():
            row = self._database.execute(
                f"SELECT * FROM items WHERE state IN (?, ?) AND not_before_s <= ? AND folder IN ({marks})"  # noqa: S608 - marks
                " ORDER BY again DESC, not_before_s, changed_s, name LIMIT 1",
                (WAITING, ELSEWHERE, now_s, *map(os.fsencode, folders)),
            ).fetchone()
            if row is None:
                return None
            record = replace(read_item(row), state=RENDERING)
            self._write_item(record)
        return record

    def next_start_s(self, folders: Sequence[Path]) -> float | None:
        """When the first of the items that wait may begin, in seconds since 1970; None when none waits."""
        marks = ", ".join("?" * len(folders))
        with self._translated():
            row = self._database.execute(
                f"SELECT min(not_before_s) FROM items WHERE state IN (?, ?) AND folder IN ({marks})",  # noqa: S608 - marks
                (WAITING, ELSEWHERE, *map(os.fsencode, folders)),
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def find_same(self, record: ItemRecord) -> ItemRecord | None:
        """Another item of the folder whose content was the same and is done."""
        with self._translated():
            row = self._database.execute(
                "SELECT * FROM items WHERE folder = ? AND outcome_content = ? AND outcome = ? AND name != ?"
                " ORDER BY state = ? DESC, changed_s LIMIT 1",
                (os.fsencode(record.folder), record.content, DONE, os.fsencode(record.name), DONE),
            ).fetchone()
        return None if row is None else read_item(row)

    def unsent(self, folder: Path) -> list[ItemRecord]:
        """Items whose hooks have not been run since they ended."""
        with self._translated():
            rows = self._database.execute(
                "SELECT * FROM items WHERE folder = ? AND unsent = 1 ORDER BY changed_s",
                (os.fsencode(folder),),
            ).fetchall()
        return [read_item(row) for row in rows]

    def recover(self, folder: Path) -> list[ItemRecord]:
        """After a start: what was being rendered waits again. Returns these items as they were, with their jobs."""
        with self._transaction():
            cut_off = self.items(folder, states=(RENDERING,))
            for record in cut_off:
                self._write_item(replace(record, state=WAITING, jobs=()))
        return cut_off

    def request_again(self, folder: Path, names: Sequence[str]) -> list[str]:
        """Let ended items be rendered once more; returns the names that are not known."""
        unknown = []
        with self._transaction():
            for name in names:
                record = self.item(folder, name)
                if record is None:
                    unknown.append(name)
                elif record.state != RENDERING:
                    self._write_item(replace(record, state=WAITING, again=True, not_before_s=0.0, reason=""))
        return unknown

    def forget(self, folder: Path, names: Sequence[str]) -> int:
        """Drop what is known of items; returns how many that were. Those that are being rendered stay."""
        with self._transaction():
            return sum(
                self._database.execute(
                    "DELETE FROM items WHERE folder = ? AND name = ? AND state != ?",
                    (os.fsencode(folder), os.fsencode(name), RENDERING),
                ).rowcount
                for name in names
            )

    def _write_item(self, record: ItemRecord) -> None:
        values = {field.name: getattr(record, field.name) for field in fields(record)}
        values |= {
            "folder": os.fsencode(record.folder),
            "name": os.fsencode(record.name),
            "fingerprint": json.dumps(record.fingerprint),
            "jobs": json.dumps(record.jobs),
            "reason": as_text(record.reason)[:MAX_REASON_CHARS],
            "results": as_text(record.results),
            "same_as": as_text(record.same_as),
            "moved_to": as_text(record.moved_to),
            "note": as_text(record.note),
            "changed_s": record.changed_s or time.time(),
        }
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        self._database.execute(
            f"INSERT OR REPLACE INTO items ({columns}) VALUES ({marks})",  # noqa: S608 - names of fields
            tuple(values.values()),
        )

    # -- the database --------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Nested ones are part of the outer one."""
        with self._translated():
            if self._database.in_transaction:
                yield
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.rollback()
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as exc:
                raise StorageError(
                    f"the journal of the watch folders {self._file} cannot be used: {exc}",
                    path=str(self._file),
                ) from exc


def open_journal(file: Path) -> WatchJournal:
    """The journal; a damaged one is set aside under a name with the time, and what it held is found again from the results.

    Raises StorageError.
    """
    if _is_damaged(file):
        aside = file.with_name(f"{file.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{file.suffix}")
        for companion in ("", "-wal", "-shm"):
            try:
                Path(f"{file}{companion}").replace(f"{aside}{companion}")
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise StorageError(
                    f"{file} is damaged and cannot be set aside: {exc}", path=str(file)
                ) from exc
    return WatchJournal(file)


def _is_damaged(file: Path) -> bool:
    if not file.exists() or file.stat().st_size == 0:
        return False
    try:
        database = sqlite3.connect(file, timeout=30.0)
        try:
            return bool(database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
        finally:
            database.close()
    except sqlite3.OperationalError:
        return False  # no room or no permission: nothing is wrong with the file
    except sqlite3.DatabaseError:
        return True
