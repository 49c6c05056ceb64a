"""Media is read by a process of its own, which may crash."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from selva_core.base import child_process
from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError, OutputError
from selva_core.base.media import PictureRange
from selva_render.media import probe_or_none
from selva_render.media_process import Proxy, probe_media_in_process, write_proxies


def test_a_file_is_probed_without_a_decoder_in_this_process(clip: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom selva_render.media_process import probe_media_in_process\n"
        f"print(probe_media_in_process(Path({str(clip)!r})).duration_s)\n"
        "assert not {'av', 'numpy', 'torch', 'zmq', 'opentimelineio'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2/5\n"), done.stderr


def test_libraries_of_a_studio_do_not_reach_the_process(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text("raise SystemExit('an av of another program')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert probe_media_in_process(clip).duration_s == Fraction(2, 5)


def test_errors_of_the_process_arrive_with_their_class(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match=r"gone\.mov"):
        probe_media_in_process(tmp_path / "gone.mov")
    junk = tmp_path / "junk.mov"
    junk.write_bytes(b"this is no movie" * 100)
    with pytest.raises(MediaUnreadableError):
        probe_media_in_process(junk)
    assert probe_or_none(junk) is None


def test_a_file_that_crashes_its_reader_is_named(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "python_executable", lambda: write_crashing_program(tmp_path))
    with pytest.raises(MediaUnreadableError, match=r"clip\.mp4 crashed its reader \(status 3\)"):
        probe_media_in_process(clip)
    picture = PictureRange(path=clip, start_s=Fraction(0), duration_s=Fraction(1, 5))
    proxies = [Proxy(picture=picture, target=tmp_path / f"{number}.mp4") for number in range(2)]
    with pytest.raises(MediaUnreadableError, match=r"clip\.mp4 \(or one after it\) crashed"):
        write_proxies(proxies)


def test_the_error_of_a_crash_shows_what_the_reader_wrote_last(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = write_crashing_program(tmp_path, last_line="ImportError: no libav")
    monkeypatch.setattr(child_process, "python_executable", lambda: program)
    with pytest.raises(MediaUnreadableError, match=r"\(status 3: ImportError: no libav\)"):
        probe_media_in_process(clip)


def test_proxies_are_written_into_folders_that_are_made(clip: Path, tmp_path: Path) -> None:
    picture = PictureRange(path=clip, start_s=Fraction(0), duration_s=Fraction(1, 5))
    target = tmp_path / "bundle" / "pictures" / "a.mp4"
    write_proxies([Proxy(picture=picture, target=target)])
    assert probe_media_in_process(target).frame_rate_hz == 25


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").write_bytes(b"a file")
    picture = PictureRange(path=clip, start_s=Fraction(0), duration_s=Fraction(1, 5))
    with pytest.raises(OutputError, match="pictures"):
        write_proxies([Proxy(picture=picture, target=tmp_path / "pictures" / "a.mp4")])


def write_crashing_program(folder: Path, *, last_line: str = "") -> str:
    """Something to run in place of the interpreter, which ends without a reply."""
    complaint = f"echo Traceback 1>&2\necho {last_line} 1>&2\n" if last_line else ""
    if sys.platform == "win32":
        program = folder / "crash.bat"
        program.write_text(f"@echo off\n{complaint}exit /b 3\n")
    else:
        program = folder / "crash"
        program.write_text(f"#!/bin/sh\n{complaint}exit 3\n")
        os.chmod(program, 0o700)
    return str(program)
