"""The command line: what people read, what scripts read, and how it refuses."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from selva_cli.main import main
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from tests.support.daemons import JobMaker, end_process_tree, wait_until

RunCommand = Callable[..., tuple[int, str, str]]


@pytest.fixture
def selva(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """Run `selva ARGUMENTS` in this process; gives its exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["selva", *arguments])
        capsys.readouterr()
        status = 0
        try:
            main()
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


def read_json(result: tuple[int, str, str]) -> Any:
    status, output, errors = result
    assert status == 0, errors
    return json.loads(output)


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
            "selva: a daemon of this user is already running; see: selva daemon status\n",
        )
        assert read_json(selva("daemon", "stop", "--json")) == {"stopped": True}
        assert not paths.connection_file.exists()
    finally:
        end_process_tree(pid)


def test_jobs_are_listed_shown_and_cancelled(client: Client, make_job: JobMaker, selva: RunCommand) -> None:
    client.pause()
    job_id = client.submit(make_job(label="Szene 12, Hüte")).job_id
    (listed,) = read_json(selva("jobs", "list", "--json"))
    assert (listed["job_id"], listed["state"], listed["label"]) == (job_id, "queued", "Szene 12, Hüte")
    assert "number 1" in selva("jobs", "list")[1]
    assert read_json(selva("jobs", "move", job_id, "--json")) == {job_id: 1}
    assert read_json(selva("jobs", "cancel", job_id, "--json")) == {job_id: "cancelled"}
    shown = read_json(selva("jobs", "show", job_id, "--json"))
    assert shown["error"]["code"] == "cancelled"
    assert "reason: the job was cancelled" in selva("jobs", "show", job_id)[1]
    assert read_json(selva("jobs", "retry", job_id, "--json"))[0]["state"] == "queued"
    assert read_json(selva("jobs", "cancel", "--all", "--json")) == {job_id: "cancelled"}
    assert read_json(selva("jobs", "clear", "--json")) == {"cleared": 1}
    assert read_json(selva("jobs", "list", "--json")) == []


def test_watching_prints_one_line_of_json_per_change_and_ends_with_the_job(
    client: Client, make_job: JobMaker, selva: RunCommand
) -> None:
    job_id = client.submit(make_job()).job_id
    status, output, _ = selva("jobs", "watch", job_id, "--json")
    changes = [json.loads(line) for line in output.splitlines()]
    assert status == 0
    assert changes[-1]["state"] == "done"
    assert changes[-1]["stems"][0]["file"].endswith(".wav")
    status, output, _ = selva("jobs", "show", job_id)
    assert changes[-1]["stems"][0]["file"] in output.replace("\n", "")


def test_watching_a_job_that_is_not_done_in_the_end_has_its_own_status(
    client: Client, make_job: JobMaker, selva: RunCommand
) -> None:
    client.pause()
    job_id = client.submit(make_job()).job_id
    client.cancel(job_id)
    status, output, _ = selva("jobs", "watch", job_id)
    assert status == 3
    assert "cancelled" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["jobs", "cancel"], "name jobs, or say --all"),
        (["jobs", "show"], "Missing argument"),
        (["jobs", "list", "--limit", "0"], "--limit"),
        (["nonesuch"], "No such command"),
    ],
)
def test_a_wrong_command_line_is_refused_with_status_2(
    arguments: list[str], words: str, selva: RunCommand
) -> None:
    status, output, errors = selva(*arguments)
    assert (status, output) == (2, "")
    assert words in errors


def test_a_job_nobody_knows_is_one_line_and_status_1(client: Client, selva: RunCommand) -> None:
    status, output, errors = selva("jobs", "show", "nonesuch")
    assert (status, output) == (1, "")
    assert errors == "selva: there is no job 'nonesuch'; see: selva jobs list\n"


def test_an_id_may_be_cut_short_where_it_stays_clear(
    client: Client, make_job: JobMaker, selva: RunCommand
) -> None:
    client.pause()
    job_ids = sorted(client.submit(make_job(seed=seed)).job_id for seed in range(17))
    shared = next(a[0] for a, b in itertools.pairwise(job_ids) if a[0] == b[0])
    alike = [job_id for job_id in job_ids if job_id.startswith(shared)]
    assert read_json(selva("jobs", "show", job_ids[0][:12], "--json"))["job_id"] == job_ids[0]
    status, output, errors = selva("jobs", "cancel", shared)
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert f"{shared!r} may be any of {len(alike)} jobs: " in errors
    assert selva("jobs", "cancel", job_ids[0][:12])[0] == 0
    assert client.job(job_ids[0]).state == "cancelled"
    assert client.status().queue["cancelled"] == 1


def test_a_log_without_a_line_says_so(paths: AppPaths, selva: RunCommand) -> None:
    status, output, errors = selva("daemon", "logs", "--job", "beef")
    assert (status, output) == (0, "")
    assert errors == f"selva: there is no line about job beef in {paths.log_file}\n"


def test_the_models_are_listed_with_what_is_installed(selva: RunCommand) -> None:
    models = {row["model"]: row for row in read_json(selva("models", "list", "--json"))}
    assert {"selva-nano", "selva-small-16k", "selva-large-44k"} <= set(models)
    assert models["selva-large-44k"]["installed"] is False
    assert "selva-nano" in selva("models", "list")[1]


def test_the_caches_are_shown_and_emptied(client: Client, make_job: JobMaker, selva: RunCommand) -> None:
    client.wait(client.submit(make_job()).job_id, timeout_s=60)
    assert read_json(selva("cache", "info", "--json"))["stems"]["entries"] == 1
    assert "stems" in selva("cache", "info")[1]
    assert read_json(selva("cache", "clear", "--json"))["freed_bytes"]["stems"] > 0
    assert read_json(selva("cache", "info", "--json"))["stems"]["entries"] == 0


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


def test_a_fault_of_ours_is_one_line_and_its_traceback_is_kept(
    paths: AppPaths, selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("selva_core.models.catalog.listed_models", fail)
    status, _, errors = selva("models", "list")
    assert status == 70
    assert errors.count("\n") == 1
    assert "nobody thought of this" in (paths.state / "command-line-fault.log").read_text()


def test_a_console_without_our_characters_gets_escapes(client: Client, make_job: JobMaker) -> None:
    client.pause()
    client.submit(make_job(label="Hüte 帽子"))
    done = subprocess.run(
        [sys.executable, "-m", "selva_daemon", "jobs", "list"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u5e3d" in done.stdout


def test_the_version_is_shown(selva: RunCommand) -> None:
    assert selva("--version")[1].startswith("selva 0.")


def test_pausing_and_resuming_from_the_command_line(client: Client, selva: RunCommand) -> None:
    assert selva("daemon", "pause")[0] == 0
    assert client.status().paused
    assert selva("daemon", "yield")[0] == 0
    wait_until(lambda: client.status().processes[1].pid is None, "the worker's end")
    assert selva("daemon", "resume")[0] == 0
    found = client.status()
    assert (found.paused, found.yielded) == (False, False)
    assert "selva_uptime_seconds" in selva("daemon", "metrics")[1]
