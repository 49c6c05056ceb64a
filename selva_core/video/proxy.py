"""Proxies: the frames that a model sees of a range, as a small lossless movie of square frames at 25 per second.

The published networks read 224 x 224 pixels, so that they see the same frames in the proxy as in the media, to the bit.
Networks that read fewer pixels scale these down; in a proxy of their own size they see the same to the bit as well.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import av
from av.video.stream import VideoStream

from selva_core.base.atomic_write import staged_file
from selva_core.base.errors import OutputError
from selva_core.base.media import PictureRange
from selva_core.video.damage import keep_damage
from selva_core.video.frames import PICTURE_RATE_HZ, iter_frames

SIZE_PX = 224
_CODEC = "libx264rgb"
_LOSSLESS = {"qp": "0", "preset": "veryfast", "bf": "0", "g": "25"}


def write_proxy(
    picture: PictureRange,
    target: Path,
    *,
    size_px: int = SIZE_PX,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write the frames of `picture` as an MP4 file, whole or not at all. `check` may raise to stop.

    Raises MediaError as `iter_frames` does, OutputError.
    """
    try:
        with staged_file(target) as temporary, av.open(str(temporary), "w", format="mp4") as container:
            stream = cast(VideoStream, container.add_stream(_CODEC, rate=PICTURE_RATE_HZ, options=_LOSSLESS))
            stream.width = stream.height = size_px
            stream.pix_fmt = "rgb24"
            for index, pixels in enumerate(iter_frames(picture, size_px=size_px)):
                check()
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = index, 1 / PICTURE_RATE_HZ
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            container.close()
            keep_damage(picture, temporary, frame_rate_hz=PICTURE_RATE_HZ)
    except av.FFmpegError as exc:
        raise OutputError(f"cannot write {target}: {exc}", path=str(target)) from exc
