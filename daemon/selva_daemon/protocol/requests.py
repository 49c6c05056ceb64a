"""Every request of the protocol: its channels, its body and its reply, defined once for both ends.

`REQUESTS` is what the daemon handles and what docs/reference/protocol.md lists.
The functions at the end make a client's requests, one
function each; the synchronous and the asynchronous client send the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct

from selva_core.base.schema import line, one_of, prose
from selva_daemon.protocol.body import read_reply
from selva_daemon.protocol.envelope import MAX_MAP_ITEMS
from selva_daemon.protocol.job import MAX_MODEL_CHARS, JobRequest
from selva_daemon.protocol.status import (
    MAX_LISTED_JOBS,
    STATES,
    DaemonStatus,
    JobStatus,
    ModelStatus,
    Submitted,
)

JOBS, CONTROL = "jobs", "control"
FIRST, LAST = "first", "last"
MAX_NAMED_JOBS = 1_000
MAX_JOB_ID_CHARS = 64
MAX_STATE_CHARS = 16

JobIds = tuple[Annotated[str, Meta(max_length=MAX_JOB_ID_CHARS)], ...]
States = tuple[Annotated[str, Meta(max_length=MAX_STATE_CHARS)], ...]
B = TypeVar("B")
R = TypeVar("R")
T = TypeVar("T")


# -- bodies of requests ------------------------------------------------------------------------------------


class NoBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request without parameters."""


class JobBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names one job."""

    job_id: Annotated[str, prose(MAX_JOB_ID_CHARS)]


class JobsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs are listed."""

    states: Annotated[States, Meta(max_length=len(STATES), description="all by default")] = STATES
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED_JOBS)] = 100

    def cross_field_faults(self) -> Iterator[tuple[str, str]]:
        if not self.states or set(self.states) - set(STATES):
            yield "states", f"states are {', '.join(STATES)}"


class CancelBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which jobs are cancelled: those that are named, or all that wait or run."""

    job_ids: Annotated[JobIds, Meta(max_length=MAX_NAMED_JOBS)] = ()
    all: bool = False

    def cross_field_faults(self) -> Iterator[tuple[str, str]]:
        if self.all == bool(self.job_ids):
            yield "job_ids", "name jobs, or say all = true"


class PrepareBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model is likely to be used next."""

    model: Annotated[str, line(MAX_MODEL_CHARS, "a row of `selva models list` that is installed")]


class MoveBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where waiting jobs are moved."""

    job_ids: Annotated[JobIds, Meta(max_length=MAX_NAMED_JOBS, description="of waiting jobs")]
    to: Annotated[str, one_of((FIRST, LAST), "`first`: in the order given")]


# -- bodies of replies -------------------------------------------------------------------------------------


class Limits(Struct, frozen=True, kw_only=True):
    """What the running daemon takes at most."""

    message_bytes: Annotated[int, Meta(description="of a request; a larger one costs the connection")]
    depth: Annotated[int, Meta(description="levels of maps and lists in a message")]
    list_items: int
    prompt_chars: int
    cues_per_job: int
    takes_per_cue: int
    stems_per_job: Annotated[int, Meta(description="takes of all cues together")]


class HelloReply(Struct, frozen=True, kw_only=True):
    """The reply to `hello`."""

    protocol: int
    version: str
    instance: Annotated[str, Meta(description="new at each start of the daemon")]
    client: Annotated[str, Meta(description="the name of your key")]
    requests: Annotated[Mapping[str, tuple[str, ...]], Meta(description="types by channel")]
    limits: Annotated[Limits, Meta(description="below")]


class JobsReply(Struct, frozen=True, kw_only=True):
    jobs: Annotated[tuple[JobStatus, ...], Meta(description="without stems, the newest jobs, newest last")]


class ModelsReply(Struct, frozen=True, kw_only=True):
    models: Annotated[tuple[ModelStatus, ...], Meta(description="below; the smallest first")]


class PrepareReply(Struct, frozen=True, kw_only=True):
    loading: Annotated[
        bool, Meta(description="false where nothing may be loaded now, or the setting `prewarm` forbids it")
    ]


class JobState(Struct, frozen=True, kw_only=True):
    job_id: str
    state: str


class CancelReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    jobs: Annotated[
        tuple[JobState, ...],
        Meta(description=f"with `all`, the first {MAX_NAMED_JOBS}: those that run, then those that waited"),
    ]
    num_jobs: Annotated[
        int,
        Meta(
            description="how many in all, also those that are not named; left out when 0, and by daemons until 0.1.0"
        ),
    ] = 0


class CancelledJobs(dict[str, str]):
    """The states of cancelled jobs by id. num_jobs: how many there are in all; of very many only the first are named."""

    def __init__(self, reply: CancelReply) -> None:
        super().__init__((each.job_id, each.state) for each in reply.jobs)
        self.num_jobs = max(reply.num_jobs, len(self))


class MoveReply(Struct, frozen=True, kw_only=True):
    positions: Annotated[Mapping[str, int], Meta(description=f"by job id, of the first {MAX_MAP_ITEMS}")]


class PauseReply(Struct, frozen=True, kw_only=True):
    paused: bool


class YieldReply(Struct, frozen=True, kw_only=True):
    yielded: bool


class ResumeReply(Struct, frozen=True, kw_only=True):
    paused: bool
    yielded: bool


class ClearReply(Struct, frozen=True, kw_only=True):
    cleared: Annotated[int, Meta(description="how many finished jobs were forgotten")]
    states: tuple[str, ...]


class MetricsReply(Struct, frozen=True, kw_only=True):
    text: Annotated[str, Meta(description="numbers in the Prometheus text format")]


class ShutdownReply(Struct, frozen=True, kw_only=True):
    draining: bool


# -- the table ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RequestType(Generic[B, R]):
    """One row: `about` says what the daemon does (docs/reference/protocol.md)."""

    name: str
    channels: tuple[str, ...]
    body: type[B]
    reply: type[R]
    about: str


HELLO = RequestType(
    name="hello",
    channels=(JOBS, CONTROL),
    body=NoBody,
    reply=HelloReply,
    about="identifies the daemon; a client sends it first",
)
SUBMIT = RequestType(
    name="submit",
    channels=(JOBS,),
    body=JobRequest,
    reply=Submitted,
    about="queues a job; answered when the job is on disk",
)
JOB = RequestType(
    name="job", channels=(JOBS,), body=JobBody, reply=JobStatus, about="reports the state of a job"
)
JOBS_LIST = RequestType(
    name="jobs", channels=(JOBS,), body=JobsBody, reply=JobsReply, about="lists the newest jobs"
)
RETRY = RequestType(
    name="retry", channels=(JOBS,), body=JobBody, reply=JobStatus, about="queues a finished job again"
)
MODELS = RequestType(
    name="models",
    channels=(JOBS, CONTROL),
    body=NoBody,
    reply=ModelsReply,
    about="lists the models, whether they are installed and loaded. Daemons until 0.1.0 do not know it",
)
PREPARE = RequestType(
    name="prepare",
    channels=(JOBS,),
    body=PrepareBody,
    reply=PrepareReply,
    about="loads a model before the job that needs it, in an idle worker that has none loaded; nothing happens while the daemon "
    "is paused, has yielded its device or has jobs waiting",
)
STATUS = RequestType(
    name="status",
    channels=(CONTROL,),
    body=NoBody,
    reply=DaemonStatus,
    about="reports the state of the daemon",
)
METRICS = RequestType(
    name="metrics", channels=(CONTROL,), body=NoBody, reply=MetricsReply, about="reports counters and gauges"
)
CANCEL = RequestType(
    name="cancel",
    channels=(CONTROL,),
    body=CancelBody,
    reply=CancelReply,
    about="cancels jobs: a waiting one immediately; a running one is `running` until its present sampling step ends; "
    "a finished one stays as it is",
)
MOVE = RequestType(
    name="move",
    channels=(CONTROL,),
    body=MoveBody,
    reply=MoveReply,
    about="changes the order of waiting jobs",
)
PAUSE = RequestType(
    name="pause",
    channels=(CONTROL,),
    body=NoBody,
    reply=PauseReply,
    about="begins no more jobs; running ones go on. Survives a restart",
)
RESUME = RequestType(
    name="resume", channels=(CONTROL,), body=NoBody, reply=ResumeReply, about="ends `pause` and `yield`"
)
YIELD = RequestType(
    name="yield",
    channels=(CONTROL,),
    body=NoBody,
    reply=YieldReply,
    about="frees the device's memory immediately; a running job goes back to its place in the queue. Survives a restart",
)
CLEAR = RequestType(
    name="clear",
    channels=(CONTROL,),
    body=NoBody,
    reply=ClearReply,
    about="forgets finished jobs. Their files stay",
)
SHUTDOWN = RequestType(
    name="shutdown",
    channels=(CONTROL,),
    body=NoBody,
    reply=ShutdownReply,
    about="stops the daemon: running jobs may end (for `drain_timeout_s`), waiting ones stay queued",
)
REQUESTS: tuple[RequestType[Any, Any], ...] = (
    *(HELLO, SUBMIT, JOB, JOBS_LIST, RETRY, MODELS, PREPARE),
    *(STATUS, METRICS, CANCEL, MOVE, PAUSE, RESUME, YIELD, CLEAR, SHUTDOWN),
)


# -- a client's requests -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Request(Generic[T]):
    """A request to send. `parse` turns the reply's body into the caller's value, or raises ProtocolError."""

    channel: str
    type: str
    body: object
    parse: Callable[[object], T]


def hello(channel: str) -> Request[HelloReply]:
    return Request(channel=channel, type=HELLO.name, body=NoBody(), parse=_reader(HELLO))


def submit(job_request: JobRequest) -> Request[Submitted]:
    return Request(channel=JOBS, type=SUBMIT.name, body=job_request.to_wire(), parse=_reader(SUBMIT))


def job(job_id: str) -> Request[JobStatus]:
    return _request(JOB, JobBody(job_id=job_id))


def jobs(*, states: Sequence[str] = STATES, limit: int = 100) -> Request[list[JobStatus]]:
    body = JobsBody(states=tuple(states), limit=limit)
    return _request_for(JOBS_LIST, body, lambda reply: list(reply.jobs))


def retry(job_id: str) -> Request[JobStatus]:
    return _request(RETRY, JobBody(job_id=job_id))


def models() -> Request[list[ModelStatus]]:
    return _request_for(MODELS, NoBody(), lambda reply: list(reply.models))


def prepare(model: str) -> Request[bool]:
    return _request_for(PREPARE, PrepareBody(model=model), lambda reply: reply.loading)


def status() -> Request[DaemonStatus]:
    return _request(STATUS, NoBody())


def cancel(job_ids: Sequence[str]) -> Request[CancelledJobs]:
    return _request_for(CANCEL, CancelBody(job_ids=tuple(job_ids)), CancelledJobs)


def cancel_all() -> Request[CancelledJobs]:
    return _request_for(CANCEL, CancelBody(all=True), CancelledJobs)


def move(job_ids: Sequence[str], *, to: str) -> Request[dict[str, int]]:
    return _request_for(MOVE, MoveBody(job_ids=tuple(job_ids), to=to), lambda reply: dict(reply.positions))


def clear() -> Request[int]:
    return _request_for(CLEAR, NoBody(), lambda reply: reply.cleared)


def metrics() -> Request[str]:
    return _request_for(METRICS, NoBody(), lambda reply: reply.text)


def pause() -> Request[PauseReply]:
    return _request(PAUSE, NoBody())


def resume() -> Request[ResumeReply]:
    return _request(RESUME, NoBody())


def release_device() -> Request[YieldReply]:
    return _request(YIELD, NoBody())


def shutdown() -> Request[ShutdownReply]:
    return _request(SHUTDOWN, NoBody())


def _request(kind: RequestType[B, R], body: B) -> Request[R]:
    return Request(channel=kind.channels[0], type=kind.name, body=body, parse=_reader(kind))


def _request_for(kind: RequestType[B, R], body: B, result: Callable[[R], T]) -> Request[T]:
    """A request whose caller wants one thing out of the reply."""
    read = _reader(kind)
    return Request(
        channel=kind.channels[0], type=kind.name, body=body, parse=lambda reply: result(read(reply))
    )


def _reader(kind: RequestType[B, R]) -> Callable[[object], R]:
    return lambda body: read_reply(body, kind.reply)
