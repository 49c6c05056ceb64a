"""The state of jobs and of the daemon: structs that the daemon encodes and clients decode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from selva_core.base.errors import SelvaError
from selva_daemon.protocol.body import read_reply

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
FINISHED_STATES = (DONE, FAILED, CANCELLED)
MAX_LISTED_JOBS = 500
JOB_TOPIC, DAEMON_TOPIC = "job.", "daemon"
"""Topics of events; a job's id follows the first."""

Clock = Annotated[float | None, Meta(description="the daemon's clock, seconds since 1970")]


class Sight(Struct, frozen=True, kw_only=True):
    """When and where a job that only looks saw what a prompt names: the curves of evidence.md, at most 1,000 steps."""

    rate_hz: Annotated[float, Meta(description="time steps per second")]
    threshold: Annotated[
        float | None,
        Meta(
            description="a lower presence of the clip means that it is absent; nil where the model is not calibrated"
        ),
    ]
    presence: tuple[float, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    spread: tuple[float, ...]


class StemHints(Struct, frozen=True, kw_only=True):
    """What was measured of a stem: hints for the ear, no verdict."""

    peak_dbfs: Annotated[float, Meta(description="level of the loudest sample")]
    silent: Annotated[bool, Meta(description="it is below -60 dBFS")]
    clipped_samples: Annotated[int, Meta(description="samples at full scale")]
    sync: Annotated[
        float | None,
        Meta(
            description="0 to 1: of the rises of its level, the share that falls on times in which its source is seen; nil "
            "where that is not known, always or never so"
        ),
    ] = None
    leak_db: Annotated[
        float | None,
        Meta(
            description="its energy at times in which only sources of other tracks of the job are seen, against all of it; nil "
            "where there are no such times"
        ),
    ] = None


class StemResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stem that was written. What came after version 0.1.0 is left out where it is nothing."""

    cue: str
    track: str
    take: int
    seed: int
    file: Annotated[str, Meta(description="absolute path; empty for a job that only looks")]
    sample_rate_hz: int
    num_samples: int
    cached: Annotated[bool, Meta(description="the sound came from the cache, nothing was computed")]
    warnings: Annotated[tuple[str, ...], Meta(description="sentences for the user")] = field(
        default_factory=lambda: ()  # a factory, so that omit_defaults leaves it in
    )
    presence: Annotated[
        float | None,
        Meta(
            description="0 to 1, whether the picture shows what the prompt names, in the best second of the clip; nil where the "
            "engine does not look for it"
        ),
    ] = None
    evidence: Annotated[
        str | None, Meta(description="absolute path of a JSON file: where and when it was seen (evidence.md)")
    ] = None
    silenced: Annotated[
        bool, Meta(description="nothing in the clip looks like it, and so the stem is silent")
    ] = False
    sight: Annotated[
        Sight | None,
        Meta(
            description="of a job that only looks: when and where it was seen, as `rate_hz`, `threshold` (nil where the model "
            "is not calibrated) and the curves `presence`, `x`, `y` and `spread` of evidence.md"
        ),
    ] = None
    num_channels: Annotated[int, Meta(description="of the file: 2 where it is panned")] = 1
    pan: Annotated[
        tuple[tuple[float, float], ...],
        Meta(
            description="for `envelope`: pairs of seconds of the file and pan, -1 left, 1 right, joined by straight lines; empty "
            "where the source was not seen"
        ),
    ] = ()
    hints: Annotated[
        StemHints | None,
        Meta(
            description="what was measured of the file, as `peak_dbfs`, `silent` (below -60 dBFS), `clipped_samples`, `sync` (0 "
            "to 1, the share of the rises of its level that fall on times in which its source is seen) and `leak_db` (its energy "
            "while only sources of the job's other tracks are seen, against all); the last two nil where that is not known"
        ),
    ] = None


class JobStatus(Struct, frozen=True, kw_only=True):
    """A job as it is now, in replies and in events."""

    job_id: str
    label: Annotated[str, Meta(description="as submitted")]
    model: Annotated[str, Meta(description="as submitted")]
    priority: Annotated[str, Meta(description="as submitted")]
    state: Annotated[str, Meta(description="`queued`, `running`, `done`, `failed`, `cancelled`")]
    num_stems: int
    sequence: Annotated[
        int,
        Meta(
            description="counts the job's changes since the daemon started, a higher one is newer; see Events"
        ),
    ]
    submitted_s: Annotated[float, Meta(description="the daemon's clock, seconds since 1970")]
    started_s: Clock = None
    finished_s: Clock = None
    stage: Annotated[
        str,
        Meta(
            description="`waiting`, `loading`, `picture`, `text`, `sampling`, `sound`, `writing`; empty when finished"
        ),
    ] = ""
    step: Annotated[int, Meta(description="of the stage, 0 when it has none")] = 0
    num_steps: Annotated[int, Meta(description="of the stage, 0 when it has none")] = 0
    fraction: Annotated[float, Meta(description="0 to 1, of the whole job")] = 0.0
    position: Annotated[int, Meta(description="1 is next; 0 when not queued")] = 0
    seconds_left: Annotated[
        float | None, Meta(description="an estimate; nil when there is nothing to estimate from")
    ] = None
    attempts: Annotated[int, Meta(description="how often it was begun")] = 0
    part: Annotated[
        str | UnsetType,
        Meta(
            description="of the stage `loading`: `media` (the file is read, to know it again) or `weights` (of the model); left "
            "out in all others"
        ),
    ] = UNSET
    error: Annotated[
        SelvaError | None, Meta(description="why it failed or was cancelled: the body of an error, below")
    ] = None
    stems: Annotated[tuple[StemResult, ...], Meta(description="when done, one map per take")] = ()

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED_STATES

    def raise_for_state(self) -> JobStatus:
        """Raise the job's error when it failed or was cancelled; else return the status itself."""
        if self.error is not None:
            raise self.error
        return self

    @classmethod
    def from_wire(cls, body: object) -> JobStatus:
        return read_reply(body, cls)


class Submitted(Struct, frozen=True, kw_only=True):
    """The daemon has the job on disk."""

    job_id: str
    position: Annotated[int, Meta(description="1 is next")]
    created: Annotated[bool, Meta(description="false: the same request had been accepted before")]
    seconds_until_start: Annotated[float | None, Meta(description="an estimate or nil")] = None


class DeviceStatus(Struct, frozen=True, kw_only=True):
    """A device of a cluster."""

    name: Annotated[str, Meta(description="the machine, and the number of the device where it has several")]
    state: Annotated[
        str,
        Meta(description="`starting`, `ready`, or `refused`: then `problem` says why it gets no jobs"),
    ]
    problem: str = ""

    @property
    def is_usable(self) -> bool:
        return self.state == "ready"


class ProcessStatus(Struct, frozen=True, kw_only=True):
    """One process of the daemon."""

    role: Annotated[str, Meta(description="`server`, `worker` or, where folders are watched, `watch`")]
    pid: int | None
    state: Annotated[
        str,
        Meta(
            description="of a worker: `stopped`, `starting`, `idle`, `busy`, `stopping`, `backing-off` (then `problem` says "
            "why); of the others: `running`"
        ),
    ]
    memory_bytes: int | None = None
    job_ids: Annotated[
        tuple[str, ...], Meta(description="what it runs, several where they share batches")
    ] = ()
    restarts: int = 0
    problem: str = ""
    devices: Annotated[
        tuple[DeviceStatus, ...] | UnsetType, Meta(description="those of a Ray cluster, where it uses one")
    ] = UNSET


class LoadedModel(Struct, frozen=True, kw_only=True):
    """A model in a worker's memory."""

    model: str
    device_report: str
    notices: tuple[str, ...] = ()
    unloads_in_s: Annotated[
        float | None, Meta(description="nil while it is in use, or when it is never unloaded")
    ] = None
    device_memory_bytes: Annotated[
        int | None,
        Meta(
            description="what torch holds on the device, as of the last job; nil for a device that does not report it"
        ),
    ] = None


class ModelStatus(Struct, frozen=True, kw_only=True):
    """A row of the models that this daemon knows."""

    model: Annotated[str, Meta(description="as `submit` takes it")]
    knows: Annotated[str, Meta(description="the sounds that it can make, in words")]
    installed: Annotated[bool, Meta(description="all its files are there; only then `submit` takes it")]
    loaded: Annotated[bool, Meta(description="it is in a worker's memory, so that a job need not load it")]
    bundled: Annotated[bool, Meta(description="its files come with the package and not from a download")]
    size_bytes: Annotated[
        int, Meta(description="of all its files; of what is still to be fetched where a size is known")
    ]
    missing_files: Annotated[tuple[str, ...], Meta(description="empty when it is installed")] = ()
    licences: Annotated[
        tuple[str, ...], Meta(description="sentences to show before a download, and to keep with every stem")
    ] = ()


class DaemonStatus(Struct, frozen=True, kw_only=True):
    """The daemon as it is now."""

    version: str
    protocol: int
    instance: Annotated[str, Meta(description="new at each start of the daemon")]
    uptime_s: float
    endpoints: Annotated[Mapping[str, str], Meta(description="by channel")]
    processes: tuple[ProcessStatus, ...]
    device: Annotated[str, Meta(description="the one asked for until a model has been loaded on one")]
    models: Annotated[tuple[LoadedModel, ...], Meta(description="those in memory")]
    queue: Annotated[Mapping[str, int], Meta(description="jobs by state")]
    max_queued_jobs: int
    paused: bool
    yielded: Annotated[bool, Meta(description="the device was released by `yield`")]
    draining: Annotated[bool, Meta(description="the daemon is stopping")]
    keep_alive_s: float
    drain_timeout_s: float
    state_folder: str
    cache_folder: str
    log_file: str


class DaemonEvent(Struct, frozen=True, kw_only=True):
    """What is published under the topic `daemon`."""

    paused: bool
    yielded: bool
    draining: bool
    queue: Annotated[Mapping[str, int], Meta(description="jobs by state")]
    workers: Annotated[tuple[str, ...], Meta(description="their states")]
