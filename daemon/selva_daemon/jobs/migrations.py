"""The queue's tables, version by version. After a change `tests/data/queue` gets a database of the version before."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from selva_core.base import sqlite_migrations

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
    """Bring a queue's database to the present version; see `selva_core.base.sqlite_migrations`."""
    sqlite_migrations.migrate(database, name=name, migrations=migrations)
