"""Files are written whole or not at all, also where Windows has the target open."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from selva_core.base.atomic_write import (
    check_folder_writable,
    explain_os_error,
    flush_folder,
    replace_patiently,
    staged_file,
    staged_folder,
    write_atomic,
)
from selva_core.base.errors import OutputError, RequestError, StorageError


class BusyTarget:
    """`os.replace` as Windows has it while another program holds the target open for `refusals` attempts."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.num_attempts = 0

    def __call__(self, source: Path, target: Path) -> None:
        self.num_attempts += 1
        if self.num_attempts <= self.refusals:
            raise PermissionError(13, "Access is denied", str(target))
        os.replace(source, target)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_content_replaces_old_and_leaves_no_other_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_atomic(target, b"old")
    write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    assert names_in(tmp_path) == ["a.json"]


def test_nothing_is_seen_under_the_target_name_until_the_end(tmp_path: Path) -> None:
    target = tmp_path / "stem.wav"
    with staged_file(target) as temporary:
        temporary.write_bytes(b"half")
        assert not target.exists()
        assert temporary.parent == target.parent  # a rename across file systems would copy
    assert target.read_bytes() == b"half"


def test_after_an_error_the_old_file_stands_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_atomic(target, b"old")

    def write_half() -> None:
        with staged_file(target) as temporary:
            temporary.write_bytes(b"half of the new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.json"]


def test_what_the_system_refuses_is_raised_as_the_error_of_the_caller(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "a.json"
    with pytest.raises(
        OutputError, match=r"cannot write .*a\.json: its folder does not exist; make it first"
    ) as refusal:
        write_atomic(target, b"")
    assert refusal.value.facts == {"path": str(target)}
    with pytest.raises(StorageError, match="cannot write"):
        write_atomic(target, b"", error=StorageError)


def test_an_error_of_our_own_inside_keeps_its_class(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such stem"), staged_file(tmp_path / "a"):
        raise RequestError("no such stem")
    with pytest.raises(StorageError, match="disk full"), staged_file(tmp_path / "a"):
        raise StorageError("disk full")  # also an OSError, which the system's own errors are


@pytest.mark.parametrize("letter", ["x", "é", "語", "🎬"])
def test_the_longest_name_that_the_file_system_takes_can_be_written(letter: str, tmp_path: Path) -> None:
    target = tmp_path / (letter * (255 // len(letter.encode())))
    write_atomic(target, b"1")
    assert target.read_bytes() == b"1"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_the_mode_holds_from_the_first_byte_on(tmp_path: Path) -> None:
    target = tmp_path / "secret"
    with staged_file(target, mode=0o600) as temporary:
        assert temporary.stat().st_mode & 0o777 == 0o600
        temporary.write_bytes(b"1")
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_without_a_mode_the_umask_decides(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        write_atomic(tmp_path / "shared", b"1")
    finally:
        os.umask(previous)
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o640


def test_a_target_that_is_open_for_a_moment_is_replaced_in_the_end(tmp_path: Path) -> None:
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    replace = BusyTarget(refusals=3)
    replace_patiently(source, target, patience_s=30.0, replace=replace)
    assert replace.num_attempts == 4
    assert target.read_bytes() == b"new"


def test_a_target_that_stays_open_is_an_error_and_keeps_its_content(tmp_path: Path) -> None:
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    with pytest.raises(PermissionError):
        replace_patiently(source, target, patience_s=0.0, replace=BusyTarget(refusals=1_000_000))
    assert target.read_bytes() == b"old"


def test_another_failure_than_an_open_target_is_not_tried_again(tmp_path: Path) -> None:
    replace_attempts = 0

    def full_disk(source: Path, target: Path) -> None:
        nonlocal replace_attempts
        replace_attempts += 1
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        replace_patiently(tmp_path / "new", tmp_path / "old", patience_s=30.0, replace=full_disk)
    assert replace_attempts == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX renames over open files")
def test_on_posix_the_first_refusal_counts(tmp_path: Path) -> None:
    replace = BusyTarget(refusals=1)
    with pytest.raises(PermissionError):
        replace_patiently(tmp_path / "new", tmp_path / "old", replace=replace)
    assert replace.num_attempts == 1


def test_a_full_disk_and_an_open_file_on_windows_are_explained() -> None:
    assert explain_os_error(OSError(errno.ENOSPC, "No space left")) == "the disk is full; free some space"
    assert explain_os_error(OSError(errno.EIO, "Input/output error")) == "Input/output error"
    assert explain_os_error(OSError("nothing but words")) == "nothing but words"
    in_use = PermissionError(errno.EACCES, "Access is denied")
    in_use.winerror = 5  # type: ignore[attr-defined,unused-ignore]
    assert "open in another program" in explain_os_error(in_use)


def test_flushing_a_folder_that_is_gone_raises_nothing(tmp_path: Path) -> None:
    flush_folder(tmp_path)
    flush_folder(tmp_path / "missing")


def test_a_folder_that_takes_files_is_writable_and_stays_empty(tmp_path: Path) -> None:
    check_folder_writable(tmp_path)
    assert names_in(tmp_path) == []


def test_a_folder_that_takes_no_files_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write into .*missing"):
        check_folder_writable(tmp_path / "missing")
    with pytest.raises(StorageError, match="cannot write into"):
        check_folder_writable(tmp_path / "missing", error=StorageError)


def test_a_folder_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    target = tmp_path / "cut.otiod"
    with staged_folder(target) as temporary:
        (temporary / "media").mkdir()
        (temporary / "media" / "shot.mov").write_bytes(b"picture")
        (temporary / "media" / "shot.mov").chmod(0o400)
        assert not target.exists()
    assert (target / "media" / "shot.mov").read_bytes() == b"picture"
    assert names_in(tmp_path) == ["cut.otiod"]


def test_a_folder_that_could_not_be_filled_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "cut.otiod"

    def fill_half() -> None:
        with staged_folder(target) as temporary:
            (temporary / "half").write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill_half()
    assert names_in(tmp_path) == []


def test_a_folder_is_not_renamed_over_one_that_holds_something(tmp_path: Path) -> None:
    target = tmp_path / "cut.otiod"
    target.mkdir()
    (target / "theirs").write_bytes(b"theirs")
    with pytest.raises(StorageError, match="cannot write"), staged_folder(target, error=StorageError):
        pass
    assert names_in(target) == ["theirs"]
    assert names_in(tmp_path) == ["cut.otiod"]


@pytest.mark.parametrize("flush", [True, False])
def test_a_file_is_flushed_before_it_gets_its_name_unless_it_may_be_lost(
    flush: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda _: flushed.append((tmp_path / "entry").exists()))
    with staged_file(tmp_path / "entry", flush=flush) as temporary:
        temporary.write_bytes(b"content")
    assert (tmp_path / "entry").read_bytes() == b"content"
    assert flushed[:1] == ([False] if flush else [])
