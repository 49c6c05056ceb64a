"""OpenTimelineIO's file bundles, .otioz and .otiod: media, takes, and archives that are refused."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import Stem, StemTrack, load_timeline, place_stems, spot_timeline, write_timeline
from selva_otio.errors import TimelineReadError, TimelineWriteError
from selva_otio.formats.otioz import CONTENT_NAME
from selva_otio.picture.media import resolve_media_path
from selva_otio.timelines import check_timeline_target, open_timeline
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking")


@pytest.fixture
def timeline(cut_at_24: CutBuilder, tmp_path: Path) -> otio.schema.Timeline:
    """Two clips of two files of the same name in different folders, one of them given relative to `tmp_path`."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "shot #1 ä.mov").write_bytes(folder.encode() * 100)
    cut = cut_at_24
    first = cut.clip("a", offset=0, frames=20, url="one/shot%20%231%20%C3%A4.mov")
    second = cut.clip("b", offset=0, frames=20, url=(tmp_path / "two" / "shot #1 ä.mov").as_uri())
    return cut.timeline(cut.track(first, second))


def with_takes(timeline: otio.schema.Timeline, folder: Path) -> otio.schema.Timeline:
    """The timeline with a stem of two takes, whose files are in `folder`."""
    sheet = spot_timeline(timeline, [DOG], base_folder=folder)
    stems = []
    for take in (1, 2):
        file = folder / f"Dog take {take}.wav"
        file.write_bytes(b"sound" * take)
        stems.append(
            Stem(
                cue=sheet.cues[0].id,
                take=take,
                seed=take,
                file=file,
                sample_rate_hz=48_000,
                num_samples=40_000,
            )
        )
    return place_stems(timeline, sheet, stems).timeline


def media_bytes(timeline: otio.schema.Timeline, base_folder: Path) -> dict[str, bytes]:
    """Clip and take to the content of the file it leads to."""
    found = {}
    for clip in timeline.find_clips():
        for key, reference in clip.media_references().items():
            found[f"{clip.name} {key}"] = resolve_media_path(reference.target_url, base_folder).read_bytes()
    return found


@pytest.mark.parametrize("suffix", [".otioz", ".otiod"])
def test_a_bundle_carries_all_media_and_every_take(
    timeline: otio.schema.Timeline, tmp_path: Path, suffix: str
) -> None:
    full = with_takes(timeline, tmp_path)
    bundle = tmp_path / f"cut{suffix}"
    write_timeline(full, bundle, base_folder=tmp_path)
    before = media_bytes(full, tmp_path)
    (tmp_path / "one" / "shot #1 ä.mov").unlink()
    with open_timeline(bundle) as opened:
        assert media_bytes(opened.timeline, opened.base_folder) == before
        assert len(before) == 4
        unpacked = opened.base_folder
    assert unpacked.exists() == (suffix == ".otiod")


@pytest.mark.parametrize("suffix", [".otioz", ".otiod"])
def test_bundles_are_read_by_opentimelineio_itself(
    timeline: otio.schema.Timeline, tmp_path: Path, suffix: str
) -> None:
    bundle = tmp_path / f"cut{suffix}"
    write_timeline(timeline, bundle, base_folder=tmp_path)
    read = otio.adapters.read_from_file(str(bundle))
    urls = [clip.media_reference.target_url for clip in read.find_clips()]
    assert sorted(urls) == ["media/shot-1-a-2.mov", "media/shot-1-a.mov"]


def test_bundles_that_opentimelineio_wrote_are_read(timeline: otio.schema.Timeline, tmp_path: Path) -> None:
    plain = tmp_path / "plain name.mov"
    plain.write_bytes(b"picture")
    for clip in timeline.find_clips():
        clip.media_reference.target_url = str(plain)
    bundle = tmp_path / "other.otioz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        otio.adapters.write_to_file(timeline, str(bundle))
    with open_timeline(bundle) as opened:
        contents = set(media_bytes(opened.timeline, opened.base_folder).values())
    assert contents == {b"picture"}


def test_missing_media_keeps_its_absolute_url(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cut = cut_at_24
    clip = cut.clip("gone", offset=0, frames=20, url="nowhere/gone.mov")
    write_timeline(cut.timeline(cut.track(clip)), tmp_path / "cut.otioz", base_folder=tmp_path)
    (read,) = load_timeline(tmp_path / "cut.otioz").find_clips()
    assert read.media_reference.target_url == (tmp_path / "nowhere" / "gone.mov").as_uri()


def test_a_file_bundle_is_written_only_to_a_file_bundle(
    timeline: otio.schema.Timeline, tmp_path: Path
) -> None:
    bundle = tmp_path / "cut.otioz"
    write_timeline(timeline, bundle, base_folder=tmp_path)
    check_timeline_target(tmp_path / "out.otioz", bundle)
    with pytest.raises(TimelineWriteError, match=r"write a bundle too: out\.otioz"):
        check_timeline_target(tmp_path / "out.otio", bundle)


def test_a_bundle_folder_is_never_replaced(timeline: otio.schema.Timeline, tmp_path: Path) -> None:
    target = tmp_path / "cut.otiod"
    check_timeline_target(target)
    write_timeline(timeline, target, base_folder=tmp_path)
    with pytest.raises(TimelineWriteError, match="never replaced"):
        check_timeline_target(target)


def write_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def content_naming(cut: CutBuilder, url: str) -> bytes:
    clip = cut.clip("a", offset=0, frames=20, url=url)
    return bytes(cut.timeline(cut.track(clip)).to_json_string(), "utf-8")


def test_archives_that_are_broken_or_hostile_are_refused(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cases = {
        "empty.otioz": {},
        "deep.otioz": {CONTENT_NAME: b"[" * 200_000 + b"]" * 200_000},
        "bomb.otioz": {
            CONTENT_NAME: content_naming(cut_at_24, "media/a.mov"),
            "media/a.mov": b"\0" * 30_000_000,
        },
        "escape.otioz": {
            CONTENT_NAME: content_naming(cut_at_24, "media/../../a.mov"),
            "media/../../a.mov": b"x",
        },
    }
    for name, entries in cases.items():
        with pytest.raises(TimelineReadError, match=name):
            load_timeline(write_zip(tmp_path / name, entries))
    junk = tmp_path / "junk.otioz"
    junk.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(TimelineReadError, match="damaged"):
        load_timeline(junk)
    assert not (tmp_path.parent / "a.mov").exists()


def test_files_in_an_archive_that_the_timeline_does_not_name_stay_in_it(
    cut_at_24: CutBuilder, tmp_path: Path
) -> None:
    content = content_naming(cut_at_24, "media/a.mov")
    entries = {
        CONTENT_NAME: content,
        "media/a.mov": b"picture",
        "media/b.mov": b"\0" * 9_000_000,
        "/etc/x": b"x",
    }
    with open_timeline(write_zip(tmp_path / "cut.otioz", entries)) as opened:
        assert [path.name for path in opened.base_folder.rglob("*") if path.is_file()] == ["a.mov"]


def test_nothing_is_left_of_a_bundle_that_could_not_be_written(
    timeline: otio.schema.Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(os, "fsync", fail)
    for suffix in (".otioz", ".otiod"):
        with pytest.raises(TimelineWriteError, match="the disk is full"):
            write_timeline(timeline, tmp_path / f"cut{suffix}", base_folder=tmp_path)
    assert sorted(os.listdir(tmp_path)) == before
