"""The demo: its prompts and the cue sheet name what is seen, and its commands make what they say."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import opentimelineio as otio
import pytest
import soundfile

from tests.installer.scripts import ROOT, load_script
from tests.support.daemon_fixtures import _own_folders, paths, start_server
from tests.support.daemons import StartServer

__all__ = ["_own_folders", "paths", "start_server"]

demo = load_script("demo")
EXAMPLES = ROOT / "examples"


def read_cues() -> list[dict[str, str]]:
    with (EXAMPLES / "cues.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def selva() -> Path:
    command = Path(sys.executable).with_name("selva.exe" if sys.platform == "win32" else "selva")
    if not command.exists():
        pytest.skip(f"there is no {command}: the package is not installed in this environment")
    return command


def test_each_cue_of_the_cue_sheet_is_for_one_clip_and_names_what_sounds_in_it() -> None:
    names = [clip.name for clip in otio.adapters.read_from_file(EXAMPLES / "cut.otio").find_clips()]
    sources = {"Dog": "dog", "Knock": "knock", "Siren": "siren", "Bird": "bird"}
    cues = read_cues()
    assert [cue["track"] for cue in cues] == list(sources)
    for cue in cues:
        [name] = [name for name in names if fnmatch(name, cue["clip"])]
        scene = json.loads((EXAMPLES / f"{Path(name).stem}.json").read_text(encoding="utf-8"))
        assert sources[cue["track"]] in [source["kind"] for source in scene["sounding"]]


def test_each_prompt_of_the_demo_is_for_something_that_one_clip_shows_and_the_others_do_not() -> None:
    sounding = [
        {source["kind"] for source in json.loads(path.read_text(encoding="utf-8"))["sounding"]}
        for path in sorted(EXAMPLES.glob("*.json"))
    ]
    assert len(sounding) == 4
    for track in demo.TRACKS:
        assert sum(track.lower() in kinds for kinds in sounding) == 1, track


def test_the_commands_of_the_demo_make_a_stem_for_each_track_and_clip_and_a_picture_of_the_cut(
    start_server: StartServer, selva: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start_server()
    out = tmp_path / "demo"
    assert demo.run_demo(ROOT, selva, out, model="selva-echo") == 0
    timeline = otio.adapters.read_from_file(out / "cut.otio")
    stems = {track.name: track.find_clips() for track in timeline.audio_tracks() if track.find_clips()}
    assert list(stems) == list(demo.TRACKS)
    assert all(len(clips) == 4 for clips in stems.values())
    files = sorted((out / "stems").glob("*.wav"))
    assert len(files) == 4 * len(stems)
    assert all(soundfile.info(file).samplerate == 48_000 for file in files)
    assert (out / "overview.png").read_bytes().startswith(b"\x89PNG")
    printed = capfd.readouterr().out
    assert printed.count("\n$ ") == 2
    assert str(out / "overview.png") in printed


def test_a_command_of_the_demo_that_fails_is_named_with_where_the_log_is(
    selva: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: subprocess.CompletedProcess[str] = subprocess.CompletedProcess([], returncode=3)
    monkeypatch.setattr(demo.subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(demo.SetupError, match=r"could not be rendered \(status 3\).*daemon logs"):
        demo.run_demo(ROOT, selva, tmp_path)
