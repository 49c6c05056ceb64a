"""The client for asyncio programs: the methods of `selva_daemon.client.client`, awaited.

    async with await AsyncClient.connect(start_if_needed=True) as client:
        submitted = await client.submit(request)
        async for status in client.events(submitted.job_id):
            print(status.stage, f"{status.fraction:.0%}")

On Windows, ZeroMQ needs asyncio's selector event loop (asyncio.WindowsSelectorEventLoopPolicy).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import TypeVar

import zmq
import zmq.asyncio

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import ANSWER_TIMEOUT_S
from selva_daemon.client.job_watch import JobWatch
from selva_daemon.client.launch import start_daemon
from selva_daemon.client.transport import ClientTransport, PollRequest, ProtocolSteps, ReadySockets
from selva_daemon.protocol import requests
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.requests import CancelledJobs, HelloReply, Request
from selva_daemon.protocol.status import STATES, DaemonStatus, JobStatus, ModelStatus, Submitted

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient:
    """As `Client`, whose docstrings hold here too. For one event loop and any number of tasks.

    Requests of several tasks wait for one another on one connection; each watch has a connection of its own.
    """

    def __init__(self, paths: AppPaths, *, timeout_s: float) -> None:
        self._paths = paths
        self._timeout_s = timeout_s
        self._transport = ClientTransport(paths.connection_file)
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def connect(
        cls,
        *,
        start_if_needed: bool = False,
        paths: AppPaths | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> AsyncClient:
        client = cls(paths or AppPaths.find(), timeout_s=timeout_s)
        try:
            await client._open(start_if_needed=start_if_needed)
        except BaseException:
            client.close()
            raise
        return client

    async def _open(self, *, start_if_needed: bool) -> None:
        try:
            await self._say_hello()
        except DaemonUnavailableError:
            if not start_if_needed:
                raise
            await asyncio.to_thread(start_daemon, self._paths)
            await self._say_hello()

    async def _say_hello(self) -> None:
        self.daemon: HelloReply = await run_steps(self._transport.open(timeout_s=self._timeout_s))

    def close(self) -> None:
        self._transport.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def submit(self, request: JobRequest, *, timeout_s: float | None = None) -> Submitted:
        return await self._exchange(requests.submit(request), timeout_s=timeout_s)

    async def job(self, job_id: str) -> JobStatus:
        return await self._exchange(requests.job(job_id))

    async def jobs(self, *, states: Sequence[str] = STATES, limit: int = 100) -> list[JobStatus]:
        return await self._exchange(requests.jobs(states=states, limit=limit))

    def events(self, job_id: str, *, timeout_s: float | None = None) -> AsyncIterator[JobStatus]:
        return self.watch([job_id], timeout_s=timeout_s)

    async def watch(
        self, job_ids: Sequence[str], *, timeout_s: float | None = None
    ) -> AsyncIterator[JobStatus]:
        transport = ClientTransport(self._paths.connection_file)
        steps = JobWatch(transport, job_ids, timeout_s=timeout_s).steps()
        try:
            await run_steps(transport.open(timeout_s=self._timeout_s))
            ready: ReadySockets | None = None
            while True:
                try:
                    step = next(steps) if ready is None else steps.send(ready)
                except StopIteration:
                    return
                if isinstance(step, JobStatus):
                    ready = None
                    yield step
                else:
                    ready = await _poll(step)
        finally:
            steps.close()
            transport.close()

    async def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobStatus:
        statuses = [status async for status in self.events(job_id, timeout_s=timeout_s)]
        return statuses[-1]

    async def cancel(self, *job_ids: str) -> CancelledJobs:
        return await self._exchange(requests.cancel(job_ids))

    async def cancel_all(self) -> CancelledJobs:
        return await self._exchange(requests.cancel_all())

    async def retry(self, job_id: str) -> JobStatus:
        return await self._exchange(requests.retry(job_id))

    async def move(self, *job_ids: str, to: str) -> dict[str, int]:
        return await self._exchange(requests.move(job_ids, to=to))

    async def clear(self) -> int:
        return await self._exchange(requests.clear())

    async def status(self) -> DaemonStatus:
        return await self._exchange(requests.status())

    async def models(self) -> list[ModelStatus]:
        """The models that the daemon knows, the smallest first. Raises UnknownRequestError from a daemon of 0.1.0."""
        return await self._exchange(requests.models())

    async def prepare(self, model: str) -> bool:
        """Have a model loaded before the job that needs it; False where that may not be now.

        Raises InvalidRequestError for a model that is not installed; UnknownRequestError from a daemon before 0.2.0.
        """
        return await self._exchange(requests.prepare(model))

    async def metrics(self) -> str:
        return await self._exchange(requests.metrics())

    async def pause(self) -> None:
        await self._exchange(requests.pause())

    async def release_device(self) -> None:
        await self._exchange(requests.release_device())

    async def resume(self) -> None:
        await self._exchange(requests.resume())

    async def shutdown(self) -> None:
        await self._exchange(requests.shutdown())

    async def _exchange(self, request: Request[T], *, timeout_s: float | None = None) -> T:
        async with self._one_at_a_time:
            return await run_steps(self._transport.exchange(request, timeout_s=timeout_s or self._timeout_s))


async def run_steps(steps: ProtocolSteps[T]) -> T:
    """Drive a generator of the transport to its end without blocking the event loop."""
    try:
        poll = next(steps)
        while True:
            poll = steps.send(await _poll(poll))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


async def _poll(request: PollRequest) -> ReadySockets:
    if not request.sockets:
        await asyncio.sleep(request.timeout_s)
        return ()
    poller = zmq.asyncio.Poller()
    for socket in request.sockets:
        poller.register(socket, zmq.POLLIN)
    found = dict(await poller.poll(math.ceil(request.timeout_s * 1000)))
    return [socket for socket in request.sockets if socket in found]
