"""How far a Ray cluster carries: throughput with real actors, and the load of up to 1,000 devices on the real server.

    python bench/ray_scale.py measured --actors 1 2 4      # nodes on this machine; the engine waits, so two cores suffice
    python bench/ray_scale.py simulated --devices 10 100 1000 --seconds 8

Prints one JSON object. "measured" needs the extra `ray`. A job of "simulated" takes so many seconds and reports as it would;
what is real is the server: sockets, queue on disk, scheduling, events to a client that follows all jobs, status requests.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
from run_info import describe_run

from selva_core.base.media import PictureRange
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.job import CueRequest, JobRequest, OutputRequest, TakeRequest
from selva_daemon.protocol.status import DONE, RUNNING
from selva_daemon.server.server import Server
from selva_daemon.settings import DaemonSettings

JOB_STEPS, STEP_S = 20, 0.1
JOBS_PER_ACTOR = 6
ROUNDS = 3
"""Jobs for each simulated device."""


def main(argv: Sequence[str] | None = None) -> int:
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:])
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    measured = kinds.add_parser("measured")
    measured.add_argument("--actors", type=int, nargs="+", default=[1, 2, 4])
    simulated = kinds.add_parser("simulated")
    simulated.add_argument("--devices", type=int, nargs="+", default=[10, 100, 1000])
    simulated.add_argument("--seconds", type=float, default=8.0, help="of a job on its device")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="selva-scale-") as name:
        folder = Path(name)
        if arguments.kind == "measured":
            found = list(measure_actors(arguments.actors, folder))
        else:
            found = [
                simulate(count, seconds=arguments.seconds, folder=folder / str(count))
                for count in arguments.devices
            ]
    sys.stdout.write(json.dumps({"run": describe_run(), arguments.kind: found}, indent=1) + "\n")
    return 0


def build_job(clip: Path, folder: Path, seed: int, *, num_steps: int = JOB_STEPS) -> JobRequest:
    take = TakeRequest(take=1, seed=seed, name=f"stem_{seed}")
    return JobRequest(
        label=f"shot {seed}",
        media=PictureRange(path=clip, start_s=Fraction(0), duration_s=Fraction(2, 5)),
        model="selva-echo",
        num_steps=num_steps,
        output=OutputRequest(folder=folder, num_samples=19_200),
        cues=(CueRequest(cue="1", track="Dog", prompt="dog", takes=(take,)),),
    )


@contextmanager
def serving(folder: Path, settings: Mapping[str, object], program: Sequence[str] = ()) -> Iterator[Client]:
    """A client of a server in a process of its own."""
    arguments = [str(folder), json.dumps(settings), *program]
    with subprocess.Popen([sys.executable, __file__, "serve", *arguments]) as process:
        paths = paths_in(folder)
        while not paths.own_connection_file.exists():
            assert process.poll() is None
            time.sleep(0.05)
        with Client.connect(paths=paths) as client:
            yield client
            client.shutdown()


def paths_in(folder: Path) -> AppPaths:
    return AppPaths(state=folder / "state", cache=folder / "cache", config=folder / "config")


def serve(folder: Path, settings: Mapping[str, Any], program: Sequence[str]) -> None:
    """program: of the worker; none for the real one."""
    server = Server(paths_in(folder), DaemonSettings(**settings), worker_program=program or None)
    try:
        server.open()
        server.run()
    finally:
        server.close()


# -- real actors -----------------------------------------------------------------------------------------------


def measure_actors(counts: Sequence[int], folder: Path) -> Iterator[dict[str, Any]]:
    """Jobs a second of an engine that waits, for each number of actors."""
    os.environ |= {
        "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0",
        "SELVA_ECHO_STEP_DELAY_S": str(STEP_S), "SELVA_CACHE_DIR": str(folder / "node"),
    }  # fmt: skip
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - the simulation needs no Ray

    clip = write_clip(folder / "clip.mp4")
    for count in counts:
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": count, "num_gpus": 0, "resources": {"selva": count}, "include_dashboard": False,
                "object_store_memory": 200 << 20,
            },
        )  # fmt: skip
        settings = {"executor": cluster.address, "drain_timeout_s": 1.0, "stem_cache_bytes": 0}
        with serving(folder / f"{count}", settings) as client:
            wait_for_devices(client, count)
            ids = [client.submit(build_job(clip, folder / "warm", seed)).job_id for seed in range(count)]
            finish(client, ids)
            begun_s = time.monotonic()
            seeds = range(100, 100 + JOBS_PER_ACTOR * count)
            finish(
                client,
                [client.submit(build_job(clip, folder / f"out{count}", seed)).job_id for seed in seeds],
            )
            took_s = time.monotonic() - begun_s
        cluster.shutdown()
        ideal_per_s = count / (JOB_STEPS * STEP_S)
        yield {
            "actors": count,
            "jobs": len(seeds),
            "seconds": round(took_s, 2),
            "jobs_per_s": round(len(seeds) / took_s, 3),
            "share_of_ideal": round(len(seeds) / took_s / ideal_per_s, 3),
        }


def write_clip(path: Path) -> Path:
    import av  # noqa: PLC0415 - the simulation needs no media
    import numpy as np  # noqa: PLC0415

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(10):
            picture = np.full((48, 64, 3), 240 if index % 5 == 2 else 10, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def wait_for_devices(client: Client, count: int) -> None:
    while sum(len(process.devices or ()) for process in client.status().processes) < count or not all(
        device.is_usable for process in client.status().processes for device in process.devices or ()
    ):
        time.sleep(0.2)


def finish(client: Client, job_ids: Sequence[str]) -> None:
    for job_id in job_ids:
        assert client.wait(job_id).state == DONE


# -- simulated devices ------------------------------------------------------------------------------------------


def simulate(count: int, *, seconds: float, folder: Path) -> dict[str, Any]:
    """Run ROUNDS jobs for each device on the real server; another client follows all of them, a third asks for the status."""
    program = [sys.executable, str(Path(__file__).parent / "scale" / "simulated_devices.py")]
    program += [f"--devices={count}", f"--seconds={seconds}"]
    settings = {"max_queued_jobs": 100_000, "drain_timeout_s": 1.0}
    num_jobs = ROUNDS * count
    with serving(folder, settings, program) as client:
        wait_for_devices(client, count)
        client.pause()
        begun_s = time.monotonic()
        ids = [
            client.submit(build_job(Path(__file__), folder / "out", seed)).job_id for seed in range(num_jobs)
        ]
        submitted_s = time.monotonic() - begun_s
        followed: list[float] = []
        watcher = threading.Thread(target=follow, args=(folder, ids, followed))
        watcher.start()
        time.sleep(1.0)
        process = psutil.Process(client.status().processes[0].pid)
        used_s, begun_s = sum(process.cpu_times()[:2]), time.monotonic()
        client.resume()
        full_s, replies_s = ask_until_done(client, num_jobs, num_devices=count)
        took_s = time.monotonic() - begun_s
        used_s = sum(process.cpu_times()[:2]) - used_s
        watcher.join(30)
    return {
        "devices": count,
        "jobs": num_jobs,
        "submitted_per_s": round(num_jobs / submitted_s),
        "all_busy_after_s": None if full_s is None else round(full_s, 2),
        "seconds": round(took_s, 2),
        "ideal_s": ROUNDS * seconds,
        "share_of_ideal": round(ROUNDS * seconds / took_s, 3),
        "server_cpu_share": round(used_s / took_s, 2),
        "events_per_s": round(len(followed) / took_s),
        "status_reply_ms": {
            "median": round(1000 * statistics.median(replies_s), 1),
            "max": round(1000 * max(replies_s), 1),
        },
    }


def ask_until_done(client: Client, num_jobs: int, *, num_devices: int) -> tuple[float | None, list[float]]:
    """Seconds until every device had a job (None where that was never seen), and those that each status took."""
    begun_s = time.monotonic()
    replies_s: list[float] = []
    full_s = None
    while (queue := client.status().queue)[DONE] < num_jobs:
        sent_s = time.monotonic()
        client.status()
        replies_s.append(time.monotonic() - sent_s)
        if full_s is None and queue[RUNNING] >= num_devices:
            full_s = time.monotonic() - begun_s
        time.sleep(0.1)
    return full_s, replies_s


def follow(folder: Path, job_ids: Sequence[str], heard_s: list[float]) -> None:
    """A client that is sent every event."""
    with Client.connect(paths=paths_in(folder)) as client:
        heard_s.extend(time.monotonic() for _ in client.watch(job_ids))


if __name__ == "__main__":
    sys.exit(main())
