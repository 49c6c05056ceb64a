"""The public face of the daemon, for scripts, plugins and the command line.

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
from selva_daemon.protocol import requests as calls
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.requests import Call, HelloReply
from selva_daemon.protocol.status import STATES, DaemonStatus, JobStatus, Submitted

__all__ = ["Client"]

T = TypeVar("T")
ANSWER_TIMEOUT_S = 10.0


class Client:
    """A connection to the user's daemon. Use it from one thread; make one per thread.

    Made by `connect`; a context manager. Every method raises DaemonTimeoutError or DaemonUnavailableError
    when the daemon does not answer, DaemonRefusedError when it does not know our key, and what its
    docstring says.
    """

    def __init__(self, paths: AppPaths, *, timeout_s: float) -> None:
        self._line = ClientTransport(paths.connection_file)
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
            self._greet()
        except DaemonUnavailableError:
            if not start_if_needed:
                raise
            start_daemon(paths)
            self._greet()

    def _greet(self) -> None:
        self.daemon: HelloReply = run_steps(self._line.open(timeout_s=self._timeout_s))

    def close(self) -> None:
        self._line.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- jobs -----------------------------------------------------------------------------------------

    def submit(self, request: JobRequest) -> Submitted:
        """Queue a job; when this returns, the job is on the daemon's disk.

        Raises InvalidRequestError (its `fields` say what is wrong), QueueFullError, DrainingError,
        StorageError.
        """
        return self._ask(calls.submit(request))

    def job(self, job_id: str) -> JobStatus:
        """The job as it is now. Raises UnknownJobError."""
        return self._ask(calls.job(job_id))

    def jobs(self, *, states: Sequence[str] = STATES, limit: int = 100) -> list[JobStatus]:
        """The newest jobs in these states, newest last, without their stems."""
        return self._ask(calls.jobs(states=states, limit=limit))

    def events(self, job_id: str, *, timeout_s: float | None = None) -> Iterator[JobStatus]:
        """Each new state of the job, from the present one to the finished one. Raises UnknownJobError."""
        return self.watch([job_id], timeout_s=timeout_s)

    def watch(self, job_ids: Sequence[str], *, timeout_s: float | None = None) -> Iterator[JobStatus]:
        """Each new state of any of the jobs, until all are finished; survives a restart of the daemon.

        Raises DaemonTimeoutError when they are not finished in `timeout_s`.
        """
        steps = JobWatch(self._line, job_ids, timeout_s=timeout_s).steps()
        try:
            step = next(steps, None)
            while step is not None:
                if isinstance(step, JobStatus):
                    yield step
                    step = next(steps, None)
                else:
                    step = _send(steps, _wait(step))
        finally:
            steps.close()

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobStatus:
        """Wait until the job is finished; returns its last state, which may be failed or cancelled."""
        *_, last = self.events(job_id, timeout_s=timeout_s)
        return last

    def cancel(self, *job_ids: str) -> dict[str, str]:
        """Cancel jobs; returns the state of each. A running one ends within a sampling step.

        Raises UnknownJobError.
        """
        return self._ask(calls.cancel(job_ids))

    def cancel_all(self) -> dict[str, str]:
        """Cancel every job that waits or runs."""
        return self._ask(calls.cancel_all())

    def retry(self, job_id: str) -> JobStatus:
        """Queue a finished job once more. Raises UnknownJobError, JobStateError."""
        return self._ask(calls.retry(job_id))

    def move(self, *job_ids: str, to: str) -> dict[str, int]:
        """Put waiting jobs "first" (in the order given) or "last"; returns their positions.

        Raises UnknownJobError, JobStateError.
        """
        return self._ask(calls.move(job_ids, to=to))

    def clear(self) -> int:
        """Forget finished jobs; their files stay. Returns how many."""
        return self._ask(calls.clear())

    # -- the daemon -------------------------------------------------------------------------------------------

    def status(self) -> DaemonStatus:
        return self._ask(calls.status())

    def metrics(self) -> str:
        """Numbers about the daemon in the Prometheus text format."""
        return self._ask(calls.metrics())

    def pause(self) -> None:
        """Start no more jobs; running ones go on."""
        self._ask(calls.order("pause"))

    def yield_device(self) -> None:
        """Free the device at once: a running job goes back to the queue, the worker ends."""
        self._ask(calls.order("yield"))

    def resume(self) -> None:
        """Take the device back, and start jobs again."""
        self._ask(calls.order("resume"))

    def shutdown(self) -> None:
        """Ask the daemon to stop: running jobs may end first, waiting ones stay queued."""
        self._ask(calls.order("shutdown"))

    def _ask(self, call: Call[T]) -> T:
        return run_steps(self._line.exchange(call, timeout_s=self._timeout_s))


def run_steps(steps: ProtocolSteps[T]) -> T:
    """Drive a generator of `line` to its end, waiting in this thread."""
    try:
        wait = next(steps)
        while True:
            wait = steps.send(_wait(wait))
    except StopIteration as end:
        result: T = end.value
        return result


def _send(steps: Watching, ready: ReadySockets) -> PollRequest | JobStatus | None:
    try:
        return steps.send(ready)
    except StopIteration:
        return None


def _wait(wait: PollRequest) -> ReadySockets:
    if not wait.sockets:
        time.sleep(wait.timeout_s)
        return ()
    poller = zmq.Poller()
    for socket in wait.sockets:
        poller.register(socket, zmq.POLLIN)
    return [socket for socket, _ in poller.poll(math.ceil(wait.timeout_s * 1000))]
