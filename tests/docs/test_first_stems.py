"""The commands and lines of the pages to begin with run as they stand, on a copy of the examples.

Only the model is another one: `SELVA_MODEL` takes the engine without a network, which needs a second where `selva-nano` needs
a minute.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import opentimelineio as otio
import pytest

from tests.docs.pages import ROOT, load_page
from tests.selva_cli.command_line import run_selva

pytestmark = pytest.mark.usefixtures("client")
OF_A_DAEMON_PROCESS = (["selva", "daemon", "start"], ["selva", "daemon", "stop"])
"""The daemon of a test lies in its own process, and begins and ends with the test."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a reader: it holds the examples."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("node"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELVA_MODEL", "selva-echo")
    return tmp_path


def run_commands(name: str, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Run the blocks of a page for a shell; gives the commands."""
    commands = [
        command for command in load_page(name).iter_shell_commands() if command not in OF_A_DAEMON_PROCESS
    ]
    for command in commands:
        assert command[0] == "selva"
        if command[1] == "overview":  # matplotlib keeps files open to the end of its process
            subprocess.run([sys.executable, "-m", "selva_cli", *command[1:]], check=True)
            continue
        monkeypatch.setattr(sys, "argv", command)
        assert run_selva() == 0, " ".join(command)
    return list(commands)


def sound_tracks(timeline: Path) -> list[str]:
    tracks = otio.adapters.read_from_file(str(timeline)).audio_tracks()
    return [track.name for track in tracks]


def test_the_page_of_the_command_line_makes_what_it_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(run_commands("docs/start/command-line.md", monkeypatch)) == 8
    assert sound_tracks(folder / "cut-with-stems.otio") == ["Dog", "Knock", "Siren", "Bird"]
    assert sound_tracks(folder / "mine.otio") == ["Dog", "Rain"]
    assert (folder / "overview.png").is_file()
    assert len(list((folder / "yard-stems").glob("*.wav"))) == 2


def test_the_page_for_any_editor_writes_a_timeline_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(run_commands("docs/start/any-editor.md", monkeypatch)) == 1
    written = (folder / "cut-with-stems.xml").read_text(encoding="utf-8")
    assert "<xmeml" in written
    assert "Knock" in written


def test_the_lines_for_python_make_stems(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [block for block in load_page("docs/start/python.md").blocks if block.language == "python"]
    exec(compile(block.text, "docs/start/python.md", "exec"), {})  # noqa: S102 - our own page
    assert sound_tracks(folder / "cut-with-stems.otio") == ["Dog"]
    lines = capsys.readouterr().out.splitlines()
    files = [Path(line.split(maxsplit=2)[2]) for line in lines if line.startswith("Dog ")]
    assert len(files) == 4
    assert all(file.is_file() for file in files)


def test_the_lines_that_spot_a_cut_print_its_cues(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(
        folder / "examples", folder, dirs_exist_ok=True
    )  # the page has the cut in the working folder
    (block,) = [
        block for block in load_page("docs/formats/timelines.md").blocks if block.language == "python"
    ]
    exec(compile(block.text, "docs/formats/timelines.md", "exec"), {})  # noqa: S102 - our own page
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "01:00:00:00 yard ['small dog barking']"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("page", "result"),
    [
        ("docs/how-to/spot-cues.md", None),
        ("docs/how-to/render-again.md", "second.otio"),
        ("docs/how-to/conform.md", "out.otio"),
        ("docs/how-to/watch-folder.md", "results/yard/report.json"),
        ("docs/how-to/another-machine.md", "selva-edit-2.json"),
    ],
)
def test_a_how_to_runs(page: str, result: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "incoming").mkdir()
    shutil.copy(folder / "examples" / "yard.mp4", folder / "incoming")
    (folder / "incoming" / "yard.csv").write_text("track,prompt\nDog,a dog barking\n", encoding="utf-8")
    assert run_commands(page, monkeypatch)
    assert result is None or (folder / result).exists()
