"""A row of the queue as a value."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from selva_core.base.render_options import PRIORITIES
from selva_daemon.protocol.job import JobRequest, parse_job


@dataclass(frozen=True, kw_only=True)
class StoredJob:
    """One row. `priority` and `state` are words of selva_daemon.protocol.job and .status."""

    number: int
    job_id: str
    client: str
    session: str
    label: str
    model: str
    num_stems: int
    priority: str
    rank: int
    state: str
    attempts: int
    worker_deaths: int
    interruptions: int
    request_body: Mapping[str, Any]
    stems: tuple[Mapping[str, Any], ...]
    error: Mapping[str, Any] | None
    submitted_s: float
    started_s: float | None
    finished_s: float | None

    @property
    def shape(self) -> Hashable:
        """Jobs of one shape can be rendered in the same batches: the same model, length and sampling."""
        body = self.request_body
        return self.model, tuple(body["media"]["duration_s"]), body["num_steps"], body["guidance"]

    @property
    def had_a_crash(self) -> bool:
        """Whether its worker or the daemon died while it ran."""
        return self.worker_deaths > 0 or self.interruptions > 0

    @property
    def request(self) -> JobRequest:
        return parse_job(self.request_body)

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> StoredJob:
        return cls(
            number=row["number"],
            job_id=row["job_id"],
            client=row["client"],
            session=row["session"],
            label=row["label"],
            model=row["model"],
            num_stems=row["num_stems"],
            priority=PRIORITIES[row["priority"]],
            rank=row["rank"],
            state=row["state"],
            attempts=row["attempts"],
            worker_deaths=row["worker_deaths"],
            interruptions=row["interruptions"],
            request_body=msgpack.unpackb(row["request"]),
            stems=tuple(msgpack.unpackb(row["stems"])) if row["stems"] is not None else (),
            error=msgpack.unpackb(row["error"]) if row["error"] is not None else None,
            submitted_s=row["submitted_s"],
            started_s=row["started_s"],
            finished_s=row["finished_s"],
        )
