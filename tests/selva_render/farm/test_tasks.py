"""Tasks of a farm's job: which clips each renders, and what is gathered."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_core.base.errors import RequestError
from selva_daemon.client.client import Client
from selva_otio.cues.cue_sheet import parse_stem_track
from selva_otio.errors import TimelineReadError
from selva_otio.timelines import open_timeline
from selva_render.farm.job_folder import FarmJob, FarmRequest, open_farm_job
from selva_render.farm.opencue import build_outline
from selva_render.farm.tasks import gather_job, render_task, select_clips
from tests.selva_render.farm.test_openjd import export, plan, write_cut
from tests.support.daemons import StartServer

DOG = "Dog=small dog barking"


def open_job(folder: Path, **changes: Any) -> FarmJob:
    return open_farm_job(folder, FarmRequest(tracks=[parse_stem_track(DOG)], **changes))


def no_status(*_: object) -> None:
    pass


def test_tasks_of_any_order_give_the_stems_that_are_gathered_and_gaps_are_named(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    folder = tmp_path / "JOB"
    export(write_cut(tmp_path / "film"), folder, "--track", DOG, "--takes", "2", "--media", "small")
    (tmp_path / "film" / "shot.mov").unlink()  # proxies are enough
    job = open_job(folder)
    target = folder / "out.otio"
    with Client.connect() as client:
        last = render_task(job, 2, clips_per_task=1, client=client, on_status=no_status)
        assert not last.failed
        half = gather_job(job, target)
        assert {cue.clip.name for cue, _ in half.missing} == {"a"}
        render_task(job, 1, clips_per_task=1, client=client, on_status=no_status)
    whole = gather_job(job, target)
    assert (whole.num_stems, whole.missing) == (4, ())
    with open_timeline(target) as opened:
        [track] = opened.timeline.audio_tracks()
        assert len(list(track.find_clips())) == 2
    assert gather_job(open_job(folder, seed=9), target).num_stems == 0, (
        "stems of another seed are not its stems"
    )


def test_each_clip_is_in_one_task_and_a_task_that_there_is_not_is_refused(tmp_path: Path) -> None:
    export(write_cut(tmp_path / "film"), tmp_path / "JOB", "--track", DOG)
    sheet = open_job(tmp_path / "JOB").sheet
    assert [clip.name for number in (1, 2) for clip in select_clips(sheet, number, 1).clips] == ["a", "b"]
    assert [clip.name for clip in select_clips(sheet, 1, 8).clips] == ["a", "b"]
    for number in (0, 3):
        with pytest.raises(RequestError, match="export the job again"):
            select_clips(sheet, number, 1)


def test_clips_whose_media_is_missing_on_a_worker_fail_alone(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    export(write_cut(tmp_path / "film"), tmp_path / "JOB", "--track", DOG)
    (tmp_path / "film" / "shot.mov").unlink()
    with Client.connect() as client:
        report = render_task(
            open_job(tmp_path / "JOB"), 1, clips_per_task=1, client=client, on_status=no_status
        )
    assert [failed.code for failed in report.failed] == ["media-not-found"]
    assert report.stems == []


def test_a_folder_that_is_no_job_says_how_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(TimelineReadError, match="selva farm export"):
        open_job(tmp_path)


def test_relative_media_of_a_cut_is_found_from_the_job(tmp_path: Path) -> None:
    cut = write_cut(tmp_path / "film")
    timeline = otio.adapters.read_from_file(str(cut))
    for clip in timeline.find_clips():
        clip.media_reference.target_url = "shot.mov"
    otio.adapters.write_to_file(timeline, str(cut))
    export(cut, tmp_path / "JOB", "--track", DOG)
    assert {clip.media_path for clip in open_job(tmp_path / "JOB").sheet.clips} == {cut.parent / "shot.mov"}


def test_the_outline_has_a_layer_of_tasks_and_one_that_waits_for_all_of_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PyOutline 1.37 loads it too; here is what the script says to it."""
    layers: dict[str, dict[str, Any]] = {}

    class Layer:
        def __init__(self, name: str, **arguments: Any) -> None:
            self.name = name
            layers[name] = arguments

        def depend_all(self, other: Layer) -> None:
            layers[self.name]["after"] = other.name

    module = types.ModuleType("outline.modules.shell")
    module.Shell = module.ShellCommand = Layer  # type: ignore[attr-defined]
    for name in ("outline", "outline.modules"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "outline.modules.shell", module)
    prompt = "Hund=knurrt \"laut\" \\ 'nah' ü"
    script = build_outline(plan(tracks=(prompt,), num_gpus=2, cues="cues.csv", clips_per_task=2), tmp_path)
    exec(compile(script, "selva.outline", "exec"), {})  # noqa: S102 - what PyOutline does with it
    render, gather = layers["render"], layers["gather"]
    assert (render["range"], render["gpus"], gather["after"]) == ("1-3", 2, "render")
    assert render["command"][:6] == ["selva", "farm", "render", str(tmp_path), "--task", "%{FRAME}"]
    for command in (render["command"], gather["command"]):
        assert command[command.index("--track") + 1] == prompt
        assert command[command.index("--cue-sheet") + 1] == "cues.csv"
