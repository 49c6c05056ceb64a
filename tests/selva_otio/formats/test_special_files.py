"""What is no file is refused as a timeline, a cue sheet and a signer's key, and nobody waits for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from selva_core.audio.credentials import Signer
from selva_core.base.errors import RequestError
from selva_otio import load_timeline
from selva_otio.cues.sheet_files import read_cue_sheet
from selva_otio.errors import CueError, TimelineReadError
from selva_render.watch.inbox import list_inbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and /dev are POSIX")


@pytest.mark.parametrize("suffix", [".otio", ".rpp", ".fcpxml", ".xml", ".edl", ".aaf", ".otioz", ".mlt"])
def test_a_pipe_with_the_name_of_a_timeline_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cut{suffix}"
    os.mkfifo(path)
    with pytest.raises(TimelineReadError, match="pipe"):
        load_timeline(path)


@pytest.mark.parametrize("suffix", [".csv", ".toml"])
def test_a_device_with_the_name_of_a_cue_sheet_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cues{suffix}"
    path.symlink_to("/dev/zero")
    with pytest.raises(CueError, match="device"):
        read_cue_sheet(path)


def test_a_pipe_is_no_certificate(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cert.pem")
    with pytest.raises(RequestError, match="pipe"):
        Signer(certificate=tmp_path / "cert.pem", key=tmp_path / "cert.pem").check()


def test_a_pipe_in_a_watch_folder_is_an_error_and_files_are_taken(tmp_path: Path) -> None:
    (tmp_path / "cut.csv").write_text("track,prompt\n")
    os.mkfifo(tmp_path / "cut.mov")
    (tmp_path / "shot.csv").write_text("track,prompt\n")
    (tmp_path / "shot.mov").write_bytes(b"film")
    pipe, file = list_inbox(tmp_path).items
    with pytest.raises(OSError, match="pipe"):
        pipe.take_fingerprint()
    assert [name for name, _, _ in file.take_fingerprint()] == ["shot.csv", "shot.mov"]
