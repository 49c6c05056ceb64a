"""Media that is not where a timeline says: which file is meant, and that the timeline is not changed."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.media import MediaInfo
from selva_otio.errors import MediaChoiceError
from selva_otio.picture.media_folders import MediaFolders, keep_longest_common_tail
from selva_otio.picture.media_search import MediaLookup
from tests.selva_otio.cuts import CutBuilder

BUILDER = CutBuilder(rate_hz=25)
URL = "file:///D:/shoot/card2/C0001.mov"


def put(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
    return paths


def build_clip(url: str = URL, *, media_start_frame: int = 0) -> otio.schema.Clip:
    builder = CutBuilder(rate_hz=25, media_start_frame=media_start_frame, media_num_frames=100)
    return builder.clip("a", offset=10, frames=50, url=url)


def lookup(folder: Path, timecodes: Mapping[Path, str] | None = None) -> MediaLookup:
    """A look-up in `folder`, where each file lasts 4 s and has one of the timecodes or none."""

    def probe(path: Path) -> MediaInfo:
        return MediaInfo(
            path=path,
            duration_s=Fraction(4),
            frame_rate_hz=Fraction(25),
            timecode=(timecodes or {}).get(path),
        )

    return MediaLookup(base_folder=folder / "cut", folders=[folder], probe=probe)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("file:///D:/shoot/card2/C0001.mov", "md/card2/C0001.mov"),
        ("D:\\shoot\\card1\\C0001.mov", "md/card1/C0001.mov"),
        ("file://localhost/Volumes/SHOOT/CARD2/c0001.MOV", "md/card2/C0001.mov"),
        ("file://nas/shoot/md/card1/C0001.mov", "md/card1/C0001.mov"),
        ("../card2/C0001.mov", "md/card2/C0001.mov"),
        ("file:///D:/shoot/jour%20e%CC%81te/x.mov", "md/jour éte/x.mov"),
    ],
)
def test_of_files_with_one_name_that_with_the_longest_common_end_of_the_path_is_meant(
    tmp_path: Path, url: str, found: str
) -> None:
    put(tmp_path, "md/card1/C0001.mov", "md/card2/C0001.mov", "md/jour éte/x.mov", "md/nuit/x.mov")
    media = lookup(tmp_path)
    assert media.find_file(build_clip(url)) == tmp_path / found
    assert media.warnings == []


def test_files_that_nothing_tells_apart_are_refused_and_named(tmp_path: Path) -> None:
    paths = put(tmp_path, "a/C0001.mov", "b/C0001.mov")
    media = lookup(tmp_path)
    with pytest.raises(MediaChoiceError, match="neither their folders nor their timecode") as caught:
        media.find_file(build_clip())
    assert caught.value.facts["paths"] == [str(path) for path in paths]
    assert "--media-dir" in caught.value.message
    assert media.find_file_or_none(build_clip()) is None


def test_of_equals_that_with_the_timecode_of_the_clip_is_meant(tmp_path: Path) -> None:
    first, second = put(tmp_path, "a/C0001.mov", "b/C0001.mov")
    media = lookup(tmp_path, {first: "01:00:00:00", second: "02:00:00:00"})
    assert media.find_file(build_clip(media_start_frame=90_000)) == first
    assert media.find_file(build_clip(media_start_frame=180_000)) == second
    with pytest.raises(MediaChoiceError, match="not the timecode"):
        media.find_file(build_clip(media_start_frame=360_000))


def test_a_clock_that_begins_at_zero_does_not_speak_for_a_file(tmp_path: Path) -> None:
    """Many programs count from a file's first frame, whatever its timecode is."""
    first, second = put(tmp_path, "a/C0001.mov", "b/C0001.mov")
    with pytest.raises(MediaChoiceError):
        lookup(tmp_path, {first: "01:00:00:00", second: "00:00:00:00"}).find_file(build_clip())


def test_the_only_file_of_the_name_is_not_taken_when_its_timecode_is_another(tmp_path: Path) -> None:
    (only,) = put(tmp_path, "card1/C0001.mov")
    media = lookup(tmp_path, {only: "10:00:00:00"})
    with pytest.raises(MediaChoiceError, match="not the timecode"):
        media.find_file(build_clip(media_start_frame=90_000))
    assert media.find_file(build_clip(media_start_frame=900_000)) == only


def test_a_file_that_only_its_name_speaks_for_is_taken_with_a_warning(tmp_path: Path) -> None:
    (only,) = put(tmp_path, "card1/C0001.mov")
    media = lookup(tmp_path)
    assert media.find_file(build_clip()) == only
    (warning,) = media.warnings
    assert URL in warning
    assert str(only) in warning
    by_bare_name = lookup(tmp_path)
    assert by_bare_name.find_file(build_clip("C0001.mov")) == only
    assert by_bare_name.warnings == []


@pytest.mark.parametrize("other", ["shot.wav", "shot.mov.wav", "shot.mov.xmp", "shot.mp4", "shot"])
def test_another_kind_of_file_is_not_the_media(tmp_path: Path, other: str) -> None:
    put(tmp_path, f"md/{other}")
    clip = build_clip("file:///D:/shoot/shot.mov")
    assert not lookup(tmp_path).find_file(clip).exists()
    (right,) = put(tmp_path, "md/shot.mov")
    assert lookup(tmp_path).find_file(clip) == right


def test_media_that_is_where_the_timeline_says_is_not_looked_for(tmp_path: Path) -> None:
    here, _ = put(tmp_path, "footage/C0001.mov", "card2/C0001.mov")
    media = lookup(tmp_path)
    assert media.find_file(build_clip(here.as_uri())) == here
    assert media.find_file(build_clip("../footage/C0001.mov")).resolve() == here


def test_folders_that_are_named_twice_or_inside_one_another_do_not_make_rivals(tmp_path: Path) -> None:
    (only,) = put(tmp_path, "card1/C0001.mov")
    media = MediaLookup(base_folder=tmp_path, folders=[tmp_path, tmp_path / "card1", tmp_path])
    assert media.find_file(build_clip()) == only


def test_the_timeline_keeps_its_urls_while_a_bundle_gets_those_of_the_files(tmp_path: Path) -> None:
    put(tmp_path, "card1/C0001.mov", "card2/C0001.mov")
    timeline = BUILDER.timeline(BUILDER.track(build_clip(), build_clip("file:///gone/other.mov")))
    before = timeline.to_json_string()
    media = lookup(tmp_path)
    for clip in timeline.find_clips():
        media.find_file(clip)
    assert timeline.to_json_string() == before
    media.point_to_files(timeline)
    urls = [clip.media_reference.target_url for clip in timeline.find_clips()]
    assert urls == [(tmp_path / "card2" / "C0001.mov").as_uri(), "file:///gone/other.mov"]


def test_images_are_found_in_the_folder_that_is_meant(tmp_path: Path) -> None:
    put(tmp_path, *(f"md/sh{shot}/beauty.{number:04}.exr" for shot in (10, 20) for number in (1001, 1002)))
    media = lookup(tmp_path)
    found = media.find_images(Path("/gone/renders/sh20/beauty.%04d.exr"))
    assert found == tmp_path / "md" / "sh20" / "beauty.%04d.exr"
    with pytest.raises(MediaChoiceError):
        media.find_images(Path("/gone/renders/sh30/beauty.%04d.exr"))
    missing = Path("/gone/renders/sh30/matte.%04d.exr")
    assert media.find_images(missing) == missing


def test_a_reel_is_found_with_any_suffix_and_a_file_name_only_with_its_own(tmp_path: Path) -> None:
    reel, sound, version = put(tmp_path, "A001.mxf", "B002.wav", "shot.v2.mov")
    folders = MediaFolders([tmp_path])
    assert folders.find_reel("A001") == [reel]
    assert folders.find_reel("shot.v2") == [version]
    assert folders.find_reel("B002.mov") == []
    assert folders.find_reel("C:\\day 1\\b002.WAV") == [sound]


def test_the_longest_common_end_counts_whole_parts() -> None:
    paths = [Path("/a/xcard2/C1.mov"), Path("/b/card2/C1.mov")]
    assert keep_longest_common_tail(paths, "D:/card2/C1.mov") == ([paths[1]], 2)
    assert keep_longest_common_tail(paths, "D:/card3/C1.mov") == (paths, 1)
    assert keep_longest_common_tail([], "D:/card3/C1.mov") == ([], 0)
