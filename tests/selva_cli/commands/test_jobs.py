"""`selva jobs`: what people read, what scripts read, and how it refuses."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from selva_core.base.command_line import reinstall_command, selva_command
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol import requests
from tests.selva_cli.command_line import RunCommand, read_json
from tests.support.daemons import JobMaker, StartServer, worker_with_libraries_in


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


def test_cancelling_all_counts_also_the_jobs_that_the_reply_does_not_name(
    client: Client, make_job: JobMaker, selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_NAMED_JOBS", 2)
    client.pause()
    for seed in range(5):
        client.submit(make_job(seed=seed))
    assert selva("jobs", "cancel", "--all")[1] == "5 cancelled or being cancelled\n"
    client.submit(make_job(seed=9))
    assert len(client.cancel_all()) == client.cancel_all().num_jobs + 1 == 1


def test_cancelling_says_which_jobs_had_ended_before(
    client: Client, make_job: JobMaker, selva: RunCommand
) -> None:
    ended = client.submit(make_job(seed=1)).job_id
    client.wait(ended)
    client.pause()
    waiting = client.submit(make_job(seed=2)).job_id
    assert (
        selva("jobs", "cancel", ended, waiting)[1] == "1 cancelled or being cancelled; 1 had ended before\n"
    )
    assert client.job(ended).state == "done"


def test_a_reason_that_fails_many_jobs_is_printed_once(
    start_server: StartServer, paths: AppPaths, make_job: JobMaker, selva: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "av").mkdir()
    (tmp_path / "av" / "__init__.py").write_text("raise ImportError('no libav here')")
    start_server(worker_program=worker_with_libraries_in(tmp_path))
    with Client.connect(paths=paths) as client:
        job_ids = [client.submit(make_job(seed=seed)).job_id for seed in range(3)]
    status, output, _ = selva("jobs", "watch", *job_ids)
    assert status == 3
    assert output.count("no libav here") == 1
    assert output.count(reinstall_command()) == 1
    assert output.count("failed -: for the same reason") == 2


def test_a_job_nobody_knows_is_one_line_and_status_1(client: Client, selva: RunCommand) -> None:
    status, output, errors = selva("jobs", "show", "nonesuch")
    assert (status, output) == (1, "")
    assert errors == f"selva: there is no job 'nonesuch'; see: {selva_command('jobs', 'list')}\n"


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


def test_ids_are_whole_on_a_narrow_terminal(
    client: Client, make_job: JobMaker, selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.pause()
    job_id = client.submit(make_job(label="a clip with a very long name that nobody can shorten")).job_id
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    status, output, _ = selva("jobs", "list")
    assert status == 0
    assert job_id in output
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in output.splitlines()) <= 80


def test_every_state_of_jobs_can_be_printed_as_json(
    client: Client, make_job: JobMaker, selva: RunCommand
) -> None:
    """Also what a daemon leaves out of an answer."""
    job = client.submit(make_job())
    client.wait(job.job_id)
    assert [each["state"] for each in read_json(selva("jobs", "list", "--json"))] == ["done"]
    assert read_json(selva("jobs", "show", job.job_id, "--json"))["job_id"] == job.job_id
