"""What the process that reads pictures does: look into a file, make a strip of thumbnails, make a proxy. Loads a decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from selva_core.base.atomic_write import staged_file, write_atomic
from selva_core.base.errors import MediaError, OutputError
from selva_core.base.media import PictureRange
from selva_core.video.frame_source import open_picture
from selva_core.video.frames import Frame, FrameScaler, iter_frames
from selva_core.video.reader import MediaReader
from selva_daemon.protocol.picture import parse_media_range
from selva_panel.media.production_sound import write_production_sound

Report = Callable[[float], None]
Task = Callable[[Mapping[str, Any], Report], dict[str, Any]]

PROXY_WIDTH_PX = 640
_PROXY_OPTIONS = {"crf": "24", "preset": "veryfast", "tune": "fastdecode", "profile": "baseline", "bf": "0"}
_KEY_FRAME_EVERY = 12
"""Frames: a click on the timeline shows its picture after half a second of decoding at most."""
_JPEG_QUALITY = "5"  # of the quantiser, 2 is best
_SEEK_FROM_S = 12
"""Pictures of a range that lasts longer are sought one by one; of a shorter one all frames are decoded."""
_PLAYED_CODECS = {
    "h264": ("yuv420p", "yuvj420p"),
    "vp8": ("yuv420p",),
    "vp9": ("yuv420p",),
    "av1": ("yuv420p",),
}
_PLAYED_CONTAINERS = {"mp4": "video/mp4", "webm": "video/webm"}


def inspect(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Whether a browser plays a file as it is, and the rate of its frames."""
    del report
    path = Path(task["path"])
    with MediaReader(path) as reader:
        codec = reader.stream.codec_context
        formats = set(reader.container.format.name.split(","))
        # FFmpeg calls Matroska and WebM by one name; browsers play the latter only.
        container = "mp4" if "mp4" in formats else "webm" if path.suffix.lower() == ".webm" else ""
        is_played = (
            codec.pix_fmt in _PLAYED_CODECS.get(codec.name, ())
            and container in _PLAYED_CONTAINERS
            and (container == "mp4") == (codec.name in ("h264", "av1"))
            and abs(reader.origin_s) < reader.frame_s / 2
        )
        rate_hz = reader.frame_rate_hz or 1 / reader.frame_s
        return {
            "is_played": is_played,
            "mime": _PLAYED_CONTAINERS.get(container, "video/mp4"),
            "rate_hz": str(rate_hz),
            "duration_s": str(reader.end_s),
        }


def write_strip(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """`count` pictures of a range, evenly spread and side by side, each `width` pixels wide, as one JPEG file."""
    del report
    picture, count, width_px = parse_media_range(task["picture"]), int(task["count"]), int(task["width"])
    height_px = _even(width_px / _aspect_of(picture))
    to_size = VideoReformatter()
    pieces = [
        to_size.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            width=width_px,
            height=height_px,
        ).to_ndarray()
        for rgb in _iter_spread(picture, count, size_px=max(width_px, height_px))
    ]
    strip = VideoFrame.from_ndarray(np.ascontiguousarray(np.concatenate(pieces, axis=1)), format="rgb24")
    write_atomic(Path(task["target"]), _encode_jpeg(strip))
    return {}


def write_browser_proxy(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """The frames of a range, at `rate_hz`, as a movie that every browser plays."""
    picture, rate_hz = parse_media_range(task["picture"]), Fraction(task["rate_hz"])
    num_frames = max(math.ceil(picture.duration_s * rate_hz), 1)
    aspect = _aspect_of(picture)
    width_px = PROXY_WIDTH_PX if aspect >= 1 else _even(PROXY_WIDTH_PX * aspect)
    size = (width_px, _even(width_px / aspect))
    frames = iter_frames(picture, size_px=max(size), num_frames=num_frames, frame_rate_hz=rate_hz)
    write_movie(_reported(frames, num_frames, report), Path(task["target"]), size=size, rate_hz=rate_hz)
    return {"width": size[0], "height": size[1]}


def write_movie(frames: Iterator[Frame], target: Path, *, size: tuple[int, int], rate_hz: Fraction) -> None:
    """Encode square RGB frames, each stretched to `size`. Raises OutputError, and what `frames` raises."""
    try:
        with (
            staged_file(target, flush=False) as temporary,
            # The index in front: a browser plays the file before it has read all of it.
            av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container,
        ):
            stream = cast(VideoStream, container.add_stream("libx264", rate=rate_hz, options=_PROXY_OPTIONS))
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.gop_size = _KEY_FRAME_EVERY
            for index, rgb in enumerate(frames):
                frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
                frame = frame.reformat(width=size[0], height=size[1], format="yuv420p")
                frame.pts, frame.time_base = index, 1 / rate_hz
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except av.FFmpegError as exc:
        raise OutputError(f"cannot write {target}: {exc}", path=str(target)) from exc


def _reported(frames: Iterator[Frame], num_frames: int, report: Report) -> Iterator[Frame]:
    for index, frame in enumerate(frames):
        if index % 25 == 0:
            report(index / num_frames)
        yield frame


def _iter_spread(picture: PictureRange, count: int, *, size_px: int) -> Iterator[Frame]:
    """`count` frames of a range, each of the middle of its share of it."""
    step_s = picture.duration_s / count
    if picture.speed * picture.duration_s <= _SEEK_FROM_S and picture.speed > 0:
        centred = PictureRange(
            path=picture.path,
            start_s=picture.start_s + picture.speed * step_s / 2,
            duration_s=max(picture.duration_s - step_s / 2, step_s / 2),
            speed=picture.speed,
            images=picture.images,
        )
        yield from iter_frames(centred, size_px=size_px, num_frames=count, frame_rate_hz=1 / step_s)
        return
    scaler = FrameScaler(size_px)
    with open_picture(picture) as reader:
        for index in range(count):
            media_s = picture.start_s + picture.speed * step_s * (2 * index + 1) / 2
            media_s = min(max(media_s, Fraction(0)), max(reader.end_s - reader.frame_s, Fraction(0)))
            shown = next(iter(reader.iter_shown(media_s)), None)
            if shown is None:
                raise MediaError(f"{picture.path.name} has no picture at {float(media_s):.3f} s")
            yield scaler.scale(shown.frame)


def _aspect_of(picture: PictureRange) -> float:
    """Width by height as it is shown: pixels that are not square and quarter turns count."""
    with open_picture(picture) as reader:
        if isinstance(reader, MediaReader):
            stream = reader.stream
            aspect = stream.width / stream.height * float(stream.sample_aspect_ratio or 1)
            return 1 / aspect if round(reader.rotation_deg) % 180 else aspect
        shown = next(iter(reader.iter_shown(Fraction(0))))
        return shown.frame.width / shown.frame.height


def _encode_jpeg(frame: VideoFrame) -> bytes:
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuvj420p"
    codec.time_base = Fraction(1, 25)
    codec.options = {"qmin": _JPEG_QUALITY, "qmax": _JPEG_QUALITY}
    encoded = [*codec.encode(frame.reformat(format="yuvj420p")), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in encoded)


def _even(pixels: float) -> int:
    """The codecs halve the colours' resolution, so that sides are even."""
    return max(round(pixels / 2) * 2, 2)


def write_flat_cut(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """The whole cut as one movie, letterboxed into one size. parts: pictures and their numbers of frames; gaps are black."""
    rate_hz, parts = Fraction(task["rate_hz"]), task["parts"]
    num_frames = sum(part["frames"] for part in parts)
    size = (PROXY_WIDTH_PX, _even(PROXY_WIDTH_PX * 9 / 16))
    frames = _iter_flat(parts, rate_hz, size)
    write_movie(_reported(frames, num_frames, report), Path(task["target"]), size=size, rate_hz=rate_hz)
    return {}


def _iter_flat(
    parts: Sequence[Mapping[str, Any]], rate_hz: Fraction, size: tuple[int, int]
) -> Iterator[Frame]:
    width_px, height_px = size
    black = np.zeros((height_px, width_px, 3), np.uint8)
    for part in parts:
        if part["picture"] is None:
            yield from (black for _ in range(part["frames"]))
            continue
        picture = parse_media_range(part["picture"])
        aspect = _aspect_of(picture)
        inner = (min(width_px, _even(height_px * aspect)), min(height_px, _even(width_px / aspect)))
        left, top = (width_px - inner[0]) // 2, (height_px - inner[1]) // 2
        to_inner = VideoReformatter()
        shown = iter_frames(picture, size_px=width_px, num_frames=part["frames"], frame_rate_hz=rate_hz)
        for square in shown:
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(square), format="rgb24")
            boxed = black.copy()
            pixels = to_inner.reformat(frame, width=inner[0], height=inner[1]).to_ndarray()
            boxed[top : top + inner[1], left : left + inner[0]] = pixels
            yield boxed


def mix_production_sound(task: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """The cut's own sound as one file; heard: how many of its parts had sound."""
    del report
    heard = write_production_sound(
        task["parts"], Path(task["target"]), duration_s=Fraction(task["duration_s"])
    )
    return {"heard": heard}


TASKS: Mapping[str, Task] = {
    "inspect": inspect,
    "strip": write_strip,
    "proxy": write_browser_proxy,
    "flat": write_flat_cut,
    "sound": mix_production_sound,
}
