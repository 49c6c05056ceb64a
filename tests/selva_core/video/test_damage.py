"""Damage never moves the clock and is always told, whichever way a codec reports it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from selva_core.base.errors import MediaError, MediaUnreadableError
from selva_core.base.media import PictureRange
from selva_core.video.damage import damage_warnings, damaged_times_s, note_damage
from selva_core.video.frames import iter_frames
from selva_core.video.proxy import write_proxy
from selva_core.video.reader import MediaReader

MakeVideo = Callable[..., Path]
MEDIA = Path(__file__).parents[2] / "data" / "media"
KINDS: dict[str, dict[str, Any]] = {
    "mp4": {"num_b_frames": 2, "options": {"preset": "fast"}},
    "ts": {"num_b_frames": 2, "options": {"preset": "fast"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "jpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "jpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "png.mov": {"codec": "png", "pix_fmt": "rgb24"},
    "ffv1.mkv": {"codec": "ffv1"},
    "four.avi": {"codec": "mpeg4"},
    "two.mxf": {"codec": "mpeg2video", "options": {"b": "4M"}},
    "two.mov": {"codec": "mpeg2video", "options": {"b": "4M"}},
    "huffyuv.avi": {"codec": "huffyuv", "pix_fmt": "yuv422p"},
    "ut.avi": {"codec": "utvideo", "pix_fmt": "yuv422p"},
    "ffv1.avi": {"codec": "ffv1"},
    "rle.mov": {"codec": "qtrle", "pix_fmt": "rgb24"},
}
NUM_FRAMES = 50


def whole(path: Path) -> PictureRange:
    return PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(NUM_FRAMES, 25))


def zero_packets(path: Path, numbers: Collection[int]) -> None:
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]
    content = bytearray(path.read_bytes())
    for number in numbers:
        at, size = packets[number]
        content[at : at + size] = bytes(size)
    path.write_bytes(content)


@pytest.fixture
def numbers_seen(number_in: Callable[[npt.NDArray[np.uint8]], int]) -> Callable[[Path], list[int]]:
    def read(path: Path) -> list[int]:
        return [number_in(f) for f in iter_frames(whole(path), size_px=48, num_frames=NUM_FRAMES)]

    return read


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_packet_in_the_middle_is_reported_and_moves_no_other_frame(
    numbered_video: MakeVideo, numbers_seen: Callable[[Path], list[int]], kind: str
) -> None:
    path = numbered_video(f"n.{kind}", num_frames=NUM_FRAMES, **KINDS[kind])
    assert numbers_seen(path) == list(range(NUM_FRAMES))
    assert damage_warnings(whole(path)) == ()
    zero_packets(path, {28})
    seen = numbers_seen(path)
    assert seen[:24] == list(range(24))
    assert all(number in (index, 27) for index, number in enumerate(seen) if index >= 36)
    assert seen[-2:] == [NUM_FRAMES - 2, NUM_FRAMES - 1]
    [warning] = damage_warnings(whole(path))
    assert warning.startswith(f"{path.name} is damaged")
    assert all(0.6 <= at_s <= 1.92 for at_s in damaged_times_s(whole(path)))


@pytest.mark.parametrize(
    "kind", ["mp4", "hevc.mp4", "jpeg.mov", "jpeg.avi", "prores.mov", "png.mov", "ffv1.mkv"]
)
def test_damaged_first_packet_does_not_move_the_clock(
    numbered_video: MakeVideo, numbers_seen: Callable[[Path], list[int]], kind: str
) -> None:
    path = numbered_video(f"n.{kind}", num_frames=NUM_FRAMES, **KINDS[kind])
    zero_packets(path, {0})
    seen = numbers_seen(path)
    first = seen[0]
    assert 0 < first <= 24
    assert seen == [first] * first + list(range(first, NUM_FRAMES))
    assert damage_warnings(whole(path))
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(NUM_FRAMES, 25)


STARTS: dict[str, dict[str, Any]] = {
    "h264.ts": {"num_b_frames": 2, "options": {"preset": "fast"}},
    "h264.m2ts": {"num_b_frames": 2, "options": {"preset": "fast"}},
    "two.ts": {"codec": "mpeg2video", "num_b_frames": 2, "options": {"b": "4M"}},
    "two.mxf": {"codec": "mpeg2video", "num_b_frames": 2, "options": {"b": "4M"}},
    "intra.mxf": {"codec": "mpeg2video", "gop_frames": 1, "options": {"b": "4M"}},
    "h264.mxf": {"num_b_frames": 2, "options": {"preset": "fast"}},
    "h264.avi": {"num_b_frames": 2, "options": {"preset": "fast"}},
    "four.avi": {"codec": "mpeg4"},
    "ffv1.mkv": {"codec": "ffv1", "gop_frames": 12},
    "h264.flv": {"num_b_frames": 2, "options": {"preset": "fast"}},
    "sound.flv": {"with_sound": True},
    "sorenson.flv": {"codec": "flv", "options": {"b": "4M"}},
}


def zero_header(path: Path, packet: int) -> None:
    with av.open(str(path)) as container:
        starts = [p.pos for p in container.demux(video=0) if p.size and p.pos is not None]
    content = bytearray(path.read_bytes())
    content[starts[packet] - 4 : starts[packet] + 8] = bytes(12)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", STARTS)
def test_first_packet_that_is_lost_with_its_header_does_not_move_the_clock(
    numbered_video: MakeVideo, numbers_seen: Callable[[Path], list[int]], kind: str
) -> None:
    path = numbered_video(kind, num_frames=NUM_FRAMES, **STARTS[kind])
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(NUM_FRAMES, 25)
    zero_header(path, 0)
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(NUM_FRAMES, 25)
    seen = numbers_seen(path)
    assert seen[26:] == list(range(26, NUM_FRAMES))
    assert damage_warnings(whole(path))
    assert damaged_times_s(whole(path))[0] == 0


@pytest.mark.parametrize(
    "kind", ["four.avi", "jpeg.avi", "two.mxf", "two.ts", "h264.flv", "sound.flv", "sorenson.flv"]
)
def test_packet_that_is_lost_with_its_header_moves_no_later_frame(
    numbered_video: MakeVideo, numbers_seen: Callable[[Path], list[int]], kind: str
) -> None:
    recipe = {**STARTS, **KINDS}[kind]
    path = numbered_video(kind, num_frames=NUM_FRAMES, **recipe)
    zero_header(path, 28)
    seen = numbers_seen(path)
    assert seen[36:] == list(range(36, NUM_FRAMES))
    assert damage_warnings(whole(path))
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(NUM_FRAMES, 25)
        assert reader.frame_rate_hz == 25
        assert reader.frame_rate is not None
        # Flash Video may be of a variable rate, and a gap looks like one.
        assert not reader.frame_rate.is_variable or kind.endswith("flv")


@pytest.mark.parametrize("kind", ["h264.ts", "intra.mxf", "two.mxf"])
def test_damage_before_the_first_packet_that_touches_no_frame_moves_none(
    numbered_video: MakeVideo, numbers_seen: Callable[[Path], list[int]], kind: str
) -> None:
    path = numbered_video(kind, num_frames=NUM_FRAMES, **STARTS[kind])
    with av.open(str(path)) as container:
        first = next(packet.pos for packet in container.demux(video=0))
    assert first is not None
    content = bytearray(path.read_bytes())
    content[first - 188 : first - 20] = bytes(168)
    path.write_bytes(content)
    assert numbers_seen(path) == list(range(NUM_FRAMES))


def test_avi_whose_movie_list_has_lost_its_header_is_refused_instead_of_shown_a_frame_early(
    numbered_video: MakeVideo, numbers_seen: Callable[[Path], list[int]]
) -> None:
    path = numbered_video("n.avi", num_frames=NUM_FRAMES, codec="mpeg4")
    assert numbers_seen(path) == list(range(NUM_FRAMES))
    content = bytearray(path.read_bytes())
    at = content.find(b"movi")
    content[at - 8 : at + 4] = bytes(12)
    path.write_bytes(content)
    with pytest.raises(MediaUnreadableError, match=r"beginning of n\.avi is damaged"):
        MediaReader(path)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("n.h264", {"num_b_frames": 2, "options": {"preset": "fast"}}),
        ("n.mjpeg", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ],
)
def test_damage_of_a_raw_stream_warns_that_what_follows_may_be_early(
    numbered_video: MakeVideo, numbers_seen: Callable[[Path], list[int]], name: str, recipe: dict[str, Any]
) -> None:
    path = numbered_video(name, num_frames=NUM_FRAMES, **recipe)
    assert numbers_seen(path) == list(range(NUM_FRAMES))
    assert damage_warnings(whole(path)) == ()
    zero_header(path, 28)
    assert numbers_seen(path)[40] != 40, "nothing in the stream says that a frame is missing"
    assert any("may be shown early" in line for line in damage_warnings(whole(path)))
    later = PictureRange(path=path, start_s=Fraction(8, 5), duration_s=Fraction(1, 5))
    [warning] = damage_warnings(later)
    assert warning.startswith(f"{name} states no times of frames")
    earlier = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1, 5))
    assert damage_warnings(earlier) == ()


def test_mxf_without_its_header_partition_is_refused(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.mxf", num_frames=NUM_FRAMES, codec="mpeg2video", options={"b": "4M"})
    content = path.read_bytes()
    path.write_bytes(bytes(188) + content[188:])
    with pytest.raises(MediaUnreadableError, match=r"beginning of n\.mxf is damaged"):
        MediaReader(path)
    path.write_bytes(b"run-in " * 9 + content)
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(NUM_FRAMES, 25)


def test_program_stream_whose_beginning_is_lost_is_refused_instead_of_made_shorter(
    numbered_video: MakeVideo,
) -> None:
    path = numbered_video("n.mpg", num_frames=NUM_FRAMES, codec="mpeg2video", options={"b": "4M"})
    zero_header(path, 0)
    with pytest.raises(MediaUnreadableError, match=r"beginning of n\.mpg is damaged"):
        MediaReader(path)


def test_proxy_of_damaged_media_carries_the_warning(numbered_video: MakeVideo, tmp_path: Path) -> None:
    path = numbered_video("n.mov", num_frames=NUM_FRAMES, codec="mjpeg", pix_fmt="yuvj420p")
    zero_packets(path, {28})
    part = PictureRange(path=path, start_s=Fraction(1), duration_s=Fraction(1))
    proxies = [tmp_path / "damaged.mp4", tmp_path / "good.mp4"]
    write_proxy(part, proxies[0])
    write_proxy(PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1, 2)), proxies[1])
    shown = [PictureRange(path=each, start_s=Fraction(0), duration_s=Fraction(1, 2)) for each in proxies]
    for each in shown:
        list(iter_frames(each, size_px=48))
    assert damaged_times_s(shown[0]) == [Fraction(3, 25)]
    assert "1 frame at 0.120 s" in damage_warnings(shown[0])[0]
    assert damage_warnings(shown[1]) == ()


def test_matroska_begins_where_its_first_cluster_does_although_its_block_is_lost() -> None:
    path = MEDIA / "first-frame-bad.mkv"
    with MediaReader(path) as reader:
        assert (reader.origin_s, reader.end_s) == (Fraction(0), Fraction(3))
        shown = list(reader.iter_shown(Fraction(0)))
    assert (shown[0].start_s, len(shown)) == (Fraction(1), 50)
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(3))
    assert damaged_times_s(picture) == [Fraction(k, 25) for k in range(25)]


def test_damage_is_reported_to_ranges_that_show_it_and_to_no_others(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.mp4", num_frames=NUM_FRAMES)
    note_damage(path, [Fraction(3, 25), Fraction(4, 25)])
    assert "2 frames between 0.120 s and 0.160 s" in damage_warnings(whole(path))[0]
    later = PictureRange(path=path, start_s=Fraction(1), duration_s=Fraction(1))
    assert damage_warnings(later) == ()
    reverse = PictureRange(path=path, start_s=Fraction(1), duration_s=Fraction(1), speed=Fraction(-1))
    assert damage_warnings(reverse)


def test_damage_of_an_earlier_version_of_a_file_is_forgotten(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.mp4", num_frames=NUM_FRAMES)
    note_damage(path, [Fraction(0)])
    assert damage_warnings(whole(path))
    path.write_bytes(path.read_bytes() + bytes(8))
    assert damage_warnings(whole(path)) == ()


@pytest.mark.parametrize(
    ("name", "recipe"),
    [("n.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}}), ("n.flv", {"gop_frames": 1})],
)
def test_file_whose_end_is_lost_is_refused_instead_of_made_shorter(
    numbered_video: MakeVideo, name: str, recipe: dict[str, Any]
) -> None:
    path = numbered_video(name, num_frames=NUM_FRAMES, **recipe)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with MediaReader(path) as reader:
        assert reader.end_s == 2
    with pytest.raises(MediaUnreadableError, match="breaks off"):
        list(iter_frames(whole(path), size_px=48))


def test_black_pictures_that_are_stored_as_they_are_may_be_zeros(tmp_path: Path) -> None:
    path = tmp_path / "black.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 48, "bgr24"
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 96, 3), np.uint8), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(10, 25))
    assert not any(frame.any() for frame in iter_frames(picture, size_px=16))
    assert damage_warnings(picture) == ()


@pytest.mark.parametrize("codec", ["flv", "flashsv"])
def test_damaged_flash_video_is_refused_or_read_and_never_an_internal_error(
    numbered_video: MakeVideo, codec: str
) -> None:
    pix_fmt = "bgr24" if codec == "flashsv" else "yuv420p"
    path = numbered_video("n.flv", num_frames=20, codec=codec, pix_fmt=pix_fmt)
    content = path.read_bytes()
    numbers = np.random.default_rng(2)
    for _ in range(12):
        damaged = bytearray(content)
        for at in numbers.integers(300, len(content), 200):
            damaged[at] = numbers.integers(256)
        path.write_bytes(damaged)
        try:
            with MediaReader(path) as reader:
                assert reader.end_s > 0
                list(reader.iter_shown(Fraction(0)))
        except MediaError:
            pass


def test_encrypted_file_is_called_encrypted() -> None:
    with pytest.raises(MediaUnreadableError, match=r"cenc\.mp4 is encrypted"):
        MediaReader(MEDIA / "cenc.mp4")
