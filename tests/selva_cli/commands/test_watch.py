"""`selva watch`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.selva_cli.command_line import run
from tests.support.daemons import StartServer

CUES = '[[cue]]\ntrack = "Click"\nprompt = "click"\n'


def test_it_renders_what_is_there_and_its_status_says_whether_all_went_well(
    start_server: StartServer, cut: Path, tmp_path: Path
) -> None:
    start_server()
    inbox, results = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    shutil.copy(cut, inbox / "cut.otio")
    (inbox / "cut.toml").write_text(CUES)
    command: list[str | Path] = ["watch", inbox, "-o", results, "--model", "selva-echo", "--once"]
    done = run(*command)
    assert (done.exit_code, done.stdout) == (0, f"cut.otio is done: {results / 'cut'}\n"), done.output
    (inbox / "bad.selvaz").write_bytes(b"bad")
    done = run(*command)
    assert done.exit_code == 3
    assert "bad.selvaz failed" in done.stdout
    assert os.listdir(results / "bad.selvaz") == ["report.json"]
