"""The synchronous client of the daemon, for scripts, plugins and the command line.

    with Client.connect(start_if_needed=True) as client:
        submitted = client.submit(request)
        for status in client.events(submitted.job_id):
            print(status.stage, f"{status.fraction:.0%}")
        for stem in client.wait(submitted.job_id).raise_for_state().stems:
            print(stem.file)

Importing this module loads neither torch nor a media library.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TypeVar

import zmq

from selva_core.base.paths import AppPaths
from selva_daemon.client.job_watch import JobWatch, Watching
from selva_daemon.client.launch import start_daemon
from selva_daemon.client.transport import ClientTransport, PollRequest, ProtocolSteps, ReadySockets
from selva_daemon.protocol import requests
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.requests import CancelledJobs, HelloReply, Request
from selva_daemon.protocol.status import STATES, DaemonStatus, JobStatus, ModelStatus, Submitted

__all__ = ["Client"]

T = TypeVar("T")
ANSWER_TIMEOUT_S = 10.0


class Client:
    """A connection to the user's daemon, made by `connect`; a context manager. For one thread; make one per thread.

    Every method raises DaemonTimeoutError or DaemonUnavailableError when the daemon does not answer, DaemonRefusedError when
    it does not know our key, and what its docstring says.
    """

    def __init__(self, paths: AppPaths, *, timeout_s: float) -> None:
        self._transport = ClientTransport(paths.connection_file)
        self._timeout_s = timeout_s

    @classmethod
    def connect(
        cls,
        *,
        start_if_needed: bool = False,
        paths: AppPaths | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Client:
        """Connect to the running daemon, or start one. `timeout_s` is how long any answer may take.

        Raises DaemonStartError when a daemon was started and did not come up.
        """
        found = paths or AppPaths.find()
        client = cls(found, timeout_s=timeout_s)
        try:
            client._open(found, start_if_needed=start_if_needed)
        except BaseException:
            client.close()
            raise
        return client

    def _open(self, paths: AppPaths, *, start_if_needed: bool) -> None:
        try:
            self._say_hello()
        except DaemonUnavailableError:
            if not start_if_needed:
                raise
            start_daemon(paths)
            self._say_hello()

    def _say_hello(self) -> None:
        self.daemon: HelloReply = run_steps(self._transport.open(timeout_s=self._timeout_s))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- jobs -----------------------------------------------------------------------------------------

    def submit(self, request: JobRequest, *, timeout_s: float | None = None) -> Submitted:
        """Queue a job; when this returns, the job is on the daemon's disk. `timeout_s`: for this answer only.

        Raises InvalidRequestError (its `fields` say what is wrong), QueueFullError, DrainingError,
        StorageError.
        """
        return self._exchange(requests.submit(request), timeout_s=timeout_s)

    def job(self, job_id: str) -> JobStatus:
        """The job as it is now. Raises UnknownJobError."""
        return self._exchange(requests.job(job_id))

    def jobs(self, *, states: Sequence[str] = STATES, limit: int = 100) -> list[JobStatus]:
        """The newest jobs in these states, newest last, without their stems."""
        return self._exchange(requests.jobs(states=states, limit=limit))

    def events(self, job_id: str, *, timeout_s: float | None = None) -> Iterator[JobStatus]:
        """Each new state of the job, from the present one to the finished one. Raises UnknownJobError."""
        return self.watch([job_id], timeout_s=timeout_s)

    def watch(self, job_ids: Sequence[str], *, timeout_s: float | None = None) -> Iterator[JobStatus]:
        """Each new state of any of the jobs, until all are finished; survives a restart of the daemon.

        Raises DaemonTimeoutError when they are not finished in `timeout_s`.
        """
        steps = JobWatch(self._transport, job_ids, timeout_s=timeout_s).steps()
        try:
            step = next(steps, None)
            while step is not None:
                if isinstance(step, JobStatus):
                    yield step
                    step = next(steps, None)
                else:
                    step = _send(steps, _poll(step))
        finally:
            steps.close()

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobStatus:
        """Wait until the job is finished; returns its last state, which may be failed or cancelled."""
        *_, last = self.events(job_id, timeout_s=timeout_s)
        return last

    def cancel(self, *job_ids: str) -> CancelledJobs:
        """Cancel jobs; returns the state of each. A running one ends within a sampling step.

        Raises UnknownJobError.
        """
        return self._exchange(requests.cancel(job_ids))

    def cancel_all(self) -> CancelledJobs:
        """Cancel every job that waits or runs; returns the states of the first 1,000 and, in `num_jobs`, how many there are."""
        return self._exchange(requests.cancel_all())

    def retry(self, job_id: str) -> JobStatus:
        """Queue a finished job once more. Raises UnknownJobError, JobStateError."""
        return self._exchange(requests.retry(job_id))

    def move(self, *job_ids: str, to: str) -> dict[str, int]:
        """Put waiting jobs "first" (in the order given) or "last"; returns their positions.

        Raises UnknownJobError, JobStateError.
        """
        return self._exchange(requests.move(job_ids, to=to))

    def clear(self) -> int:
        """Forget finished jobs; their files stay. Returns how many."""
        return self._exchange(requests.clear())

    # -- the daemon -------------------------------------------------------------------------------------------

    def status(self) -> DaemonStatus:
        return self._exchange(requests.status())

    def models(self) -> list[ModelStatus]:
        """The models that the daemon knows, the smallest first. Raises UnknownRequestError from a daemon of 0.1.0."""
        return self._exchange(requests.models())

    def prepare(self, model: str) -> bool:
        """Have a model loaded before the job that needs it; False where that may not be now.

        Raises InvalidRequestError for a model that is not installed; UnknownRequestError from a daemon before 0.2.0.
        """
        return self._exchange(requests.prepare(model))

    def metrics(self) -> str:
        """Numbers about the daemon in the Prometheus text format."""
        return self._exchange(requests.metrics())

    def pause(self) -> None:
        """Start no more jobs; running ones go on."""
        self._exchange(requests.pause())

    def release_device(self) -> None:
        """Free the device immediately: the worker ends, a running job is queued again. `resume` takes it back."""
        self._exchange(requests.release_device())

    def resume(self) -> None:
        """End a pause, and take a released device back."""
        self._exchange(requests.resume())

    def shutdown(self) -> None:
        """Ask the daemon to stop: running jobs may end first, waiting ones stay queued."""
        self._exchange(requests.shutdown())

    def _exchange(self, request: Request[T], *, timeout_s: float | None = None) -> T:
        return run_steps(self._transport.exchange(request, timeout_s=timeout_s or self._timeout_s))


def run_steps(steps: ProtocolSteps[T]) -> T:
    """Drive a generator of the transport to its end, waiting in this thread."""
    try:
        poll = next(steps)
        while True:
            poll = steps.send(_poll(poll))
    except StopIteration as end:
        result: T = end.value
        return result


def _send(steps: Watching, ready: ReadySockets) -> PollRequest | JobStatus | None:
    try:
        return steps.send(ready)
    except StopIteration:
        return None


def _poll(request: PollRequest) -> ReadySockets:
    if not request.sockets:
        time.sleep(request.timeout_s)
        return ()
    poller = zmq.Poller()
    for socket in request.sockets:
        poller.register(socket, zmq.POLLIN)
    return [socket for socket, _ in poller.poll(math.ceil(request.timeout_s * 1000))]
