"""Having many jobs done by the daemon: submitted some at a time, watched, and cancelled when an error or the user ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from selva_core.base.errors import SelvaError
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import (
    DaemonTimeoutError,
    DaemonUnavailableError,
    InvalidRequestError,
    QueueFullError,
)
from selva_daemon.protocol.status import JobStatus
from selva_render.jobs import ClipJob
from selva_render.report import FailedClip

SUBMIT_PATIENCE_S = 600.0
"""A cut of a hundred clips is not given up because the daemon's disk is slow for some seconds in its middle."""
MAX_WATCHED = 1000
"""Jobs that are watched at a time; as many more wait behind them at most. One cut then never fills the daemon's queue (10,000
jobs) nor its history (5,000), and a request to cancel names all that are left (a message lists 4,096 at most).
"""
SubmitListener = Callable[[str], None]


@contextmanager
def cancelled_on_error(client: Client) -> Iterator[dict[str, ClipJob]]:
    """Jobs by id, empty at first; those that are in it when an error or the user ends the block are cancelled.

    A daemon that is silent or gone cancels nothing: the jobs are on its disk, and it goes on with them when it can.
    """
    submitted: dict[str, ClipJob] = {}
    try:
        yield submitted
    except (DaemonTimeoutError, DaemonUnavailableError):
        raise
    except BaseException:
        if submitted:
            with suppress(SelvaError):  # the daemon may go away just now
                client.cancel(*submitted)
        raise


def submit_jobs(client: Client, jobs: Iterable[ClipJob], submitted: dict[str, ClipJob]) -> list[FailedClip]:
    """Submit jobs, each of which is then in `submitted`; returns the clips that the daemon refuses. Raises DaemonError."""
    refused: list[FailedClip] = []
    for job in jobs:
        _submit(client, job, submitted, refused)
    return refused


def run_jobs(
    client: Client,
    jobs: Iterable[ClipJob],
    submitted: dict[str, ClipJob],
    refused: list[FailedClip],
    on_submitted: SubmitListener = lambda job_id: None,
) -> Iterator[tuple[ClipJob, JobStatus]]:
    """Submit jobs and yield each new state of each, until all are finished. A full queue is waited for while one of them runs.

    submitted: those that are not finished, by id; see `cancelled_on_error`. refused: gets the clips that the daemon refuses.
    Raises DaemonError.
    """
    supply = _JobSupply(
        client=client, jobs=iter(jobs), submitted=submitted, refused=refused, on_submitted=on_submitted
    )
    watched = supply.submit_some()
    while watched:
        following: dict[str, ClipJob] = {}
        num_left = len(watched)
        for status in client.watch(list(watched)):
            if status.is_finished and submitted.pop(status.job_id, None) is not None:
                num_left -= 1
                # The daemon has the next ones before it has done these, so that it never waits for more.
                if 2 * num_left <= len(watched) and not following:
                    following = supply.submit_some()
            yield watched[status.job_id], status
        watched = following or supply.submit_some()


@dataclass(kw_only=True)
class _JobSupply:
    """The jobs of a run that the daemon does not have yet. held: one for which the queue had no room."""

    client: Client
    jobs: Iterator[ClipJob]
    submitted: dict[str, ClipJob]
    refused: list[FailedClip]
    on_submitted: SubmitListener
    held: ClipJob | None = None

    def submit_some(self) -> dict[str, ClipJob]:
        """Submit the next MAX_WATCHED jobs, or as many as the queue takes; returns them by id.

        Raises DaemonError; QueueFullError when it takes none, and none of ours will make room.
        """
        taken: dict[str, ClipJob] = {}
        while len(taken) < MAX_WATCHED and (job := self.held or next(self.jobs, None)) is not None:
            try:
                job_id = _submit(self.client, job, self.submitted, self.refused)
            except QueueFullError:
                if not self.submitted:
                    raise
                self.held = job
                break
            self.held = None
            if job_id is not None:
                taken[job_id] = job
                self.on_submitted(job_id)
        return taken


def _submit(
    client: Client, job: ClipJob, submitted: dict[str, ClipJob], refused: list[FailedClip]
) -> str | None:
    """The id of the job; None where the daemon refuses its clip."""
    try:
        job_id = client.submit(job.request, timeout_s=SUBMIT_PATIENCE_S).job_id
    except InvalidRequestError as error:
        refused.append(FailedClip.of(job.clip, error))
        return None
    submitted[job_id] = job
    return job_id
