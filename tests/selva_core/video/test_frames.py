"""Frames at exact record times, for every kind of clock, retime, codec and damage."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import Colorspace

from selva_core.base.errors import (
    MediaNotFoundError,
    MediaUnreadableError,
    NoVideoStreamError,
    RangeOutsideMediaError,
    RequestError,
)
from selva_core.base.media import PictureRange
from selva_core.engines.echo import find_flashes
from selva_core.video.frames import FrameScaler, count_frames, iter_frames, read_frames
from selva_core.video.rates import snap_rate
from selva_core.video.reader import MediaReader

MakeVideo = Callable[..., Path]
ReadNumber = Callable[[npt.NDArray[np.uint8]], int]
SIZE_PX = 48
NTSC_RATES = [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)]
STANDARD_RATES = [12, 15, 24, 25, 30, 50, 60, *NTSC_RATES]
DATA = Path(__file__).parents[2] / "data"


def half_a_second_of(path: Path) -> npt.NDArray[np.uint8]:
    return read_frames(
        PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1, 2)), size_px=SIZE_PX
    )


@pytest.fixture
def numbers_seen(number_in: ReadNumber) -> Callable[..., list[int]]:
    """The numbers of the frames that a range shows at 25 fps."""

    def read(path: Path, start_s: Fraction, duration_s: Fraction, speed: Fraction = Fraction(1)) -> list[int]:
        picture = PictureRange(path=path, start_s=start_s, duration_s=duration_s, speed=speed)
        return [number_in(frame) for frame in iter_frames(picture, size_px=SIZE_PX)]

    return read


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("rate_hz", STANDARD_RATES)
def test_each_time_shows_the_last_frame_that_has_begun(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]], rate_hz: Fraction, suffix: str
) -> None:
    rate_hz = Fraction(rate_hz)
    path = numbered_video(f"n.{suffix}", num_frames=int(2 * rate_hz), rate_hz=rate_hz, num_b_frames=2)
    start_s = 7 / rate_hz
    expected = [int((start_s + Fraction(k, 25)) * rate_hz) for k in range(25)]
    assert numbers_seen(path, start_s, Fraction(1)) == expected


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "avi", "ts", "mxf"])
def test_in_point_on_any_frame_shows_that_frame_first(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]], suffix: str
) -> None:
    rate_hz = Fraction(30000, 1001)
    codec = {"mxf": "mpeg2video", "avi": "mpeg4"}.get(suffix, "libx264")
    options = {"preset": "fast"} if codec == "libx264" else {"b": "4M"}
    recipe = {"rate_hz": rate_hz, "codec": codec, "options": options, "num_b_frames": 2, "gop_frames": 20}
    path = numbered_video(f"n.{suffix}", num_frames=90, **recipe)
    for first in range(0, 70, 3):
        assert numbers_seen(path, first / rate_hz, Fraction(1, 25))[0] == first


def test_variable_frame_rate_follows_the_time_stamps(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]]
) -> None:
    shown_at_ms = [0, 33, 200, 210, 215, 480, 500, 900, 1000, 1700, 1733]
    path = numbered_video(
        "vfr.mkv", num_frames=len(shown_at_ms), time_base_s=Fraction(1, 1000), pts=shown_at_ms, gop_frames=4
    )
    expected = [max(i for i, at in enumerate(shown_at_ms) if at <= 120 + 40 * k) for k in range(40)]
    assert numbers_seen(path, Fraction(120, 1000), Fraction(8, 5)) == expected


def test_in_point_on_any_frame_of_a_variable_rate_shows_that_frame(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]]
) -> None:
    shown_at_ms = [0, 33, 68, 99, 135, 170, 201, 240, 265, 301, 334, 371, 400, 437, 466, 502]
    recipe = {"rate_hz": Fraction(2987, 100), "time_base_s": Fraction(1, 1000), "pts": shown_at_ms}
    path = numbered_video("vfr.mkv", num_frames=len(shown_at_ms), gop_frames=4, **recipe)
    firsts = [numbers_seen(path, Fraction(at, 1000), Fraction(1, 100))[0] for at in shown_at_ms]
    assert firsts == list(range(len(shown_at_ms)))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_clock_is_zero_at_the_first_frame_of_a_file_that_starts_late(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]], suffix: str
) -> None:
    path = numbered_video(f"late.{suffix}", num_frames=60, start_pts=90)
    with MediaReader(path) as reader:
        assert reader.origin_s >= Fraction(90, 25)
        assert reader.end_s == Fraction(60, 25)
    assert numbers_seen(path, Fraction(1), Fraction(1)) == list(range(25, 50))


def test_long_gop_is_entered_at_the_key_frame_before_and_left_at_the_out_point(
    numbered_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = numbered_video("long.mp4", num_frames=1500, gop_frames=100)
    num_decoded = 0
    iter_shown = MediaReader.iter_shown

    def counted(self: MediaReader, first_s: Fraction) -> object:
        def count() -> None:
            nonlocal num_decoded
            num_decoded += 1

        return iter_shown(self, first_s, decoded=count)

    monkeypatch.setattr(MediaReader, "iter_shown", counted)
    frames = read_frames(
        PictureRange(path=path, start_s=Fraction(1130, 25), duration_s=Fraction(2)), size_px=SIZE_PX
    )
    assert len(frames) == 50
    assert 30 + 50 <= num_decoded <= 30 + 50 + 1


@pytest.mark.parametrize("speed", [2, Fraction(1, 2), Fraction(4, 3), 7])
def test_retimed_clip_shows_what_the_warp_shows(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]], speed: Fraction
) -> None:
    path = numbered_video("n.mp4", num_frames=200)
    expected = [int(10 + speed * k) for k in range(25)]
    assert numbers_seen(path, Fraction(10, 25), Fraction(1), Fraction(speed)) == expected


@pytest.mark.parametrize("speed", [-1, Fraction(-1, 2), -3])
def test_reverse_shows_the_same_frames_backwards(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]], speed: Fraction
) -> None:
    path = numbered_video("n.mp4", num_frames=200, gop_frames=50, num_b_frames=2)
    expected = [math.ceil(150 + speed * k) for k in range(25)]
    assert numbers_seen(path, Fraction(150, 25), Fraction(1), Fraction(speed)) == expected


@pytest.mark.parametrize("rate_hz", [24, 25, 30, 60, *NTSC_RATES])
def test_reverse_shows_a_flash_on_the_first_frame_after_its_click(
    flashing_video: MakeVideo, rate_hz: Fraction
) -> None:
    rate_hz = Fraction(rate_hz)
    path = flashing_video("flash.mkv", num_frames=90, flashes={23, 41, 58}, rate_hz=rate_hz)
    for speed in (Fraction(-1), Fraction(-1, 2), Fraction(-3, 4), Fraction(-2), Fraction(-7, 3)):
        picture = PictureRange(path=path, start_s=80 / rate_hz, duration_s=80 / rate_hz / -speed, speed=speed)
        is_bright = [bool(frame.mean() > 128) for frame in iter_frames(picture, size_px=SIZE_PX)]
        risen = [k for k, bright in enumerate(is_bright) if bright and not is_bright[k - 1]]
        clicks_s = find_flashes(picture)
        assert len(clicks_s) == 3
        expected = [math.ceil(click_s * 25) for click_s in clicks_s]
        if 25 / rate_hz / -speed >= 1:  # every frame is long enough to be seen
            assert risen == expected, speed
        else:
            assert set(risen) <= set(expected), speed


def test_reverse_of_a_variable_rate_follows_the_time_stamps(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]]
) -> None:
    shown_at_ms = [0, 33, 200, 210, 215, 480, 500, 900, 1000, 1700, 1733]
    path = numbered_video(
        "vfr.mkv", num_frames=len(shown_at_ms), time_base_s=Fraction(1, 1000), pts=shown_at_ms, gop_frames=4
    )
    instants_ms = [1700 - 40 * k for k in range(40)]
    expected = [min(i for i, at in enumerate(shown_at_ms) if at >= instant) for instant in instants_ms]
    assert numbers_seen(path, Fraction(1700, 1000), Fraction(8, 5), Fraction(-1)) == expected


def test_reverse_longer_than_one_block_has_no_seam(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]]
) -> None:
    path = numbered_video("n.mp4", num_frames=700, gop_frames=90)
    assert numbers_seen(path, Fraction(699, 25), Fraction(28), Fraction(-1)) == list(range(699, -1, -1))


def test_freeze_frame_repeats_one_frame(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]]
) -> None:
    path = numbered_video("n.mp4", num_frames=50)
    assert numbers_seen(path, Fraction(31, 25), Fraction(2), Fraction(0)) == [31] * 50


def test_short_range_holds_its_last_frame_until_there_are_sixteen(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]]
) -> None:
    path = numbered_video("n.mp4", num_frames=50)
    assert numbers_seen(path, Fraction(5, 25), Fraction(3, 25)) == [5, 6] + [7] * 14
    assert numbers_seen(path, Fraction(5, 25), Fraction(17, 25)) == list(range(5, 22))


def test_requested_number_of_frames_is_returned(numbered_video: MakeVideo, number_in: ReadNumber) -> None:
    path = numbered_video("n.mp4", num_frames=50)
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1))
    for num_frames in (20, 25, 32):
        frames = read_frames(picture, size_px=SIZE_PX, num_frames=num_frames)
        assert [number_in(frame) for frame in frames] == [min(k, 24) for k in range(num_frames)]


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [(8, 200), (Fraction(1, 25), 16), (Fraction(16, 25), 16), (Fraction(641, 1000), 17)],
)
def test_frames_cover_the_duration(duration_s: Fraction, expected: int) -> None:
    assert count_frames(Fraction(duration_s)) == expected


def test_one_frame_past_the_end_holds_the_last_and_more_is_refused(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]]
) -> None:
    path = numbered_video("n.mp4", num_frames=50)
    assert numbers_seen(path, Fraction(1), Fraction(26, 25))[-2:] == [49, 49]
    with pytest.raises(RangeOutsideMediaError, match=r"lasts 2\.000 s; .* 1\.000 s to 2\.080 s") as error:
        numbers_seen(path, Fraction(1), Fraction(27, 25))
    assert error.value.facts["media_duration_s"] == 2.0


@pytest.mark.parametrize(
    ("start_s", "speed"), [(Fraction(2), 1), (Fraction(30), 1), (Fraction(1, 2), -1), (Fraction(5), 0)]
)
def test_range_outside_the_media_is_refused(numbered_video: MakeVideo, start_s: Fraction, speed: int) -> None:
    path = numbered_video("n.mp4", num_frames=50)
    picture = PictureRange(path=path, start_s=start_s, duration_s=Fraction(1), speed=Fraction(speed))
    with pytest.raises(RangeOutsideMediaError, match=r"n\.mp4"):
        read_frames(picture, size_px=SIZE_PX)


def test_reverse_from_the_last_frame_down_to_the_first_is_whole(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]]
) -> None:
    path = numbered_video("n.mp4", num_frames=50)
    assert numbers_seen(path, Fraction(49, 25), Fraction(2), Fraction(-1)) == list(range(49, -1, -1))


@pytest.mark.parametrize("rotation_deg", [90, 180, 270])
def test_rotated_video_comes_upright(numbered_video: MakeVideo, rotation_deg: int) -> None:
    stored = numbered_video("stored.mp4", num_frames=20)
    turned = numbered_video("turned.mp4", num_frames=20, rotation_deg=rotation_deg)
    upright = np.rot90(half_a_second_of(stored)[5], rotation_deg // 90)
    assert np.abs(half_a_second_of(turned)[5].astype(int) - upright).mean() < 2


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("libx265", "yuv420p10le", "mp4"),
        ("prores_ks", "yuv422p10le", "mov"),
        ("libvpx-vp9", "yuv420p", "webm"),
        ("ffv1", "yuv444p", "mkv"),
    ],
)
def test_other_codecs_and_depths_show_the_same_frames(
    numbered_video: MakeVideo, numbers_seen: Callable[..., list[int]], codec: str, pix_fmt: str, suffix: str
) -> None:
    options = {"libx265": {"x265-params": "log-level=none"}, "libvpx-vp9": {"cpu-used": "8"}}.get(codec, {})
    path = numbered_video(f"n.{suffix}", num_frames=50, codec=codec, pix_fmt=pix_fmt, options=options)
    assert numbers_seen(path, Fraction(13, 25), Fraction(1)) == list(range(13, 38))


def test_non_square_pixels_are_squashed_like_square_ones(numbered_video: MakeVideo) -> None:
    square = numbered_video("square.mp4", num_frames=20)
    anamorphic = numbered_video("wide.mp4", num_frames=20, aspect=Fraction(64, 45))
    assert np.array_equal(half_a_second_of(square), half_a_second_of(anamorphic))


def frames_of_published_loader(name: str) -> dict[int, npt.NDArray[np.uint8]]:
    with np.load(DATA / "resized_frames.npz") as stored:
        expected = {int(key.rpartition("_")[2]): stored[key] for key in stored if key.startswith(name)}
    assert expected
    return expected


@pytest.mark.parametrize(("name", "rate_hz"), [("bikes", 25), ("carphone_pristine", Fraction(30000, 1001))])
def test_real_footage_is_resized_like_the_published_model_saw_it(
    footage_folder: Path, name: str, rate_hz: Fraction
) -> None:
    path = footage_folder / f"{name}.mp4"
    for source_index, golden in frames_of_published_loader(name).items():
        start_s = source_index / Fraction(rate_hz)
        picture = PictureRange(path=path, start_s=start_s, duration_s=Fraction(1, 25))
        frame = read_frames(picture, size_px=224)[0]
        assert np.abs(frame.astype(int) - golden).mean() < 0.5


def test_hd_footage_is_resized_like_the_published_model_saw_it_but_for_the_matrix(
    footage_folder: Path,
) -> None:
    """The published loader reads every untagged file as BT.601; no editing program reads 1280 x 720 so."""
    [(source_index, golden)] = frames_of_published_loader("bigbuckbunny").items()
    with MediaReader(footage_folder / "bigbuckbunny.mp4") as reader:
        frame = next(reader.iter_shown(Fraction(source_index, 25))).frame
    as_bt709 = FrameScaler(224).scale(frame)
    frame.colorspace = Colorspace.SMPTE170M
    as_bt601 = FrameScaler(224).scale(frame)
    assert np.abs(as_bt601.astype(int) - golden).mean() < 0.5
    assert np.abs(as_bt709.astype(int) - golden).mean() > 2


def test_frames_are_read_only_so_that_repeated_ones_cannot_be_changed(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.mp4", num_frames=20)
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1, 2))
    frame = next(iter_frames(picture, size_px=SIZE_PX))
    with pytest.raises(ValueError, match="read-only"):
        frame[0] = 0


def test_missing_file_is_named(tmp_path: Path) -> None:
    picture = PictureRange(path=tmp_path / "gone.mov", start_s=Fraction(0), duration_s=Fraction(1))
    with pytest.raises(MediaNotFoundError, match=r"gone\.mov"):
        read_frames(picture, size_px=SIZE_PX)


def test_folder_is_not_a_video(tmp_path: Path) -> None:
    with pytest.raises(MediaUnreadableError, match="folder"):
        MediaReader(tmp_path)


def test_text_file_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video at all\n" * 100)
    with pytest.raises(MediaUnreadableError, match=r"notes\.mp4 cannot be decoded"):
        MediaReader(path)


def test_playlist_cannot_reach_the_network(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaUnreadableError):
        MediaReader(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nclip.ts\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile clip.ts\n"),
        ("renamed.mov", "ffconcat version 1.0\nfile clip.ts\n"),
    ],
)
def test_list_of_other_files_is_refused_and_the_file_in_it_is_read(
    tmp_path: Path, name: str, text: str
) -> None:
    clip = tmp_path / "clip.ts"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(50):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (tmp_path / name).write_text(text)
    with pytest.raises(MediaUnreadableError, match="a list of other files"):
        MediaReader(tmp_path / name)
    with MediaReader(clip):
        pass


def test_audio_file_has_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), "s16", "mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
    with pytest.raises(NoVideoStreamError, match="only audio"):
        MediaReader(path)


def test_still_image_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "still.png"
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(NoVideoStreamError, match="still image"):
        MediaReader(path)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_truncated_file_is_reported_with_the_time_where_it_breaks_off(
    numbered_video: MakeVideo, suffix: str
) -> None:
    recipe = {"options": {"crf": "0"}, "container_options": {"movflags": "faststart"}}
    whole = numbered_video(f"whole.{suffix}", num_frames=250, **recipe)
    cut = whole.with_stem("cut")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    picture = PictureRange(path=cut, start_s=Fraction(0), duration_s=Fraction(10))
    with pytest.raises((MediaUnreadableError, RangeOutsideMediaError)):
        read_frames(picture, size_px=SIZE_PX)
    early = PictureRange(path=cut, start_s=Fraction(0), duration_s=Fraction(1))
    assert len(read_frames(early, size_px=SIZE_PX)) == 25


def test_size_of_zero_is_refused(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.mp4", num_frames=20)
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1, 2))
    with pytest.raises(RequestError, match="size and a rate above 0"):
        read_frames(picture, size_px=0)


@pytest.mark.parametrize(
    ("stated", "snapped"),
    [
        (Fraction(2997, 100), Fraction(30000, 1001)),
        (Fraction(23976, 1000), Fraction(24000, 1001)),
        (Fraction(24), Fraction(24)),
        (Fraction(19001, 317), Fraction(60000, 1001)),
        (Fraction(25, 2), Fraction(25, 2)),
    ],
)
def test_stated_rate_is_snapped_to_the_standard_one(stated: Fraction, snapped: Fraction) -> None:
    assert snap_rate(stated) == snapped
