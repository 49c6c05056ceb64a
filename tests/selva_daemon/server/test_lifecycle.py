"""Pausing, releasing the device, unloading models, draining, and a full disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_core.base.errors import StorageError
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.jobs.queue import JobQueue
from selva_daemon.protocol.errors import DrainingError, QueueFullError
from tests.support.daemons import JobMaker, StartDaemon, StartServer, wait_until


def worker_state(client: Client) -> str:
    return client.status().processes[1].state


def test_paused_jobs_wait_and_running_ones_go_on(client: Client, make_job: JobMaker) -> None:
    client.pause()
    job_id = client.submit(make_job()).job_id
    status = client.status()
    assert (status.paused, status.queue["queued"]) == (True, 1)
    client.resume()
    assert client.wait(job_id, timeout_s=60).state == "done"
    assert not client.status().paused


def test_a_pause_outlives_the_daemon(
    paths: AppPaths, make_job: JobMaker, start_daemon_process: StartDaemon
) -> None:
    start_daemon_process()
    with Client.connect(paths=paths) as client:
        client.pause()
        job_id = client.submit(make_job()).job_id
        client.shutdown()
    wait_until(lambda: not paths.connection_file.exists(), "the daemon's end")
    start_daemon_process()
    with Client.connect(paths=paths) as client:
        assert client.status().paused
        assert client.job(job_id).state == "queued"
        client.resume()
        assert client.wait(job_id, timeout_s=60).state == "done"


def test_releasing_the_device_ends_the_worker_and_resuming_goes_on_with_the_interrupted_job(
    paths: AppPaths,
    start_server: StartServer,
    make_job: JobMaker,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.05")
    start_server()
    with Client.connect(paths=paths) as client:
        job_id = client.submit(make_job()).job_id
        for status in client.events(job_id, timeout_s=60):
            if status.stage == "sampling":
                break
        client.release_device()
        wait_until(lambda: worker_state(client) == "stopped", "the worker's end")
        found = client.status()
        assert (found.yielded, found.processes[1].pid, found.queue["queued"]) == (True, None, 1)
        wait_until(lambda: not list((tmp_path / "stems").iterdir()), "nothing of the job to be left")
        client.resume()
        last = client.wait(job_id, timeout_s=60)
        assert (last.state, last.attempts) == ("done", 2)


@pytest.mark.parametrize("keep_alive_s", [0.0, 0.3])
def test_an_idle_model_is_unloaded_and_loaded_again_for_the_next_job(
    keep_alive_s: float, paths: AppPaths, start_server: StartServer, make_job: JobMaker
) -> None:
    start_server(keep_alive_s=keep_alive_s)
    with Client.connect(paths=paths) as client:
        first_worker = client.status().processes[1].pid
        client.wait(client.submit(make_job(seed=1)).job_id, timeout_s=60)
        wait_until(lambda: client.status().processes[1].pid not in (None, first_worker), "a fresh worker")
        assert client.status().models == ()
        assert client.wait(client.submit(make_job(seed=2)).job_id, timeout_s=60).attempts == 1
        assert client.status().processes[1].restarts == 0


def test_a_model_without_time_limit_stays_loaded(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker
) -> None:
    start_server(keep_alive_s=-1)
    with Client.connect(paths=paths) as client:
        client.wait(client.submit(make_job()).job_id, timeout_s=60)
        (model,) = client.status().models
        assert (model.model, model.unloads_in_s) == ("selva-echo", None)


def test_a_draining_daemon_takes_no_jobs_and_ends_the_running_one(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.05")
    start_server(drain_timeout_s=30.0)
    with Client.connect(paths=paths) as client:
        job_id = client.submit(make_job()).job_id
        wait_until(lambda: client.job(job_id).stage == "sampling", "the job to be in the middle")
        client.shutdown()
        with pytest.raises(DrainingError):
            client.submit(make_job(seed=2))
        assert client.wait(job_id, timeout_s=60).state == "done"


def test_a_full_queue_refuses_with_its_length_and_its_limit(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker
) -> None:
    start_server(max_queued_jobs=2)
    with Client.connect(paths=paths) as client:
        client.pause()
        submitted = [client.submit(make_job(seed=seed)) for seed in range(2)]
        assert [each.position for each in submitted] == [1, 2]
        with pytest.raises(QueueFullError) as caught:
            client.submit(make_job(seed=3))
        assert caught.value.facts["num_queued"] == 2
        client.cancel(submitted[0].job_id)
        assert client.submit(make_job(seed=3)).created


def test_waiting_jobs_have_an_estimate_once_one_has_run(client: Client, make_job: JobMaker) -> None:
    client.wait(client.submit(make_job(seed=1)).job_id, timeout_s=60)
    client.pause()
    first, second = client.submit(make_job(seed=2)), client.submit(make_job(seed=3))
    assert first.seconds_until_start == 0
    assert second.seconds_until_start is not None
    assert second.seconds_until_start > 0
    assert (client.job(second.job_id).seconds_left or 0) > (client.job(first.job_id).seconds_left or 0)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A switch: while it holds True, what the queue would write is refused as by a full disk."""
    full = [False]
    close_job = JobQueue._close_job

    def refusing(self: JobQueue, *arguments: object, **more: object) -> None:
        if full[0]:
            raise StorageError("no space left on device")
        close_job(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(JobQueue, "_close_job", refusing)
    return full


def test_a_result_that_cannot_be_recorded_is_recorded_when_there_is_room(
    client: Client, make_job: JobMaker, full_disk: list[bool]
) -> None:
    full_disk[0] = True
    first, second = (client.submit(make_job(seed=seed)).job_id for seed in (1, 2))
    wait_until(lambda: worker_state(client) == "idle" and client.job(first).fraction > 0.9, "the job's work")
    assert client.job(first).state == "running"  # not done before it is on disk
    assert client.job(second).state == "queued"
    full_disk[0] = False
    assert {status.state for status in client.watch([first, second], timeout_s=60) if status.is_finished} == {
        "done"
    }


def test_metrics_count_jobs_and_requests_in_the_prometheus_format(client: Client, make_job: JobMaker) -> None:
    client.wait(client.submit(make_job()).job_id, timeout_s=60)
    lines = client.metrics().splitlines()
    assert 'selva_jobs_finished_total{state="done"} 1' in lines
    assert 'selva_jobs{state="queued"} 0' in lines
    assert 'selva_requests_total{channel="jobs",type="submit",outcome="reply"} 1' in lines
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    samples = {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
    assert samples == names
