"""Stems in the user's folder: whole or not there, never over something else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from selva_core.base.errors import OutputError
from selva_daemon.worker.output_files import (
    JOURNAL,
    publish_all,
    remove_staging,
    resolve_output_folder,
    staging_folder,
)

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="links and mode bits are POSIX things")


def stage(folder: Path, *names: str, content: bytes = b"sound") -> list[tuple[Path, Path]]:
    """Files in a hidden folder of job1 inside `folder`, and the names they shall get."""
    staging = folder / ".selva-job1-run"
    staging.mkdir(exist_ok=True)
    pairs = [(staging / f"{index}.wav", folder / name) for index, name in enumerate(names)]
    for source, _ in pairs:
        source.write_bytes(content)
    return pairs


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


def test_stems_get_their_names_and_stay_when_the_hidden_folder_goes(tmp_path: Path) -> None:
    published = publish_all(stage(tmp_path, "a.wav", "b.wav"))
    assert published == [tmp_path / "a.wav", tmp_path / "b.wav"]
    remove_staging(tmp_path, job_id="job1")
    assert names_in(tmp_path) == ["a.wav", "b.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"sound"


@pytest.mark.parametrize("has_links", [True, False], ids=["hard links", "no hard links"])
def test_when_one_stem_cannot_be_published_none_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        refuse_links(monkeypatch)
    (tmp_path / "b.wav").write_bytes(b"sound")  # the same as ours: the user's, and it stays
    pairs = [
        *stage(tmp_path, "a.wav", "b.wav", "c.wav"),
        (tmp_path / ".selva-job1-run" / "none", tmp_path / "d.wav"),
    ]
    with pytest.raises(OutputError, match=r"d\.wav cannot be written"):
        publish_all(pairs)
    assert names_in(tmp_path) == ["b.wav"]


def test_a_publication_that_was_cut_off_is_taken_back_with_the_hidden_folder(tmp_path: Path) -> None:
    pairs = stage(tmp_path, "a.wav", "b.wav")
    publish_all(pairs)
    names = "".join(f'["{source.name}", "{target.as_posix()}"]\n' for source, target in pairs)
    (pairs[0][0].parent / JOURNAL).write_text(
        names, encoding="utf-8"
    )  # as it is until the last one is published
    (tmp_path / "b.wav").unlink()
    (tmp_path / "b.wav").write_bytes(b"somebody's")
    remove_staging(tmp_path, job_id="job1")
    assert [path.name for path in tmp_path.iterdir()] == ["b.wav"]
    assert (tmp_path / "b.wav").read_bytes() == b"somebody's"


def test_the_same_bytes_are_kept_untouched(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_bytes(b"sound")
    os.utime(target, (1, 1))
    assert publish_all(stage(tmp_path, "a.wav")) == [target]
    assert target.stat().st_mtime == 1
    assert names_in(tmp_path) == ["a.wav"]


def test_other_bytes_are_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_bytes(b"somebody's")
    (tmp_path / "a_2.wav").write_bytes(b"somebody else's")
    assert publish_all(stage(tmp_path, "a.wav")) == [tmp_path / "a_3.wav"]
    assert target.read_bytes() == b"somebody's"
    assert publish_all(stage(tmp_path, "a.wav")) == [tmp_path / "a_3.wav"]


@POSIX_ONLY
def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious"
    elsewhere.write_bytes(b"sound")
    (tmp_path / "a.wav").symlink_to(elsewhere)
    (tmp_path / "b.wav").symlink_to(tmp_path / "nowhere")
    published = publish_all(stage(tmp_path, "a.wav", "b.wav"))
    assert [path.name for path in published] == ["a_2.wav", "b_2.wav"]
    assert elsewhere.read_bytes() == b"sound"


def test_a_file_system_without_hard_links_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_links(monkeypatch)
    assert publish_all(stage(tmp_path, "a.wav"))[0].read_bytes() == b"sound"
    remove_staging(tmp_path, job_id="job1")
    assert names_in(tmp_path) == ["a.wav"]


def test_a_staging_folder_is_gone_afterwards_and_so_are_those_of_killed_runs(tmp_path: Path) -> None:
    remains = tmp_path / ".selva-job1-dead"
    remains.mkdir()
    (remains / "0.wav").write_bytes(b"half")
    other_job = tmp_path / ".selva-job2-busy"
    other_job.mkdir()
    with staging_folder(tmp_path, job_id="job1") as staging:
        assert staging.parent == tmp_path
        assert not remains.exists()
        (staging / "0.wav").write_bytes(b"sound")
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
