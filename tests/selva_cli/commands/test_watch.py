"""`selva watch`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.selva_cli.command_line import run
from tests.support.daemons import StartServer
from tests.support.signals import with_default_signals

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
    assert sorted(os.listdir(results)) == ["cut", "failed"]
    assert os.listdir(results / "failed") == ["bad.selvaz.failed.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="these signals are POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.usefixtures("client")
def test_a_signal_ends_it_cleanly_and_it_can_be_started_again(name: str, tmp_path: Path) -> None:
    """As a service manager, the end of a terminal and Ctrl-C end it."""
    inbox, results = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    command = [
        sys.executable,
        "-m",
        "selva_cli",
        "watch",
        str(inbox),
        "-o",
        str(results),
        "--model",
        "selva-echo",
    ]
    for _ in range(2):  # the second finds no lock that the first has left
        with subprocess.Popen(
            with_default_signals(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("watching ")
            process.send_signal(getattr(signal, name))
            _, printed = process.communicate(timeout=30)
        assert (process.returncode, "Traceback" in printed) == (130, False), printed
        assert "selva: interrupted" in printed
