"""What holds for every command: statuses, faults of the program, consoles with few characters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selva_cli.main import put_foreign_folders_last
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


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["jobs", "show", "abc", "--json"], 1, "daemon-unavailable"),
        (["jobs", "show", "--json"], 2, "command-line"),
        (["jobs", "list", "--state", "foo", "--json"], 2, "command-line"),
        (["nonesuch", "--json"], 2, "command-line"),
        (["spot", "cut.otio", "--json", "--csv"], 2, "command-line"),
        (["spot", "gone.otio", "--json"], 1, "timeline-unreadable"),
        (["render", "cut.otio", "--json"], 2, "command-line"),
        (["stems", "cut.otio", "-o", "stems", "--json"], 1, "timeline-format"),
    ],
)
def test_every_error_of_a_command_with_json_is_one_json_object(
    arguments: list[str], status: int, code: str, selva: RunCommand, paths: AppPaths
) -> None:
    found, output, errors = selva(*arguments)
    assert found == status
    assert json.loads(output)["error"]["code"] == code
    assert json.loads(output)["error"]["message"]
    assert errors
    plain = [argument for argument in arguments if argument != "--json"]
    if "--csv" not in plain:
        assert selva(*plain)[1] == ""


def test_a_fault_of_ours_is_json_too(
    selva: RunCommand, monkeypatch: pytest.MonkeyPatch, paths: AppPaths
) -> None:
    def fail() -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("selva_core.models.catalog.listed_models", fail)
    status, output, _ = selva("models", "list", "--json")
    assert (status, json.loads(output)["error"]["code"]) == (70, "internal")


def test_a_variable_with_a_misspelt_name_is_reported_by_every_command(
    selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nothing reads" not in selva("models", "list")[2]
    monkeypatch.setenv("SELVA_MODEL_DIR", "/models")
    assert "SELVA_MODEL_DIR; did you mean 'SELVA_MODELS_DIR'?" in selva("models", "list")[2]


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


def test_libraries_of_a_studio_are_not_taken_for_ours(tmp_path: Path) -> None:
    """In PYTHONPATH and in the current folder, where hosts start the command; what only a studio has is still found."""
    for folder in ("studio", "desk"):
        (tmp_path / folder).mkdir()
        for library in ("typer", "click", "rich", "msgspec"):
            (tmp_path / folder / f"{library}.py").write_text("raise SystemExit('a library of the studio')\n")
    done = subprocess.run(
        [sys.executable, "-m", "selva_cli", "config", "path"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "studio")},
        cwd=tmp_path / "desk",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_checkout_in_pythonpath_keeps_its_place(tmp_path: Path) -> None:
    checkout, studio, installed = (str(tmp_path / name) for name in ("checkout", "studio", "site-packages"))
    (tmp_path / "checkout" / "selva_core").mkdir(parents=True)
    given = [checkout, studio, installed]
    pythonpath = os.pathsep.join([checkout, studio, ""])
    assert put_foreign_folders_last(given, pythonpath=pythonpath) == [checkout, installed, studio]
    assert put_foreign_folders_last(given, pythonpath="") == given


def test_the_version_is_shown(selva: RunCommand) -> None:
    assert selva("--version")[1].startswith("selva 0.")
