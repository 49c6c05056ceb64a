"""A worker of many devices that render nothing, for bench/ray_scale.py: it speaks the worker link as that of a Ray cluster does.

--devices N --seconds S     each job takes S seconds, and reports as often as with so many devices
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import os
import queue
import threading
import time
from contextlib import suppress
from typing import IO, TypeAlias

from selva_daemon.protocol.status import DeviceStatus
from selva_daemon.protocol.worker_link import (
    Command,
    DevicesChanged,
    Heartbeat,
    JobDone,
    JobProgressed,
    ModelLoaded,
    RenderCommand,
    StopCommand,
    WorkerEvent,
    WorkerReady,
    parse_command,
    read_packed,
    take_over_standard_streams,
    write_message,
)
from selva_daemon.worker.cluster.remote_device import MAX_NEWS_PER_S, POLL_S

Due: TypeAlias = "tuple[float, int, str, int]"
"""When, a number that keeps the order, the job, and how many reports it still makes."""


class SimulatedDevices:
    """seconds: of a job. num_reports: how often it reports meanwhile."""

    def __init__(self, events: IO[bytes], *, seconds: float, num_reports: int) -> None:
        self._events = events
        self._every_s = seconds / num_reports
        self._num_reports = num_reports
        self._due: list[Due] = []
        self._numbers = itertools.count()

    def send(self, event: WorkerEvent) -> None:
        write_message(self._events, event)

    def begin(self, job_id: str) -> None:
        self._plan(time.monotonic(), job_id, self._num_reports)

    def _plan(self, now_s: float, job_id: str, left: int) -> None:
        heapq.heappush(self._due, (now_s + self._every_s, next(self._numbers), job_id, left))

    def report(self) -> float:
        """Send what is due; returns how long nothing else is."""
        while self._due and self._due[0][0] <= time.monotonic():
            at_s, _, job_id, left = heapq.heappop(self._due)
            if left == 1:
                self.send(JobDone(job_id=job_id, stems=()))
                continue
            fraction = 1.0 - left / self._num_reports
            left_work = {"sampling": 1.0 - fraction}
            self.send(
                JobProgressed(
                    job_id=job_id,
                    stage="sampling",
                    fraction=fraction,
                    step=1,
                    num_steps=25,
                    work_left=left_work,
                )
            )
            self._plan(at_s, job_id, left - 1)
        return max(0.001, self._due[0][0] - time.monotonic()) if self._due else 0.2


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)  # the server gives --device too
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments, _ = parser.parse_known_args()
    commands, events = take_over_standard_streams()
    given: queue.SimpleQueue[Command | None] = queue.SimpleQueue()

    def read() -> None:
        while (packed := read_packed(commands)) is not None:
            given.put(parse_command(packed))
        given.put(None)

    threading.Thread(target=read, daemon=True).start()
    every_s = max(POLL_S, arguments.devices / MAX_NEWS_PER_S)
    num_reports = max(1, round(arguments.seconds / every_s))
    devices = SimulatedDevices(events, seconds=arguments.seconds, num_reports=num_reports)
    names = (f"node {number}" for number in range(arguments.devices))
    devices.send(DevicesChanged(devices=tuple(DeviceStatus(name=name, state="ready") for name in names)))
    devices.send(WorkerReady(pid=os.getpid()))
    devices.send(ModelLoaded(model="selva-echo", device_report="simulated", notices=(), max_batch_pictures=1))
    beaten_s = 0.0
    while True:
        with suppress(queue.Empty):
            command = given.get(timeout=min(0.2, devices.report()))
            if command is None or isinstance(command, StopCommand):
                return
            if isinstance(command, RenderCommand):
                for task in command.jobs:
                    devices.begin(task.job_id)
        if time.monotonic() - beaten_s > 1.0:
            beaten_s = time.monotonic()
            devices.send(Heartbeat())


if __name__ == "__main__":
    main()
