"""Cancelling all waiting jobs: one small write decides it, and the rows follow some hundred at a time.

A row holds its whole request, so that writing 100,000 of them takes seconds, in which the daemon would answer no request. So the
number of the newest cancelled job is written into the table of switches before the request is answered; a daemon that is killed
before all rows are written goes on with them at its next start.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import msgspec

from selva_core.base.errors import RenderCancelled
from selva_daemon.protocol.errors import to_wire
from selva_daemon.protocol.status import CANCELLED, QUEUED

ROWS_IN_A_ROW = 500
_SWITCH = "cancelled_up_to"
REASON = RenderCancelled("the job was cancelled before it began")


class MassCancel:
    """Which waiting rows are cancelled already and not yet written so. Methods that write are called in a transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        row = database.execute("SELECT value FROM switches WHERE name = ?", (_SWITCH,)).fetchone()
        self._last_number = int(row[0]) if row else 0
        self._finished_s = time.time()
        self.num_left = self._count()

    def begin(self) -> int:
        """Cancel all that waits now; returns how many jobs that are."""
        row = self._database.execute("SELECT max(number) FROM jobs WHERE state = ?", (QUEUED,)).fetchone()
        if row[0] is None:
            return 0
        self._database.execute("INSERT OR REPLACE INTO switches VALUES (?, ?)", (_SWITCH, row[0]))
        num_before = self.num_left
        self._last_number, self._finished_s = row[0], time.time()
        self.num_left = self._count()
        return self.num_left - num_before

    def covers(self, *, state: str, number: int) -> bool:
        return self.num_left > 0 and state == QUEUED and number <= self._last_number

    def as_it_is(self, row: sqlite3.Row) -> dict[str, Any]:
        """The values of a row of `jobs`, with what the cancelling has not yet written."""
        values = dict(row)
        if self.covers(state=values["state"], number=values["number"]):
            values |= {"state": CANCELLED, "error": _packed_reason(), "finished_s": self._finished_s}
        return values

    def listed(self, marks: str, *, queued: bool, cancelled: bool) -> str:
        """The SQL condition for rows whose true state is among `marks`."""
        condition, pending = f"state IN ({marks})", f"(state = '{QUEUED}' AND number <= {self._last_number})"
        if self.num_left == 0 or queued == cancelled:
            return condition
        return f"({condition} AND NOT {pending})" if queued else f"({condition} OR {pending})"

    def write_some(self) -> list[str]:
        """Write the next rows; returns their ids, oldest first."""
        rows = self._database.execute(
            "SELECT number, job_id FROM jobs WHERE state = ? AND number <= ? ORDER BY number LIMIT ?",
            (QUEUED, self._last_number, ROWS_IN_A_ROW),
        ).fetchall()
        packed = _packed_reason()
        self._database.executemany(
            "UPDATE jobs SET state = ?, error = ?, finished_s = ? WHERE number = ?",
            [(CANCELLED, packed, self._finished_s, row[0]) for row in rows],
        )
        if len(rows) < ROWS_IN_A_ROW:
            self._database.execute("DELETE FROM switches WHERE name = ?", (_SWITCH,))
        return [row[1] for row in rows]

    def record_written(self, num_rows: int) -> None:
        """Once the rows of `write_some` are on disk."""
        self.num_left = 0 if num_rows < ROWS_IN_A_ROW else max(self.num_left - num_rows, 0)
        if num_rows < ROWS_IN_A_ROW:
            self._last_number = 0

    def _count(self) -> int:
        if self._last_number == 0:
            return 0
        return int(
            self._database.execute(
                "SELECT count(*) FROM jobs WHERE state = ? AND number <= ?", (QUEUED, self._last_number)
            ).fetchone()[0]
        )


def _packed_reason() -> bytes:
    return msgspec.msgpack.encode(to_wire(REASON))
