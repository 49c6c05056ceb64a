"""Watching jobs to their end, through lost events and restarts of the daemon. Shared by both clients."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable

from selva_daemon.client.transport import ClientTransport, PollRequest, ProtocolSteps, ReadySockets, Socket
from selva_daemon.protocol import requests
from selva_daemon.protocol.envelope import MAX_REPLY_BYTES, parse
from selva_daemon.protocol.errors import DaemonTimeoutError, DaemonUnavailableError
from selva_daemon.protocol.status import DONE, JOB_TOPIC, JobStatus

POLL_AFTER_S = 2.0
RESTART_GRACE_S = 30.0  # how long a daemon that went away may take to come back
REPLY_TIMEOUT_S = 10.0
MAX_REQUESTED_FIRST = 32

Watching = Generator[PollRequest | JobStatus, ReadySockets, None]


class JobWatch:
    """Yields each new state of some jobs until all are finished.

    The daemon sends the present state on subscription. After some seconds of silence the states are requested, which covers
    lost events and a daemon that was killed and started again. A daemon that lives and does not answer (a busy or
    suspended machine, a slow disk) is waited for: only `timeout_s` ends a watch.
    """

    def __init__(
        self, transport: ClientTransport, job_ids: Iterable[str], *, timeout_s: float | None
    ) -> None:
        self._transport = transport
        self._unfinished = dict.fromkeys(job_ids)
        self._seen: dict[str, tuple[str, int]] = {}
        self._timeout_s = timeout_s
        self._give_up_s: float | None = None
        self._socket: Socket | None = None
        self._generation = -1

    def steps(self) -> Watching:
        """Raises DaemonTimeoutError, DaemonUnavailableError, UnknownJobError."""
        self._give_up_s = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        try:
            # The daemon sends the state of each to a new subscriber; a request for each of many would cost as much again.
            if len(self._unfinished) <= MAX_REQUESTED_FIRST:
                yield from self._request_all()
            while self._unfinished:
                socket = self._subscribed()
                wait_s = self._limited(POLL_AFTER_S)
                if (yield PollRequest(sockets=[socket], timeout_s=wait_s)):
                    yield from self._receive(socket)
                else:
                    yield from self._request_all()
        finally:
            self.close()

    def _limited(self, wait_s: float) -> float:
        """`wait_s`, or what is left of the watch's own time. Raises DaemonTimeoutError when nothing is."""
        if self._give_up_s is None:
            return wait_s
        left_s = self._give_up_s - time.monotonic()
        if left_s <= 0:
            raise DaemonTimeoutError(
                f"{len(self._unfinished)} jobs did not finish in {self._timeout_s:g} s; they go on in the daemon",
                job_ids=list(self._unfinished),
            )
        return min(wait_s, left_s)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def _receive(self, socket: Socket) -> Watching:
        _, packed = socket.recv_multipart()
        event = parse([packed], max_bytes=MAX_REPLY_BYTES)
        status = JobStatus.from_wire(event.body)
        if (
            status.state == DONE
            and len(status.stems) < status.num_stems
            and status.job_id in self._unfinished
        ):
            status = yield from self._request_status_patiently(status.job_id)  # too many stems for an event
        yield from self._yield_if_new(status, instance=event.session)

    def _request_all(self) -> Watching:
        for job_id in tuple(self._unfinished):
            status = yield from self._request_status_patiently(job_id)
            assert self._transport.connection is not None  # noqa: S101 - the answer came over it
            yield from self._yield_if_new(status, instance=self._transport.connection.instance)

    def _request_status_patiently(self, job_id: str) -> ProtocolSteps[JobStatus]:
        gone_until_s = time.monotonic() + RESTART_GRACE_S
        while True:
            timeout_s = self._limited(REPLY_TIMEOUT_S)
            try:
                return (yield from self._transport.exchange(requests.job(job_id), timeout_s=timeout_s))
            except DaemonTimeoutError:
                gone_until_s = time.monotonic() + RESTART_GRACE_S  # it lives; the job goes on
            except DaemonUnavailableError:
                if time.monotonic() > gone_until_s:
                    raise
            yield PollRequest(sockets=[], timeout_s=0.2)

    def _yield_if_new(self, status: JobStatus, *, instance: str) -> Watching:
        """Yield a state unless it is older than, or the same as, the last one."""
        job_id = status.job_id
        last_instance, last_sequence = self._seen.get(job_id, ("", -1))
        if job_id not in self._unfinished or (instance == last_instance and status.sequence <= last_sequence):
            return
        self._seen[job_id] = (instance, status.sequence)
        if status.is_finished:
            del self._unfinished[job_id]
        yield status

    def _subscribed(self) -> Socket:
        if self._socket is None or self._generation != self._transport.generation:
            self.close()
            self._socket = self._transport.subscribe([JOB_TOPIC + job_id for job_id in self._unfinished])
            self._generation = self._transport.generation
        return self._socket
