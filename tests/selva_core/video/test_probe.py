"""What a video file says about itself, without decoding all of it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from selva_core.base.errors import NoVideoStreamError
from selva_core.video.probe import probe_media

MakeVideo = Callable[..., Path]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts"])
def test_probe_reads_the_exact_duration_and_rate(numbered_video: MakeVideo, suffix: str) -> None:
    rate_hz = Fraction(24000, 1001)
    info = probe_media(numbered_video(f"n.{suffix}", num_frames=60, rate_hz=rate_hz, num_b_frames=2))
    assert info.duration_s == 60 / rate_hz
    assert info.frame_rate_hz == rate_hz
    assert (info.width_px, info.height_px) == (96, 48)
    assert not info.has_sound


def test_probe_reads_rotation_pixel_shape_start_and_sound(numbered_video: MakeVideo) -> None:
    path = numbered_video(
        "n.mp4", num_frames=30, rotation_deg=270, aspect=Fraction(64, 45), start_pts=50, with_sound=True
    )
    info = probe_media(path)
    assert info.rotation_deg == 270
    assert info.pixel_aspect == Fraction(64, 45)
    assert info.start_offset_s == 2
    assert info.duration_s == Fraction(30, 25)
    assert info.has_sound


def test_probe_reads_the_embedded_timecode(numbered_video: MakeVideo) -> None:
    with_timecode = numbered_video("tc.mov", num_frames=30, timecode="01:02:03:04")
    without = numbered_video("plain.mov", num_frames=30)
    assert probe_media(with_timecode).timecode == "01:02:03:04"
    assert probe_media(without).timecode is None


def test_timecode_of_matroska_is_read_although_its_tag_is_written_in_capitals(
    numbered_video: MakeVideo,
) -> None:
    assert (
        probe_media(numbered_video("tc.mkv", num_frames=5, timecode="01:02:03:04")).timecode == "01:02:03:04"
    )
    assert probe_media(numbered_video("plain.mkv", num_frames=5)).timecode is None


@pytest.mark.parametrize("suffix", ["ts", "flv", "mkv"])
def test_last_frames_at_one_per_second_count_also_where_they_are_stored_out_of_order(
    numbered_video: MakeVideo, suffix: str
) -> None:
    path = numbered_video(
        f"n.{suffix}", num_frames=40, rate_hz=Fraction(1), num_b_frames=2, options={"preset": "fast"}
    )
    info = probe_media(path)
    assert info.duration_s == 40
    assert info.warnings == ()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_of_two_video_streams_the_larger_is_looked_at_and_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"two.{suffix}"
    with av.open(str(path), "w") as container:
        streams = []
        for rate_hz, size_px in ((50, 32), (25, 64)):
            stream = container.add_stream("libx264", rate=rate_hz, options={"preset": "ultrafast"})
            stream.width = stream.height = size_px
            streams.append(stream)
        for index in range(20):
            for stream, count in zip(streams, (2, 1), strict=True):
                for part in range(count):
                    frame = av.VideoFrame(64, 64, "rgb24")
                    frame.pts, frame.time_base = count * index + part, Fraction(1, 25 * count)
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    info = probe_media(path)
    assert (info.width_px, info.height_px, info.frame_rate_hz) == (64, 64, Fraction(25))
    [warning] = info.warnings
    assert "has 2 video streams: stream 1 (64 x 64) is looked at" in warning


def test_realvideo_says_that_its_frames_may_be_wrong(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.rm", num_frames=5, codec="rv20", size_px=(176, 144))
    [warning] = probe_media(path).warnings
    assert "single frames may be decoded wrongly" in warning


def test_audio_longer_than_the_video_does_not_change_the_duration(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.mkv", num_frames=10, with_sound=True)
    assert probe_media(path).duration_s == Fraction(10, 25)


def test_real_footage_is_measured(footage_folder: Path) -> None:
    info = probe_media(footage_folder / "carphone_pristine.mp4")
    assert info.frame_rate_hz == Fraction(30000, 1001)
    assert info.duration_s == 120 * Fraction(1001, 30000)


def test_probe_of_a_file_without_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "captions.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    with pytest.raises(NoVideoStreamError, match="holds no video"):
        probe_media(path)
