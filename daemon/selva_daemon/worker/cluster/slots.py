"""The devices that are used now, a thread for each: nodes join, leave, are refused, and their jobs go back to the queue."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from selva_core.base.errors import SelvaError
from selva_daemon.protocol.job import parse_job
from selva_daemon.protocol.status import DeviceStatus
from selva_daemon.protocol.worker_link import (
    DevicesChanged,
    JobCancelled,
    JobDone,
    JobFailed,
    JobLost,
    LoadCommand,
    RenderCommand,
    WorkerEvent,
)
from selva_daemon.worker.cluster.placement import DevicePlace
from selva_daemon.worker.cluster.remote_device import START_TIMEOUT_S, DeviceRefusedError, RemoteDevice
from selva_daemon.worker.device_lost import CRASHED, REQUEUED, DeviceLostError
from selva_daemon.worker.rendering import JobRenderer
from selva_daemon.worker.server_link import EventLogHandler, EventReceiver, JobCommands
from selva_daemon.worker.worker import Worker

STARTING, READY, REFUSED, GONE = "starting", "ready", "refused", "gone"
RETRY_REFUSED_S = 60.0
LONG_START_S = 20.0
"""Longer than Python and our code take to load on a busy machine."""
MAX_RETRY_S = 60.0
FREE_SLOT_PATIENCE_S = 10.0
"""The server may hear of a job's end a moment before its device waits for the next."""
LOCAL_PATIENCE_S = 60.0
"""Beyond the limit for a device: what hangs so long is the reading of media here, on a drive that does not answer."""
_log = logging.getLogger(__name__)


class DeviceSlot:
    """One device and the thread that uses it. Implements JobCommands and EventReceiver for the thread's `Worker`."""

    def __init__(
        self,
        device: RemoteDevice,
        *,
        build_renderer: Callable[[DeviceSlot], JobRenderer],
        commands: JobCommands,
        events: EventReceiver,
        log_handler: EventLogHandler,
        on_change: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self._clock = clock
        self.state = STARTING
        self.problem = ""
        self.is_free = False
        self.changed_s = clock()
        self._commands = commands
        self._events = events
        self._on_change = on_change
        self._work: queue.SimpleQueue[RenderCommand | LoadCommand | None] = queue.SimpleQueue()
        self._job_ids: set[str] = set()
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._worker = Worker(
            commands=self, events=self, renderer=build_renderer(self), log_handler=log_handler
        )
        self.thread = threading.Thread(target=self._run, name=f"device {device.name}", daemon=True)

    @property
    def status(self) -> DeviceStatus:
        problem = self.problem
        if self.state == STARTING and self._clock() - self.changed_s > LONG_START_S:
            problem = f"still starting: {self._describe_wait()}"
        return DeviceStatus(name=self.device.name, state=self.state, problem=problem)

    def _describe_wait(self) -> str:
        """Ray does not say which of the two it is."""
        return (
            f"other programs on the cluster may hold what it needs ({self.device.place.describe_needs()}; `ray status` there "
            "shows what is free), or its node is slow"
        )

    def _run(self) -> None:
        try:
            self.device.start()
        except DeviceRefusedError as exc:
            self.device.end()
            self.refuse(str(exc))
        except TimeoutError:
            self.device.end()
            self.refuse(f"it did not start within {START_TIMEOUT_S:g} s: {self._describe_wait()}")
        except DeviceLostError as exc:
            self.device.end()
            self.refuse(exc.message)
        else:
            self._become(READY)
            self._worker.run()
            self.device.end()
            if self.state != REFUSED:
                self._become(GONE)

    def refuse(self, problem: str) -> None:
        if problem != self.problem:
            _log.error("%s gets no jobs: %s", self.device.name, problem)
        self.problem = problem
        self._become(REFUSED)

    def _become(self, state: str) -> None:
        self.state, self.changed_s = state, self._clock()
        self._on_change()

    # -- for the roster ------------------------------------------------------------------------------------

    def give(self, command: RenderCommand | LoadCommand) -> None:
        """Only when `is_free`."""
        self.is_free = False
        self.device.touch()
        if isinstance(command, RenderCommand):
            with self._lock:
                self._job_ids = {task.job_id for task in command.jobs}
        self._work.put(command)

    def leave(self) -> None:
        """The node is gone, or this process ends."""
        self.is_free = False
        self.device.end()
        self._work.put(None)

    def abandon_if_stuck(self, now_s: float, limit_s: float) -> None:
        """Give up a thread that hangs in a call of the operating system. Whatever it brings later is not sent."""
        with self._lock:
            if not self._job_ids or self._is_abandoned or now_s - self.device.moved_s <= limit_s:
                return
            self._is_abandoned = True
            lost, self._job_ids = self._job_ids, set()
        self.device.end()
        for job_id in lost:
            reason = f"reading its media made no progress for {limit_s:g} s"
            self._events.send(JobLost(job_id=job_id, reason=reason, outcome=CRASHED))
        self._become(GONE)

    # -- for the worker, in the slot's thread ----------------------------------------------------------------

    def next_work(self) -> RenderCommand | LoadCommand | None:
        if self.device.is_lost:
            return None
        self.is_free = True
        self._on_change()
        return self._work.get()

    def is_cancelled(self, job_id: str) -> bool:
        return self._is_abandoned or self._commands.is_cancelled(job_id)

    def forget(self, job_ids: Sequence[str]) -> None:
        if not self._is_abandoned:
            self._commands.forget(job_ids)

    def send(self, event: WorkerEvent) -> None:
        self.device.touch()
        with self._lock:
            if self._is_abandoned:
                return
            if isinstance(event, JobDone | JobFailed | JobCancelled | JobLost):
                self._job_ids.discard(event.job_id)
        self._events.send(event)


@dataclass
class _Deaths:
    """Of the device at one place, in a row."""

    count: int = 0
    last_s: float = 0.0

    def wait_s(self) -> float:
        return 0.0 if self.count <= 1 else float(min(MAX_RETRY_S, 2.0 ** (self.count - 2)))


@dataclass
class Roster:
    """All slots. `update` and `assign` are called by one thread each."""

    start_slot: Callable[[DevicePlace, Callable[[], None]], DeviceSlot]
    events: EventReceiver
    stall_s: float
    clock: Callable[[], float] = time.monotonic
    _slots: dict[tuple[str, int], DeviceSlot] = field(default_factory=dict)
    _deaths: dict[tuple[str, int], _Deaths] = field(default_factory=dict)
    _sent: tuple[DeviceStatus, ...] | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _num_changes: int = 0

    def update(self, wanted: Sequence[DevicePlace]) -> None:
        """Start devices that have come, end those that have left or died, and tell the server of what has changed."""
        now_s = self.clock()
        by_key = {place.key: place for place in wanted}
        for key, slot in list(self._slots.items()):
            slot.abandon_if_stuck(now_s, self.stall_s + LOCAL_PATIENCE_S)
            has_left = key not in by_key
            if has_left:
                _log.warning("%s has left the cluster", slot.device.name)
                self._deaths.pop(key, None)
            elif slot.state == GONE:
                self._record_death(key, now_s)
            if has_left or slot.state == GONE or self._is_to_be_tried_again(slot, now_s):
                slot.leave()
                del self._slots[key]
        for key, place in by_key.items():
            deaths = self._deaths.get(key, _Deaths())
            if key not in self._slots and now_s - deaths.last_s >= deaths.wait_s():
                self._slots[key] = self.start_slot(place, self.notice)
        self._send(by_key)

    def _is_to_be_tried_again(self, slot: DeviceSlot, now_s: float) -> bool:
        """A person may have mended what was wrong there."""
        return slot.state == REFUSED and now_s - slot.changed_s > RETRY_REFUSED_S

    def _record_death(self, key: tuple[str, int], now_s: float) -> None:
        deaths = self._deaths.setdefault(key, _Deaths())
        if now_s - deaths.last_s > 10 * MAX_RETRY_S:
            deaths.count = 0
        deaths.count, deaths.last_s = deaths.count + 1, now_s

    def _send(self, places: Mapping[tuple[str, int], DevicePlace]) -> None:
        devices = tuple(
            slot.status
            for key, slot in sorted(self._slots.items(), key=lambda item: item[1].device.name)
            if slot.state != GONE
        )
        if devices != self._sent:
            self._sent = devices
            self.events.send(DevicesChanged(devices=devices))

    @property
    def num_devices(self) -> int:
        return len(self._slots)

    def notice(self) -> None:
        """Something has changed in a slot."""
        with self._changed:
            self._num_changes += 1
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until something changes in a slot, or so long."""
        with self._changed:
            self._changed.wait(seconds)

    def assign(self, command: RenderCommand | LoadCommand) -> None:
        """Give jobs to a free device, best to one that has their model; they go back to the queue where none is left."""
        if isinstance(command, LoadCommand):
            for slot in self._free_slots():
                slot.give(command)
            return
        give_up_s = self.clock() + FREE_SLOT_PATIENCE_S
        model = _model_of(command)
        while True:
            free = sorted(self._free_slots(), key=lambda slot: slot.device.model != model)
            if free:
                free[0].give(command)
                return
            if self.clock() >= give_up_s:
                break
            self.wait(0.2)
        for task in command.jobs:
            self.events.send(
                JobLost(job_id=task.job_id, reason="no device is free any more", outcome=REQUEUED)
            )

    def _free_slots(self) -> list[DeviceSlot]:
        return [slot for slot in list(self._slots.values()) if slot.is_free and not slot.device.is_lost]

    def close(self, timeout_s: float) -> None:
        """End all threads; those that do not end in time end with the process."""
        give_up_s = self.clock() + timeout_s
        slots = list(self._slots.values())
        for slot in slots:
            slot.leave()
        for slot in slots:
            slot.thread.join(max(0.0, give_up_s - self.clock()))


def _model_of(command: RenderCommand) -> str:

    try:
        return parse_job(msgspec.msgpack.decode(command.jobs[0].request)).model
    except SelvaError:
        return ""
