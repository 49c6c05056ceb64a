"""A cut's job as OpenJD's own command line checks and runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from typer.testing import CliRunner
from wavinfo import WavInfoReader

from selva_cli.app import app
from selva_core.base.errors import RequestError
from selva_render.farm.openjd import build_parameter_values, build_template
from selva_render.farm.plan import FarmPlan
from tests.selva_render.requested_cuts import make_cut

ODD_PROMPT = "small {{dog}} barking, 100% 'near'; $HOME"


def plan(**changes: Any) -> FarmPlan:
    values: dict[str, Any] = {
        "name": "reel 1",
        "num_clips": 5,
        "tracks": ("Dog=small dog barking",),
        "negatives": (),
        "timeline": "out.otio",
        "model": "selva-echo",
        "num_takes": 1,
        "seed": 42,
        "quality": "final",
    }
    return FarmPlan(**{**values, **changes})


def write_cut(folder: Path) -> Path:
    folder.mkdir()
    otio.adapters.write_to_file(make_cut(folder), str(folder / "cut.otio"))
    return folder / "cut.otio"


def export(cut: Path, job: Path, *options: str) -> dict[str, Any]:
    arguments = ["farm", "export", str(cut), "-o", str(job), "--model", "selva-echo", "--json", *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    described: dict[str, Any] = json.loads(result.stdout)
    return described


def selva_script(folder: Path) -> Path:
    """What a worker starts: this interpreter's `selva`."""
    folder.mkdir()
    if sys.platform == "win32":
        script = folder / "selva.cmd"
        script.write_text(f'@"{sys.executable}" -m selva_cli %*\n')
    else:
        script = folder / "selva"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m selva_cli "$@"\n')
        script.chmod(0o755)
    return script


def openjd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "openjd", *arguments],
        capture_output=True, encoding="utf-8", check=False, timeout=240,
    )  # fmt: skip


def build_rules(source: Path, destination: Path) -> dict[str, Any]:
    rule = {
        "source_path_format": "WINDOWS" if os.name == "nt" else "POSIX",
        "source_path": str(source),
        "destination_path": str(destination),
    }
    return {"version": "pathmapping-1.0", "path_mapping_rules": [rule]}


def check_stems_of_resolve(job: Path, *, num_stems: int) -> None:
    files = list((job / "cut.selva" / "stems").glob("*.wav"))
    assert len(files) == num_stems
    for file in files:
        assert file.name.startswith("ANMLDog_"), "--naming goes with the tasks"
        assert WavInfoReader(str(file)).bext.time_reference == 0, (
            "Resolve does not find stems that say when they begin"
        )


def test_a_job_runs_as_its_template_says_where_the_media_lies_elsewhere(tmp_path: Path) -> None:
    """Render on a worker that sees the media under another path, then gather; a stem on every clip."""
    pytest.importorskip("openjd.cli", reason="openjd-cli is not installed")
    cut, job = write_cut(tmp_path / "film"), tmp_path / "JOB"
    described = export(
        cut,
        job,
        "--track",
        f"Dog={ODD_PROMPT}",
        "--clips-per-task",
        "2",
        "--for",
        "resolve",
        "--naming",
        "ucs",
        "--command",
        str(selva_script(tmp_path / "bin")),
    )
    assert (described["num_clips"], described["num_tasks"]) == (2, 1)
    moved = tmp_path / "server"
    (tmp_path / "film").rename(moved)
    rules = build_rules(tmp_path / "film", moved)
    done = openjd(
        *("run", str(job / "template.json"), "--step", "Gather", "--run-dependencies"),
        *("--path-mapping-rules", json.dumps(rules)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "openjd_progress: 100" in done.stdout
    written = otio.adapters.read_from_file(str(job / "cut-with-stems.otio"))
    [track] = written.audio_tracks()
    stems = list(track.find_clips())
    assert [stem.metadata["selva"]["prompt"] for stem in stems] == [ODD_PROMPT] * 2
    assert {Path(stem.media_reference.target_url).parent.name for stem in stems} == {"stems"}
    check_stems_of_resolve(job, num_stems=2)
    original = next(iter(written.find_clips())).media_reference.target_url
    assert original == (tmp_path / "film" / "shot.mov").as_uri(), "the submitter's own URL stays"


def test_a_template_with_many_tracks_requirements_and_negatives_is_valid(tmp_path: Path) -> None:
    pytest.importorskip("openjd.cli", reason="openjd-cli is not installed")
    full = plan(
        name="{{reel}}\n1 " + "x" * 100,
        tracks=tuple(f"T{number}={ODD_PROMPT}" for number in range(40)),
        negatives=("birds",),
        cues="cues.toml",
        num_gpus=1,
        host="resolve",
        clips_per_task=2,
    )
    file = tmp_path / "template.json"
    file.write_text(json.dumps(build_template(full)), encoding="utf-8")
    checked = openjd("check", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_tasks_are_as_many_as_their_clips_need() -> None:
    for clips_per_task, ranges in ((1, "1-5"), (2, "1-3"), (5, "1-1"), (100, "1-1")):
        step = build_template(plan(clips_per_task=clips_per_task))["steps"][0]
        [parameter] = step["parameterSpace"]["taskParameterDefinitions"]
        assert parameter["range"] == ranges


def test_the_daemon_of_a_worker_is_started_once_and_stopped_at_the_end() -> None:
    [environment] = build_template(plan())["steps"][0]["stepEnvironments"]
    actions = environment["script"]["actions"]
    assert [actions[name]["args"] for name in ("onEnter", "onExit")] == [
        ["daemon", "start"],
        ["daemon", "stop"],
    ]
    assert "{{Session.WorkingDirectory}}" in environment["variables"]["SELVA_STATE_DIR"]


def test_every_parameter_has_the_value_that_was_exported() -> None:
    values = {
        row["name"]: row["value"]
        for row in build_parameter_values(plan(seed=7, num_takes=3))["parameterValues"]
    }
    assert (values["Seed"], values["Takes"], values["Track1"]) == (7, 3, "Dog=small dog barking")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tracks": tuple(f"T{number}=x" for number in range(60))}, "at most 50 parameters"),
        ({"tracks": ("Dog=" + "x" * 1100,)}, "at most 1024 characters"),
        ({"clips_per_task": 0}, "--clips-per-task"),
        ({"num_gpus": 17}, "--gpus"),
    ],
)
def test_what_the_specification_does_not_allow_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        build_template(plan(**changes))
