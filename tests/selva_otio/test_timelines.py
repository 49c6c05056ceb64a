"""Timeline files: read, checked and written."""

from __future__ import annotations

import os
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio.errors import TimelineReadError, TimelineWriteError, UnsupportedFormatError
from selva_otio.timelines import check_timeline_target, load_timeline, write_timeline
from tests.selva_otio.cuts import CutBuilder


def test_what_is_written_reads_back_the_same(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    timeline = cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("ä 猫", offset=5, frames=20)))
    target = tmp_path / "out.otio"
    write_timeline(timeline, target)
    assert load_timeline(target).to_json_string() == timeline.to_json_string()
    assert os.listdir(tmp_path) == ["out.otio"]


def test_a_collection_with_one_timeline_is_that_timeline(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    timeline = cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=5, frames=20)))
    collection = otio.schema.SerializableCollection("bin", [timeline, otio.schema.Clip("loose")])
    path = tmp_path / "bin.otio"
    path.write_text(collection.to_json_string(), encoding="utf-8")
    assert load_timeline(path).name == "cut"
    collection.append(timeline.clone())
    path.write_text(collection.to_json_string(), encoding="utf-8")
    with pytest.raises(TimelineReadError, match="2 timelines"):
        load_timeline(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b'{"OTIO_SCHEMA": "Clip.1"}', b'{"OTIO_SCHEMA": "Timeline.99"}'],
)
def test_files_that_are_no_timeline_are_refused_with_their_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.otio"
    path.write_bytes(content)
    with pytest.raises(TimelineReadError, match=r"cut\.otio"):
        load_timeline(path)


def test_a_missing_timeline_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(TimelineReadError, match="there is no timeline"):
        load_timeline(tmp_path / "none.otio")


def test_an_unsupported_format_is_refused_with_the_file_name(tmp_path: Path) -> None:
    path = tmp_path / "cut.prproj"
    path.write_bytes(b"x")
    with pytest.raises(UnsupportedFormatError, match=r"cut\.prproj"):
        load_timeline(path)


def test_a_target_beside_the_source_is_accepted_and_the_source_itself_is_not(tmp_path: Path) -> None:
    source = tmp_path / "cut.otio"
    source.write_text("{}")
    check_timeline_target(tmp_path / "out.otio", source)
    assert os.listdir(tmp_path) == ["cut.otio"]
    with pytest.raises(TimelineWriteError, match="never changed"):
        check_timeline_target(source, source)


def test_a_link_to_the_source_is_the_source(tmp_path: Path) -> None:
    source = tmp_path / "cut.otio"
    source.write_text("{}")
    link = tmp_path / "link.otio"
    try:
        link.symlink_to(source)
    except OSError:
        pytest.skip("this system makes no links")
    with pytest.raises(TimelineWriteError, match="never changed"):
        check_timeline_target(link, source)


def test_targets_that_cannot_be_written_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(TimelineWriteError, match="no folder"):
        check_timeline_target(tmp_path / "missing" / "out.otio")
    with pytest.raises(UnsupportedFormatError, match=r"\.otio"):
        check_timeline_target(tmp_path / "out.mov")
    folder = tmp_path / "folder.otio"
    folder.mkdir()
    with pytest.raises(TimelineWriteError, match="is a folder"):
        check_timeline_target(folder)
    assert os.listdir(tmp_path) == ["folder.otio"]


def test_a_failed_write_leaves_only_the_old_file(
    cut_at_24: CutBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.otio"
    target.write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TimelineWriteError, match="the disk is full; free some space"):
        write_timeline(cut_at_24.timeline(), target)
    assert os.listdir(tmp_path) == ["out.otio"]
    assert target.read_text() == "old"
