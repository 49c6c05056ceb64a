"""Bundles from other people, of later versions, with two writers, and with a writer that was stopped."""

from __future__ import annotations

import json
import os
import sys
import threading
import zipfile
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.render_options import RenderOptions
from selva_otio.errors import TimelineReadError, TimelineWriteError
from selva_otio.formats.request_bundle.bundle_folder import load_bundle_folder, write_bundle_folder
from selva_otio.formats.request_bundle.bundle_zip import open_request_bundle, unpack_zip
from selva_otio.formats.request_bundle.options import BundleOptions
from tests.selva_otio.formats.request_bundle.bundles import (
    DOG,
    make_cut,
    make_stem,
    media_file,
    stem_files,
    write_bundle_file,
)

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege here")


@pytest.fixture
def cut(tmp_path: Path) -> otio.schema.Timeline:
    return make_cut(media_file(tmp_path))


def make_zip(path: Path, entries: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def content_of(cut: otio.schema.Timeline) -> bytes:
    return str(cut.to_json_string()).encode()


@pytest.mark.parametrize(
    "name",
    [
        "../evil.wav",
        "stems/../../evil.wav",
        "/stems/evil.wav",
        "stems\\..\\evil.wav",
        "stems/C:evil.wav",
        "stems/sub/evil.wav",
        "stems/.evil.wav",
        "stems/evil.exe",
        "other/evil.wav",
        "pictures/evil.wav",
    ],
)
def test_entries_that_no_bundle_has_are_not_unpacked(
    cut: otio.schema.Timeline, tmp_path: Path, name: str
) -> None:
    path = make_zip(
        tmp_path / "evil.selvaz", {"timeline.otio": content_of(cut), name: b"x", "stems/fine.wav": b"x"}
    )
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    unpack_zip(path, folder)
    found = {
        file.relative_to(tmp_path / "a").as_posix() for file in (tmp_path / "a").rglob("*") if file.is_file()
    }
    assert found == {"b/timeline.otio", "b/stems/fine.wav"}
    assert not (tmp_path / "evil.wav").exists()


def test_archives_that_unpack_out_of_proportion_are_refused(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    bomb = {"timeline.otio": content_of(cut), "stems/bomb.wav": bytes(32 << 20)}
    with pytest.raises(TimelineReadError, match="unpacks to too much"):
        otio.adapters.read_from_file(str(make_zip(tmp_path / "bomb.selvaz", bomb)))
    stored = make_zip(tmp_path / "fine.selvaz", bomb, compression=zipfile.ZIP_STORED)
    assert len(otio.adapters.read_from_file(str(stored)).tracks) == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip at all" * 100])
def test_archives_that_are_broken_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.selvaz"
    path.write_bytes(content)
    with pytest.raises(TimelineReadError, match="is damaged or no"):
        otio.adapters.read_from_file(str(path))


def test_an_archive_that_was_damaged_on_the_way_is_refused(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.selvaz", {"timeline.otio": content_of(cut)}, compression=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(TimelineReadError, match="is damaged or no"):
        otio.adapters.read_from_file(str(path))


@needs_links
def test_links_in_a_bundle_are_not_followed(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG)
    secret = make_stem(bundle, bundle.spot().cues[0]).rename(tmp_path / "secret.wav")
    link = bundle.stems_folder / "link.wav"
    link.symlink_to(secret)
    assert stem_files(otio.adapters.read_from_file(str(bundle.folder))) == {}
    link.unlink()
    secret.rename(link)
    assert stem_files(otio.adapters.read_from_file(str(bundle.folder))) == {"Dog": ["link.wav"]}
    link.rename(secret)
    bundle.stems_folder.rmdir()
    bundle.stems_folder.symlink_to(tmp_path)
    with pytest.raises(TimelineReadError, match="is a link"):
        load_bundle_folder(bundle.folder)


def test_a_bundle_of_a_later_version_says_so(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG)
    request = bundle.folder / "timeline.otio"
    request.write_text(request.read_text().replace("selva.bundle/1", "selva.bundle/2"))
    with pytest.raises(TimelineReadError, match="update Selva Bridge"):
        load_bundle_folder(bundle.folder)
    request.write_text(request.read_text().replace("selva.bundle/2", "tailor/9"))
    with pytest.raises(TimelineReadError, match="write the bundle again"):
        load_bundle_folder(bundle.folder)


@pytest.mark.parametrize("options", [{"takes": "many"}, {"seed": -1}, {"handles": "1/0"}, {"markers": "yes"}])
def test_invalid_options_are_refused_by_name(
    cut: otio.schema.Timeline, tmp_path: Path, options: dict[str, object]
) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG)
    request = bundle.folder / "timeline.otio"
    values = json.loads(request.read_text())
    values["metadata"]["selva"]["bundle"]["options"] |= options
    request.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=next(iter(options))):
        load_bundle_folder(bundle.folder)


def test_folders_that_are_not_bundles_are_neither_read_nor_replaced(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    folder = tmp_path / "photos.selva"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(TimelineReadError, match="is not a bundle"):
        load_bundle_folder(folder)
    with pytest.raises(TimelineWriteError, match="is not a bundle"):
        otio.adapters.write_to_file(cut, str(folder), tracks=DOG)
    assert os.listdir(folder) == ["cat.jpg"]
    with pytest.raises(TimelineReadError, match="there is no"):
        load_bundle_folder(tmp_path / "none.selva")
    with pytest.raises(TimelineWriteError, match="cannot write"):
        otio.adapters.write_to_file(cut, str(tmp_path / "none" / "cut.selva"), tracks=DOG)


def test_two_writers_leave_one_whole_request_and_nothing_else(tmp_path: Path) -> None:
    media = media_file(tmp_path)
    target = tmp_path / "cut.selva"
    cuts = [make_cut(media) for _ in range(4)]
    for number, cut in enumerate(cuts):
        cut.name = f"cut {number}"
        cut.metadata["selva"] = {"tracks": {"Dog": f"dog {number}"}}
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for _ in range(10):
                write_bundle_folder(cuts[number], target, BundleOptions(render=RenderOptions(seed=number)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    bundle = load_bundle_folder(target)
    assert bundle.timeline.name == f"cut {bundle.options.render.seed}"
    assert bundle.spot().cues[0].prompt == f"dog {bundle.options.render.seed}"
    assert sorted(os.listdir(tmp_path)) == ["cut.selva", "shot.mov"]
    assert sorted(os.listdir(target)) == ["stems", "timeline.otio"]


def test_a_writer_that_fails_leaves_the_old_request(
    cut: otio.schema.Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG)
    before = (bundle.folder / "timeline.otio").read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TimelineWriteError, match="the disk is full"):
        otio.adapters.write_to_file(cut, str(bundle.folder), tracks={"Dog": "another"})
    with pytest.raises(TimelineWriteError, match="the disk is full"):
        otio.adapters.write_to_file(cut, str(tmp_path / "new.selva"), tracks=DOG)
    assert (bundle.folder / "timeline.otio").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["cut.selva", "shot.mov"]


def test_a_new_request_keeps_the_stems_in_the_bundle(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG)
    stem = make_stem(bundle, bundle.spot().cues[0])
    write_bundle_file(cut, bundle.folder, tracks={**DOG, "Rain": "rain"})
    assert stem_files(otio.adapters.read_from_file(str(bundle.folder))) == {"Dog": [stem.name]}


def test_a_zip_in_a_read_only_folder_is_read(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    otio.adapters.write_to_file(cut, str(tmp_path / "cut.selvaz"), tracks=DOG)
    before = sorted(os.listdir(tmp_path))
    with open_request_bundle(tmp_path / "cut.selvaz") as bundle:
        assert [cue.clip.media_path for cue in bundle.spot().cues] == [tmp_path / "shot.mov"] * 2
        assert sorted(os.listdir(tmp_path)) == before
        assert not bundle.folder.is_relative_to(tmp_path)
    assert not bundle.folder.exists()


def test_files_that_are_not_stems_or_claim_another_length_are_passed_over(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG)
    stem = make_stem(bundle, bundle.spot().cues[0])
    whole = stem.read_bytes()
    billion = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><BWFXML>'
    for name, content in {
        "bomb": whole.replace(b'<?xml version="1.0" encoding="UTF-8"?>\n<BWFXML>', billion),
        "huge": whole[:4] + b"\xff\xff\xff\xff" + whole[8:12] + b"data\xff\xff\xff\xff",
        "empty": b"",
        "text": b"RIFF" * 100,
    }.items():
        (bundle.stems_folder / f"{name}.wav").write_bytes(content)
    assert stem_files(otio.adapters.read_from_file(str(bundle.folder))) == {"Dog": [stem.name]}
    stem.unlink()
    assert stem_files(otio.adapters.read_from_file(str(bundle.folder))) == {}
