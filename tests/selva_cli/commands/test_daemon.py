"""`selva daemon`: what people read, what scripts read, and how it refuses."""

from __future__ import annotations

import json

import msgspec
import pytest

from selva_core.base.command_line import selva_command
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.client.installation import FILE_NAME
from tests.selva_cli.command_line import RunCommand, read_json
from tests.support.daemons import end_process_tree


def test_status_as_json_names_endpoints_processes_device_models_and_queue(
    client: Client, selva: RunCommand
) -> None:
    found = read_json(selva("daemon", "status", "--json"))
    assert set(found["endpoints"]) == {"jobs", "control", "events"}
    assert all(endpoint.startswith("tcp://127.0.0.1:") for endpoint in found["endpoints"].values())
    assert [process["role"] for process in found["processes"]] == ["server", "worker"]
    assert found["queue"] == {"queued": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    assert found["models"] == []
    assert "auto" in found["device"]


def test_status_for_people_shows_the_same(client: Client, selva: RunCommand) -> None:
    client.pause()
    status, output, _ = selva("daemon", "status")
    assert status == 0
    for word in ("paused", "tcp://127.0.0.1:", "server", "worker", "queue: 0 queued"):
        assert word in output


@pytest.mark.parametrize(
    "command", [["daemon", "status"], ["jobs", "list"], ["jobs", "cancel", "--all"], ["daemon", "yield"]]
)
def test_without_a_daemon_a_command_says_in_one_line_how_to_start_one(
    command: list[str], selva: RunCommand
) -> None:
    status, output, errors = selva(*command)
    assert (status, output) == (1, "")
    assert errors.count("\n") == 1
    assert "selva daemon start" in errors


def test_why_a_worker_does_not_run_stands_below_the_table(
    client: Client, selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the table the sentence pushed memory, jobs and restarts hundreds of columns to the right."""
    found = client.status()
    problem = "it ended with exit code 3; it printed last: no head of a Ray cluster answers at 10.0.0.5:6379"
    server, worker = found.processes
    broken = msgspec.structs.replace(worker, state="backing-off", pid=None, problem=problem)
    found = msgspec.structs.replace(found, processes=(server, broken))
    monkeypatch.setattr(Client, "status", lambda client: found)
    lines = selva("daemon", "status")[1].splitlines()
    assert f"worker: {problem}" in lines
    [row] = [line for line in lines if line.startswith("worker ")]
    assert row.split()[:3] == ["worker", "-", "backing-off"]


def test_stopping_what_does_not_run_is_no_fault(selva: RunCommand) -> None:
    assert read_json(selva("daemon", "stop", "--json")) == {"stopped": False}


def test_a_daemon_started_from_the_command_line_outlives_the_command_and_is_stopped_by_another(
    paths: AppPaths, selva: RunCommand
) -> None:
    started = read_json(selva("daemon", "start", "--json"))
    pid = started["processes"][0]["pid"]
    try:
        assert read_json(selva("daemon", "start", "--json"))["processes"][0]["pid"] == pid
        status, _, errors = selva("daemon", "run")
        assert (status, errors) == (
            1,
            f"selva: a daemon of this user is already running; see: {selva_command('daemon', 'status')}\n",
        )
        assert read_json(selva("daemon", "stop", "--json")) == {"stopped": True}
        assert not paths.connection_file.exists()
    finally:
        end_process_tree(pid)


def test_a_daemon_in_the_background_is_started_with_settings_for_this_once(
    paths: AppPaths, selva: RunCommand
) -> None:
    status, _, errors = selva("daemon", "start", "--memory", "lwo")
    assert status == 1
    assert "the command line: memory is auto, low, normal; got 'lwo'" in errors
    started = read_json(selva("daemon", "start", "--device", "cpu", "--keep-alive", "77", "--json"))
    pid = started["processes"][0]["pid"]
    try:
        assert (started["keep_alive_s"], started["device"]) == (77.0, "cpu (no model loaded yet)")
        status, output, errors = selva("daemon", "start", "--device", "cuda:0")
        assert (status, output) == (1, "")
        assert errors == (
            f"selva: a daemon runs already (process {pid}) with the settings it was started with; stop it first: "
            f"{selva_command('daemon', 'stop')}\n"
        )
        assert read_json(selva("daemon", "start", "--json"))["processes"][0]["pid"] == pid
    finally:
        assert read_json(selva("daemon", "stop", "--json")) == {"stopped": True}
        end_process_tree(pid)


def test_a_start_says_that_the_libraries_of_models_do_not_load(
    paths: AppPaths, selva: RunCommand, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon itself loads none of them; until then the first job said it."""
    status, output, errors = selva("daemon", "start")
    assert (status, errors) == (0, "")
    assert output.startswith("the daemon runs")
    problem = "the libraries that models run on cannot be loaded (no torch). Install Selva Bridge again: pip"
    paths.cache.joinpath(FILE_NAME).unlink()
    monkeypatch.setattr("selva_daemon.client.installation.run_probe", lambda: problem)
    status, output, errors = selva("daemon", "start")
    assert (status, errors) == (0, f"selva: no job can be rendered: {problem}\n")
    assert output.startswith("the daemon runs")


def test_a_log_without_a_line_says_so(paths: AppPaths, selva: RunCommand) -> None:
    status, output, errors = selva("daemon", "logs", "--job", "beef")
    assert (status, output) == (0, "")
    assert errors == f"selva: there is no line about job beef in {paths.log_file}\n"


def test_the_log_is_shown_for_one_job(paths: AppPaths, selva: RunCommand) -> None:
    paths.state.mkdir(parents=True)
    lines = [
        {"time": "t1", "level": "info", "logger": "l", "message": "accepted", "job_id": "j1"},
        {
            "time": "t2",
            "level": "error",
            "logger": "l",
            "message": "fault",
            "job_id": "j2",
            "traceback": "Trace",
        },
    ]
    paths.log_file.write_text("".join(json.dumps(line) + "\n" for line in lines) + "torn li")
    assert "accepted" in selva("daemon", "logs")[1]
    _, output, _ = selva("daemon", "logs", "--job", "j2")
    assert "fault" in output
    assert "Trace" in output
    assert "accepted" not in output
    assert [
        json.loads(line) for line in selva("daemon", "logs", "--json", "-n", "3")[1].splitlines()[:2]
    ] == lines


def test_pausing_and_resuming_from_the_command_line(client: Client, selva: RunCommand) -> None:
    assert selva("daemon", "pause")[0] == 0
    assert client.status().paused
    assert selva("daemon", "yield")[0] == 0
    assert client.status().processes[1].pid is None  # the command says "free" when the worker has ended
    assert selva("daemon", "resume")[0] == 0
    found = client.status()
    assert (found.paused, found.yielded) == (False, False)
    assert "selva_uptime_seconds" in selva("daemon", "metrics")[1]
