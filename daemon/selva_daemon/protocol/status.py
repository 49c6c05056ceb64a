"""What the daemon tells about jobs and about itself, as values; `from_wire` and `to_wire` are each other's
inverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from selva_core.base.errors import SelvaError
from selva_daemon.protocol.errors import ProtocolError, from_wire

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
FINISHED_STATES = (DONE, FAILED, CANCELLED)
MAX_LISTED_JOBS = 500

V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class StemResult:
    """One stem that was written. `cached`: the sound came from the cache, nothing was computed."""

    cue: str
    track: str
    take: int
    seed: int
    file: str
    sample_rate_hz: int
    num_samples: int
    cached: bool
    warnings: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> StemResult:
        return _build(cls, {**body, "warnings": tuple(body.get("warnings") or ())})


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """A job as it is now, in replies and in events.

    sequence: counts the job's changes since the daemon started; a higher one is newer. stage: waiting,
    loading, picture, text, sampling, sound, writing or "" when finished. fraction: 0..1 of the whole job.
    position: 1 is next; 0 when not queued. seconds_left: an estimate, None when there is nothing to
    estimate from. Times are the daemon's clock, seconds since 1970.
    """

    job_id: str
    label: str
    model: str
    priority: str
    state: str
    num_stems: int
    sequence: int
    submitted_s: float
    started_s: float | None = None
    finished_s: float | None = None
    stage: str = ""
    step: int = 0
    num_steps: int = 0
    fraction: float = 0.0
    position: int = 0
    seconds_left: float | None = None
    attempts: int = 0
    error: SelvaError | None = None
    stems: tuple[StemResult, ...] = ()

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED_STATES

    def raise_for_state(self) -> JobStatus:
        """Raise the job's error when it failed or was cancelled; else return the status itself."""
        if self.error is not None:
            raise self.error
        return self

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> JobStatus:
        error = body.get("error")
        return _build(
            cls,
            {
                **body,
                "error": None if error is None else from_wire(error),
                "stems": tuple(StemResult.from_wire(stem) for stem in body.get("stems") or ()),
            },
        )


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """The daemon has the job on disk. `created` is false when the same request had been accepted before."""

    job_id: str
    position: int
    created: bool
    seconds_until_start: float | None = None

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> Submitted:
        return _build(cls, body)


@dataclass(frozen=True, kw_only=True)
class ProcessStatus:
    """One process of the daemon. `state` of a worker: stopped, starting, idle, busy, stopping, backing-off
    (then `problem` says why). `job_ids`: what it runs, several where they share batches.
    """

    role: str
    pid: int | None
    state: str
    memory_bytes: int | None = None
    job_ids: tuple[str, ...] = ()
    restarts: int = 0
    problem: str = ""

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> ProcessStatus:
        return _build(cls, {**body, "job_ids": tuple(body.get("job_ids") or ())})


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model in a worker's memory.

    unloads_in_s: None while it is in use or kept for ever. device_memory_bytes: what torch holds on the device,
    as of the last job; None for a device that does not tell.
    """

    model: str
    device_report: str
    notices: tuple[str, ...] = ()
    unloads_in_s: float | None = None
    device_memory_bytes: int | None = None

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> LoadedModel:
        return _build(cls, {**body, "notices": tuple(body.get("notices") or ())})


@dataclass(frozen=True, kw_only=True)
class DaemonStatus:
    """`queue` counts jobs by state; `device` is the one asked for until a model has been loaded on one."""

    version: str
    protocol: int
    instance: str
    uptime_s: float
    endpoints: Mapping[str, str]
    processes: tuple[ProcessStatus, ...]
    device: str
    models: tuple[LoadedModel, ...]
    queue: Mapping[str, int]
    max_queued_jobs: int
    paused: bool
    yielded: bool
    draining: bool
    keep_alive_s: float
    drain_timeout_s: float
    state_folder: str
    cache_folder: str
    log_file: str

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> DaemonStatus:
        return _build(
            cls,
            {
                **body,
                "processes": tuple(ProcessStatus.from_wire(row) for row in body.get("processes") or ()),
                "models": tuple(LoadedModel.from_wire(row) for row in body.get("models") or ()),
            },
        )


def _build(kind: type[V], values: Mapping[str, Any]) -> V:
    """Fields of a newer daemon that this version does not know are left out."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    try:
        return kind(**{name: value for name, value in values.items() if name in known})
    except TypeError as exc:
        raise ProtocolError(f"the daemon's answer is not a {kind.__name__}: {exc}") from exc
