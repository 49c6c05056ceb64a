"""How long the daemon takes to answer: requests that do nothing, submissions that reach the disk, events to many.

    python bench/daemon_roundtrip.py [--requests 2000] [--subscribers 50]

Starts a daemon of its own in a temporary folder, prints one JSON object, and stops the daemon. Times are milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import zmq
from daemon_bench import describe_machine, isolated_paths, stop_daemon

from selva_core.base.media import PictureRange
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client, run_steps
from selva_daemon.client.launch import start_daemon
from selva_daemon.client.transport import ClientTransport
from selva_daemon.protocol import requests
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.job import CueRequest, JobRequest, OutputRequest, TakeRequest


def time_action(action: Callable[[], object], count: int) -> dict[str, float]:
    """Milliseconds per action: median, least, and the 99th percentile."""
    times_ms = []
    for _ in range(count):
        begun_s = time.perf_counter()
        action()
        times_ms.append((time.perf_counter() - begun_s) * 1000)
    times_ms.sort()
    return {
        "median": round(statistics.median(times_ms), 3),
        "min": round(times_ms[0], 3),
        "p99": round(times_ms[int(len(times_ms) * 0.99)], 3),
    }


def job(folder: Path) -> JobRequest:
    return JobRequest(
        label="bench",
        media=PictureRange(path=folder / "none.mov", start_s=Fraction(0), duration_s=Fraction(8)),
        model="selva-echo",
        output=OutputRequest(folder=folder / "stems", num_samples=384_000),
        cues=(
            CueRequest(
                cue="c", track="Boots", prompt="boots", takes=(TakeRequest(take=1, seed=1, name="boots"),)
            ),
        ),
    )


def time_events(paths: AppPaths, client: Client, num_subscribers: int, rounds: int) -> dict[str, float]:
    """From sending `pause` until the last of the subscribers has its event."""
    connection = read_connection(paths.connection_file)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    subscribers = []
    for _ in range(num_subscribers):
        socket = context.socket(zmq.SUB)
        socket.curve_serverkey = connection.server_key.encode()
        socket.curve_publickey = connection.client.public.encode()
        socket.curve_secretkey = connection.client.secret.encode()
        socket.subscribe(b"daemon")
        socket.connect(connection.events)
        subscribers.append(socket)
    time.sleep(2.0)  # until every subscription has arrived

    def pause_and_receive() -> None:
        client.pause()
        for socket in subscribers:
            socket.recv_multipart()

    try:
        return time_action(pause_and_receive, rounds)
    finally:
        context.destroy(linger=0)


def measure(paths: AppPaths, folder: Path, *, num_requests: int, num_subscribers: int) -> dict[str, object]:
    transport = ClientTransport(paths.connection_file)
    try:
        run_steps(transport.open(timeout_s=10))
        no_op = time_action(
            lambda: run_steps(transport.exchange(requests.hello("jobs"), timeout_s=10)), num_requests
        )
    finally:
        transport.close()
    with Client.connect(paths=paths) as client:
        client.pause()
        return {
            "no_op_ms": no_op,
            "status_ms": time_action(client.status, num_requests // 10),
            "submit_ms": time_action(lambda: client.submit(job(folder)), num_requests // 10),
            f"event_to_{num_subscribers}_subscribers_ms": time_events(paths, client, num_subscribers, 50),
        }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--subscribers", type=int, default=50)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = isolated_paths(folder)
        start_daemon(paths)
        try:
            figures = measure(
                paths, folder, num_requests=arguments.requests, num_subscribers=arguments.subscribers
            )
        finally:
            stop_daemon(paths)
    print(json.dumps({**figures, **describe_machine()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
