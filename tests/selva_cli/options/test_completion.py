"""What a shell offers after Tab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from selva_cli.app import COMPLETION_VARIABLE
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from tests.selva_cli.command_line import RunCommand
from tests.selva_cli.test_help import HEAVY
from tests.support.daemons import JobMaker

Complete = Callable[..., tuple[list[str], str]]


@pytest.fixture
def complete(selva: RunCommand, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """What bash is offered for the last of the words typed, and what is written to standard error."""

    def ask(*typed: str, **variables: str) -> tuple[list[str], str]:
        for name, value in {**line_variables(*typed), **variables}.items():
            monkeypatch.setenv(name, value)
        status, output, errors = selva()
        assert status == 0
        return output.split(), errors

    return ask


def line_variables(*typed: str) -> dict[str, str]:
    """As the script of bash sets them."""
    return {
        COMPLETION_VARIABLE: "complete_bash",
        "COMP_WORDS": " ".join(("selva", *typed)).strip(),
        "COMP_CWORD": str(len(typed)),
    }


def test_an_answer_loads_no_library_that_takes_long() -> None:
    program = (
        "import sys\nfrom selva_cli.main import main\ntry:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"assert not {HEAVY - {'rich.progress'}!r} & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **line_variables("models", "pull", "selva-n")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["selva-nano"], "")


def test_commands_and_options_are_offered(complete: Complete) -> None:
    assert complete("confi") == (["config"], "")
    assert "--track" in complete("stems", "a.mov", "--tr")[0]


def test_models_settings_checks_and_hosts_are_offered(complete: Complete) -> None:
    assert complete("models", "pull", "selva-s")[0] == ["selva-small-16k", "selva-small-44k"]
    assert complete("spot", "--model", "selva-n")[0] == ["selva-nano"]
    assert complete("config", "get", "keep")[0] == ["keep_alive_s"]
    assert complete("config", "set", "absent", "")[0] == ["silent", "keep"]
    assert complete("doctor", "--only", "to")[0] == ["torch"]
    assert complete("host", "install", "r")[0] == ["reaper", "resolve"]


def test_jobs_are_offered_without_asking_the_daemon(
    complete: Complete, client: Client, make_job: JobMaker
) -> None:
    client.pause()
    job_id = client.submit(make_job()).job_id
    assert complete("jobs", "show", job_id[:4]) == ([job_id], "")


def test_tracks_are_offered_from_the_cut_and_from_the_line(complete: Complete, tmp_path: Path) -> None:
    cut = tmp_path / "cut.otio"
    tracks = [
        {"name": "V1", "kind": "Video"},
        {"name": "V2", "kind": "Video"},
        {"name": "A1", "kind": "Audio"},
    ]
    cut.write_text(json.dumps({"tracks": {"children": tracks}}))
    assert complete("spot", str(cut), "--video-track", "V")[0] == ["V1", "V2"]
    assert complete("stems", "a.mov", "--track", "Dog=bark", "--negative", "D")[0] == ["Dog="]


@pytest.mark.parametrize("state", [b"no database", None])
def test_what_goes_wrong_is_silence(
    complete: Complete, state: bytes | None, paths: AppPaths, tmp_path: Path
) -> None:
    paths.state.mkdir(parents=True)
    if state is not None:
        paths.queue_file.write_bytes(state)
    paths.config.mkdir(parents=True)
    paths.settings_file.write_text("prot = \n")
    assert complete("jobs", "show", "a", SELVA_DEVISE="cpu") == ([], "")
    assert complete("spot", str(tmp_path / "gone.otio"), "--video-track", "V") == ([], "")
    assert complete("config", "set", "nonesuch", "v") == ([], "")
    assert complete("config", "get", "po", SELVA_STATE_DIR="relative") == (["port"], "")
