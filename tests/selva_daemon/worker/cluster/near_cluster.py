"""A cluster without Ray: its actors are real, and their calls run in threads of this process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from selva_daemon.worker.cluster.device_actor import DeviceActor
from selva_daemon.worker.cluster.messages import Versions, encode
from selva_daemon.worker.cluster.placement import DevicePlace
from selva_daemon.worker.cluster.remote_device import TRIAL_BYTES
from selva_daemon.worker.device_lost import DeviceLostError

RAY = "2.60.0"


class NearActor(DeviceActor):
    def versions(self) -> bytes:
        return encode(Versions.here(RAY))


class NearCluster:
    """make_actor: called for each. An ended actor answers with DeviceLostError, as `RayCluster` does. num_put: of pictures."""

    ray_version = RAY

    def __init__(self, make_actor: Callable[[], Any] = NearActor) -> None:
        self._make_actor = make_actor
        self._threads = ThreadPoolExecutor()
        self._calls: list[tuple[Any, Future[Any]]] = []
        self.ended: list[Any] = []
        self.num_put = 0

    def start_actor(self, place: DevicePlace) -> Any:
        return self._make_actor()

    def end_actor(self, actor: Any) -> None:
        self.kill(actor, DeviceLostError("its node is gone"))

    def kill(self, actor: Any, error: DeviceLostError) -> None:
        """What runs there ends with an error; the thread goes on, and nobody hears of it."""
        self.ended.append(actor)
        for called, future in self._calls:
            if called is actor and not future.done():
                future.set_exception(error)

    def put(self, content: bytes) -> bytes:
        self.num_put += content != bytes(TRIAL_BYTES)
        return content

    def begin_call(self, method: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.append((method.__self__, future))

        def call() -> None:
            try:
                result = method(*arguments)
            except BaseException as exc:
                _settle(future, exc)
            else:
                _settle(future, result)

        self._threads.submit(call)
        return future

    def is_done(self, reference: Future[Any], timeout_s: float) -> bool:
        return bool(wait([reference], timeout=timeout_s).done)

    def result(self, reference: Future[Any], *, timeout_s: float | None = None) -> Any:
        return reference.result(timeout_s)

    def ask(self, method: Any, *arguments: Any, timeout_s: float) -> Any:
        return method(*arguments)

    def close(self) -> None:
        self._threads.shutdown()


def _settle(future: Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
