"""The queue's tables, version by version. A database of any earlier version is brought to the present one when it is opened.

A migration that was released is never changed: databases exist that it has made. To change the tables, append one;
`tests/data/queue` then gets a database of the version before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from selva_core.base.errors import StorageError

_TABLES = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    session TEXT NOT NULL,
    request_id TEXT NOT NULL,
    label TEXT NOT NULL,
    model TEXT NOT NULL,
    num_stems INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    rank INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    worker_deaths INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    request BLOB NOT NULL,
    stems BLOB,
    error BLOB,
    submitted_s REAL NOT NULL,
    started_s REAL,
    finished_s REAL,
    UNIQUE (client, session, request_id)
);
CREATE INDEX jobs_in_order ON jobs (state, rank, priority, session, number);
CREATE TABLE switches (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""

MIGRATIONS: tuple[str, ...] = (_TABLES,)
"""Number n, counted from 0, leads from schema version n to n + 1. Version 0 is an empty file."""


def migrate(database: sqlite3.Connection, *, name: str, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Apply what the database lacks; `PRAGMA user_version` says what it has. All of a migration is applied, or nothing.

    name: of the file, for people. Raises StorageError for a database of a newer version, sqlite3.Error.
    """
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise StorageError(
            f"{name} was made by a newer version (schema {version}, known is {len(migrations)}). Update this one",
            path=name,
        )
    for number, script in enumerate(migrations[version:], start=version + 1):
        # executescript commits what is open before it begins, so the transaction is part of the script.
        try:
            database.executescript(f"BEGIN IMMEDIATE;\n{script};\nPRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error:
            if database.in_transaction:
                database.rollback()
            raise
