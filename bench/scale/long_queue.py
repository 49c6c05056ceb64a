"""How long the daemon takes over a long queue: to start, list, move, cancel, and to answer others while rows are written.

    PYTHONPATH=.:bench python bench/scale/long_queue.py [--jobs 100000]

One job is submitted, its row copied in the database of a stopped daemon, and a daemon is started on it, paused. Prints one JSON
object; times are milliseconds by the clock, each measured once, as a client sees them: connection and encryption included.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import psutil
from daemon_bench import describe_machine, isolated_paths, stop_daemon
from daemon_roundtrip import job

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.client.launch import start_daemon
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.status import QUEUED

COLUMNS = "client, session, label, model, num_stems, priority, state, request, submitted_s"
SOME = 100

Result = TypeVar("Result")


def fill(paths: AppPaths, num_jobs: int) -> None:
    (file,) = paths.state.glob("queue*.sqlite3")
    with closing(sqlite3.connect(file)) as database, database:
        database.executemany(
            f"INSERT INTO jobs (job_id, request_id, {COLUMNS}) SELECT ?, ?, {COLUMNS} FROM jobs LIMIT 1",  # noqa: S608
            ((f"{index:016x}", f"copy {index}") for index in range(1, num_jobs)),
        )


def time_requests(client: Client) -> dict[str, float]:
    """Milliseconds of each request, in the order they are made."""
    times_ms: dict[str, float] = {}

    def timed(name: str, request: Callable[[], Result]) -> Result:
        begun_s = time.perf_counter()
        result = request()
        times_ms[name] = round((time.perf_counter() - begun_s) * 1000, 1)
        return result

    listed = timed(f"list the newest {SOME}", lambda: client.jobs(states=(QUEUED,), limit=SOME))
    ids = [status.job_id for status in listed]
    timed(f"move {SOME} to the front", lambda: client.move(*ids, to="first"))
    timed("status of one", lambda: client.job(ids[-1]))
    timed(f"cancel {SOME}", lambda: client.cancel(*ids))
    timed("cancel all", client.cancel_all)
    slowest_ms, begun_s = 0.0, time.perf_counter()
    while time.perf_counter() - begun_s < 20:
        sent_s = time.perf_counter()
        client.status()
        slowest_ms = max(slowest_ms, (time.perf_counter() - sent_s) * 1000)
    times_ms["slowest answer in the 20 s after it"] = round(slowest_ms, 1)
    return times_ms


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=100_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        paths = isolated_paths(Path(name))
        paths.config.mkdir(parents=True)
        (paths.config / "selva.toml").write_text(f"max_queued_jobs = {options.jobs + 10}\n")
        try:
            start_daemon(paths)
            with Client.connect(paths=paths) as client:
                client.pause()
                client.submit(job(Path(name)))
            stop_daemon(paths)
            fill(paths, options.jobs)
            begun_s = time.perf_counter()
            start_daemon(paths)
            start_ms = round((time.perf_counter() - begun_s) * 1000, 1)
            with Client.connect(paths=paths, timeout_s=60) as client:
                server = psutil.Process(read_connection(paths.connection_file).pid)
                waiting_mb = server.memory_info().rss / 2**20
                times_ms = {"start": start_ms, **time_requests(client)}
                ended_mb = server.memory_info().rss / 2**20
        finally:
            stop_daemon(paths)
    memory = {"waiting": round(waiting_mb), "after cancelling": round(ended_mb)}
    print(json.dumps({"jobs": options.jobs, "ms": times_ms, "server_mb": memory, **describe_machine()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
