"""What `selva farm` refuses, and how it fails."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.selva_cli.command_line import DOG, assert_refused, run

ECHO = (*DOG, "--model", "selva-echo")
pytestmark = pytest.mark.usefixtures("no_daemon")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "nothing says what to hear"),
        ((*ECHO, "--timeline", "a/b.otio"), "give a name, not a path"),
        ((*ECHO, "--timeline", "out.mp4"), "no known timeline format"),
        ((*ECHO, "--for", "protools"), "does not import .otio; write .aaf: --timeline cut-with-stems.aaf"),
        ((*ECHO, "--for", "reaper", "--timeline", "a.xml"), "does not import .xml"),
        (
            (*ECHO, "--for", "protools", "--timeline", "a.aaf", "--sample-rate", "22050"),
            "has no sessions at 22050",
        ),
        ((*ECHO, "--naming", "rubbish"), "named by one of timecode, ucs"),
        ((*ECHO, "--media", "big"), "--media is one of linked, small"),
        ((*ECHO, "--clips-per-task", "0"), "a task has 1 to"),
        ((*DOG, "--model", "selva-huge"), "no model is called"),
    ],
)
def test_jobs_that_could_not_end_well_are_refused(cut: Path, options: tuple[str, ...], text: str) -> None:
    before = sorted(os.listdir(cut.parent))
    assert_refused(run("farm", "export", cut, "-o", cut.parent / "JOB", *options), text)
    assert sorted(os.listdir(cut.parent)) == before


def test_a_folder_that_is_there_is_not_written_to(cut: Path) -> None:
    job = cut.parent / "JOB"
    job.mkdir()
    assert_refused(run("farm", "export", cut, "-o", job, *ECHO), "exists already")
    job.rmdir()
    assert run("farm", "export", cut, "-o", job, *ECHO).exit_code == 0  # the twin


def test_signing_is_refused_for_its_key_would_lie_on_every_worker(cut: Path) -> None:
    result = run("farm", "export", cut, "-o", cut.parent / "JOB", *ECHO, "--c2pa", "cert.pem", "key.pem")
    assert result.exit_code == 2
    assert "leave out --c2pa" in " ".join(result.stderr.replace("│", " ").split())
    assert not (cut.parent / "JOB").exists()


def test_host_and_naming_go_to_the_tasks_of_both_schedulers(cut: Path) -> None:
    job = cut.parent / "JOB"
    options = ("--for", "reaper", "--timeline", "out.rpp", "--naming", "ucs")
    assert run("farm", "export", cut, "-o", job, *ECHO, *options).exit_code == 0
    steps = json.loads((job / "template.json").read_text())["steps"]
    tasks, gather = (step["script"]["actions"]["onRun"]["args"] for step in steps)
    for arguments in (tasks, gather):
        assert arguments[arguments.index("--for") + 1] == "reaper"
    assert tasks[tasks.index("--naming") + 1] == "ucs"
    outline = (job / "selva.outline").read_text()
    assert (outline.count("'reaper'"), outline.count("'ucs'")) == (2, 1)


def test_a_cue_sheet_goes_with_the_job_under_a_name_of_its_own(cut: Path) -> None:
    cues = cut.parent / "my cues.csv"
    cues.write_text("track,prompt,clip\nRain,rain on a roof,a\n")
    job = cut.parent / "JOB"
    result = run("farm", "export", cut, "-o", job, "--cues", cues, "--model", "selva-echo", "--json")
    assert json.loads(result.stdout)["num_clips"] == 1
    values = {
        row["name"]: row["value"]
        for row in json.loads((job / "parameter_values.json").read_text())["parameterValues"]
    }
    assert values["CueSheet"] == "cues.csv"
    gathered = run(
        "farm", "gather", job, "-o", job / "out.otio", "--cue-sheet", values["CueSheet"], "--openjd", "--json"
    )
    assert gathered.exit_code == 1
    lines = gathered.stdout.splitlines()
    [missing] = json.loads(lines[0])["missing"]
    assert (missing["track"], missing["take"]) == ("Rain", 1)
    assert lines[1] == "openjd_fail: 1 stems are missing"
    assert "run again" in gathered.stderr
    assert not (job / "out.otio").exists()


def test_a_request_bundle_is_filled_by_one_worker_as_it_is(cut: Path) -> None:
    assert_refused(
        run("farm", "export", cut.with_suffix(".selva"), "-o", cut.parent / "JOB"), "request bundle"
    )


def test_emptied_parameters_count_as_not_given(cut: Path) -> None:
    job = cut.parent / "JOB"
    assert run("farm", "export", cut, "-o", job, *ECHO).exit_code == 0
    emptied = ("--track", "", "--negative", "", "--cue-sheet", "", "--model", "", "--quality", "")
    result = run("farm", "gather", job, "-o", job / "out.otio", *emptied)
    assert "nothing says what to hear" in result.stderr
    assert "no stem of 'Dog'" in run("farm", "gather", job, "-o", job / "out.otio", *DOG, *emptied).stderr
