"""Workers and daemons that die, hang or stall: no job is lost, none is a lie."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.connection import process_is_alive
from selva_daemon.protocol.errors import DaemonRunningError, WorkerDiedError
from tests.support.daemons import JobMaker, StartDaemon, StartServer, kill_hard, wait_until

PROGRAMS = Path(__file__).parents[1] / "programs"
MISBEHAVING_WORKER = (sys.executable, str(PROGRAMS / "misbehaving_worker.py"))


def worker_pid(client: Client) -> int:
    pid = client.status().processes[1].pid
    assert pid is not None
    return pid


def kill_when_sampling(client: Client, job_id: str) -> None:
    for status in client.events(job_id, timeout_s=60):
        if status.stage == "sampling":
            kill_hard(worker_pid(client))
            return


@pytest.fixture
def slow_client(
    paths: AppPaths, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """A client of a server whose engine takes about a second for a job."""
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.04")
    start_server()
    with Client.connect(paths=paths) as client:
        yield client


def test_a_job_whose_worker_was_killed_is_done_by_the_next_worker(
    slow_client: Client, make_job: JobMaker, tmp_path: Path
) -> None:
    job_id = slow_client.submit(make_job()).job_id
    first_worker = worker_pid(slow_client)
    kill_when_sampling(slow_client, job_id)
    last = slow_client.wait(job_id, timeout_s=60)
    assert (last.state, last.attempts) == ("done", 2)
    assert worker_pid(slow_client) != first_worker
    wait_until(lambda: [path.suffix for path in (tmp_path / "stems").iterdir()] == [".wav"], "the stem alone")


def test_a_job_that_kills_its_worker_twice_is_failed_with_the_reason(
    slow_client: Client, make_job: JobMaker, tmp_path: Path
) -> None:
    job_id = slow_client.submit(make_job()).job_id
    kill_when_sampling(slow_client, job_id)
    wait_until(lambda: slow_client.job(job_id).attempts == 2, "the second attempt")
    kill_when_sampling(slow_client, job_id)
    last = slow_client.wait(job_id, timeout_s=60)
    assert last.state == "failed"
    assert isinstance(last.error, WorkerDiedError)
    assert "died 2 times" in last.error.message
    wait_until(lambda: not list((tmp_path / "stems").iterdir()), "nothing of the job to be left")


def test_jobs_behind_the_one_that_killed_its_worker_are_done(slow_client: Client, make_job: JobMaker) -> None:
    bad = slow_client.submit(make_job(seed=1)).job_id
    good = slow_client.submit(make_job(seed=2)).job_id
    kill_when_sampling(slow_client, bad)
    assert {status.job_id: status.state for status in slow_client.watch([bad, good], timeout_s=60)} == {
        bad: "done",
        good: "done",
    }


def test_a_worker_without_progress_is_replaced_and_its_job_tried_once_more(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker
) -> None:
    start_server(worker_program=MISBEHAVING_WORKER, stall_timeout_s=0.3)
    with Client.connect(paths=paths) as client:
        last = client.wait(client.submit(make_job(label="stall")).job_id, timeout_s=60)
    assert last.state == "failed"
    assert last.attempts == 2
    assert last.error is not None
    assert "no progress for 0.3 s" in last.error.message


def test_a_worker_that_falls_silent_is_replaced(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker
) -> None:
    start_server(worker_program=MISBEHAVING_WORKER, heartbeat_timeout_s=0.3)
    with Client.connect(paths=paths) as client:
        last = client.wait(client.submit(make_job(label="silence")).job_id, timeout_s=60)
    assert last.error is not None
    assert "silent for 0.3 s" in last.error.message


def test_a_worker_that_does_not_react_to_a_cancel_is_ended_and_the_job_is_cancelled(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker
) -> None:
    start_server(worker_program=MISBEHAVING_WORKER, cancel_grace_s=0.3)
    with Client.connect(paths=paths) as client:
        job_id = client.submit(make_job(label="stall")).job_id
        wait_until(lambda: client.job(job_id).state == "running", "the job to run")
        client.cancel(job_id)
        last = client.wait(job_id, timeout_s=60)
    assert (last.state, last.attempts) == ("cancelled", 1)


def test_a_worker_that_sends_garbage_is_replaced_and_the_server_stays(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker
) -> None:
    start_server(worker_program=MISBEHAVING_WORKER)
    with Client.connect(paths=paths) as client:
        last = client.wait(client.submit(make_job(label="garbage")).job_id, timeout_s=60)
        assert last.state == "failed"
        assert client.wait(client.submit(make_job(label="fine")).job_id, timeout_s=60).state == "done"


def test_a_worker_that_never_starts_is_shown_with_its_problem_and_the_job_waits(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker
) -> None:
    start_server(worker_program=(sys.executable, "-c", "raise SystemExit(3)"))
    with Client.connect(paths=paths) as client:
        job_id = client.submit(make_job()).job_id
        wait_until(lambda: "exit code 3" in client.status().processes[1].problem, "the problem in the status")
        assert client.job(job_id).state == "queued"


def test_a_daemon_killed_in_the_middle_goes_on_where_it_was(
    paths: AppPaths, start_daemon_process: StartDaemon, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.04")
    pid = start_daemon_process()
    with Client.connect(paths=paths) as client:
        job_ids = [client.submit(make_job(seed=seed)).job_id for seed in range(3)]
        orphan = worker_pid(client)
        for status in client.events(job_ids[0], timeout_s=60):
            if status.stage == "sampling":
                kill_hard(pid)
                break
    wait_until(lambda: not process_is_alive(orphan), "the worker to end with its server")
    start_daemon_process()
    with Client.connect(paths=paths) as client:
        states = {status.job_id: status.state for status in client.watch(job_ids, timeout_s=60)}
        assert states == dict.fromkeys(job_ids, "done")
        assert client.job(job_ids[0]).attempts == 2
        assert len(client.jobs()) == 3


def test_a_client_that_watches_survives_a_killed_and_restarted_daemon(
    paths: AppPaths, start_daemon_process: StartDaemon, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.04")
    pid = start_daemon_process()
    restarted = False
    with Client.connect(paths=paths) as client:
        job_id = client.submit(make_job()).job_id
        for status in client.events(job_id, timeout_s=60):
            last = status
            if status.stage == "sampling" and not restarted:
                kill_hard(pid)
                start_daemon_process()
                restarted = True
        assert restarted
        assert last.state == "done"
        assert client.status().queue["done"] == 1


def test_a_second_daemon_of_the_same_user_is_refused(
    paths: AppPaths, start_server: StartServer, client: Client
) -> None:
    with pytest.raises(DaemonRunningError, match="already running"):
        start_server()
    assert client.status().queue["queued"] == 0


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no SIGTERM; `selva daemon stop` drains there"
)
def test_sigterm_lets_the_running_job_end_and_removes_the_connection_file(
    paths: AppPaths, start_daemon_process: StartDaemon, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.02")
    pid = start_daemon_process()
    with Client.connect(paths=paths) as client:
        job_ids = [client.submit(make_job(seed=seed)).job_id for seed in range(2)]
        wait_until(lambda: client.job(job_ids[0]).state == "running", "the job to run")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not process_is_alive(pid), "the daemon's end")
    assert not paths.connection_file.exists()
    start_daemon_process()
    with Client.connect(paths=paths) as client:
        assert client.job(job_ids[0]).attempts == 1
        assert {status.state for status in client.watch(job_ids, timeout_s=60) if status.is_finished} == {
            "done"
        }


@pytest.mark.skipif(sys.platform == "win32", reason="these signals are POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP", "SIGTERM"])
def test_a_daemon_that_was_started_with_signals_ignored_ends_cleanly_on_each(
    name: str, paths: AppPaths, start_daemon_process: StartDaemon
) -> None:
    """As nohup, cron and the background jobs of a shell start it: what is ignored is inherited."""
    ignored = (signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    try:
        pid = start_daemon_process()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    os.kill(pid, getattr(signal, name))
    wait_until(lambda: not process_is_alive(pid), "the daemon's end")
    assert not paths.connection_file.exists()
