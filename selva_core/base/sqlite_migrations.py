"""The tables of a database of ours, version by version: one of any earlier version is brought to the present one when it is
opened.

A migration that was released is never changed: databases exist that it has made. To change the tables, append one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from selva_core.base.errors import StorageError


def migrate(database: sqlite3.Connection, *, name: str, migrations: Sequence[str]) -> None:
    """Apply what the database lacks; `PRAGMA user_version` says what it has. All of a migration is applied, or nothing.

    migrations: number n, counted from 0, leads from schema version n to n + 1; version 0 is an empty file. name: of the file, for
    people. Raises StorageError for a database of a newer version, sqlite3.Error.
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
