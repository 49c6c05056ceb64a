"""Files of users are opened once, and only when they are files."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from selva_core.base.regular_file import (
    FileTooLargeError,
    NotRegularFileError,
    open_regular,
    read_bounded,
    require_regular_or_folder,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and /dev are POSIX")


def test_a_file_is_read_whole_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert read_bounded(tmp_path / "file", 7) == b"content"
    with open_regular(tmp_path / "file") as opened:
        assert opened.read() == b"content"
    if sys.platform != "win32":
        (tmp_path / "link").symlink_to(tmp_path / "file")
        assert read_bounded(tmp_path / "link", 7) == b"content"


def test_a_file_over_the_limit_is_refused_with_both_numbers(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(FileTooLargeError, match="it has 7 bytes; at most 6 are read"):
        read_bounded(tmp_path / "file", 6)


def test_a_missing_file_is_missing_and_left_to_its_reader(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")
    require_regular_or_folder(tmp_path / "missing")


def test_a_folder_is_no_file_and_fine_where_bundles_are_folders(tmp_path: Path) -> None:
    with pytest.raises(NotRegularFileError, match="a folder"):
        open_regular(tmp_path)
    require_regular_or_folder(tmp_path)


@posix
@pytest.mark.parametrize("refuse", [open_regular, require_regular_or_folder])
def test_what_is_no_file_is_refused_by_its_kind_without_waiting(refuse: object, tmp_path: Path) -> None:
    assert callable(refuse)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotRegularFileError, match="pipe"):
        refuse(tmp_path / "fifo")
    with pytest.raises(NotRegularFileError, match="device"):
        refuse(Path("/dev/zero"))


@posix
def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s")
        with pytest.raises(OSError, match=r"socket|No such device"):
            open_regular(Path("s"))
        with pytest.raises(NotRegularFileError, match="socket"):
            require_regular_or_folder(Path("s"))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Linux has /proc")
def test_a_file_that_says_it_is_empty_is_taken_at_its_word() -> None:
    environ = Path("/proc/self/environ")
    assert stat.S_ISREG(environ.stat().st_mode)
    assert read_bounded(environ, 1 << 20) == b""
