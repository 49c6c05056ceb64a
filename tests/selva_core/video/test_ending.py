"""A file whose end is missing says so, and no whole file is suspected."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from selva_core.video.containers.file_end import is_cut_off
from selva_core.video.probe import probe_media

MakeVideo = Callable[..., Path]
FAST = {"preset": "fast"}
MPEG2 = {"codec": "mpeg2video", "options": {"b": "4M"}}
JPEG = {"codec": "mjpeg", "pix_fmt": "yuvj420p"}
VP8 = {"codec": "libvpx", "options": {"cpu-used": "8", "deadline": "realtime"}}
KINDS: dict[str, dict[str, Any]] = {
    "fast.mp4": {"options": FAST, "container_options": {"movflags": "faststart"}},
    "parts.mp4": {"options": FAST, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "n.avi": JPEG,
    "n.mkv": {"num_b_frames": 2, "options": FAST},
    "sound.mkv": {**JPEG, "with_sound": True},
    "live.mkv": {**JPEG, "container_options": {"live": "1"}},
    "n.webm": VP8,
    "n.ogv": {**VP8, "format": "ogg"},
    "n.ivf": VP8,
    "n.mxf": MPEG2,
    "n.mpg": {**MPEG2, "format": "dvd"},
    "one.mpg": {"codec": "mpeg1video", "options": {"b": "4M"}},
    "n.ts": {"num_b_frames": 2, "options": FAST},
    "n.m2ts": {"options": FAST},
    "n.flv": {"options": FAST},
    "sound.flv": {"options": FAST, "with_sound": True},
    "n.wmv": {"codec": "wmv2", "options": {"b": "4M"}},
    "n.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "n.y4m": {"codec": "wrapped_avframe", "format": "yuv4mpegpipe"},
    "n.swf": {"codec": "flv", "options": {"b": "4M"}},
}


def short_end_of(path: Path) -> list[str]:
    return [line for line in probe_media(path).warnings if "was cut off" in line]


@pytest.mark.parametrize("name", KINDS)
def test_file_that_was_cut_off_inside_a_packet_says_so(numbered_video: MakeVideo, name: str) -> None:
    path = numbered_video(name, num_frames=50, **KINDS[name])
    assert short_end_of(path) == []
    with av.open(str(path)) as container:
        format_name = container.format.name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5 | 1])
    assert is_cut_off(path, format_name)
    if name != "n.wmv":  # FFmpeg finds no frame in so short a one
        [warning] = short_end_of(path)
        assert f"{name} was cut off or is still being written: its picture ends after" in warning


@pytest.mark.parametrize("is_625", [True, False])
def test_raw_dv_whose_last_frame_is_not_whole_was_cut_off(tmp_path: Path, is_625: bool) -> None:
    size = 144_000 if is_625 else 120_000
    frame = b"\x1f\x07\x00" + (b"\xbf" if is_625 else b"\x3f") + bytes(size - 4)
    path = tmp_path / "n.dv"
    path.write_bytes(frame * 2)
    assert not is_cut_off(path, "dv")
    path.write_bytes(frame + frame[:1000])
    assert is_cut_off(path, "dv")


def test_mxf_and_matroska_that_were_cut_off_name_the_length_that_their_headers_state(
    numbered_video: MakeVideo,
) -> None:
    for name in ("n.mxf", "sound.mkv"):
        path = numbered_video(name, num_frames=50, **KINDS[name])
        with av.open(str(path)) as container:
            starts = sorted(p.pos for p in container.demux(video=0) if p.size and p.pos is not None)
        path.write_bytes(path.read_bytes()[: starts[25] - 1])
        [warning] = short_end_of(path)
        assert " of 2.000 s; copy or render it again" in warning
        assert Fraction(24, 25) <= probe_media(path).duration_s <= Fraction(26, 25)


def test_padding_behind_the_end_of_a_file_is_no_missing_end(numbered_video: MakeVideo) -> None:
    for name in ("fast.mp4", "n.avi", "n.mkv", "n.mxf", "n.flv", "n.gif"):
        path = numbered_video(name, num_frames=10, **KINDS[name])
        path.write_bytes(path.read_bytes() + bytes(512))
        assert short_end_of(path) == []


def test_recording_that_was_never_ended_is_whole_up_to_its_last_chunk(numbered_video: MakeVideo) -> None:
    path = numbered_video("n.avi", num_frames=50, **JPEG)
    content = bytearray(path.read_bytes())
    at = content.index(b"movi")
    content[4:8] = content[at - 8 : at - 4] = b"\xff\xff\xff\xff"
    end = content.index(b"idx1")
    path.write_bytes(content[:end])
    assert not is_cut_off(path, "avi")
    path.write_bytes(content[: end - 100])
    assert is_cut_off(path, "avi")


@pytest.mark.parametrize("name", ["n.mxf", "n.mkv"])
def test_frame_that_is_missing_although_the_container_counts_it_is_named(
    numbered_video: MakeVideo, name: str
) -> None:
    path = numbered_video(name, num_frames=50, **KINDS[name])
    assert probe_media(path).warnings == ()
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]
    content = bytearray(path.read_bytes())
    at, size = max(places)
    content[at : at + size] = bytes(size)
    path.write_bytes(content)
    [warning] = probe_media(path).warnings
    assert "states 2.000 s of picture and has 1.960 s" in warning
