"""Image sequences on timelines, by reference and by file name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.media import ImageSequence
from selva_otio import StemTrack, spot_timeline, write_timeline
from selva_otio.errors import UnsupportedUrlError
from selva_otio.picture.bare_media import build_media_clock, build_media_timeline
from selva_otio.picture.image_names import ImageName, parse_image_name
from selva_otio.picture.image_sequences import find_image_sequence
from selva_otio.picture.media import explain_no_picture
from selva_otio.timelines import open_timeline
from tests.selva_otio.cuts import CutBuilder

FOLDER = Path("/shots")
DOG = StemTrack(name="Dog", prompt="small dog barking")
FILM = Fraction(24000, 1001)


def frames(start: float, count: float, rate: float = 24.0) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(count, rate)
    )


def sequence(**changes: object) -> otio.schema.ImageSequenceReference:
    values: dict[str, object] = {
        "target_url_base": "file:///shots/sc%20010/",
        "name_prefix": "beauty.",
        "name_suffix": ".exr",
        "start_frame": 1001,
        "frame_step": 1,
        "rate": 24.0,
        "frame_zero_padding": 4,
        "available_range": frames(0, 100),
    }
    return otio.schema.ImageSequenceReference(**{**values, **changes})


def clip_of(reference: otio.core.MediaReference, source_range: object = None) -> otio.schema.Clip:
    return otio.schema.Clip("shot", media_reference=reference, source_range=source_range or frames(0, 48))


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("frame.%04d.png", ImageName(prefix="frame.", min_digits=4, suffix=".png")),
        ("frame%d.jpg", ImageName(prefix="frame", min_digits=1, suffix=".jpg")),
        ("frame.####.exr", ImageName(prefix="frame.", min_digits=4, suffix=".exr")),
        ("a [0001-0100].TIF", ImageName(prefix="a ", min_digits=4, suffix=".TIF", first=1, last=100)),
    ],
)
def test_names_of_sequences_are_read_as_hosts_write_them(name: str, parsed: ImageName) -> None:
    assert parse_image_name(name) == parsed


@pytest.mark.parametrize(
    "name",
    ["frame.0001.png", "frame.%04d.mov", "take #2.mov", "a.%04d.%04d.png", "clip [1-2].mp4", "100%.png"],
)
def test_other_names_are_no_sequences(name: str) -> None:
    assert parse_image_name(name) is None


def test_a_literal_percent_sign_is_escaped_in_the_pattern() -> None:
    name = parse_image_name("100%_[01-20].png")
    assert name is not None
    assert name.pattern == "100%%_%02d.png"


def test_an_image_sequence_reference_is_read_completely() -> None:
    assert explain_no_picture(clip_of(sequence())) is None
    path, images = find_image_sequence(clip_of(sequence()), FOLDER) or (None, None)
    assert path == Path("/shots/sc 010/beauty.%04d.exr")
    assert images == ImageSequence(rate_hz=Fraction(24), first=1001, last=1100)


@pytest.mark.parametrize("policy", ["error", "hold", "black"])
def test_the_policy_for_missing_frames_is_kept(policy: str) -> None:
    chosen = otio.schema.ImageSequenceReference.MissingFramePolicy.__members__[policy]
    _, images = find_image_sequence(clip_of(sequence(missing_frame_policy=chosen)), FOLDER) or (None, None)
    assert images is not None
    assert images.missing == policy


def test_a_step_shows_each_image_longer() -> None:
    """As OpenTimelineIO counts: at step 2, half as many images cover the same range."""
    reference = sequence(frame_step=2, rate=23.976)
    _, images = find_image_sequence(clip_of(reference), FOLDER) or (None, None)
    assert images is not None
    assert images.rate_hz == FILM / 2
    assert (images.last or 0) - 1001 == 2 * (reference.number_of_images_in_sequence() - 1)


def test_without_an_available_range_the_last_image_is_left_open() -> None:
    _, images = find_image_sequence(clip_of(sequence(available_range=None)), FOLDER) or (None, None)
    assert images == ImageSequence(rate_hz=Fraction(24), first=1001, last=None)


@pytest.mark.parametrize(
    "url",
    [
        "file:///shots/a/beauty.%04d.exr",
        "file:///shots/a/beauty.%2504d.exr",
        "a/beauty.%04d.exr",
        "file:///shots/a/beauty.[1001-1100].exr",
        "file:///shots/a/beauty.%5B1001-1100%5D.exr",
        "/shots/a/beauty.####.exr",
    ],
)
def test_an_external_reference_with_the_name_of_a_sequence_is_one(url: str) -> None:
    reference = otio.schema.ExternalReference(target_url=url, available_range=frames(0, 100, 23.976))
    assert explain_no_picture(clip_of(reference)) is None
    path, images = find_image_sequence(clip_of(reference), FOLDER) or (None, None)
    assert path == Path("/shots/a/beauty.%04d.exr")
    assert images is not None
    assert images.rate_hz == FILM
    assert (images.first, images.last) in ((1001, 1100), (None, None))


def test_a_still_picture_and_a_movie_are_no_sequences() -> None:
    still = otio.schema.ExternalReference(
        target_url="file:///shots/beauty.0001.exr", available_range=frames(0, 1)
    )
    assert (explain_no_picture(clip_of(still)) or ("",))[0] == "a still picture (.exr)"
    assert find_image_sequence(clip_of(still), FOLDER) is None
    movie = otio.schema.ExternalReference(target_url="file:///shots/a#1.mov", available_range=frames(0, 1))
    assert find_image_sequence(clip_of(movie), FOLDER) is None


def test_an_existing_file_with_the_name_of_a_sequence_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "odd [1-2].png").write_bytes(b"one file")
    reference = otio.schema.ExternalReference(target_url="odd [1-2].png", available_range=frames(0, 1))
    assert find_image_sequence(clip_of(reference), tmp_path) is None


@pytest.mark.parametrize("suffix", [".cin", ".mov", ""])
def test_images_of_a_kind_that_is_not_read_are_a_fault(suffix: str) -> None:
    reason, is_fault = explain_no_picture(clip_of(sequence(name_suffix=suffix))) or ("", False)
    assert is_fault
    assert "image sequence of a kind that is not read" in reason


def test_an_impossible_sequence_fails_its_clip_only() -> None:
    cut = CutBuilder(rate_hz=24, media_num_frames=100)
    good, bad = clip_of(sequence()), clip_of(sequence(frame_step=0))
    sheet = spot_timeline(cut.timeline(cut.track(good, bad)), [DOG], base_folder=FOLDER)
    assert [clip.media_path.name for clip in sheet.clips] == ["beauty.%04d.exr"]
    assert ["go on by 1 or more" in item.reason for item in sheet.skipped] == [True]
    web = clip_of(sequence(target_url_base="https://example.com/"))
    with pytest.raises(UnsupportedUrlError):
        find_image_sequence(web, FOLDER)


def test_a_sequence_may_begin_before_zero() -> None:
    found = find_image_sequence(clip_of(sequence(start_frame=-5)), FOLDER)
    assert found is not None
    assert found[1].first == -5


def test_sequences_of_one_name_in_two_folders_have_two_cue_ids_in_any_order() -> None:
    cut = CutBuilder(rate_hz=24)
    clips = [clip_of(sequence(target_url_base=f"file:///shots/{name}/")) for name in ("sc010", "sc020")]
    there = spot_timeline(cut.timeline(cut.track(*clips)), [DOG], base_folder=FOLDER)
    back = spot_timeline(
        cut.timeline(cut.track(*[clip.clone() for clip in reversed(clips)])), [DOG], base_folder=FOLDER
    )
    assert [cue.id for cue in there.cues] == [cue.id for cue in reversed(back.cues)]
    assert len({cue.id for cue in there.cues}) == 2


def test_embedded_timecode_of_a_sequence_does_not_shift_its_clock() -> None:
    hour = 86_400
    reference = sequence(start_frame=hour, available_range=frames(hour, 200))
    cut = CutBuilder(rate_hz=24)
    sheet = spot_timeline(
        cut.timeline(cut.track(clip_of(reference, frames(hour + 30, 50)))), [DOG], base_folder=FOLDER
    )
    [clip] = sheet.clips
    assert clip.media_start_s == Fraction(30, 24)
    assert clip.source_timecode == "01:00:01:06"
    assert clip.images == ImageSequence(rate_hz=Fraction(24), first=hour, last=hour + 199)


def test_a_sequence_without_a_timeline_becomes_a_timeline_of_one_clip() -> None:
    clock = build_media_clock(FILM, None)
    images = ImageSequence(rate_hz=FILM, first=1001, last=1048, missing="hold")
    timeline = build_media_timeline(
        FOLDER / "plate.%04d.png",
        clock,
        duration_s=48 / FILM,
        start_s=Fraction(0),
        end_s=48 / FILM,
        images=images,
    )
    [clip] = timeline.find_clips()
    assert clip.name == "plate"
    assert clip.media_reference.target_url_for_image_number(0) == "file:///shots/plate.1001.png"
    assert find_image_sequence(clip, Path("/elsewhere")) == (FOLDER / "plate.%04d.png", images)


@pytest.mark.parametrize("suffix", [".otio", ".otioz", ".otiod"])
def test_a_relative_sequence_is_found_from_another_folder(tmp_path: Path, suffix: str) -> None:
    cut = CutBuilder(rate_hz=24)
    by_name = otio.schema.ExternalReference(
        target_url="renders%20a/beauty.%04d.exr", available_range=frames(0, 100)
    )
    clips = [clip_of(sequence(target_url_base="renders%20a/")), clip_of(by_name)]
    target = tmp_path / "out" / f"cut{suffix}"
    target.parent.mkdir()
    write_timeline(cut.timeline(cut.track(*clips)), target, base_folder=tmp_path)
    with open_timeline(target) as opened:
        found = [find_image_sequence(clip, opened.base_folder) for clip in opened.timeline.find_clips()]
    expected = tmp_path / "renders a" / "beauty.%04d.exr"
    assert [images[0] for images in found if images is not None] == [expected, expected]
