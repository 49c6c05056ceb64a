"""Stems in the user's folder: whole or not there, never over something else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from selva_core.base.errors import OutputError
from selva_daemon.worker.output_files import publish, remove_staging, resolve_output_folder, staging_folder

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="links and mode bits are POSIX things")


def staged(folder: Path, content: bytes = b"sound") -> Path:
    file = folder / "staged.wav"
    file.write_bytes(content)
    return file


def test_a_stem_gets_its_name_and_the_staged_file_is_gone(tmp_path: Path) -> None:
    source = staged(tmp_path)
    assert publish(source, tmp_path / "a.wav") == tmp_path / "a.wav"
    assert (tmp_path / "a.wav").read_bytes() == b"sound"
    assert not source.exists()


def test_the_same_bytes_are_kept_untouched(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_bytes(b"sound")
    os.utime(target, (1, 1))
    assert publish(staged(tmp_path), target) == target
    assert target.stat().st_mtime == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav"]


def test_other_bytes_are_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_bytes(b"somebody's")
    (tmp_path / "a_2.wav").write_bytes(b"somebody else's")
    assert publish(staged(tmp_path), target) == tmp_path / "a_3.wav"
    assert target.read_bytes() == b"somebody's"
    assert publish(staged(tmp_path), target) == tmp_path / "a_3.wav"


@POSIX_ONLY
def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious"
    elsewhere.write_bytes(b"sound")
    (tmp_path / "a.wav").symlink_to(elsewhere)
    (tmp_path / "b.wav").symlink_to(tmp_path / "nowhere")
    assert publish(staged(tmp_path), tmp_path / "a.wav").name == "a_2.wav"
    assert publish(staged(tmp_path), tmp_path / "b.wav").name == "b_2.wav"
    assert elsewhere.read_bytes() == b"sound"


@POSIX_ONLY
def test_a_file_system_without_hard_links_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert publish(staged(tmp_path), tmp_path / "a.wav").read_bytes() == b"sound"


def test_a_staging_folder_is_gone_afterwards_and_so_are_those_of_killed_runs(tmp_path: Path) -> None:
    remains = tmp_path / ".selva-job1-dead"
    remains.mkdir()
    (remains / "0.wav").write_bytes(b"half")
    other_job = tmp_path / ".selva-job2-busy"
    other_job.mkdir()
    with staging_folder(tmp_path, job_id="job1") as staging:
        assert staging.parent == tmp_path
        assert not remains.exists()
        staged(staging)
    assert [path.name for path in tmp_path.iterdir()] == [".selva-job2-busy"]
    remove_staging(tmp_path, job_id="job2")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_made_and_comes_back_as_it_really_is(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "stems"
    assert resolve_output_folder(folder, allowed=[str(tmp_path)], forbidden=[]) == Path(
        os.path.realpath(folder)
    )
    assert folder.is_dir()


def test_a_neighbour_with_the_same_beginning_is_not_inside(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="allowed are"):
        resolve_output_folder(tmp_path / "stems-2", allowed=[str(tmp_path / "stems")], forbidden=[])
    assert not (tmp_path / "stems-2").exists()


def test_a_file_where_the_folder_should_be_is_an_error_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "stems").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be made"):
        resolve_output_folder(tmp_path / "stems", allowed=[], forbidden=[])
