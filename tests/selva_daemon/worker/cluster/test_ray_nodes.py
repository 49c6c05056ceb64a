"""A daemon whose devices are nodes of a real Ray cluster, which join, are killed, and lose their head.

One cluster and one daemon for all tests, because a node takes seconds to start: the tests run in the order of this file, and
each says what it leaves.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.client.launch import start_daemon
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import CANCELLED, DONE, QUEUED, RUNNING, DeviceStatus, JobStatus
from tests.support.daemons import JobMaker, end_process_tree, wait_until
from tests.support.ray_nodes import PROGRAM, STEP_DELAY_S, RayNodes, ray_nodes

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra ray)"),
    pytest.mark.xdist_group("ray"),
]
CLIENT_PROGRAM = PROGRAM.with_name("ray_client.py")
CLIENT_SERVER_FAILED = "Starting Ray client server failed"
"""What Ray says when the process that serves one client does not come up in time."""
MOVIE = Path(__file__).resolve().parents[4] / "examples" / "yard.mp4"
LONG_STEPS = round(4.0 / STEP_DELAY_S)
"""Of a job that runs long enough for its node to be killed under it."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    """The head, with a device of its own."""
    with ray_nodes() as started:
        started.add("head")
        yield started


@pytest.fixture(scope="module")
def cluster_paths(tmp_path_factory: pytest.TempPathFactory, nodes: RayNodes) -> Iterator[AppPaths]:
    """Of a daemon that uses the nodes."""
    folder = tmp_path_factory.mktemp("cluster")
    paths = AppPaths(state=folder / "state", cache=folder / "cache", config=folder / "config")
    variables = {
        **nodes.environment,
        "SELVA_STATE_DIR": str(paths.state),
        "SELVA_CACHE_DIR": str(paths.cache),
        "SELVA_CONFIG_DIR": str(paths.config),
        "SELVA_EXECUTOR": nodes.address,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        pid = start_daemon(paths)
    yield paths
    end_process_tree(pid)


@pytest.fixture
def cluster(cluster_paths: AppPaths) -> Iterator[Client]:
    with Client.connect(paths=cluster_paths) as connected:
        yield connected


def devices(client: Client) -> Sequence[DeviceStatus]:
    return [device for process in client.status().processes for device in process.devices or ()]


def num_ready(client: Client) -> int:
    return sum(device.is_usable for device in devices(client))


def submit(client: Client, *requests: JobRequest) -> list[str]:
    return [client.submit(request).job_id for request in requests]


def wait_for(
    client: Client, job_ids: Sequence[str], condition: Callable[[JobStatus], bool], what: str
) -> None:
    wait_until(lambda: all(condition(client.job(job_id)) for job_id in job_ids), what)


def is_sampled(job: JobStatus) -> bool:
    return job.state == RUNNING and job.stage == "sampling"


def test_a_stem_from_a_node_has_the_bytes_of_one_made_here(
    cluster: Client, client: Client, make_job: JobMaker, tmp_path: Path
) -> None:
    wait_until(lambda: num_ready(cluster) == 1, "the head's device")
    there, here = (
        each.wait(each.submit(make_job(folder=tmp_path / name)).job_id, timeout_s=60)
        for name, each in (("there", cluster), ("here", client))
    )
    made = [Path(job.stems[0].file) for job in (there, here)]
    assert [job.state for job in (there, here)] == [DONE, DONE]
    assert made[0].name == made[1].name
    first, second = (hashlib.sha256(file.read_bytes()).hexdigest() for file in made)
    assert first == second


def test_a_ray_client_renders_hears_of_progress_and_cancels(nodes: RayNodes) -> None:
    """Where this machine does not belong to the cluster."""
    if importlib.util.find_spec("grpc") is None:
        pytest.skip("this Ray is installed without its client (extra ray)")
    address = ("127.0.0.1", nodes.client_port)
    try:
        socket.create_connection(address, timeout=10).close()
    except OSError as error:
        pytest.skip(f"no Ray Client server could be started on this machine: {error}")
    ended = subprocess.run(
        [sys.executable, str(CLIENT_PROGRAM), f"ray://{address[0]}:{address[1]}", str(MOVIE)],
        check=False,
        env={**os.environ, **nodes.environment},
        capture_output=True,
        text=True,
        timeout=200,
    )
    if CLIENT_SERVER_FAILED in ended.stderr:
        pytest.skip(f"Ray could not start the server of a client on this machine: {ended.stderr[-300:]}")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["lengths"] == [48_000]
    assert found["steps"] > 1, "progress is heard while the actor renders"
    assert found["cancelled"] == "RenderCancelled"


def test_a_cancelled_job_stops_on_its_node_and_the_device_goes_on(
    cluster: Client, make_job: JobMaker
) -> None:
    [job_id] = submit(cluster, make_job(seed=2, num_steps=1000))
    wait_for(cluster, [job_id], is_sampled, "the job to run on a node")
    cluster.cancel(job_id)
    wait_for(cluster, [job_id], lambda job: job.is_finished, "the cancel")
    assert cluster.job(job_id).state == CANCELLED
    assert num_ready(cluster) == 1


def test_a_node_that_joins_while_jobs_run_takes_one(
    cluster: Client, nodes: RayNodes, make_job: JobMaker
) -> None:
    """Leaves two devices."""
    long_jobs = submit(cluster, *(make_job(seed=seed, num_steps=1000) for seed in (5, 6)))
    wait_for(cluster, long_jobs[:1], is_sampled, "the first job to run")
    assert cluster.job(long_jobs[1]).state == QUEUED
    nodes.add("second")
    wait_for(cluster, long_jobs, is_sampled, "the second job to run on the new node")
    cluster.cancel(*long_jobs)
    wait_for(cluster, long_jobs, lambda job: job.is_finished, "the cancels")


def test_the_job_of_a_killed_node_is_done_by_another(
    cluster: Client, nodes: RayNodes, make_job: JobMaker
) -> None:
    """Leaves the head's device only."""
    if num_ready(cluster) < 2:  # run without the test before it
        nodes.add("second")
    wait_until(lambda: num_ready(cluster) == 2, "two devices")
    job_ids = submit(cluster, *(make_job(seed=seed, num_steps=LONG_STEPS) for seed in (3, 4)))
    wait_for(cluster, job_ids, is_sampled, "both devices to be at work")
    nodes.kill("second")
    done = [cluster.wait(job_id, timeout_s=60) for job_id in job_ids]
    assert [job.state for job in done] == [DONE, DONE]
    assert sorted(job.attempts for job in done) == [1, 2]
    wait_until(lambda: len(devices(cluster)) == 1, "the device to be gone from the status")


def test_jobs_wait_in_the_queue_while_the_head_is_gone(
    cluster: Client, nodes: RayNodes, make_job: JobMaker
) -> None:
    """Last, because nothing is left of the cluster."""
    [job_id] = submit(cluster, make_job(seed=7, num_steps=1000))
    wait_for(cluster, [job_id], is_sampled, "the job to run")
    nodes.behead()
    wait_for(cluster, [job_id], lambda job: job.state == QUEUED, "the job to be queued again")
    [worker] = [process for process in cluster.status().processes if process.role == "worker"]
    assert worker.restarts >= 1
    assert not any(device.is_usable for device in worker.devices or ())
