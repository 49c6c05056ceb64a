"""Image sequences, written by the media library as real files: what is seen of them, and what is refused."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.codeccontext import VideoCodecContext

from selva_core.base.errors import (
    MediaNotFoundError,
    MediaUnreadableError,
    NoVideoStreamError,
    RangeOutsideMediaError,
    RequestError,
)
from selva_core.base.media import ImagePattern, ImageSequence, PictureRange
from selva_core.engines.echo import find_flashes
from selva_core.video.frame_source import read_stamp
from selva_core.video.frames import iter_frames, read_frames
from selva_core.video.notes.transparency import transparency_warnings
from selva_core.video.sequence_files import find_images
from tests.selva_core.conftest import HEIGHT_PX, WIDTH_PX, grey_picture, numbered_picture

ReadNumber = Callable[[npt.NDArray[np.uint8]], int]
SIZE_PX = 48
FILM = Fraction(24000, 1001)
KINDS = {
    "png": ("png", "rgb24"),
    "jpg": ("mjpeg", "yuvj420p"),
    "tif": ("tiff", "rgb24"),
    "exr": ("exr", "gbrpf32le"),
    "dpx": ("dpx", "rgb24"),
    "tga": ("targa", "bgr24"),
    "bmp": ("bmp", "bgr24"),
}


def write_image(path: Path, picture: npt.NDArray[np.uint8]) -> Path:
    codec_name, pix_fmt = KINDS[path.suffix[1:]]
    codec = av.CodecContext.create(codec_name, "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDTH_PX, HEIGHT_PX, pix_fmt, Fraction(1, 25)
    if codec_name == "exr":  # EXR holds linear light
        light = np.where(picture <= 10, picture / 255 / 12.92, ((picture / 255 + 0.055) / 1.055) ** 2.4)
        planes = light.astype(np.float32).transpose(2, 0, 1)[[1, 2, 0]]
        frame = av.VideoFrame(WIDTH_PX, HEIGHT_PX, pix_fmt)
        for plane, values in zip(frame.planes, planes, strict=True):
            padded = np.zeros((HEIGHT_PX, plane.line_size // 4), np.float32)
            padded[:, :WIDTH_PX] = values
            plane.update(padded.tobytes())
    else:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
    packets = [*codec.encode(frame), *codec.encode(None)]
    path.write_bytes(b"".join(bytes(packet) for packet in packets))
    return path


def write_sequence(folder: Path, numbers: Collection[int], *, suffix: str = "png") -> Path:
    """Numbered pictures `shot.%04d.png`; each shows its own number."""
    for number in numbers:
        write_image(folder / f"shot.{number:04d}.{suffix}", numbered_picture(number))
    return folder / f"shot.%04d.{suffix}"


def images(**options: Any) -> ImageSequence:
    return ImageSequence(**{"rate_hz": Fraction(25), **options})


@pytest.fixture
def numbers_seen(number_in: ReadNumber) -> Callable[..., list[int]]:
    def read(
        path: Path,
        sequence: ImageSequence,
        *,
        start_s: Fraction,
        duration_s: Fraction,
        speed: Fraction = Fraction(1),
    ) -> list[int]:
        picture = PictureRange(
            path=path, start_s=start_s, duration_s=duration_s, speed=speed, images=sequence
        )
        return [number_in(frame) for frame in iter_frames(picture, size_px=SIZE_PX)]

    return read


NumbersSeen = Callable[..., list[int]]


@pytest.mark.parametrize("suffix", KINDS)
def test_images_of_every_kind_are_seen_in_their_order(
    tmp_path: Path, numbers_seen: NumbersSeen, suffix: str
) -> None:
    path = write_sequence(tmp_path, range(1001, 1031), suffix=suffix)
    seen = numbers_seen(path, images(), start_s=Fraction(4, 25), duration_s=Fraction(1))
    assert seen == list(range(1005, 1030))


@pytest.mark.parametrize("rate_hz", [12, 24, FILM, 30, 60])
def test_each_time_shows_the_last_image_that_has_begun(
    tmp_path: Path, numbers_seen: NumbersSeen, rate_hz: Fraction
) -> None:
    path = write_sequence(tmp_path, range(70))
    rate_hz = Fraction(rate_hz)
    seen = numbers_seen(path, images(rate_hz=rate_hz), start_s=3 / rate_hz, duration_s=Fraction(1))
    assert seen == [int((3 / rate_hz + Fraction(k, 25)) * rate_hz) for k in range(25)]


@pytest.mark.parametrize("speed", [2, Fraction(1, 2), -1, Fraction(-1, 2), 0])
def test_a_retimed_sequence_shows_what_the_warp_shows(
    tmp_path: Path, numbers_seen: NumbersSeen, speed: Fraction
) -> None:
    path = write_sequence(tmp_path, range(60))
    seen = numbers_seen(
        path, images(), start_s=Fraction(30, 25), duration_s=Fraction(15, 25), speed=Fraction(speed)
    )
    round_to_shown = math.floor if speed >= 0 else math.ceil
    assert seen[:15] == [round_to_shown(30 + speed * k) for k in range(15)]


def test_a_step_counts_numbers_and_not_time(tmp_path: Path, numbers_seen: NumbersSeen) -> None:
    path = write_sequence(tmp_path, range(10, 80, 2))
    seen = numbers_seen(path, images(step=2), start_s=Fraction(0), duration_s=Fraction(1))
    assert seen == list(range(10, 60, 2))


def test_first_and_last_bound_what_is_played(tmp_path: Path, numbers_seen: NumbersSeen) -> None:
    path = write_sequence(tmp_path, range(50))
    sequence = images(first=20, last=44)
    assert numbers_seen(path, sequence, start_s=Fraction(0), duration_s=Fraction(1)) == list(range(20, 45))
    with pytest.raises(RangeOutsideMediaError, match=r"lasts 1\.000 s"):
        numbers_seen(path, sequence, start_s=Fraction(0), duration_s=Fraction(2))


def test_a_missing_image_is_an_error_unless_it_is_held_or_black(
    tmp_path: Path, numbers_seen: NumbersSeen
) -> None:
    path = write_sequence(tmp_path, [n for n in range(1, 31) if n not in (8, 9)])
    whole = {"start_s": Fraction(0), "duration_s": Fraction(1)}
    with pytest.raises(MediaNotFoundError, match=r"shot\.0008\.png is missing \(2 of the 25"):
        numbers_seen(path, images(), **whole)
    assert numbers_seen(path, images(missing="hold"), **whole)[5:11] == [6, 7, 7, 7, 10, 11]
    assert numbers_seen(path, images(missing="black"), **whole)[5:11] == [6, 7, 0, 0, 10, 11]
    assert numbers_seen(path, images(), start_s=Fraction(10, 25), duration_s=Fraction(16, 25))[0] == 11


@pytest.mark.parametrize(
    ("start", "num_frames", "speed", "missing"),
    [
        (10, 10, Fraction(1), {9, 20}),
        (19, 10, Fraction(-1), {9, 20}),
        (10, 10, Fraction(2), {9, 30}),
        (10, 0, Fraction(0), {9, 11}),
    ],
)
def test_only_images_that_are_shown_may_not_be_missing(
    tmp_path: Path, start: int, num_frames: int, speed: Fraction, missing: set[int]
) -> None:
    path = write_sequence(tmp_path, sorted(set(range(40)) - missing))
    picture = PictureRange(
        path=path,
        start_s=Fraction(start, 25),
        duration_s=Fraction(num_frames or 10, 25),
        speed=speed,
        images=images(first=0, last=39),
    )
    read_frames(picture, size_px=SIZE_PX)
    find_flashes(picture)
    (tmp_path / f"shot.{start:04}.png").unlink()
    with pytest.raises(MediaNotFoundError, match=f"shot.{start:04}.png is missing"):
        read_frames(picture, size_px=SIZE_PX)


def test_missing_images_at_the_start_are_held_from_the_first_image(
    tmp_path: Path, numbers_seen: NumbersSeen
) -> None:
    path = write_sequence(tmp_path, range(5, 30))
    seen = numbers_seen(path, images(first=1, missing="hold"), start_s=Fraction(0), duration_s=Fraction(1))
    assert seen[:6] == [5, 5, 5, 5, 5, 6]


def test_flash_of_a_sequence_is_found_where_its_image_begins(tmp_path: Path) -> None:
    for number in range(40):
        write_image(tmp_path / f"f{number:03}.png", grey_picture(220 if number in (11, 27) else 20))
    picture = PictureRange(
        path=tmp_path / "f%03d.png",
        start_s=5 / FILM,
        duration_s=30 / FILM,
        images=images(rate_hz=FILM),
    )
    assert find_flashes(picture) == [6 / FILM, 22 / FILM]


def test_linear_light_is_converted_to_srgb(tmp_path: Path) -> None:
    levels = {}
    for suffix in ("png", "exr"):
        for number in range(20):
            write_image(tmp_path / f"g{number:02}.{suffix}", grey_picture(128))
        picture = PictureRange(
            path=tmp_path / f"g%02d.{suffix}", start_s=Fraction(0), duration_s=Fraction(1, 2), images=images()
        )
        levels[suffix] = float(read_frames(picture, size_px=SIZE_PX).mean())
    assert levels["exr"] == pytest.approx(levels["png"], abs=2)


def write_transparent(path: Path, *, alpha: int) -> None:
    """A grey image whose left half is transparent by `alpha`."""
    rgba = np.full((HEIGHT_PX, WIDTH_PX, 4), 128, dtype=np.uint8)
    rgba[..., 3] = 255
    rgba[:, : WIDTH_PX // 2, 3] = alpha
    codec = av.CodecContext.create("png", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDTH_PX, HEIGHT_PX, "rgba", Fraction(1, 25)
    packets = [*codec.encode(av.VideoFrame.from_ndarray(rgba, format="rgba")), *codec.encode(None)]
    path.write_bytes(b"".join(bytes(packet) for packet in packets))


@pytest.mark.parametrize("look", [find_flashes, lambda picture: read_frames(picture, size_px=SIZE_PX)])
def test_images_that_are_transparent_in_places_warn_where_they_are_shown(
    tmp_path: Path, look: Callable[[PictureRange], object]
) -> None:
    for number in range(20):
        write_transparent(tmp_path / f"a{number:02}.png", alpha=0 if number == 12 else 255)
    path = tmp_path / "a%02d.png"
    opaque = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(11, 25), images=images())
    look(opaque)
    assert transparency_warnings(opaque) == (), "an alpha channel that is opaque changes nothing"
    whole = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(20, 25), images=images())
    look(whole)
    [warning] = transparency_warnings(whole)
    assert warning.startswith(
        "a%02d.png is transparent in places, first at 0.480 s: black is looked at there"
    )
    assert transparency_warnings(opaque) == ()


def test_damaged_image_is_named(tmp_path: Path) -> None:
    path = write_sequence(tmp_path, range(20))
    (tmp_path / "shot.0003.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1, 2), images=images())
    with pytest.raises(MediaUnreadableError, match=r"shot\.0003\.png"):
        read_frames(picture, size_px=SIZE_PX)


def test_missing_sequence_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.%04d.png", tmp_path / "nowhere" / "gone.%04d.png"):
        with pytest.raises(MediaNotFoundError, match=r"no image gone\.%04d\.png"):
            find_images(path, images())
    write_sequence(tmp_path, range(5))
    with pytest.raises(MediaNotFoundError, match="is to be played from image 100 to 200; there are 0 to 4"):
        find_images(tmp_path / "shot.%04d.png", images(first=100, last=200))


def test_numbered_files_that_are_no_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.0001.txt").write_text("no picture")
    picture = PictureRange(
        path=tmp_path / "notes.%04d.txt", start_s=Fraction(0), duration_s=Fraction(1), images=images()
    )
    with pytest.raises(NoVideoStreamError, match=r"\.png"):
        read_frames(picture, size_px=SIZE_PX)


@pytest.mark.parametrize("name", ["frame.png", "a%04d.b%04d.png", "%s.png", "frame.%%04d.png"])
def test_name_without_one_number_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match=r"%04d"):
        ImagePattern.of(tmp_path / name)


@pytest.mark.parametrize(
    ("pattern", "number", "name"),
    [
        ("a.%04d.png", 7, "a.0007.png"),
        ("a.%04d.png", 12345, "a.12345.png"),
        ("a%d.png", 7, "a7.png"),
        ("100%%_%03d.exr", 7, "100%_007.exr"),
        ("%05d", 7, "00007"),
        ("a.%04d.png", -7, "a.-007.png"),
        ("a%d.png", -12, "a-12.png"),
    ],
)
def test_pattern_and_file_name_are_converted_both_ways(
    tmp_path: Path, pattern: str, number: int, name: str
) -> None:
    parsed = ImagePattern.of(tmp_path / pattern)
    assert parsed.file(number) == tmp_path / name
    assert parsed.number_of(name) == number


@pytest.mark.parametrize("name_of", ["shot.{:04}.png", "shot.{sign}{magnitude:04}.png"])
def test_images_with_negative_numbers_come_first(
    tmp_path: Path, numbers_seen: NumbersSeen, name_of: str
) -> None:
    for number in range(-5, 15):
        name = name_of.format(number, sign="-" if number < 0 else "", magnitude=abs(number))
        write_image(tmp_path / name, numbered_picture(number + 100))
    path = tmp_path / "shot.%04d.png"
    assert find_images(path, images()).played == range(-5, 15)
    assert numbers_seen(path, images(), start_s=Fraction(0), duration_s=Fraction(20, 25)) == list(
        range(95, 115)
    )


def test_tiff_with_jpeg_compression_is_refused_and_one_without_is_read(tmp_path: Path) -> None:
    path = write_sequence(tmp_path, range(20), suffix="tif")
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1, 2), images=images())
    assert read_frames(picture, size_px=SIZE_PX).shape[0] == 16
    file = tmp_path / "shot.0003.tif"
    content = bytearray(file.read_bytes())
    (at,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry) == (259,):
            struct.pack_into("<HI", content, entry + 2, 3, 1)
            struct.pack_into("<I", content, entry + 8, 7)
    file.write_bytes(content)
    with pytest.raises(MediaUnreadableError, match=r"shot\.0003\.tif is a TIFF with JPEG compression"):
        read_frames(picture, size_px=SIZE_PX)


@pytest.mark.parametrize(
    "name",
    [
        "a.-0007x.png",
        "a.--007.png",
        "a.-000.png",
        "a.007.png",
        "a.0007.jpg",
        "b.0007.png",
        "a.00x7.png",
        "a..png",
        "a.00007.png",
    ],
)
def test_other_files_are_not_of_the_sequence(tmp_path: Path, name: str) -> None:
    assert ImagePattern.of(tmp_path / "a.%04d.png").number_of(name) is None


@pytest.mark.parametrize(
    "options", [{"rate_hz": Fraction(0)}, {"step": 0}, {"first": 5, "last": 4}, {"missing": "guess"}]
)
def test_sequence_with_impossible_values_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        images(**options)


def test_stamp_changes_with_any_image_of_the_sequence_and_with_no_other_file(tmp_path: Path) -> None:
    path = write_sequence(tmp_path, range(10))
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1, 5), images=images())
    before = read_stamp(picture)
    (tmp_path / "notes.txt").write_text("not of the sequence")
    assert read_stamp(picture) == before
    write_image(tmp_path / "shot.0005.png", grey_picture(99))
    changed = read_stamp(picture)
    assert changed != before
    (tmp_path / "shot.0009.png").unlink()
    assert read_stamp(picture) != changed


def write_exr(path: Path, *, colour: float, alpha: float) -> None:
    encoder = av.CodecContext.create("exr", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width = encoder.height = 64
    encoder.pix_fmt, encoder.time_base = "gbrapf32le", Fraction(1, 25)
    frame = av.VideoFrame(64, 64, "gbrapf32le")
    for plane, value in zip(frame.planes, (colour, colour, colour, alpha), strict=True):
        plane.update(np.full(plane.buffer_size // 4, value, "<f4").tobytes())
    path.write_bytes(b"".join(bytes(each) for each in [*encoder.encode(frame), *encoder.encode(None)]))


def write_tiff(path: Path, pixel: bytes, *, extra_samples: int) -> None:
    """64 x 64 pixels of red, green, blue and alpha, without compression."""
    num_bytes = 64 * 64 * 4
    tags = {256: 64, 257: 64, 258: 8, 259: 1, 262: 2, 273: 8, 277: 4, 278: 64, 279: num_bytes}
    tags[338] = extra_samples
    entries = b"".join(
        struct.pack("<HHII", tag, 4 if tag == 279 else 3, 1, tags[tag]) for tag in sorted(tags)
    )
    folder = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + num_bytes) + pixel * (64 * 64) + folder)


def seen_pixel(folder: Path, suffix: str) -> tuple[int, bool]:
    """The level of the first image, and whether a note says that it is transparent."""
    picture = PictureRange(
        path=folder / f"a.%04d.{suffix}", start_s=Fraction(0), duration_s=Fraction(1, 25), images=images()
    )
    level = int(read_frames(picture, size_px=32, num_frames=1)[0, 10, 10, 0])
    return level, bool(transparency_warnings(picture))


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_colours_of_exr_are_multiplied_by_alpha_already(tmp_path: Path, alpha: float) -> None:
    write_exr(tmp_path / "a.0001.exr", colour=0.25, alpha=alpha)
    level, is_transparent = seen_pixel(tmp_path, "exr")
    assert abs(level - 137) <= 1  # sRGB of a quarter of the light
    assert is_transparent is (alpha < 1)


@pytest.mark.parametrize(("extra_samples", "shown"), [(1, 128), (2, 64)])
def test_tiff_says_whether_its_colours_are_multiplied_by_alpha(
    tmp_path: Path, extra_samples: int, shown: int
) -> None:
    write_tiff(tmp_path / "a.0001.tif", bytes((128, 128, 128, 128)), extra_samples=extra_samples)
    level, is_transparent = seen_pixel(tmp_path, "tif")
    assert abs(level - shown) <= 1
    assert is_transparent
