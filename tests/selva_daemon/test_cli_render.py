"""What `selva render`, `selva stems` and `selva spot` refuse, and how: one line, a status, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from typer.testing import CliRunner, Result

from selva_cli.main import app
from selva_cli.timeline_options import SpotArguments
from selva_daemon.protocol.errors import DaemonUnavailableError
from tests.selva_otio.cuts import CutBuilder
from tests.support.flashes import write_cut, write_flashing_clip

DOG = ("--track", "Dog=small dog barking")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def assert_refused(result: Result, words: str) -> None:
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("selva: ")
    assert words in lines[0]
    assert result.stdout == ""


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A cut of one clip whose file is there."""
    video = write_flashing_clip(tmp_path / "shot.mov", rate=Fraction(24), num_frames=12, flashes={3})
    builder = CutBuilder(rate_hz=24.0, media_url=video.as_uri(), media_num_frames=12)
    return write_cut(
        builder.timeline(builder.track(builder.clip("a", offset=0, frames=12))), tmp_path / "cut.otio"
    )


@pytest.fixture(autouse=True)
def _no_daemon_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused here is refused before anybody is asked for work."""

    def refuse(*, start_if_needed: bool = False) -> None:
        assert not start_if_needed, "a daemon was asked for"
        raise DaemonUnavailableError("no daemon runs")

    monkeypatch.setattr("selva_daemon.client.client.Client.connect", refuse)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "nothing says what to hear"),
        (("--track", "Dog"), "NAME=PROMPT"),
        (("--track", "Dog: barking"), "'Dog=barking'"),
        (("--track", "Dog="), "needs a prompt"),
        (("--track", "=barking"), "needs a name"),
        ((*DOG, "--track", "dog=another"), "two tracks are named"),
        ((*DOG, "--model", "selva-huge"), "no model is called 'selva-huge'"),
        ((*DOG, "--video-track", "V7"), "no video track is named 'V7'; there are 'V1'"),
        ((*DOG, "--takes", "0"), "takes are 1 to 64"),
        ((*DOG, "--seed", "-1"), "seed"),
        ((*DOG, "--sample-rate", "1"), "sample rate"),
        ((*DOG, "--steps", "0"), "steps"),
        ((*DOG, "--guidance", "-3"), "guidance"),
        ((*DOG, "--handles", "long"), "a time is seconds"),
        ((*DOG, "--handles", "61"), "handles last 0 to 60 s"),
        (("--cues", "none.toml"), "cannot be read"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(cut: Path, options: Sequence[str], words: str) -> None:
    before = sorted(os.listdir(cut.parent))
    assert_refused(run("render", cut, "-o", cut.parent / "out.otio", *options), words)
    assert sorted(os.listdir(cut.parent)) == before


def test_targets_that_cannot_be_written_are_refused(cut: Path) -> None:
    folder = cut.parent
    before = sorted(os.listdir(folder))
    assert_refused(run("render", cut, "-o", cut, *DOG), "never changed")
    assert_refused(run("render", cut, "-o", folder / "none" / "out.otio", *DOG), "there is no folder")
    assert_refused(run("render", cut, "-o", folder / "out.mp4", *DOG), "no timeline we know")
    stems = ("--stems-dir", folder / "shot.mov" / "stems")
    assert_refused(run("render", cut, "-o", folder / "out.otio", *DOG, *stems), "is a file, not a folder")
    assert sorted(os.listdir(folder)) == before


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(cut: Path) -> None:
    locked = cut.parent / "locked"
    locked.mkdir(mode=0o500)
    assert_refused(run("render", cut, "-o", locked / "out.otio", *DOG), "cannot write into")


def clip_cut(folder: Path, *clips: otio.schema.Clip) -> Path:
    builder = CutBuilder(rate_hz=24.0)
    return write_cut(builder.timeline(builder.track(*clips)), folder / "cut.otio")


def test_timelines_without_usable_picture_are_refused(tmp_path: Path) -> None:
    builder = CutBuilder(rate_hz=24.0)
    out = tmp_path / "out.otio"
    empty = write_cut(otio.schema.Timeline("empty"), tmp_path / "empty.otio")
    assert_refused(run("render", empty, "-o", out, *DOG), "no video track")
    sound = otio.schema.Timeline("sound")
    sound.tracks.append(otio.schema.Track(kind=otio.schema.TrackKind.Audio))
    assert_refused(run("render", write_cut(sound, tmp_path / "sound.otio"), "-o", out, *DOG), "Audio tracks")
    offline = otio.schema.Clip("A001", otio.schema.MissingReference(), source_range=builder.span(0, 9))
    assert_refused(run("render", clip_cut(tmp_path, offline), "-o", out, *DOG), "'A001': offline")
    assert not out.exists()


def test_files_that_are_no_timelines_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.otio"
    assert_refused(run("render", tmp_path / "none.otio", "-o", out, *DOG), "there is no timeline")
    junk = tmp_path / "junk.otio"
    junk.write_bytes(b"\x00\x01")
    assert_refused(run("render", junk, "-o", out, *DOG), "junk.otio")


def test_with_json_a_refusal_is_one_object(cut: Path) -> None:
    result = run("render", cut, "-o", cut.parent / "out.otio", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "timeline-cue"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--start", "0.4", "--end", "0.2"), "starts before it ends"),
        (("--end", "99"), "lasts 0.500 s"),
        (("--start", "soon"), "a time is seconds"),
        (("--start", "00:00:99:00"), "no timecode"),
    ],
)
def test_ranges_outside_a_file_are_refused(cut: Path, options: Sequence[str], words: str) -> None:
    folder = cut.parent / "stems"
    assert_refused(run("stems", cut.parent / "shot.mov", "-o", folder, *DOG, *options), words)
    assert not folder.exists()


def test_files_without_picture_are_refused(tmp_path: Path) -> None:
    assert_refused(run("stems", tmp_path / "none.mov", "-o", tmp_path, *DOG), "none.mov")
    junk = tmp_path / "junk.mov"
    junk.write_bytes(b"this is no movie" * 100)
    assert_refused(run("stems", junk, "-o", tmp_path, *DOG), "junk.mov")


def test_negative_prompts_go_to_all_tracks_or_to_the_one_they_name() -> None:
    choices = SpotArguments(tracks=("Dog=bark", "Rain=rain"), negatives=("music", "rain=thunder = loud"))
    negatives = [track.negative_prompt for track in choices.parse_tracks()]
    assert negatives == ["music", "thunder = loud"]


def test_spot_shows_the_cues_as_table_json_and_a_sheet_that_reads_back(cut: Path) -> None:
    table = run("spot", cut, *DOG)
    assert table.exit_code == 0
    assert "small dog barking" in table.stdout
    assert table.stderr == "1 cue, 1 track, 1 run of picture, 1 stem; 0.5 s of sound\n"
    described = json.loads(run("spot", cut, *DOG, "--json", "--takes", "2").stdout)
    (cue,) = described["cues"]
    assert (cue["clip"], cue["record_end"], cue["takes"], cue["asked_by"]) == ("a", [1, 2], 2, "track prompt")
    sheet = cut.parent / "cues.csv"
    sheet.write_text(run("spot", cut, *DOG, "--csv").stdout, encoding="utf-8")
    (again,) = json.loads(run("spot", cut, "--cues", sheet, "--json").stdout)["cues"]
    assert {**again, "asked_by": "", "takes": 0} == {**cue, "asked_by": "", "takes": 0}


def test_a_narrow_terminal_cuts_words_but_no_times(cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    prompt = "a small dog that barks at the postman, at great length"
    seen = run("spot", cut, "--track", f"Dog={prompt}").stdout
    assert prompt not in seen
    for whole in ("00:00:00:12", "00:00:00:00 - 00:00:00:12", "0.50"):
        assert whole in seen
    assert "WARNINGS" not in seen, "there are none"
    monkeypatch.delenv("FORCE_COLOR")
    plain = run("spot", cut, "--track", f"Dog={prompt}").stdout
    assert prompt in plain
    assert "WARNINGS" in plain


def test_help_names_the_options_and_loads_no_timeline_library() -> None:
    program = (
        "import sys\nfrom selva_cli.main import app\n"
        "try:\n    app(['render', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'opentimelineio', 'zmq', 'torch', 'av'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--video-track" in done.stdout
