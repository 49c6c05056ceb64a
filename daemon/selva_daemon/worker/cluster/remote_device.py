"""One device of a cluster as the worker sees it: a call runs there, its progress comes back, a cancel goes out."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import msgspec

from selva_core.base.errors import RenderCancelled
from selva_core.engine import RenderProgress
from selva_daemon.worker.cluster.messages import (
    Call,
    CallResult,
    DeviceSetup,
    News,
    Versions,
    decode,
    describe_mismatch,
    encode,
)
from selva_daemon.worker.cluster.placement import DevicePlace
from selva_daemon.worker.device_lost import CRASHED, REQUEUED, DeviceLostError

POLL_S = 0.2
"""Between two looks at a call that runs: so long a cancel takes to leave here."""
MAX_NEWS_PER_S = 400
"""Of all devices together. bench/ray_scale.py: the server takes some thousand messages a second, but then little else."""
NEWS_TIMEOUT_S = 10.0
START_TIMEOUT_S = 180.0
"""A node may first have to load Python and our code from a network drive."""
TRIAL_BYTES = 1 << 20
"""So much passes from store to store of two machines, as a picture does; Ray sends less along with the call."""
TRIAL_TIMEOUT_S = 60.0
_log = logging.getLogger(__name__)
_numbers = count()


class Cluster(Protocol):
    """What a device needs of `RayCluster`."""

    @property
    def ray_version(self) -> str: ...

    def start_actor(self, place: DevicePlace) -> Any: ...

    def end_actor(self, actor: Any) -> None: ...

    def put(self, content: bytes) -> Any: ...

    def begin_call(self, method: Any, *arguments: Any) -> Any: ...

    def is_done(self, reference: Any, timeout_s: float) -> bool: ...

    def result(self, reference: Any, *, timeout_s: float | None = None) -> Any: ...

    def ask(self, method: Any, *arguments: Any, timeout_s: float) -> Any: ...


class DeviceRefusedError(Exception):
    """A device cannot be used as it is; the message says what to mend there."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds: without progress until a call counts as hung, and from a cancel until the device is given up."""

    stall_s: float
    cancel_s: float


class RemoteDevice:
    """Used by one thread, but for `end`."""

    def __init__(
        self,
        cluster: Cluster,
        place: DevicePlace,
        setup: DeviceSetup,
        *,
        limits: Limits,
        num_devices: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """num_devices: of the cluster, by which each asks for news the more seldom."""
        self.place = place
        self.is_lost = False
        self.model: str | None = None
        self.moved_s = clock()
        self._cluster = cluster
        self._setup = setup
        self._limits = limits
        self._num_devices = num_devices
        self._clock = clock
        self._actor: Any = None
        self._loss: DeviceLostError | None = None

    @property
    def name(self) -> str:
        return self.place.name

    def start(self) -> None:
        """Raises DeviceRefusedError for other versions and where nothing arrives; DeviceLostError, TimeoutError."""
        self._actor = self._cluster.start_actor(self.place)
        try:
            theirs = decode(self._ask(self._actor.versions), Versions)
        except msgspec.MsgspecError as exc:
            raise DeviceRefusedError(
                f"it does not answer as this version of Selva Bridge does: {exc}"
            ) from exc
        mismatch = describe_mismatch(Versions.here(self._cluster.ray_version), theirs)
        if mismatch:
            raise DeviceRefusedError(mismatch)
        self._ask(self._actor.set_up, encode(self._setup))
        self._try_to_send()

    def _try_to_send(self) -> None:
        """A node whose calls arrive may still not reach this machine, and a picture that never comes would be waited for."""
        trial = self.put(bytes(TRIAL_BYTES))
        try:
            self._cluster.ask(self._actor.count_received, [trial], timeout_s=TRIAL_TIMEOUT_S)
        except TimeoutError as exc:
            raise DeviceRefusedError(
                f"pictures do not reach it: {TRIAL_BYTES >> 20} MiB did not arrive within {TRIAL_TIMEOUT_S:g} s. Let the "
                "nodes of the cluster reach each other on all ports of Ray, and check which address each has: ray list nodes"
            ) from exc

    def _ask(self, method: Any, *arguments: Any) -> Any:
        return self._cluster.ask(method, *arguments, timeout_s=START_TIMEOUT_S)

    def end(self) -> None:
        self.is_lost = True
        if self._actor is not None:
            self._cluster.end_actor(self._actor)

    def touch(self) -> None:
        """Something has moved on this side."""
        self.moved_s = self._clock()

    def put(self, content: bytes) -> Any:
        return self._cluster.put(content)

    def perform(
        self,
        call: Call,
        parts: Sequence[Sequence[Any]] = (),
        *,
        on_progress: Callable[[int, RenderProgress], None] = lambda index, progress: None,
        cancelled: Callable[[], Sequence[int]] = tuple,
    ) -> CallResult:
        """Run a call there and wait for its end. cancelled: which pictures of it are, asked again and again.

        Raises DeviceLostError, RenderCancelled where a cancel has no effect: the device is gone in either case.
        """
        call = msgspec.structs.replace(call, number=next(_numbers))
        if self.is_lost:  # jobs that shared a batch are tried again one by one, and have the same cause
            raise self._loss or DeviceLostError(f"{self.name}: it was given up", outcome=REQUEUED)
        try:
            reference = self._cluster.begin_call(
                self._actor.perform, encode(call), [list(each) for each in parts]
            )
            self._follow(call, reference, on_progress, cancelled)
            packed = self._cluster.result(reference)
        except DeviceLostError as exc:
            self.end()
            self._loss = DeviceLostError(f"{self.name}: {exc.message}", outcome=exc.outcome)
            raise self._loss from exc
        self.model = call.model
        return decode(packed, CallResult)

    def _follow(
        self,
        call: Call,
        reference: Any,
        on_progress: Callable[[int, RenderProgress], None],
        cancelled: Callable[[], Sequence[int]],
    ) -> None:
        self.touch()
        cancelled_s: float | None = None
        asked_s, sent = -math.inf, [-1]
        while not self._cluster.is_done(reference, POLL_S):
            stopped, now_s = list(cancelled()), self._clock()
            if stopped and cancelled_s is None:
                cancelled_s = now_s
            if stopped != sent or now_s - asked_s >= self._num_devices() / MAX_NEWS_PER_S:
                asked_s, sent = now_s, stopped
                for each in self._news(call, stopped).progress:
                    self.touch()
                    on_progress(each.index, each.to_progress())
            if cancelled_s is not None and self._clock() - cancelled_s > self._limits.cancel_s:
                _log.error("%s did not react to a cancel for %g s", self.name, self._limits.cancel_s)
                self.end()
                raise RenderCancelled("the job was cancelled")
            if self._clock() - self.moved_s > self._limits.stall_s:
                raise DeviceLostError(f"it made no progress for {self._limits.stall_s:g} s", outcome=CRASHED)

    def _news(self, call: Call, stopped: Sequence[int]) -> News:
        """A slow network is no fault; `_follow` has its own limit."""
        try:
            packed = self._cluster.ask(self._actor.news, call.number, list(stopped), timeout_s=NEWS_TIMEOUT_S)
        except TimeoutError:
            return News()
        return decode(packed, News)
