"""What a browser cannot play becomes a proxy with the same frames at the same times; the cache is bounded."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from selva_panel.errors import NotThereError
from selva_panel.media.library import MediaLibrary, MediaStatus, remove_oldest
from selva_panel.timeline.cut import Cut, open_cut

NUM_FRAMES = 50
RATE = Fraction(24_000, 1001)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[tuple[Cut, MediaLibrary]]:
    """ProRes, which no browser plays: frame k has the grey level 4 k."""
    file = tmp_path / "camera.mov"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("prores_ks", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv422p10le"
        for index in range(NUM_FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 4 * index, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    cut = open_cut(file)
    opened = MediaLibrary(cut, tmp_path / "cache")
    yield cut, opened
    opened.close()
    cut.close()


def wait_until_ready(library: MediaLibrary, media_id: str) -> MediaStatus:
    give_up_s = time.monotonic() + 60.0
    while (status := library.status(media_id)).state == "making":
        assert time.monotonic() < give_up_s
        time.sleep(0.02)
    return status


def test_a_proxy_shows_the_same_frames_at_the_same_times(library: tuple[Cut, MediaLibrary]) -> None:
    cut, opened = library
    (media_id,) = cut.media
    status = wait_until_ready(opened, media_id)
    assert (status.state, status.is_proxy, status.rate_hz, status.mime) == ("ready", True, RATE, "video/mp4")
    assert status.file is not None
    with av.open(str(status.file)) as proxy:
        stream = proxy.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (640, 480)
        frames = [
            (Fraction(frame.pts or 0) * (frame.time_base or 1), frame) for frame in proxy.decode(stream)
        ]
    assert [time_s for time_s, _ in frames] == [index / RATE for index in range(NUM_FRAMES)]
    greys = [float(frame.to_ndarray(format="gray").mean()) for _, frame in frames]
    assert all(later > earlier for earlier, later in pairwise(greys))


def test_a_second_panel_finds_the_proxy_of_the_first(
    library: tuple[Cut, MediaLibrary], tmp_path: Path
) -> None:
    cut, opened = library
    (media_id,) = cut.media
    first = wait_until_ready(opened, media_id)
    again = MediaLibrary(cut, tmp_path / "cache")
    try:
        assert wait_until_ready(again, media_id).file == first.file
        with pytest.raises(NotThereError):
            again.status("nothing")
    finally:
        again.close()


def test_a_file_that_cannot_be_read_says_why(library: tuple[Cut, MediaLibrary], tmp_path: Path) -> None:
    cut, opened = library
    (tmp_path / "camera.mov").write_bytes(b"no movie")
    (media_id,) = cut.media
    status = wait_until_ready(opened, media_id)
    assert status.state == "failed"
    assert "camera.mov" in status.message


def test_the_oldest_files_go_first_when_the_cache_is_full(tmp_path: Path) -> None:
    for index in range(5):
        file = tmp_path / f"{index}.mp4"
        file.write_bytes(bytes(100))
        os.utime(file, ns=(index, index))
    remove_oldest(tmp_path, 250, keep=tmp_path / "0.mp4")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.mp4", "4.mp4"]
