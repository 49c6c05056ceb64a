"""Media values check themselves when they are made."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.errors import RequestError
from selva_core.base.media import ImageSequence, Label, MediaInfo, PictureRange

CLIP = Path("clip.mp4")


def picture_range(**changed: Any) -> PictureRange:
    values: dict[str, Any] = {"path": CLIP, "start_s": Fraction(0), "duration_s": Fraction(8), **changed}
    return PictureRange(**values)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"duration_s": Fraction(0)}, "longer than 0 s; got 0 s"),
        ({"duration_s": Fraction(-1)}, "longer than 0 s; got -1 s"),
        ({"start_s": Fraction(-1, 25)}, "starts at 0 s or later; got -0.04 s"),
    ],
)
def test_a_range_of_nothing_or_before_the_file_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        picture_range(**changed)


@pytest.mark.parametrize("speed", [Fraction(1), Fraction(0), Fraction(-2), Fraction(24_000, 1001)])
def test_a_range_forwards_frozen_or_in_reverse_is_allowed(speed: Fraction) -> None:
    assert picture_range(speed=speed).speed == speed
    assert picture_range(duration_s=Fraction(1, 48_000)).duration_s == Fraction(1, 48_000)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rate_hz": Fraction(0)}, "a rate above 0; got 0"),
        ({"step": 0}, "1 or more apart; got 0"),
        ({"first": 9, "last": 8}, "got 9 to 8"),
        ({"missing": "skip"}, "one of error, hold, black; got 'skip'"),
    ],
)
def test_an_image_sequence_that_cannot_be_played_is_refused(changed: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"rate_hz": Fraction(24), **changed}
    with pytest.raises(RequestError, match=message):
        ImageSequence(**values)


@pytest.mark.parametrize("missing", ["error", "hold", "black"])
def test_a_single_image_with_any_policy_for_missing_files_is_allowed(missing: str) -> None:
    images = ImageSequence(rate_hz=Fraction(24_000, 1001), first=8, last=8, missing=missing)
    assert images.missing == missing


def test_values_are_frozen_so_that_they_can_be_keys() -> None:
    assert {picture_range(): 1}[picture_range()] == 1
    assert picture_range() != picture_range(images=ImageSequence(rate_hz=Fraction(24)))
    assert {Label(start_sample=0, text="hit"): 1}[Label(start_sample=0, text="hit", num_samples=0)] == 1


def test_media_info_leaves_open_what_was_not_read() -> None:
    info = MediaInfo(path=CLIP, duration_s=Fraction(8), frame_rate_hz=None, timecode=None)
    assert (info.width_px, info.codec, info.has_sound) == (None, None, None)
