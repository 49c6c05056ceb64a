"""A client written from docs/reference/protocol.md alone, in another language, does the whole way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from tests.support.daemons import JobMaker

EXAMPLE = Path(__file__).parents[3] / "examples" / "node"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (EXAMPLE / "node_modules" / "zeromq").is_dir(),
    reason="needs Node.js, and once: npm install --prefix examples/node",
)


def run_node(paths: AppPaths, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", str(EXAMPLE / "selva_client.mjs"), *arguments],
        env={**os.environ, "SELVA_STATE_DIR": str(paths.state)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_client_in_javascript_submits_a_job_and_follows_it_to_its_end(
    client: Client, paths: AppPaths, make_job: JobMaker, tmp_path: Path
) -> None:
    job_file = tmp_path / "job.json"
    job_file.write_text(json.dumps(make_job().to_wire()))
    done = run_node(paths, "submit", str(job_file))
    assert done.returncode == 0, done.stderr
    submitted, *changes = json_lines(done.stdout)
    assert changes[-1]["state"] == "done"
    assert (
        client.job(str(submitted["job_id"])).raise_for_state().stems[0].file
        == changes[-1]["stems"][0]["file"]
    )


def test_a_client_in_javascript_receives_the_field_that_is_wrong(
    client: Client, paths: AppPaths, make_job: JobMaker, tmp_path: Path
) -> None:
    body = make_job().to_wire()
    body["media"]["duration_s"] = [0, 1]
    (tmp_path / "job.json").write_text(json.dumps(body))
    refused = run_node(paths, "submit", str(tmp_path / "job.json"))
    assert refused.returncode == 1
    assert "media.duration_s" in refused.stderr


def test_a_client_in_javascript_reads_the_status_and_cancels(
    client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    client.pause()
    job_id = client.submit(make_job()).job_id
    assert run_node(paths, "cancel", job_id).returncode == 0
    (status,) = json_lines(run_node(paths, "status").stdout)
    assert status["queue"] == {"queued": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 1}
