"""Every request a client can make, as a value: which channel, which body, and how its reply is read.

The synchronous and the asynchronous client send the same calls; nothing about a request is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from selva_daemon.protocol.envelope import Body
from selva_daemon.protocol.errors import ProtocolError
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import STATES, DaemonStatus, JobStatus, Submitted

JOBS, CONTROL = "jobs", "control"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """`parse` turns the reply's body into the caller's value, or raises ProtocolError."""

    channel: str
    type: str
    parse: Callable[[Body], T]
    body: Body = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HelloReply:
    """What the daemon says of itself in reply to `hello`."""

    protocol: int
    version: str
    instance: str
    client: str
    requests: Mapping[str, Sequence[str]]
    limits: Mapping[str, int]


def hello(channel: str) -> Call[HelloReply]:
    return Call(channel=channel, type="hello", parse=_parse_welcome)


def submit(request: JobRequest) -> Call[Submitted]:
    return Call(channel=JOBS, type="submit", body=request.to_wire(), parse=Submitted.from_wire)


def job(job_id: str) -> Call[JobStatus]:
    return Call(channel=JOBS, type="job", body={"job_id": job_id}, parse=JobStatus.from_wire)


def jobs(*, states: Sequence[str] = STATES, limit: int = 100) -> Call[list[JobStatus]]:
    body = {"states": list(states), "limit": limit}
    return Call(channel=JOBS, type="jobs", body=body, parse=_parse_jobs)


def retry(job_id: str) -> Call[JobStatus]:
    return Call(channel=JOBS, type="retry", body={"job_id": job_id}, parse=JobStatus.from_wire)


def status() -> Call[DaemonStatus]:
    return Call(channel=CONTROL, type="status", parse=DaemonStatus.from_wire)


def cancel(job_ids: Sequence[str]) -> Call[dict[str, str]]:
    return Call(channel=CONTROL, type="cancel", body={"job_ids": list(job_ids)}, parse=_parse_states)


def cancel_all() -> Call[dict[str, str]]:
    return Call(channel=CONTROL, type="cancel", body={"all": True}, parse=_parse_states)


def move(job_ids: Sequence[str], *, to: str) -> Call[dict[str, int]]:
    return Call(
        channel=CONTROL,
        type="move",
        body={"job_ids": list(job_ids), "to": to},
        parse=lambda body: dict(_field(body, "positions", dict)),
    )


def clear() -> Call[int]:
    return Call(channel=CONTROL, type="clear", parse=lambda body: int(_field(body, "cleared", int)))


def metrics() -> Call[str]:
    return Call(channel=CONTROL, type="metrics", parse=lambda body: str(_field(body, "text", str)))


def order(name: str) -> Call[None]:
    """pause, resume, yield or shutdown: told and done."""
    return Call(channel=CONTROL, type=name, parse=lambda _: None)


def _parse_welcome(body: Body) -> HelloReply:
    return HelloReply(
        protocol=_field(body, "protocol", int),
        version=_field(body, "version", str),
        instance=_field(body, "instance", str),
        client=_field(body, "client", str),
        requests=_field(body, "requests", dict),
        limits=_field(body, "limits", dict),
    )


def _parse_jobs(body: Body) -> list[JobStatus]:
    return [JobStatus.from_wire(row) for row in _field(body, "jobs", list)]


def _parse_states(body: Body) -> dict[str, str]:
    return {row["job_id"]: row["state"] for row in _field(body, "jobs", list)}


def _field(body: Body, name: str, kind: type) -> Any:
    value = body.get(name)
    if not isinstance(value, kind):
        raise ProtocolError(f"the daemon's answer has no {name} of type {kind.__name__}")
    return value
