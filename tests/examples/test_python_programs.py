"""The programs of examples/python, each run as it stands on the example cut; only the model is another one."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mido
import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "examples" / "python"

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cut.otio", "yard.mp4", "hall.mp4", "street.mp4", "garden.mp4"):
        shutil.copy(ROOT / "examples" / name, tmp_path / name)
    return tmp_path


def run(name: str, folder: Path, *arguments: str, status: int = 0, standard_input: str = "") -> str:
    """Run a program in `folder`; gives what it printed."""
    command = [sys.executable, str(PROGRAMS / name), *arguments]
    return start(command, folder, status=status, standard_input=standard_input)


def start(command: list[str], folder: Path, *, status: int = 0, standard_input: str = "") -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        input=standard_input,
        env={
            **os.environ,
            "SELVA_MODEL": "selva-echo",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout


def test_every_program_is_run_by_a_test() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [program.name for program in PROGRAMS.glob("*.py") if f'run("{program.name}"' not in text] == []


def test_a_folder_with_progress(folder: Path) -> None:
    videos = folder / "videos"
    videos.mkdir()
    shutil.move(folder / "yard.mp4", videos / "yard.mp4")
    (videos / "broken.mp4").write_bytes(b"no video")
    printed = run("folder_with_progress.py", folder, "videos", "stems", "Dog=a dog barking", status=1)
    assert "2/2 yard.mp4: done" in printed
    assert "broken.mp4: " in printed.splitlines()[-1]
    assert [file.suffix for file in (folder / "stems" / "yard").iterdir()] == [".wav"]


def test_a_prompt_sweep_is_a_page_that_plays_every_take(folder: Path) -> None:
    run("prompt_sweep.py", folder, "yard.mp4", "page.html", "a dog <barking>", "a howl", "--takes", "2")
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 4
    assert "a dog &lt;barking&gt;" in page
    assert len(list((folder / "page").glob("*.wav"))) == 4


def test_rows_of_a_spreadsheet_are_rendered(folder: Path) -> None:
    with (folder / "sounds.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [
                ["Scene", "Sound", "Description", "Shot", "Takes"],
                ["1", "Dog", "a dog barking", "yard*", "2"],
                ["1", "Rain", "rain", "garden*", ""],
            ]
        )
    printed = run("cues_from_spreadsheet.py", folder, "cut.otio", "sounds.csv", "out.otio")
    assert len(printed.splitlines()) == 3
    assert [track.name for track in load_timeline(folder / "out.otio").audio_tracks()] == ["Dog", "Rain"]


def test_a_service_answers_every_request_once(folder: Path) -> None:
    requests = [
        {"id": 1, "video": "yard.mp4", "seconds": 0.4, "prompt": "a dog barking"},
        {"id": 2, "video": "missing.mp4", "seconds": 1, "prompt": "rain"},
    ]
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    printed = run("asyncio_service.py", folder, "stems", standard_input=lines)
    answers = {answer["id"]: answer for answer in map(json.loads, printed.splitlines())}
    assert Path(answers[1]["files"][0]).is_file()
    assert answers[2]["error"]["code"] == "media-not-found"


def test_events_become_notes(folder: Path) -> None:
    printed = run("events_to_midi.py", folder, "cut.otio", "out.otio", "out.mid", "Steps=boots walking")
    assert "notes: out.mid" in printed
    assert (folder / "out.otio").is_file()
    assert mido.MidiFile(folder / "out.mid").tracks


def test_a_conform_in_a_pipeline_goes_on_or_asks_for_a_look(folder: Path) -> None:
    start(
        [sys.executable, "-m", "selva_cli", "render", "cut.otio", "-o", "old.otio", "--track", "Dog=a dog"],
        folder,
    )
    cut = load_timeline(folder / "cut.otio")
    del cut.video_tracks()[0][0]
    write_timeline(cut, folder / "new.otio")
    printed = run("conform_pipeline.py", folder, "old.otio", "new.otio", "out.otio", "changes.csv")
    assert "0 stems made" in printed
    with (folder / "changes.csv").open(encoding="utf-8") as file:
        kinds = {row["kind"] for row in csv.DictReader(file)}
    assert kinds == {"shot", "stem"}
    for clip in cut.find_clips():
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=0.5))
    write_timeline(cut, folder / "slow.otio")
    run("conform_pipeline.py", folder, "old.otio", "slow.otio", "out2.otio", "changes.csv", status=4)
    assert not (folder / "out2.otio").exists()
