"""The roster of devices: who gets jobs, and what becomes of them when devices come and go. No Ray, and a clock of the test's."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec
import pytest

from selva_daemon.protocol.worker_link import (
    DevicesChanged,
    JobLost,
    LoadCommand,
    RenderCommand,
    RenderTask,
    WorkerEvent,
)
from selva_daemon.worker.cluster import slots
from selva_daemon.worker.cluster.placement import DevicePlace
from selva_daemon.worker.cluster.remote_device import DeviceRefusedError, RemoteDevice
from selva_daemon.worker.cluster.slots import DeviceSlot, Roster
from selva_daemon.worker.device_lost import CRASHED, REQUEUED, DeviceLostError
from selva_daemon.worker.rendering import JobRenderer
from selva_daemon.worker.server_link import Commands, EventLogHandler
from tests.support.daemons import JobMaker, wait_until


class Heard:
    def __init__(self) -> None:
        self.events: list[WorkerEvent] = []

    def send(self, event: WorkerEvent) -> None:
        self.events.append(event)

    @property
    def devices(self) -> list[tuple[str, str]]:
        changes = [event for event in self.events if isinstance(event, DevicesChanged)]
        return [(device.name, device.problem or device.state) for device in changes[-1].devices]

    @property
    def lost(self) -> list[tuple[str, str]]:
        return [(event.job_id, event.outcome) for event in self.events if isinstance(event, JobLost)]


class Device:
    """Stands for RemoteDevice: starts as the test says."""

    def __init__(self, place: DevicePlace, error: Exception | None) -> None:
        self.name, self.model, self.is_lost, self.moved_s = place.name, None, False, 0.0
        self.place = place
        self.may_start = threading.Event()
        self.may_start.set()
        self._error = error

    def start(self) -> None:
        self.may_start.wait(30)
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        self.is_lost = True

    def touch(self) -> None: ...


class Renderer:
    """Stands for JobRenderer: each job blocks until the test says how it ends."""

    def __init__(self) -> None:
        self.loaded: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.ends: queue.SimpleQueue[Exception] = queue.SimpleQueue()

    def load(self, model_id: str) -> None:
        self.loaded.put(model_id)

    def prepare(self, context: object) -> None:
        raise self.ends.get(timeout=30)

    def render(self, jobs: Sequence[object]) -> list[object]:
        return []


class Stage:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.heard = Heard()
        self.errors: dict[str, Exception] = {}
        self.waits_for = ""
        self.slots: list[DeviceSlot] = []
        self.renderers: list[Renderer] = []
        self.roster = Roster(
            start_slot=self._start, events=self.heard, stall_s=900.0, clock=lambda: self.now_s
        )

    def _start(self, place: DevicePlace, on_change: Callable[[], None]) -> DeviceSlot:
        self.renderers.append(renderer := Renderer())
        commands = type("NoCancels", (), {"is_cancelled": lambda _, j: False, "forget": lambda _, j: None})()
        device = Device(place, self.errors.get(place.name))
        if place.name == self.waits_for:
            device.may_start.clear()
        slot = DeviceSlot(
            cast(RemoteDevice, device),
            build_renderer=lambda _: cast(JobRenderer, renderer),
            commands=cast(Commands, commands),
            events=self.heard,
            log_handler=EventLogHandler(self.heard),
            on_change=on_change,
            clock=lambda: self.now_s,
        )
        slot.thread.start()
        self.slots.append(slot)
        return slot

    def update(self, *names: str) -> None:
        self.roster.update([place(name) for name in names])

    def start(self, *names: str) -> None:
        self.update(*names)
        living = [slot for slot in self.slots if not slot.device.is_lost]
        wait_until(lambda: all(slot.is_free for slot in living), "the devices")
        self.update(*names)


def place(name: str) -> DevicePlace:
    return DevicePlace(node_id=name, index=0, name=name, num_gpus=0, num_cpus=1, resources={}, num_threads=1)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    logging.getLogger("selva_daemon").setLevel(logging.CRITICAL)
    yield made
    for renderer in made.renderers:
        renderer.ends.put(DeviceLostError("the test ends"))
    made.roster.close(5.0)
    for slot in made.slots:
        slot.leave()
        slot.thread.join(5.0)
    logging.getLogger("selva_daemon").setLevel(logging.NOTSET)


@pytest.fixture
def command(make_job: JobMaker) -> RenderCommand:
    packed = msgspec.msgpack.encode(make_job().to_wire())
    return RenderCommand(jobs=(RenderTask(job_id="j1", request=msgspec.Raw(packed)),))


def test_a_device_that_has_started_is_ready_and_one_that_leaves_is_gone(stage: Stage) -> None:
    stage.start("a", "b")
    assert stage.heard.devices == [("a", "ready"), ("b", "ready")]
    stage.update("b")
    assert stage.heard.devices == [("b", "ready")]
    assert stage.slots[0].device.is_lost


def test_nothing_is_sent_while_nothing_changes(stage: Stage) -> None:
    stage.start("a")
    num_sent = len(stage.heard.events)
    stage.update("a")
    assert len(stage.heard.events) == num_sent


def test_a_refused_device_says_why_and_is_tried_again_after_a_while(stage: Stage) -> None:
    stage.errors["a"] = DeviceRefusedError("Ray 2.1 there and Ray 2.60 here")
    stage.update("a")
    wait_until(lambda: stage.slots[0].state == slots.REFUSED, "the refusal")
    stage.update("a")
    assert stage.heard.devices == [("a", "Ray 2.1 there and Ray 2.60 here")]
    assert len(stage.slots) == 1
    stage.errors.clear()
    stage.now_s += slots.RETRY_REFUSED_S + 1
    stage.start("a")
    assert stage.heard.devices == [("a", "ready")]


def test_a_device_whose_place_others_hold_says_so_while_it_waits_and_when_it_gives_up(stage: Stage) -> None:
    stage.waits_for, stage.errors["a"] = "a", TimeoutError()
    stage.update("a", "b")
    wait_until(lambda: stage.slots[1].is_free, "the other device")
    stage.update("a", "b")
    assert stage.heard.devices == [("a", "starting"), ("b", "ready")]
    stage.now_s += 25.0
    stage.update("a", "b")
    [(_, waits), (_, state)] = stage.heard.devices
    assert state == "ready"
    assert "still starting: other programs on the cluster may hold what it needs (1 CPU;" in waits
    cast(Device, stage.slots[0].device).may_start.set()
    wait_until(lambda: stage.slots[0].state == "refused", "the refusal")
    stage.update("a", "b")
    assert "did not start within 180 s: other programs" in dict(stage.heard.devices)["a"]


def test_a_job_goes_to_the_device_that_has_its_model(stage: Stage, command: RenderCommand) -> None:
    stage.start("a", "b")
    stage.slots[1].device.model = "selva-echo"
    stage.roster.assign(command)
    assert [slot.is_free for slot in stage.slots] == [True, False]


def test_a_model_is_loaded_in_advance_on_every_free_device(stage: Stage) -> None:
    stage.start("a", "b")
    stage.roster.assign(LoadCommand(model="selva-nano"))
    assert [renderer.loaded.get(timeout=30) for renderer in stage.renderers] == ["selva-nano"] * 2


def test_a_job_without_a_free_device_goes_back_to_the_queue(
    stage: Stage, command: RenderCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "FREE_SLOT_PATIENCE_S", 0.0)
    stage.update()
    stage.roster.assign(command)
    assert stage.heard.lost == [("j1", REQUEUED)]


def test_the_job_of_a_lost_device_is_lost_and_the_device_starts_anew(
    stage: Stage, command: RenderCommand
) -> None:
    stage.start("a")
    stage.roster.assign(command)
    stage.slots[0].device.end()
    stage.renderers[0].ends.put(DeviceLostError("a: its node is gone"))
    wait_until(lambda: stage.slots[0].state == slots.GONE, "the end of the slot")
    assert stage.heard.lost == [("j1", "lost")]
    stage.start("a")
    assert len(stage.slots) == 2
    assert stage.heard.devices == [("a", "ready")]


def test_a_device_that_dies_again_and_again_is_started_more_and_more_seldom(stage: Stage) -> None:
    for expected_wait_s in (0.0, 1.0, 2.0, 4.0):
        stage.start("a")
        num_slots = len(stage.slots)
        stage.slots[-1].leave()
        wait_until(lambda: stage.slots[-1].state == slots.GONE, "its end")
        stage.update("a")
        if expected_wait_s:
            stage.now_s += expected_wait_s - 0.1
            stage.update("a")
            assert len(stage.slots) == num_slots
            stage.now_s += 0.2
            stage.update("a")
        assert len(stage.slots) == num_slots + 1


def test_a_job_that_hangs_in_the_reading_of_its_media_is_given_up_alone(
    stage: Stage, command: RenderCommand
) -> None:
    stage.start("a", "b")
    stage.slots[0].device.model = "selva-echo"
    stage.roster.assign(command)
    stage.now_s += 900 + slots.LOCAL_PATIENCE_S - 1
    stage.slots[0].device.moved_s = 1000.0
    stage.update("a", "b")
    assert stage.heard.lost == []
    stage.now_s += 2
    stage.update("a", "b")
    assert stage.heard.lost == [("j1", CRASHED)]
    assert stage.slots[1].is_free
