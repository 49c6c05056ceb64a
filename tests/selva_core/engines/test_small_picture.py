"""Small pictures: a machine without the media makes the same sound from them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from selva_core.base.errors import MediaUnreadableError, RenderCancelled
from selva_core.base.media import PictureRange
from selva_core.engines.echo import EchoEngine, find_flashes
from selva_core.engines.small_picture import small_picture_suffix, small_range, write_small_picture
from selva_core.models.catalog import find_model
from selva_core.video.frames import read_frames
from tests.support.flashes import write_flashing_clip

DURATION_S = Fraction(41, 50)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("small") / "shot.mov"
    return write_flashing_clip(file, rate=Fraction(24000, 1001), num_frames=60, flashes={20, 31, 34})


@pytest.mark.parametrize("speed", [Fraction(1), Fraction(-1), Fraction(0), Fraction(3, 2)])
@pytest.mark.parametrize("model", ["selva-nano", "selva-small-16k"])
def test_the_network_sees_the_same_pixels_as_in_the_media(
    clip: Path, tmp_path: Path, model: str, speed: Fraction
) -> None:
    spec = find_model(model).spec
    assert spec is not None
    size_px = spec.video_encoder.frame_size_px
    assert spec.video_encoder.frame_rate_hz == 25, "the rate at which a proxy is written"
    seen = PictureRange(path=clip, start_s=Fraction(6, 5), duration_s=DURATION_S, speed=speed)
    file = tmp_path / f"small{small_picture_suffix(model)}"
    write_small_picture(seen, file, model_id=model)
    np.testing.assert_array_equal(
        read_frames(small_range(file, DURATION_S), size_px=size_px), read_frames(seen, size_px=size_px)
    )


@pytest.mark.parametrize("speed", [Fraction(1), Fraction(-1), Fraction(0), Fraction(3, 2)])
def test_the_echo_engine_clicks_at_the_same_times(clip: Path, tmp_path: Path, speed: Fraction) -> None:
    """They lie between the frames of a proxy: those of the media have another rate."""
    seen = PictureRange(path=clip, start_s=Fraction(6, 5), duration_s=DURATION_S, speed=speed)
    file = tmp_path / f"small{small_picture_suffix('selva-echo')}"
    write_small_picture(seen, file, model_id="selva-echo")
    assert find_flashes(small_range(file, DURATION_S)) == find_flashes(seen)
    assert bool(find_flashes(seen)) == (speed != 0), "there is something to compare"


def test_a_small_picture_that_is_damaged_is_an_error_of_the_media(tmp_path: Path) -> None:
    file = tmp_path / "x.lumas"
    file.write_text("[[1, 0, 0.5]]")
    with pytest.raises(MediaUnreadableError, match="cannot be read"):
        find_flashes(small_range(file, DURATION_S))
    assert EchoEngine.model_id == "selva-echo"


@pytest.mark.parametrize("model", ["selva-nano", "selva-echo"])
def test_writing_stops_when_it_is_asked_to_and_leaves_nothing(clip: Path, tmp_path: Path, model: str) -> None:
    def check() -> None:
        raise RenderCancelled("stopped")

    seen = PictureRange(path=clip, start_s=Fraction(0), duration_s=DURATION_S)
    with pytest.raises(RenderCancelled):
        write_small_picture(seen, tmp_path / "small.mp4", model_id=model, check=check)
    assert list(tmp_path.iterdir()) == []
