"""The clock comes from the container: zero, order and ends, whatever the decoder makes of it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from selva_core.base.errors import MediaUnreadableError
from selva_core.base.media import PictureRange
from selva_core.engines.echo import find_flashes
from selva_core.video.damage import damage_warnings, damaged_times_s
from selva_core.video.frames import iter_frames
from selva_core.video.reader import MediaReader

MakeVideo = Callable[..., Path]
NumbersSeen = Callable[..., list[int]]
MEDIA = Path(__file__).parents[2] / "data" / "media"
B_FRAMES = {"num_b_frames": 2, "options": {"preset": "fast"}}
X265 = {"codec": "libx265", "num_b_frames": 2, "options": {"x265-params": "log-level=none"}}
MPEG2 = {"codec": "mpeg2video", "num_b_frames": 2, "options": {"b": "4M"}}
MPEG4 = {"codec": "mpeg4", "num_b_frames": 2, "options": {"b": "4M"}}
WITHOUT_TIMES = {
    "n.avi": B_FRAMES,
    "four.avi": MPEG4,
    "n.h264": B_FRAMES,
    "n.hevc": X265,
    "n.m2v": MPEG2,
    "n.mpg": B_FRAMES,
    "two.mpg": MPEG2,
    "n.mxf": B_FRAMES,
    "vfw.mkv": {**B_FRAMES, "container_options": {"allow_raw_vfw": "1"}},
}


@pytest.fixture
def numbers_seen(number_in: Callable[[npt.NDArray[np.uint8]], int]) -> NumbersSeen:
    def read(path: Path, *, first: int = 0, count: int = 1, rate_hz: Fraction = Fraction(25)) -> list[int]:
        picture = PictureRange(path=path, start_s=first / rate_hz, duration_s=count / rate_hz)
        frames = iter_frames(picture, size_px=48, num_frames=count, frame_rate_hz=rate_hz)
        return [number_in(frame) for frame in frames]

    return read


@pytest.mark.parametrize("name", WITHOUT_TIMES)
def test_frames_are_in_the_order_of_the_screen_where_the_container_states_no_times(
    numbered_video: MakeVideo, numbers_seen: NumbersSeen, name: str
) -> None:
    path = numbered_video(name, num_frames=60, **WITHOUT_TIMES[name])
    assert numbers_seen(path, count=60) == list(range(60))
    for first in range(0, 60, 7):
        assert numbers_seen(path, first=first) == [first]
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(60, 25)


@pytest.mark.parametrize("name", ["n.h264", "n.m2v"])
def test_raw_stream_has_the_rate_that_its_codec_states(
    numbered_video: MakeVideo, numbers_seen: NumbersSeen, name: str
) -> None:
    rate_hz = Fraction(24000, 1001)
    path = numbered_video(name, num_frames=48, rate_hz=rate_hz, **WITHOUT_TIMES[name])
    with MediaReader(path) as reader:
        assert reader.frame_rate_hz == rate_hz
        assert reader.end_s == 48 / rate_hz
    assert numbers_seen(path, first=30, count=4, rate_hz=rate_hz) == [30, 31, 32, 33]


def test_flashes_of_h264_in_avi_are_where_ffmpeg_sees_them() -> None:
    picture = PictureRange(path=MEDIA / "flash.avi", start_s=Fraction(0), duration_s=Fraction(4))
    assert find_flashes(picture) == [Fraction(3 + 12 * k, 25) for k in range(8)]


@pytest.mark.parametrize("num_b_frames", [0, 2])
def test_one_frame_per_second_shows_every_frame(
    numbered_video: MakeVideo, numbers_seen: NumbersSeen, num_b_frames: int
) -> None:
    rate_hz = Fraction(1)
    path = numbered_video("slow.ts", num_frames=20, rate_hz=rate_hz, num_b_frames=num_b_frames)
    assert [numbers_seen(path, first=k, rate_hz=rate_hz)[0] for k in range(20)] == list(range(20))


@pytest.mark.parametrize(
    ("edit_start_frames", "first_seen", "first_end_s"),
    [
        (Fraction(0), 0, Fraction(1, 25)),
        (Fraction(1), 1, Fraction(1, 25)),
        (Fraction(1, 2), 0, Fraction(1, 50)),
        (Fraction(14 * 4 + 1, 4), 14, Fraction(3, 100)),
    ],
)
def test_edit_that_begins_inside_a_frame_shows_the_rest_of_it_first(
    numbered_video: MakeVideo,
    numbers_seen: NumbersSeen,
    edit_start_frames: Fraction,
    first_seen: int,
    first_end_s: Fraction,
) -> None:
    path = numbered_video("edit.mp4", num_frames=60, **B_FRAMES)
    content = bytearray(path.read_bytes())
    at = content.find(b"elst") + 12  # after version, flags and count: segment duration, then media time
    (media_time,) = struct.unpack_from(">i", content, at + 4)
    struct.pack_into(">Ii", content, at, 1000, media_time + int(edit_start_frames * 512))
    path.write_bytes(content)
    with MediaReader(path) as reader:
        assert reader.end_s == 1
        shown = list(reader.iter_shown(Fraction(0)))
    assert shown[0].end_s == first_end_s
    assert (shown[-1].end_s, shown[-1].is_last) == (Fraction(1), True)
    assert numbers_seen(path, count=20) == list(range(first_seen, first_seen + 20))


def test_seek_in_mpeg4_begins_at_a_key_frame_also_where_the_container_seeks_to_any_packet(
    numbered_video: MakeVideo, numbers_seen: NumbersSeen
) -> None:
    path = numbered_video("four.ts", num_frames=60, **MPEG4)
    assert [numbers_seen(path, first=k)[0] for k in range(60)] == list(range(60))


def repeat_timestamp(source: Path, target: Path, *, frame: int) -> None:
    """Copy the packets, one of them with the timestamp of the one before it."""
    with av.open(str(source)) as media, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(media.streams.video[0])
        last = 0
        for index, packet in enumerate(media.demux(video=0)):
            if packet.dts is None:
                continue
            if index == frame:
                packet.pts = packet.dts = last
            assert packet.pts is not None
            last = packet.pts
            packet.stream = stream
            copy.mux(packet)


def test_frames_whose_timestamps_repeat_are_damage(
    numbered_video: MakeVideo, numbers_seen: NumbersSeen, tmp_path: Path
) -> None:
    plain = numbered_video("plain.mkv", num_frames=40, codec="ffv1")
    repeated = tmp_path / "repeated.mkv"
    repeat_timestamp(plain, repeated, frame=10)
    assert numbers_seen(plain, count=40) == list(range(40))
    assert damage_warnings(PictureRange(path=plain, start_s=Fraction(0), duration_s=Fraction(40, 25))) == ()
    assert numbers_seen(repeated, count=40) == [*range(9), 10, 10, *range(11, 40)]
    assert damage_warnings(PictureRange(path=repeated, start_s=Fraction(0), duration_s=Fraction(40, 25)))


def write_edits(path: Path, edits: Sequence[tuple[int, int | None]]) -> None:
    """Give an MP4 file of 25 frames a second these edits: how many frames each, and the first one or None for nothing."""
    content = bytearray(path.read_bytes())
    at = content.find(b"elst")
    (first_time,) = struct.unpack_from(">i", content, at + 16)
    entries = [
        struct.pack(">IiI", 40 * count, -1 if first is None else first_time + 512 * first, 1 << 16)
        for count, first in edits
    ]
    box = b"elst" + struct.pack(">II", 0, len(entries)) + b"".join(entries)
    (old_size,) = struct.unpack_from(">I", content, at - 4)
    for kind in (b"edts", b"trak", b"moov"):  # which lie behind the media, so that no offset changes
        place = content.rfind(kind, 0, at) - 4
        (size,) = struct.unpack_from(">I", content, place)
        struct.pack_into(">I", content, place, size + len(box) + 4 - old_size)
    content[at - 4 : at - 4 + old_size] = struct.pack(">I", len(box) + 4) + box
    path.write_bytes(content)


@pytest.mark.parametrize("num_b_frames", [0, 2])
@pytest.mark.parametrize(
    "edits",
    [
        [(10, 5), (10, 30)],
        [(10, 30), (10, 5)],
        [(10, 0), (10, 0)],
        [(10, 5), (5, None), (10, 30)],
        [(5, None), (10, 5), (10, 30)],
        [(7, 3), (7, 14), (7, 8), (7, 41)],
    ],
)
def test_movie_that_is_assembled_from_parts_shows_their_frames_and_black_between_them(
    numbered_video: MakeVideo,
    numbers_seen: NumbersSeen,
    edits: Sequence[tuple[int, int | None]],
    num_b_frames: int,
) -> None:
    path = numbered_video("parts.mp4", num_frames=50, num_b_frames=num_b_frames, options={"preset": "fast"})
    write_edits(path, edits)
    after_empty = edits[1:] if edits[0][1] is None else edits
    expected = [0 if first is None else first + k for count, first in after_empty for k in range(count)]
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(len(expected), 25)
    assert numbers_seen(path, count=len(expected)) == expected
    for first in (0, 9, 10, 16, len(expected) - 1):
        assert numbers_seen(path, first=first) == [expected[first]]
    assert damage_warnings(PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(2))) == ()


def test_damage_in_a_movie_that_is_assembled_from_parts_has_the_time_of_the_movie(
    numbered_video: MakeVideo,
) -> None:
    path = numbered_video("parts.mp4", num_frames=50, gop_frames=1)
    with av.open(str(path)) as container:
        at, size = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None][32]
    content = bytearray(path.read_bytes())
    content[at : at + size] = bytes(size)
    path.write_bytes(content)
    write_edits(path, [(10, 5), (10, 30)])
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(20, 25))
    for _ in iter_frames(picture, size_px=16):
        pass
    assert damaged_times_s(picture) == [Fraction(12, 25)]


@pytest.mark.parametrize(("suffix", "codec"), [("mpg", "mpeg2video"), ("ts", "libx264")])
def test_recordings_that_were_joined_as_bytes_are_refused_with_the_time_of_the_jump(
    numbered_video: MakeVideo, suffix: str, codec: str
) -> None:
    first = numbered_video(f"a.{suffix}", num_frames=75, codec=codec, num_b_frames=2)
    second = numbered_video(f"b.{suffix}", num_frames=75, codec=codec, num_b_frames=2)
    joined = first.with_name(f"joined.{suffix}")
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(MediaUnreadableError, match=r"jump back at [23]\.\d s") as error:
        MediaReader(joined)
    jump_s = error.value.facts["jumps_at_s"]
    assert isinstance(jump_s, float)
    assert 2 < jump_s <= 3.1
    joined.write_bytes(second.read_bytes())
    with MediaReader(joined) as reader:
        assert reader.end_s == 3


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "flv", "mxf"])
def test_files_that_were_joined_as_bytes_are_refused(numbered_video: MakeVideo, suffix: str) -> None:
    codec = {"webm": "libvpx-vp9", "mxf": "mpeg2video"}.get(suffix, "libx264")
    first = numbered_video(f"a.{suffix}", num_frames=20, codec=codec)
    second = numbered_video(f"b.{suffix}", num_frames=20, codec=codec)
    first.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(MediaUnreadableError, match="joined as bytes"):
        MediaReader(first)
    with MediaReader(second) as reader:
        assert reader.end_s == Fraction(20, 25)


@pytest.mark.parametrize("options", [MPEG2, B_FRAMES, {**MPEG2, "num_b_frames": 0, "gop_frames": 1}])
def test_mxf_that_still_grows_shows_the_same_frames_after_a_seek(
    numbered_video: MakeVideo, numbers_seen: NumbersSeen, options: dict[str, Any]
) -> None:
    path = numbered_video("growing.mxf", num_frames=60, **options)
    content = path.read_bytes()
    footer = content.rfind(b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x04")
    path.write_bytes(content[:footer])
    with MediaReader(path) as reader:
        assert reader.end_s == Fraction(60, 25)
    for first in (0, 7, 31, 58):
        assert numbers_seen(path, first=first) == [first]


def test_recordings_with_hours_between_them_are_refused(numbered_video: MakeVideo) -> None:
    first = numbered_video("a.ts", num_frames=50)
    later = numbered_video("b.ts", num_frames=50, start_pts=25 * 3600)
    first.write_bytes(first.read_bytes() + later.read_bytes())
    with pytest.raises(MediaUnreadableError, match="jump ahead at"):
        MediaReader(first)
    with MediaReader(later) as reader:
        assert reader.end_s == 2
