"""What a look at a watch folder makes of files that come, change and go, and of a folder that is away."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selva_render.watch.journal_records import GONE, UNPROMPTED, WAITING
from selva_render.watch.scanner import GONE_REMEMBERED_S
from tests.selva_render.watch.watching import CUES, Watcher, watching


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "selva.toml").write_text(CUES)
    return folder


@pytest.fixture
def watcher(share: Path, tmp_path: Path) -> Iterator[Watcher]:
    with watching(share, tmp_path / "out", tmp_path / "state", settle_s=2.0) as opened:
        yield opened


def look(watcher: Watcher, *, seconds: float = 3.0) -> dict[str, str]:
    watcher.clock[0] += seconds
    watcher.session.scan()
    return watcher.states()


def test_a_file_waits_when_it_was_the_same_for_long_enough(share: Path, watcher: Watcher) -> None:
    (share / "walk.mov").write_bytes(b"x")
    assert look(watcher) == {}
    (share / "walk.mov").write_bytes(b"xy")
    assert look(watcher, seconds=1.9) == {}
    assert look(watcher, seconds=1.9) == {}
    assert watcher.session.scan() == pytest.approx(0.1)
    assert look(watcher, seconds=0.2) == {"walk.mov": WAITING}


def test_a_file_that_is_deleted_is_gone_and_one_that_comes_back_waits(share: Path, watcher: Watcher) -> None:
    (share / "walk.mov").write_bytes(b"x")
    look(watcher)
    look(watcher)
    (share / "walk.mov").rename(share / "run.mov")
    assert look(watcher) == {"walk.mov": GONE}
    assert look(watcher) == {"walk.mov": GONE, "run.mov": WAITING}
    (share / "run.mov").rename(share / "walk.mov")
    look(watcher)
    assert look(watcher) == {"walk.mov": WAITING, "run.mov": GONE}


def test_what_is_long_gone_is_forgotten(share: Path, watcher: Watcher) -> None:
    (share / "walk.mov").write_bytes(b"x")
    look(watcher)
    look(watcher)
    (share / "walk.mov").unlink()
    assert look(watcher) == {"walk.mov": GONE}
    assert look(watcher, seconds=GONE_REMEMBERED_S - 10) == {"walk.mov": GONE}
    assert look(watcher, seconds=20) == {}


def test_a_share_that_is_away_has_lost_nothing(share: Path, watcher: Watcher) -> None:
    (share / "walk.mov").write_bytes(b"x")
    look(watcher)
    look(watcher)
    share.rename(share.with_name("away"))
    assert look(watcher) == {"walk.mov": WAITING}
    assert not watcher.session.may_work()
    assert not watcher.journal.folder(share).is_available
    look(watcher)
    assert len([line for line in watcher.messages if "cannot be read now" in line]) == 1
    share.with_name("away").rename(share)
    assert look(watcher) == {"walk.mov": WAITING}
    assert watcher.session.may_work()
    assert watcher.journal.folder(share).is_available
    assert watcher.messages[-1] == f"{share} is there again"


def test_the_empty_mount_point_of_a_share_is_no_empty_share(share: Path, watcher: Watcher) -> None:
    """Another file system lies there, which the journal is made to remember otherwise."""
    (share / "walk.mov").write_bytes(b"x")
    look(watcher)
    look(watcher)
    (share / "walk.mov").rename(share.with_name("walk.mov"))
    watcher.journal.update_folder(share, device=share.stat().st_dev + 1)
    assert look(watcher) == {"walk.mov": WAITING}
    assert "probably not mounted" in watcher.journal.folder(share).note
    watcher.journal.update_folder(share, device=share.stat().st_dev)
    assert look(watcher) == {"walk.mov": GONE}, "the same file system: they were deleted"


def test_a_share_on_another_device_with_its_files_is_the_share(share: Path, watcher: Watcher) -> None:
    (share / "walk.mov").write_bytes(b"x")
    look(watcher)
    look(watcher)
    watcher.journal.update_folder(share, device=share.stat().st_dev + 1)
    (share / "run.mov").write_bytes(b"x")
    look(watcher)
    assert look(watcher) == {"walk.mov": WAITING, "run.mov": WAITING}


def test_a_folder_that_cannot_be_read_keeps_its_items_and_the_others_go_on(
    share: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    (share / "a").mkdir()
    (share / "a" / "walk.mov").write_bytes(b"x")
    look(watcher)
    look(watcher)
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if folder == share / "a":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("selva_render.watch.inbox.os.scandir", refuse)
    (share / "run.mov").write_bytes(b"x")
    look(watcher)
    assert look(watcher) == {"a/walk.mov": WAITING, "run.mov": WAITING}
    assert f"{share / 'a'} cannot be read: Permission denied" in watcher.messages


def test_new_rules_let_items_without_prompts_wait_again(share: Path, watcher: Watcher) -> None:
    (share / "selva.toml").unlink()
    (share / "walk.mov").write_bytes(b"x")
    watcher.rest()
    assert watcher.states() == {"walk.mov": UNPROMPTED}
    look(watcher)
    assert watcher.states() == {"walk.mov": UNPROMPTED}
    (share / "selva.toml").write_text(CUES)
    assert look(watcher) == {"walk.mov": WAITING}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_with_line_ends_and_names_that_are_no_text_are_items(share: Path, watcher: Watcher) -> None:
    names = ["a\nb.mov", "caf\udce9.mov", "-o.mov", "  .mov"]
    for name in names:
        try:
            (share / name).write_bytes(b"x")
        except OSError:  # macOS takes UTF-8 only
            names.remove(name)
    look(watcher)
    assert look(watcher) == dict.fromkeys(names, WAITING)


@pytest.mark.slow
def test_ten_thousand_files_at_once_wait_in_the_journal(share: Path, watcher: Watcher) -> None:
    for number in range(10_000):
        (share / f"shot{number:05}.mov").touch()
    look(watcher)
    look(watcher)
    assert watcher.journal.counts(share)[WAITING] == 10_000


def test_many_files_at_once_wait_in_the_journal_and_are_begun_one_by_one(
    share: Path, watcher: Watcher
) -> None:
    for number in range(300):
        (share / f"shot{number:03}.mov").touch()
    look(watcher)
    look(watcher)
    assert watcher.journal.counts(share)[WAITING] == 300
    record = watcher.journal.take_next([share], now_s=watcher.clock[0])
    assert record is not None
    assert watcher.journal.counts(share)[WAITING] == 299
