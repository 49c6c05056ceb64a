"""Frames that were cut out of a file cleanly are noticed by what the codec numbers, and no whole file is suspected."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from selva_core.base.media import PictureRange
from selva_core.video.bitstreams.bits import BitReader
from selva_core.video.bitstreams.dv import DvCounter
from selva_core.video.bitstreams.frame_order import FrameOrder
from selva_core.video.damage import damage_warnings, damaged_times_s
from selva_core.video.frames import iter_frames
from selva_core.video.probe import probe_media
from selva_core.video.reader import MediaReader

MakeVideo = Callable[..., Path]
NUM_FRAMES = 50
QCIF_PX = (176, 144)
X265 = "log-level=none:keyint="
FAST = {"preset": "fast"}
KINDS: dict[str, dict[str, Any]] = {
    "n.h264": {"num_b_frames": 2, "options": FAST},
    "pyramid.h264": {
        "options": {"x264-params": "b-pyramid=strict:bframes=5:b-adapt=0:open-gop=1", "preset": "fast"}
    },
    "interlaced.h264": {"options": {"x264-params": "interlaced=1:bframes=2:weightp=2", "preset": "fast"}},
    "intra.h264": {"gop_frames": 1},
    "n.hevc": {"codec": "libx265", "options": {"x265-params": X265 + "12:open-gop=1"}},
    "n.m2v": {"codec": "mpeg2video", "num_b_frames": 2, "options": {"b": "4M"}},
    "intra.m2v": {"codec": "mpeg2video", "gop_frames": 1, "options": {"b": "4M"}},
    "n.m1v": {"codec": "mpeg1video", "num_b_frames": 2, "options": {"b": "4M"}},
    "n.m4v": {"codec": "mpeg4", "num_b_frames": 2, "options": {"b": "4M"}, "format": "m4v"},
}
CHUNKS: dict[str, tuple[int, dict[str, Any]]] = {
    "two.mxf": (0, {"codec": "mpeg2video", "options": {"b": "4M"}}),
    "h264.mxf": (0, {"num_b_frames": 2, "options": FAST}),
    "four.avi": (8, {"codec": "mpeg4", "options": {"b": "4M"}}),
    "h264.avi": (8, {"num_b_frames": 2, "options": FAST}),
}


def warnings_of(path: Path) -> tuple[str, ...]:
    """What is warned of after the whole of a file was read."""
    with MediaReader(path) as reader:
        picture = PictureRange(path=path, start_s=Fraction(0), duration_s=reader.end_s)
    for _ in iter_frames(picture, size_px=16):
        pass
    return damage_warnings(picture)


def cut_packets(path: Path, numbers: Collection[int]) -> None:
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    content, rest, at = path.read_bytes(), b"", 0
    for number, packet in enumerate(packets):
        start = content.index(packet, at)
        rest += content[at:start] + (b"" if number in numbers else packet)
        at = start + len(packet)
    path.write_bytes(rest + content[at:])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("number", [20, 27])
def test_packet_that_is_cut_cleanly_out_of_a_raw_stream_is_noticed(
    numbered_video: MakeVideo, name: str, number: int
) -> None:
    path = numbered_video(name, num_frames=NUM_FRAMES, **KINDS[name])
    assert warnings_of(path) == ()
    cut_packets(path, {number})
    [warning] = [line for line in warnings_of(path) if "states no times of frames" in line]
    at_s = float(warning.split(" at ")[1].split(" s:")[0])
    assert abs(at_s - number / 25) <= 0.25


@pytest.mark.parametrize("name", CHUNKS)
def test_frame_that_is_cut_out_of_a_container_that_numbers_frames_by_their_place_is_noticed(
    numbered_video: MakeVideo, name: str
) -> None:
    num_header_bytes, recipe = CHUNKS[name]
    path = numbered_video(name, num_frames=NUM_FRAMES, **recipe)
    assert warnings_of(path) == ()
    with av.open(str(path)) as container:
        starts = [p.pos - num_header_bytes for p in container.demux(video=0) if p.size and p.pos is not None]
    content = path.read_bytes()
    path.write_bytes(content[: starts[28]] + content[starts[29] :])
    assert any("some are damaged or missing at 1.1" in line for line in warnings_of(path))


@pytest.mark.parametrize(
    ("name", "recipe", "numbers", "at_s"),
    [
        ("intra.m2v", KINDS["intra.m2v"], range(12), "0.000"),
        ("intra.m2v", KINDS["intra.m2v"], range(10, 45), "0.400"),
        ("n.m2v", KINDS["n.m2v"], range(24), "0.000"),
        ("n.h261", {"codec": "h261", "size_px": QCIF_PX, "rate_hz": Fraction(30_000, 1001)}, [20], "0.667"),
        (
            "n.h263",
            {"codec": "h263", "size_px": QCIF_PX, "rate_hz": Fraction(30_000, 1001)},
            range(12, 24),
            "0.4",
        ),
    ],
)
def test_groups_that_are_cut_out_of_a_raw_stream_are_noticed_by_their_labels(
    numbered_video: MakeVideo, name: str, recipe: dict[str, Any], numbers: Collection[int], at_s: str
) -> None:
    path = numbered_video(name, num_frames=NUM_FRAMES, **recipe)
    assert warnings_of(path) == ()
    cut_packets(path, numbers)
    [warning] = [line for line in warnings_of(path) if "states no times of frames" in line]
    assert f"damaged or missing at {at_s}" in warning


def test_frames_that_are_cut_out_of_raw_dv_are_noticed_by_its_time_code() -> None:
    whole, cut, joined = DvCounter(), DvCounter(), DvCounter()
    for label in range(40):
        whole.read(dv_frame(label))
        if label not in range(20, 25):
            cut.read(dv_frame(label))
        joined.read(dv_frame(label if label < 20 else label + 25 * 3600))
    assert whole.missing() == []
    assert cut.missing() == [20]
    assert joined.missing() == [], "another scene has other labels"


def test_labels_of_drop_frame_dv_that_leave_out_two_are_no_missing_frames() -> None:
    counter = DvCounter()
    for label in range(1790, 1820):
        shown = label + 2 if label >= 1800 else label
        counter.read(dv_frame(shown, labels_per_second=30, is_drop=True))
    assert counter.missing() == []


def dv_frame(label: int, *, labels_per_second: int = 25, is_drop: bool = False) -> bytes:
    """The part of a DV frame that has its time code."""
    numbers = (
        label % labels_per_second,
        label // labels_per_second % 60,
        label // (60 * labels_per_second) % 60,
        label // (3600 * labels_per_second),
    )
    digits = [number // 10 << 4 | number % 10 for number in numbers]
    head = bytes([0x1F, 7, 0, 0xBF if labels_per_second == 25 else 0x3F])
    code = bytes([0x13, digits[0] | (0x40 if is_drop else 0), digits[1] | 0x80, digits[2] | 0x80, digits[3]])
    return head + bytes(82) + code


def test_raw_stream_whose_end_refers_to_a_missing_frame_is_read_to_its_end(numbered_video: MakeVideo) -> None:
    recipe = {"codec": "libx265", "options": {"x265-params": X265 + "250:bframes=0"}}
    path = numbered_video("n.hevc", num_frames=NUM_FRAMES, **recipe)
    cut_packets(path, {30})
    damaged, early = warnings_of(path)
    assert "frames between 1.200 s and 1.920 s" in damaged
    assert "damaged or missing at 1.200 s" in early
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(NUM_FRAMES - 1, 25)


def test_pictures_before_the_first_key_frame_are_damaged_also_where_the_decoder_takes_grey_for_it(
    numbered_video: MakeVideo,
) -> None:
    path = numbered_video("n.m4v", num_frames=NUM_FRAMES, codec="mpeg4", options={"b": "4M"}, format="m4v")
    cut_packets(path, {0})
    assert any(line.startswith("n.m4v is damaged") for line in warnings_of(path))
    times_s = damaged_times_s(PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(2)))
    assert times_s[0] == 0
    assert Fraction(8, 25) <= times_s[-1] <= Fraction(10, 25)


def test_header_of_the_first_picture_that_is_damaged_is_a_warning(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.m4v", num_frames=NUM_FRAMES, **KINDS["n.m4v"])
    content = bytearray(path.read_bytes())
    content[content.index(b"\0\0\1\x20") + 3] = 0
    path.write_bytes(content)
    assert any("damaged or missing at 0.000 s" in line for line in warnings_of(path))


def test_first_header_of_h264_that_differs_from_all_later_ones_is_a_warning(
    numbered_video: MakeVideo,
) -> None:
    path = numbered_video("n.h264", num_frames=NUM_FRAMES, options={"preset": "fast"})
    content = bytearray(path.read_bytes())
    content[content.index(b"\0\0\1\x67") + 6] ^= 0x0C
    path.write_bytes(content)
    assert any("damaged or missing at 0.000 s" in line for line in warnings_of(path))


@pytest.mark.parametrize("rate_hz", [Fraction(25), Fraction(30000, 1001), Fraction(60000, 1001)])
def test_raw_mpeg4_has_the_rate_of_the_times_that_its_pictures_state(
    numbered_video: MakeVideo, rate_hz: Fraction
) -> None:
    path = numbered_video("n.m4v", num_frames=30, rate_hz=rate_hz, codec="mpeg4", format="m4v")
    info = probe_media(path)
    assert info.frame_rate_hz == rate_hz
    assert info.duration_s == 30 / rate_hz


@pytest.mark.skipif("libsvtav1" not in av.codecs_available, reason="this FFmpeg makes no AV1")
def test_raw_av1_says_that_its_frames_are_counted(numbered_video: MakeVideo) -> None:
    recipe = {
        "codec": "libsvtav1",
        "rate_hz": Fraction(30),
        "options": {"preset": "12", "svtav1-params": "lp=1"},
    }
    [warning] = probe_media(numbered_video("n.obu", num_frames=20, **recipe)).warnings
    assert "is a raw stream that states no times: its frames are counted, 25 per second" in warning
    assert probe_media(numbered_video("n.ivf", num_frames=20, **recipe)).warnings == ()


@pytest.mark.parametrize("how", ["zeroed", "cut"])
def test_gap_in_flash_video_is_damage_and_not_a_variable_rate(numbered_video: MakeVideo, how: str) -> None:
    path = numbered_video("n.flv", num_frames=NUM_FRAMES, options=FAST)
    with av.open(str(path)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    content = bytearray(path.read_bytes())
    if how == "cut":
        del content[starts[28] : starts[29]]
    else:
        content[starts[28] - 4 : starts[28] + 8] = bytes(12)
    path.write_bytes(content)
    assert probe_media(path).warnings == ()
    [warning] = warnings_of(path)
    assert "1 frame at 1.120 s" in warning


def test_flash_video_of_variable_rate_is_called_so(numbered_video: MakeVideo) -> None:
    pts = [40 * k + (k * k * 7) % 31 for k in range(NUM_FRAMES)]
    path = numbered_video(
        "n.flv", num_frames=NUM_FRAMES, pts=pts, time_base_s=Fraction(1, 1000), options=FAST
    )
    [warning] = probe_media(path).warnings
    assert "variable frame rate" in warning
    assert warnings_of(path) == ()


def test_decoder_that_returns_minus_one_reports_damage_and_no_missing_permission(
    numbered_video: MakeVideo,
) -> None:
    path = numbered_video("n.avi", num_frames=NUM_FRAMES, codec="msmpeg4", options={"b": "4M"})
    with av.open(str(path)) as container:
        packet = [each for each in container.demux(video=0) if each.size][24]
        at, size = packet.pos, packet.size
    content = bytearray(path.read_bytes())
    assert at is not None
    content[at : at + size] = bytes(size)
    path.write_bytes(content)
    assert any(line.startswith("n.avi is damaged") for line in warnings_of(path))


def test_numbers_that_many_frames_leave_out_are_no_missing_frames() -> None:
    pulldown, whole, cut = FrameOrder(), FrameOrder(), FrameOrder()
    for index in range(60):
        pulldown.add(2 * (index + index // 4), index)
        whole.add(2 * index, index)
        cut.add(2 * (index + (index >= 30)), index)
    assert pulldown.missing() == []
    assert whole.missing() == []
    assert cut.missing() == [30]


def test_exp_golomb_codes_are_read_as_the_recommendation_lists_them() -> None:
    bits = BitReader(bytes([0b1_010_011_0, 0b0100_0010, 0b1_0000000]))
    assert [bits.read_ue() for _ in range(5)] == [0, 1, 2, 3, 4]
    signed = BitReader(bytes([0b1_010_011_0, 0b0100_0010, 0b1_0000000]))
    assert [signed.read_se() for _ in range(5)] == [0, 1, -1, 2, -2]
    with pytest.raises(IndexError):
        BitReader(b"\0").read(9)
