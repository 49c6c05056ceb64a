"""What holds for every command: statuses, faults of the program, consoles with few characters."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from tests.selva_cli.command_line import RunCommand
from tests.support.daemons import JobMaker


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["jobs", "cancel"], "name jobs, or give --all"),
        (["jobs", "show"], "Missing argument"),
        (["jobs", "list", "--limit", "0"], "--limit"),
        (["nonesuch"], "No such command"),
    ],
)
def test_a_wrong_command_line_is_refused_with_status_2(
    arguments: list[str], text: str, selva: RunCommand
) -> None:
    status, output, errors = selva(*arguments)
    assert (status, output) == (2, "")
    assert text in errors


def test_a_fault_of_ours_is_one_line_and_its_traceback_is_saved(
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
        [sys.executable, "-m", "selva_cli", "jobs", "list"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u5e3d" in done.stdout


def test_the_version_is_shown(selva: RunCommand) -> None:
    assert selva("--version")[1].startswith("selva 0.")
