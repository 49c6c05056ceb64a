"""The states of a worker, what becomes of its jobs when it ends, and who hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from selva_daemon.protocol.worker_link import JobEvent


class WorkerState(Enum):
    STOPPED = "stopped"  # on purpose; starts again when asked
    STARTING = "starting"  # launched, has not reported yet
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"  # asked to end, or being ended
    BACKING_OFF = "backing-off"  # died; starts again in a moment


class Outcome(Enum):
    """What becomes of a job that was running when its worker ended."""

    CRASHED = "crashed"  # the worker died by itself: queue the job once more, fail it the second time
    LOST = "lost"  # what it ran on went away, by no fault of the job: queue it again, a few times
    REQUEUED = "requeued"  # the worker was ended for another reason: the job waits again
    CANCELLED = "cancelled"  # the worker was ended because it did not react to a cancel


class WorkerListener(Protocol):
    """Receives what becomes of jobs (the dispatcher)."""

    def on_job_event(self, event: JobEvent) -> None: ...

    def on_worker_ended(self, outcomes: Mapping[str, Outcome], reason: str) -> None:
        """`outcomes`: of each job that was running."""
        ...
