"""What of a watch folder is meant to be rendered."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from selva_render.watch.file_names import is_ignored_file, is_skipped_folder
from selva_render.watch.inbox import InboxItem, is_there, list_inbox


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def listed(folder: Path, *, subfolders: bool = True) -> list[tuple[str, str, str | None]]:
    return [
        (item.kind, item.path.relative_to(folder).as_posix(), None if item.cues is None else item.cues.name)
        for item in list_inbox(folder, subfolders=subfolders).items
    ]


def test_files_that_mean_nothing_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, ".hidden.selvaz", "~cut.otio", "lonely.toml", "read me.txt", "a.wav", "a.csv", "selva.toml")
    (tmp_path / "empty.selva").mkdir()
    assert listed(tmp_path) == []
    put(tmp_path, "lonely.mp4", "Lonely.otio")
    assert listed(tmp_path) == [("timeline", "Lonely.otio", "lonely.toml")]


def test_a_cue_sheet_named_for_cues_counts_before_another_of_the_name(tmp_path: Path) -> None:
    put(tmp_path, "walk.mov", "walk.csv", "walk.cues.csv", "run.mov", "run.csv", "still.mov")
    assert listed(tmp_path) == [
        ("video", "run.mov", "run.csv"),
        ("video", "still.mov", None),
        ("video", "walk.mov", "walk.cues.csv"),
    ]
    assert all(item.rivals == () for item in list_inbox(tmp_path).items)


def test_a_cue_sheet_may_have_the_whole_name_of_its_file(tmp_path: Path) -> None:
    put(
        tmp_path,
        "walk.mov",
        "walk.mov.cues.toml",
        "v1.2.mov",
        "v1.2.cues.csv",
        "cut.otio",
        "cut.otio.cues.csv",
    )
    assert listed(tmp_path) == [
        ("timeline", "cut.otio", "cut.otio.cues.csv"),
        ("video", "v1.2.mov", "v1.2.cues.csv"),
        ("video", "walk.mov", "walk.mov.cues.toml"),
    ]


def test_numbered_images_of_one_name_are_one_item_and_a_few_stills_are_none(tmp_path: Path) -> None:
    put(tmp_path, *(f"day1/shot_010/shot_010.{number:04}.exr" for number in range(1001, 1021)))
    put(tmp_path, "day1/shot_010.cues.csv", *(f"plain/{number}.png" for number in range(1, 13)))
    put(tmp_path, *(f"stills/still{number}.jpg" for number in range(1, 8)))
    put(tmp_path, *(f"mixed/100% {number:02}.tif" for number in range(95, 105)), "mixed/100%.cues.toml")
    assert listed(tmp_path) == [
        ("images", "day1/shot_010/shot_010.%04d.exr", "shot_010.cues.csv"),
        ("images", "mixed/100%% %02d.tif", "100%.cues.toml"),
        ("images", "plain/%d.png", None),
    ]
    assert [item.title for item in list_inbox(tmp_path).items] == ["shot_010", "100%", "images"]
    assert [len(list(item.iter_files())) for item in list_inbox(tmp_path).items] == [21, 11, 12]


def test_each_image_that_comes_changes_or_goes_changes_the_fingerprint_of_its_sequence(
    tmp_path: Path,
) -> None:
    put(tmp_path, *(f"shot.{number:04}.png" for number in range(10)))
    (item,) = list_inbox(tmp_path).items
    seen = [item.take_fingerprint()]
    put(tmp_path, "shot.0010.png")
    seen.append(item.take_fingerprint())
    (tmp_path / "shot.0003.png").write_bytes(b"xy")
    seen.append(item.take_fingerprint())
    (tmp_path / "shot.0004.png").unlink()
    seen.append(item.take_fingerprint())
    assert len(set(seen)) == 4
    assert all(len(fingerprint) == 1 for fingerprint in seen)
    assert item.take_fingerprint() == seen[-1]
    for file in item.iter_files():
        assert is_there(item.path)
        file.unlink()
    assert not is_there(item.path)


def test_folders_are_looked_into_except_those_of_systems_editors_and_results(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a/b/c.mov",
        "@eaDir/x.mov",
        "Adobe Premiere Pro Preview Files/p.mov",
        "failed/f.mov",
        ".git/g.mov",
    )
    put(tmp_path, "walk.mov.results/walk.otio", "cut.otiod/media/shot.mov", "cut.otiod/content.otio")
    assert listed(tmp_path) == [("timeline", "cut.otiod", None), ("video", "a/b/c.mov", None)]
    assert listed(tmp_path, subfolders=False) == [("timeline", "cut.otiod", None)]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "a/walk.mov", "b/walk.mov")
    (tmp_path / "a").chmod(0)
    listing = list_inbox(tmp_path)
    (tmp_path / "a").chmod(0o700)
    assert [item.path for item in listing.items] == [tmp_path / "b" / "walk.mov"]
    assert list(listing.unreadable) == [tmp_path / "a"]


def test_a_folder_whose_listing_fails_is_named_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a/walk.mov", "b/walk.mov")
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if folder == tmp_path / "a":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("selva_render.watch.inbox.os.scandir", refuse)
    listing = list_inbox(tmp_path)
    assert [item.path for item in listing.items] == [tmp_path / "b" / "walk.mov"]
    assert listing.unreadable == {tmp_path / "a": "Permission denied"}


@pytest.mark.parametrize(
    "name",
    [
        ".walk.mov.Xa9f2k",  # rsync
        "walk.mov.part",
        "walk.mov.crdownload",
        "Unconfirmed 12345.crdownload",
        ".syncthing.walk.mov.tmp",
        "~syncthing~walk.mov.tmp",
        "walk.sync-conflict-20260102-030405-ABCDEFG.mov",
        "walk (Anna's conflicted copy 2026-01-02).mov",
        "walk.tmp.mp4",
        "walk.mxftmp",
        "walk.mov.filepart",
        "walk.mov~",
        "~$cut.xml",
        "Thumbs.db",
    ],
)
def test_names_of_unfinished_files_are_ignored(name: str) -> None:
    assert is_ignored_file(name)


@pytest.mark.parametrize(
    "name", ["walk.mov", "part.mov", "temp walk.mov", "tmp_shot010_v2.mxf", "a.b.c.mp4", "render.mov"]
)
def test_names_of_finished_files_are_not_ignored(name: str) -> None:
    assert not is_ignored_file(name)
    assert not is_skipped_folder(name)


def test_what_was_written_changes_the_fingerprint(tmp_path: Path) -> None:
    put(tmp_path, "walk.mov", "walk.toml")
    (item,) = list_inbox(tmp_path).items
    before = item.take_fingerprint()
    assert item.take_fingerprint() == before
    (tmp_path / "walk.toml").write_bytes(b"xy")
    assert item.take_fingerprint() != before
    assert InboxItem(kind="video", path=item.path).take_fingerprint() == before[1:]
