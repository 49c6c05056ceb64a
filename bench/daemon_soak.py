"""Many small jobs with random cancels, kills, missing media and malformed messages: none may be lost, doubled or misreported.

    python bench/daemon_soak.py [--jobs 10000] [--clients 4] [--kills 20] [--together 4] [--seed 1]

Starts a daemon of its own in a temporary folder and prints one JSON object; the exit status is 1 when a job was
lost, doubled or reported in a false state. Memory is that of the server process, in MiB. `--together` is how many
jobs the engine takes in one batch, as one on a GPU does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import psutil
import soundfile
import zmq
from daemon_bench import describe_machine, isolated_paths, stop_daemon, write_clip

from selva_core.base.media import PictureRange
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.client.launch import start_daemon
from selva_daemon.protocol.connection import Connection, process_is_alive, read_connection
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_daemon.protocol.job import CueRequest, JobRequest, OutputRequest, TakeRequest
from selva_daemon.protocol.status import FINISHED_STATES

BAD_MEDIA_SHARE = 0.05
CANCEL_SHARE = 0.05
MALFORMED_SHARE = 0.2
SAMPLE_EVERY_S = 0.5
NUM_SAMPLES = 19_200


@dataclass
class Tally:
    """What the clients know: the jobs that the daemon accepted, those without a picture, those that were cancelled."""

    accepted: list[str] = field(default_factory=list)
    without_picture: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    malformed: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def build_job(folder: Path, *, seed: int, has_picture: bool) -> JobRequest:
    return JobRequest(
        label=f"soak {seed}",
        media=PictureRange(
            path=folder / ("clip.mp4" if has_picture else "gone.mp4"),
            start_s=Fraction(0),
            duration_s=Fraction(2, 5),
        ),
        model="selva-echo",
        output=OutputRequest(folder=folder / "stems", num_samples=NUM_SAMPLES),
        cues=(
            CueRequest(
                cue="c",
                track="Boots",
                prompt="boots",
                takes=(TakeRequest(take=1, seed=seed, name=f"soak_{seed}"),),
            ),
        ),
        priority="interactive" if seed % 3 else "batch",
    )


def send_malformed_message(connection: Connection, chance: random.Random) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.curve_serverkey = connection.server_key.encode()
    dealer.curve_publickey = connection.client.public.encode()
    dealer.curve_secretkey = connection.client.secret.encode()
    dealer.connect(connection.jobs)
    dealer.send_multipart([chance.randbytes(chance.randrange(0, 300)) for _ in range(chance.randrange(1, 4))])
    context.destroy(linger=2_000)


def submit_jobs(paths: AppPaths, folder: Path, tally: Tally, seeds: range, chance: random.Random) -> None:
    """One client: submits its jobs and now and then cancels one, or sends a malformed message."""
    try:
        with Client.connect(paths=paths, timeout_s=120) as client:
            for seed in seeds:
                has_picture = chance.random() >= BAD_MEDIA_SHARE
                job_id = client.submit(build_job(folder, seed=seed, has_picture=has_picture)).job_id
                with tally.lock:
                    tally.accepted.append(job_id)
                    if not has_picture:
                        tally.without_picture.add(job_id)
                if chance.random() < CANCEL_SHARE:
                    victim = chance.choice(tally.accepted)
                    tally.cancelled.add(victim)
                    client.cancel(victim)
                if chance.random() < MALFORMED_SHARE:
                    tally.malformed += 1
                    try:
                        send_malformed_message(read_connection(paths.connection_file), chance)
                    except DaemonUnavailableError:
                        continue  # between two daemons
    except Exception as exc:
        tally.faults.append(f"a client failed: {exc!r}")


def kill_something(paths: AppPaths, chance: random.Random) -> str:
    try:
        server = psutil.Process(read_connection(paths.connection_file).pid)
        victims = chance.choice([[server], server.children()])
        for victim in victims:
            victim.kill()
            while process_is_alive(victim.pid):
                time.sleep(0.01)
    except (DaemonUnavailableError, psutil.Error):
        return "nothing"
    start_daemon(paths)
    return "server" if server in victims else "worker"


def check_jobs(paths: AppPaths, tally: Tally) -> Counter[str]:
    """Compare what the daemon reports with what was submitted and with the files; faults go to the tally."""
    states: Counter[str] = Counter()
    with Client.connect(paths=paths, timeout_s=120) as client:
        if len(set(tally.accepted)) != len(tally.accepted):
            tally.faults.append("two submissions were given the same job")
        total = sum(client.status().queue.values())
        if total != len(tally.accepted):
            tally.faults.append(f"{len(tally.accepted)} jobs were accepted, the daemon has {total}")
        for job_id in tally.accepted:
            status = client.job(job_id)
            states[status.state] += 1
            code = "" if status.error is None else status.error.code
            is_true = {
                "done": job_id not in tally.without_picture
                and all(soundfile.info(stem.file).frames == NUM_SAMPLES for stem in status.stems)
                and len(status.stems) == 1,
                "cancelled": job_id in tally.cancelled,
                "failed": code == ("media-not-found" if job_id in tally.without_picture else "worker-died"),
            }.get(status.state, False)
            if not is_true:
                tally.faults.append(f"job {job_id} is {status.state} {code}")
    return states


def soak(paths: AppPaths, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    chance = random.Random(arguments.seed)  # noqa: S311 - moments, not secrets
    tally, killed, memory_mib = Tally(), Counter[str](), list[float]()
    begun_s = time.monotonic()
    start_daemon(paths)
    clients = []
    for first in range(arguments.clients):
        seeds = range(first, arguments.jobs, arguments.clients)
        own_chance = random.Random(first)  # noqa: S311 - variety, not secrets
        clients.append(threading.Thread(target=submit_jobs, args=(paths, folder, tally, seeds, own_chance)))
    for thread in clients:
        thread.start()
    next_kill = arguments.jobs / (arguments.kills + 1)
    while True:
        finished = count_finished(paths)
        memory_mib += server_memory_mib(paths)
        if finished >= next_kill and sum(killed.values()) < arguments.kills:
            killed[kill_something(paths, chance)] += 1
            next_kill += arguments.jobs / (arguments.kills + 1)
        if finished >= arguments.jobs or (tally.faults and not any(thread.is_alive() for thread in clients)):
            break
        time.sleep(SAMPLE_EVERY_S)
    for thread in clients:
        thread.join()
    took_s = time.monotonic() - begun_s
    states = check_jobs(paths, tally)
    leftovers = [path.name for path in (folder / "stems").iterdir() if path.suffix != ".wav"]
    third = max(1, len(memory_mib) // 3)
    return {
        "jobs": len(tally.accepted),
        "states": dict(states),
        "kills": dict(killed),
        "malformed_messages": tally.malformed,
        "faults": tally.faults[:20] + [f"left behind: {name}" for name in leftovers[:20]],
        "seconds": round(took_s, 1),
        "jobs_per_second": round(len(tally.accepted) / took_s, 2),
        "server_memory_mib": {
            "first_third_max": round(max(memory_mib[:third], default=0.0), 1),
            "last_third_max": round(max(memory_mib[-third:], default=0.0), 1),
        },
    }


def count_finished(paths: AppPaths) -> int:
    try:
        with Client.connect(paths=paths, timeout_s=120) as client:
            queue = client.status().queue
    except DaemonUnavailableError:
        return 0
    return sum(queue[state] for state in FINISHED_STATES)


def server_memory_mib(paths: AppPaths) -> list[float]:
    try:
        return [psutil.Process(read_connection(paths.connection_file).pid).memory_info().rss / (1 << 20)]
    except (DaemonUnavailableError, psutil.Error):
        return []


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--together", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_clip(folder / "clip.mp4")
        os.environ["SELVA_MAX_FINISHED_JOBS"] = str(2 * arguments.jobs)
        os.environ["SELVA_MAX_QUEUED_JOBS"] = str(2 * arguments.jobs)
        os.environ["SELVA_ECHO_PICTURES_TOGETHER"] = str(arguments.together)
        paths = isolated_paths(folder)
        try:
            figures = soak(paths, folder, arguments)
        finally:
            stop_daemon(paths)
    print(json.dumps({**figures, **describe_machine()}, indent=1))
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
