"""HDR, wide gamut, alpha and untagged HD look as they do on an editor's SDR monitor."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import Colorspace

from selva_core.base.media import PictureRange
from selva_core.video.colour import SdrConverter, has_alpha, is_hd_frame, is_wide_gamut
from selva_core.video.frames import read_frames
from selva_core.video.probe import probe_media

MakeVideo = Callable[..., Path]
MEDIA = Path(__file__).parents[2] / "data" / "media"
PATCHES = {  # (x, y) in a picture of 640 x 360: the colour that was written, as SDR BT.709
    (80, 40): (191, 0, 0),
    (240, 40): (0, 191, 0),
    (400, 40): (0, 0, 191),
    (560, 40): (191, 191, 0),
    (400, 130): (16, 16, 16),
    (560, 130): (235, 235, 235),
    (80, 220): (128, 128, 128),
    (80, 310): (255, 255, 255),
    (240, 310): (0, 0, 0),
}


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        frame: av.VideoFrame = next(container.decode(video=0))
        return frame


@pytest.mark.parametrize("name", ["hdr_hlg.mp4", "hdr_pq.mp4"])
def test_hdr_patches_become_the_sdr_colours_they_were_made_from(name: str) -> None:
    frame = first_frame(MEDIA / name)
    assert is_wide_gamut(frame)
    shown = SdrConverter().convert(frame, is_hd=False).to_ndarray().astype(int)
    errors = [np.abs(shown[y, x] - colour).mean() for (x, y), colour in PATCHES.items()]
    assert np.mean(errors) <= 2
    assert max(errors) <= 5


def test_hdr_white_is_white_in_the_frames_that_a_model_sees() -> None:
    for name in ("hdr_hlg.mp4", "hdr_pq.mp4"):
        picture = PictureRange(path=MEDIA / name, start_s=Fraction(0), duration_s=Fraction(1, 5))
        frame = read_frames(picture, size_px=224)[0]
        assert frame[193, 28].min() >= 252
        assert frame[193, 84].max() <= 3


@pytest.mark.parametrize("name", ["alpha_png.mov", "alpha_vp9.webm"])
def test_colour_under_alpha_is_shown_over_black(name: str) -> None:
    picture = PictureRange(path=MEDIA / name, start_s=Fraction(0), duration_s=Fraction(1, 5))
    frame = read_frames(picture, size_px=224)[0].astype(int)
    assert np.abs(frame[112, 56] - (255, 60, 60)).max() <= 2
    assert np.abs(frame[112, 196] - (25, 6, 6)).max() <= 2


@pytest.mark.parametrize("name", ["alpha_png.mov", "alpha_vp9.webm"])
def test_transparent_footage_says_that_what_lies_below_is_not_looked_at(
    name: str, numbered_video: MakeVideo
) -> None:
    [warning] = probe_media(MEDIA / name).warnings
    assert warning.startswith(f"{name} has an alpha channel: where it is transparent, black is looked at")
    assert probe_media(numbered_video("n.mp4", num_frames=2)).warnings == ()


def test_opaque_frame_has_no_alpha(numbered_video: MakeVideo) -> None:
    assert not has_alpha(first_frame(numbered_video("n.mp4", num_frames=2)))
    assert has_alpha(first_frame(MEDIA / "alpha_png.mov"))


def yuv_frame(width_px: int, height_px: int, code: tuple[int, int, int]) -> av.VideoFrame:
    planes: list[npt.NDArray[np.uint8]] = [
        np.full((height_px // (1 + (i > 0)), width_px // (1 + (i > 0))), code[i], np.uint8) for i in range(3)
    ]
    flat = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height_px * 3 // 2, width_px)
    return av.VideoFrame.from_ndarray(flat, format="yuv420p")


@pytest.mark.parametrize("size_px", [(1920, 1080), (1280, 720), (3840, 2160), (1440, 1080), (960, 720)])
def test_untagged_hd_is_read_as_bt709(size_px: tuple[int, int]) -> None:
    assert np.abs(shown_pixel(yuv_frame(*size_px, (63, 102, 240))) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("size_px", [(720, 576), (720, 480), (640, 360), (854, 480), (1024, 576)])
def test_untagged_sd_is_read_as_bt601(size_px: tuple[int, int]) -> None:
    assert np.abs(shown_pixel(yuv_frame(*size_px, (82, 90, 240))) - (255, 0, 0)).max() <= 3


def test_tag_of_hd_footage_decides_its_matrix() -> None:
    frame = yuv_frame(1280, 720, (82, 90, 240))
    frame.colorspace = Colorspace.SMPTE170M
    assert np.abs(shown_pixel(frame) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv422p12le"])
@pytest.mark.parametrize("rgb", [(25, 25, 25), (230, 230, 230), (204, 51, 51), (179, 153, 26), (51, 51, 204)])
def test_colours_of_ten_and_twelve_bits_are_exact(pix_fmt: str, rgb: tuple[int, int, int]) -> None:
    frame = deep_frame(pix_fmt, rgb, coefficients=(0.2126, 0.0722))
    frame.colorspace = Colorspace.ITU709
    assert np.abs(shown_pixel(frame) - rgb).max() <= 1


def test_hdr_with_a_matrix_tag_is_read_with_that_matrix() -> None:
    code = (200, 140, 90)  # of PQ
    tagged = deep_frame("yuv420p10le", code, coefficients=(0.2126, 0.0722))
    tagged.colorspace = Colorspace.ITU709
    untagged = deep_frame("yuv420p10le", code, coefficients=(0.2627, 0.0593))
    for frame in (tagged, untagged):
        frame.color_trc, frame.color_primaries = 16, 9
    assert np.abs(shown_pixel(tagged) - shown_pixel(untagged)).max() <= 3


def deep_frame(
    pix_fmt: str, rgb: tuple[int, int, int], *, coefficients: tuple[float, float]
) -> av.VideoFrame:
    """One colour in limited range, 200 x 200, from the red and blue luma coefficients of a matrix."""
    kr, kb = coefficients
    red, green, blue = (value / 255 for value in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    frame = av.VideoFrame(200, 200, pix_fmt)
    scale = 1 << (int(pix_fmt[-4:-2]) - 8)
    codes = (16 + 219 * luma, *(128 + 224 * each for each in chroma))
    for plane, code in zip(frame.planes, codes, strict=True):
        plane.update(np.full(plane.buffer_size // 2, round(code * scale), "<u2").tobytes())
    return frame


def shown_pixel(frame: av.VideoFrame) -> npt.NDArray[np.int64]:
    shown = SdrConverter().convert(frame, is_hd=is_hd_frame(frame)).to_ndarray()
    return np.asarray(shown[100, 100], dtype=np.int64)
