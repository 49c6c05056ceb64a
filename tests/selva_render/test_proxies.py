"""Proxies: the small movies that a bundle carries in place of its media."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from selva_core.base.media import PictureRange
from selva_core.video.frames import read_frames
from selva_core.video.proxy import write_proxy
from tests.support.flashes import write_flashing_clip


@pytest.mark.parametrize("speed", [Fraction(1), Fraction(-1), Fraction(0)])
def test_small_pictures_are_what_a_model_sees_to_the_bit(tmp_path: Path, speed: Fraction) -> None:
    video = write_flashing_clip(
        tmp_path / "shot.mov", rate=Fraction(24000, 1001), num_frames=60, flashes={20, 31}
    )
    seen = PictureRange(path=video, start_s=Fraction(6, 5), duration_s=Fraction(4, 5), speed=speed)
    write_proxy(seen, tmp_path / "small.mp4")
    copied = PictureRange(
        path=tmp_path / "small.mp4", start_s=Fraction(0), duration_s=Fraction(4, 5), speed=Fraction(1)
    )
    expected = read_frames(seen, size_px=224)
    np.testing.assert_array_equal(read_frames(copied, size_px=224), expected)
    assert (expected.max() > 200) == (speed != 0), "the flash is among what is compared"
