"""The page and the real server together: a session from the first prompt to the choice of a take, rendered by selva-nano."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
import soundfile

from tests.selva_panel.page.conftest import ROOT, RunScript
from tests.selva_panel.server.panel_process import Panel, running_panel

EXAMPLES = ROOT / "examples"
PROMPTS = ("small dog barking", "ball bouncing on the floor", "car engine idling")
FRAME_S = 1 / 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example cut with its media, where stems and timelines may be written beside it."""
    folder = tmp_path_factory.mktemp("cut")
    for name in ("cut.otio", "garden.mp4", "hall.mp4", "street.mp4", "yard.mp4"):
        shutil.copy(EXAMPLES / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def panel(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with running_panel(folder / "cut.otio", folder=tmp_path_factory.mktemp("selva")) as opened:
        assert opened.request("PUT", "/api/model", {"name": "selva-nano"}).status == 200
        yield opened


@pytest.fixture(scope="module")
def session(run_browser: RunScript, panel: Panel) -> dict[str, Any]:
    link = panel.request("POST", "/api/links", {}).json()["url"]
    return run_browser("session.mjs", link, PROMPTS)


def test_session_runs_without_a_fault_and_asks_no_other_machine(session: dict[str, Any]) -> None:
    assert session["problems"] == []
    assert session["outside"] == []
    assert session["clips"] == ["yard", "hall", "street", "garden"]
    assert session["rows"] == ["Small dog barking", "Ball bouncing on the floor", "Car engine idling"]


def test_prompts_are_seen_where_the_example_shows_them_and_rendered_there_only(
    session: dict[str, Any],
) -> None:
    where = {(found["row_id"], found["clip_id"]) for found in session["evidence"] if found["seen"]}
    assert {(stem["row_id"], stem["clip_id"]) for stem in session["stems"]} == where
    assert 3 <= len(where) < 12
    assert all(found["places"] for found in session["evidence"])


def test_each_stem_is_measured_against_what_was_seen(session: dict[str, Any], panel: Panel) -> None:
    state = panel.wait_for(lambda state: all(stem["measures"] for stem in state["stems"]), "the meters")
    by_name = [{each["name"]: each["value"] for each in stem["measures"]} for stem in state["stems"]]
    assert all(-60 < values["peak"] <= 0 for values in by_name)
    assert all(0 <= values["sync"] <= 1 for values in by_name if "sync" in values)
    assert session["kept"] == "keep"


def test_progress_names_its_stage_and_never_goes_back(session: dict[str, Any]) -> None:
    assert "sampling" in {stage for stage, _ in session["progress"]}
    assert all(0 <= done <= 1 for _, done in session["progress"])


def test_picture_follows_the_sound(session: dict[str, Any]) -> None:
    assert session["ran"]["sound"] > 1
    assert session["ran"]["picture"] == pytest.approx(session["ran"]["sound"], abs=0.25)
    assert session["medianDrift"] < FRAME_S


def test_takes_are_heard_and_kept_as_the_server_has_them(session: dict[str, Any], panel: Panel) -> None:
    assert session["kept"] == "keep"
    assert session["loudest"] > 0.01
    stems = panel.state()["stems"]
    first, other, redone = sorted(
        (stem for stem in stems if stem["file_name"].startswith("Small-dog")), key=lambda stem: stem["take"]
    )
    assert (first["active"], other["active"]) == (True, False)
    assert (first["choice"], other["choice"]) == ("keep", "none")
    assert first["seed"] != other["seed"]
    assert (redone["redone_from"], redone["active"], redone["choice"]) == (first["id"], False, "none")


def test_stretch_that_was_dragged_over_is_another_sound_and_the_rest_is_the_same(
    session: dict[str, Any], panel: Panel
) -> None:
    """The stretch is from 0.3 to 0.5 of the waveform; up to 0.1 s beside it the two takes cross over."""
    by_id = {stem["id"]: stem for stem in panel.state()["stems"]}
    redone = by_id[session["redone"]["id"]]
    old, new = (
        soundfile.read(io.BytesIO(panel.get(f"/api/stems/{stem}/audio").body), dtype="int32")[0]
        for stem in (redone["redone_from"], redone["id"])
    )
    assert len(old) == len(new)
    (changed,) = (old != new).nonzero()
    length, beside = redone["length_samples"], round(0.1 * redone["sample_rate_hz"])
    assert 0.3 * length - beside - 0.02 * length <= changed.min()
    assert changed.max() <= 0.5 * length + beside + 0.02 * length
    assert changed.max() - changed.min() > 0.1 * length


def stem_positions(timeline_file: Path) -> set[tuple[str, float, float]]:
    """Track, start and length in seconds of every stem on a timeline."""
    timeline = otio.adapters.read_from_file(str(timeline_file))
    return {
        (track.name, clip.range_in_parent().start_time.to_seconds(), clip.duration().to_seconds())
        for track in timeline.audio_tracks()
        for clip in track.find_clips()
    }


def test_saved_timeline_has_stems_where_selva_render_has_them(
    session: dict[str, Any], folder: Path, panel: Panel
) -> None:
    (saved,) = (file for file in folder.glob("*.otio") if file.name != "cut.otio")
    mine = stem_positions(saved)
    assert len(mine) == len(session["planned"]) == 3
    tracks = [f"--track={name}={prompt}" for name, prompt in zip(session["rows"], PROMPTS, strict=True)]
    own = {f"SELVA_{name}_DIR": str(panel.folder / name.lower()) for name in ("STATE", "CACHE", "CONFIG")}
    subprocess.run(
        [sys.executable, "-m", "selva_cli", "render", "cut.otio", "-o", "by-command.otio", "--model=selva-echo", *tracks],
        cwd=folder, env={**os.environ, **own}, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert mine < stem_positions(folder / "by-command.otio")
