"""The server's loop."""

from __future__ import annotations

import statistics

import pytest
import zmq

from selva_daemon.server.server import Server
from tests.support.daemons import StartServer, wait_until


def test_an_idle_server_sleeps_until_its_next_tick(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks the system to wake it for a message or at its next tick, and never looks again without waiting."""
    timeouts_ms: list[int] = []
    quiet: list[bool] = []

    class RecordingPoller(zmq.Poller):
        def poll(self, timeout: int | None = None) -> list[tuple[object, int]]:
            ready = super().poll(timeout)
            timeouts_ms.append(int(timeout or 0))
            quiet.append(not ready)
            return ready

    monkeypatch.setattr("selva_daemon.server.server.zmq.Poller", RecordingPoller)
    server: Server = start_server()
    wait_until(lambda: server._dispatcher.workers[0].can_take_job, "the worker to be idle")
    first = len(timeouts_ms)
    wait_until(lambda: sum(quiet[first:]) >= 8, "the server to have slept eight times")
    waits_ms = [
        timeout_ms for timeout_ms, slept in zip(timeouts_ms[first:], quiet[first:], strict=False) if slept
    ]
    assert statistics.median(waits_ms) > 0  # a message just before a tick may leave no time to sleep
