"""Tests of the command line, some of them with daemons of their own; see tests/support/daemon_fixtures.py."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from selva_daemon.protocol.errors import DaemonUnavailableError
from tests.selva_cli.command_line import RunCommand, run_selva
from tests.selva_otio.cuts import CutBuilder
from tests.support.daemon_fixtures import (
    _no_leaks,
    _own_folders,
    client,
    clip,
    make_job,
    paths,
    start_daemon_process,
    start_server,
)
from tests.support.flashes import write_cut, write_flashing_clip

__all__ = [
    "_no_leaks",
    "_own_folders",
    "client",
    "clip",
    "make_job",
    "paths",
    "start_daemon_process",
    "start_server",
]


@pytest.fixture
def selva(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """Run `selva ARGUMENTS` in this process, through `main`; gives its exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["selva", *arguments])
        capsys.readouterr()
        status = run_selva()
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A cut of one clip whose file is there."""
    video = write_flashing_clip(tmp_path / "shot.mov", rate=Fraction(24), num_frames=12, flashes={3})
    builder = CutBuilder(rate_hz=24.0, media_url=video.as_uri(), media_num_frames=12)
    return write_cut(
        builder.timeline(builder.track(builder.clip("a", offset=0, frames=12))), tmp_path / "cut.otio"
    )


@pytest.fixture
def no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No daemon runs, and to start one is a failure of the test: what is refused is refused before."""

    def refuse(*, start_if_needed: bool = False) -> None:
        assert not start_if_needed, "a daemon was started"
        raise DaemonUnavailableError("no daemon runs")

    monkeypatch.setattr("selva_daemon.client.client.Client.connect", refuse)
