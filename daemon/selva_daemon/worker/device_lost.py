"""Why a job stops whose device is gone while the worker goes on. It never reaches a client: the job is run again."""

from __future__ import annotations

CRASHED, LOST, REQUEUED = "crashed", "lost", "requeued"
"""What becomes of the job, as `selva_daemon.jobs.supervisor.Outcome` has it."""


class DeviceLostError(RuntimeError):
    """The device that ran a job is gone. outcome: what becomes of the job."""

    def __init__(self, message: str, *, outcome: str = LOST) -> None:
        super().__init__(message)
        self.message = message
        self.outcome = outcome
