"""A row of the queue as a value."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from selva_core.base.errors import SelvaError
from selva_core.base.render_options import PRIORITIES
from selva_daemon.protocol.body import reply_decode_hook
from selva_daemon.protocol.job import JobRequest, parse_job
from selva_daemon.protocol.status import StemResult


class _StoredMedia(msgspec.Struct, frozen=True):
    duration_s: tuple[int, int]


class _StoredOutput(msgspec.Struct, frozen=True):
    folder: str


class _StoredRequest(msgspec.Struct, frozen=True):
    """What the server needs of a stored request. Reading these few fields costs a fiftieth of checking all of them."""

    media: _StoredMedia
    output: _StoredOutput
    num_steps: int
    guidance: float
    quality: str = "final"
    separate: float = 0.0
    precision: str = "auto"


_REQUEST = msgspec.msgpack.Decoder(_StoredRequest)
_STEMS = msgspec.msgpack.Decoder(tuple[StemResult, ...])
_ERROR = msgspec.msgpack.Decoder(SelvaError, dec_hook=reply_decode_hook)


class JobTurn(NamedTuple):
    """What decides when a waiting job is run. priority: as the queue counts, 0 goes first."""

    rank: int
    priority: int
    client: str
    session: str
    number: int


@dataclass(frozen=True, kw_only=True)
class StoredJob:
    """One row. `priority` and `state` are words of the protocol. packed_request: the body of `submit`, in MessagePack."""

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
    packed_request: bytes
    stems: tuple[StemResult, ...]
    error: SelvaError | None
    submitted_s: float
    started_s: float | None
    finished_s: float | None

    @cached_property
    def _brief(self) -> _StoredRequest:
        return _REQUEST.decode(self.packed_request)

    @property
    def shape(self) -> Hashable:
        """Jobs of one shape can be rendered in the same batches: the same model, precision, length and sampling."""
        brief = self._brief
        sampling = (brief.num_steps, brief.guidance, brief.quality, brief.separate)
        return self.model, brief.precision, brief.media.duration_s, sampling

    @property
    def stem_seconds(self) -> Fraction:
        """Of all stems together."""
        seconds, parts = self._brief.media.duration_s
        return Fraction(seconds, parts) * self.num_stems

    @property
    def turn(self) -> JobTurn:
        return JobTurn(self.rank, PRIORITIES.index(self.priority), self.client, self.session, self.number)

    @property
    def output_folder(self) -> Path:
        return Path(self._brief.output.folder)

    @property
    def had_a_crash(self) -> bool:
        """Whether its worker or the daemon died while it ran."""
        return self.worker_deaths > 0 or self.interruptions > 0

    @property
    def request(self) -> JobRequest:
        return parse_job(msgspec.msgpack.decode(self.packed_request))

    @classmethod
    def from_row(cls, row: sqlite3.Row | Mapping[str, Any]) -> StoredJob:
        stems, error = row["stems"], row["error"]
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
            packed_request=row["request"],
            stems=() if stems is None else _STEMS.decode(stems),
            error=None if error is None else _ERROR.decode(error),
            submitted_s=row["submitted_s"],
            started_s=row["started_s"],
            finished_s=row["finished_s"],
        )
