"""Clips and image sequences that flash at known frames, cuts made of them, and the clicks that answer the flashes."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import soundfile

CLICK_LEVEL = 0.35
"""Between the tone (at most 0.2) and the peak of a click of 0.7 that falls between two samples: 0.7 * 2/pi * 0.92 = 0.41."""
CLICK_WIDTH_SAMPLES = 16


def write_flashing_clip(path: Path, *, rate: Fraction, num_frames: int, flashes: Collection[int]) -> Path:
    """A movie with one white frame at each index in `flashes`, black else; every frame is a key frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.time_base = 1 / rate
        for index in range(num_frames):
            level = 255 if index in flashes else 0
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, dtype=np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def click_samples(file: Path) -> list[int]:
    """Indices of the samples where clicks peak; a resampled click is a few samples wide."""
    samples, _ = soundfile.read(file, dtype="float32")
    level = np.abs(samples)
    loud = np.flatnonzero(level > CLICK_LEVEL)
    if not len(loud):
        return []
    bursts = np.split(loud, np.flatnonzero(np.diff(loud) > CLICK_WIDTH_SAMPLES) + 1)
    return [int(burst[np.argmax(level[burst])]) for burst in bursts]


def write_cut(timeline: otio.schema.Timeline, path: Path) -> Path:
    path.write_text(timeline.to_json_string(), encoding="utf-8")
    return path


def write_flashing_images(folder: Path, numbers: Collection[int], *, flashes: Collection[int]) -> Path:
    """plate.NNNN.png for each number; `flashes` are numbers too."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        codec = av.CodecContext.create("png", "w")
        assert isinstance(codec, av.VideoCodecContext)
        codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, "rgb24", Fraction(1, 25)
        level = 255 if number in flashes else 0
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, dtype=np.uint8), format="rgb24")
        packets = [*codec.encode(frame), *codec.encode(None)]
        (folder / f"plate.{number:04d}.png").write_bytes(b"".join(bytes(packet) for packet in packets))
    return folder / "plate.%04d.png"
