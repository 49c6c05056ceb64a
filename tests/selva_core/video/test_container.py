"""Only regular files with content are opened as media."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError
from selva_core.video.reader import MediaReader
from selva_core.video.regular_file import require_file
from selva_daemon.worker.media_identity import identify_media

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no special files in folders")


def test_empty_file_is_refused_and_one_with_content_is_not(tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    path.touch()
    with pytest.raises(MediaUnreadableError, match="is empty"):
        require_file(path)
    path.write_bytes(b"x")
    require_file(path)


@needs_posix
def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "pipe.mov"
    os.mkfifo(path)
    for read in (MediaReader, identify_media):
        with pytest.raises(MediaUnreadableError, match="named pipe"):
            read(path)


@needs_posix
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_device_is_refused_also_behind_a_link(tmp_path: Path, path: str) -> None:
    link = tmp_path / "clip.mov"
    link.symlink_to(path)
    for each in (Path(path), link):
        for read in (MediaReader, identify_media):
            with pytest.raises(MediaUnreadableError, match="is a device"):
                read(each)


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="only Linux has /proc")
def test_files_of_proc_are_refused() -> None:
    with pytest.raises((MediaUnreadableError, MediaNotFoundError)):
        MediaReader(Path("/proc/self/status"))
