"""Walk an image sequence like a video: each file is decoded when its picture is reached.

Decoded from memory by a codec that the suffix names, so that nothing in a file or its name can lead elsewhere.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av.error
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError, NoVideoStreamError
from selva_core.base.media import ImageSequence, PictureRange
from selva_core.video.reader import ShownFrame
from selva_core.video.sequence_files import find_images

IMAGE_CODECS = {
    ".bmp": "bmp",
    ".dpx": "dpx",
    ".exr": "exr",
    ".jpeg": "mjpeg",
    ".jpg": "mjpeg",
    ".png": "png",
    ".tga": "targa",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
}
MAX_IMAGE_BYTES = 1 << 30
MAX_PIXELS = 1 << 28

_BLACK_PX = 16
# Light in EXR files is linear; what people look at is not.
_CODEC_OPTIONS = {"exr": {"apply_trc": "iec61966_2_1"}}


class ImageReader:
    """One image sequence as a moving picture; the same face as `MediaReader`, for one thread at a time."""

    def __init__(self, path: Path, images: ImageSequence) -> None:
        """Find the sequence's files; path: with the number as %04d.

        Raises RequestError, MediaNotFoundError, NoVideoStreamError.
        """
        self._laid = find_images(path, images)
        suffix = Path(self._laid.pattern.suffix).suffix.lower() or self._laid.pattern.suffix.lower()
        if suffix not in IMAGE_CODECS:
            raise NoVideoStreamError(
                f"{path.name} is no image sequence that can be read; images are {', '.join(sorted(IMAGE_CODECS))}",
                path=str(path),
            )
        self.path = path
        self._codec = IMAGE_CODECS[suffix]
        self._images = images

    def __enter__(self) -> ImageReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """No file is held open."""

    @property
    def frame_s(self) -> Fraction:
        """How long each picture is shown."""
        return 1 / self._images.rate_hz

    @property
    def end_s(self) -> Fraction:
        """When the last picture stops being shown."""
        return len(self._laid.played) * self.frame_s

    def require_images(self, picture: PictureRange) -> None:
        """Raise MediaNotFoundError where an image that a range shows is missing and nothing is to be seen instead.

        Asked first, so that nothing is decoded or rendered in vain.
        """
        if self._images.missing != "error":
            return
        starts_at, ends_at = (
            at_s / self.frame_s
            for at_s in (picture.start_s, picture.start_s + picture.speed * picture.duration_s)
        )
        if picture.speed < 0:
            first, last = math.floor(ends_at) + 1, math.ceil(starts_at)
        else:
            first, last = math.floor(starts_at), max(math.ceil(ends_at) - 1, math.floor(starts_at))
        shown = self._laid.played[max(first, 0) : last + 1]
        there = set(self._laid.there)
        missing = [number for number in shown if number not in there]
        if missing:
            file = self._laid.pattern.file(missing[0])
            raise MediaNotFoundError(
                f"image {file.name} is missing ({len(missing)} of the {len(shown)} that are shown are); render it, or "
                'let missing images be held ("hold") or black ("black")',
                path=str(file),
            )

    def iter_shown(
        self, first_s: Fraction, *, decoded: Callable[[], None] | None = None
    ) -> Iterator[ShownFrame]:
        """Yield pictures from the one on screen at `first_s` to the end; see `MediaReader.iter_shown`.

        What is missing is held or black. Raises MediaUnreadableError.
        """
        count = len(self._laid.played)
        held: tuple[int, VideoFrame] | None = None
        for index in range(self._index_at(first_s), count):
            number = self._seen_number(self._laid.played[index])
            if number is None:
                frame = _black_picture()
            elif held is not None and held[0] == number:
                frame = held[1]
            else:
                frame = self._decode(number)
                held = number, frame
                if decoded is not None:
                    decoded()
            yield ShownFrame(
                start_s=index * self.frame_s,
                end_s=(index + 1) * self.frame_s,
                frame=frame,
                is_last=index == count - 1,
            )

    def _index_at(self, media_s: Fraction) -> int:
        return min(max(media_s // self.frame_s, 0), len(self._laid.played) - 1)

    def _seen_number(self, number: int) -> int | None:
        """The image that is seen at the place of `number`; None for black."""
        there = self._laid.there
        before = bisect_right(there, number) - 1
        if before >= 0 and there[before] == number:
            return number
        return there[max(before, 0)] if self._images.missing == "hold" else None

    def _decode(self, number: int) -> VideoFrame:
        path = self._laid.pattern.file(number)
        context = CodecContext.create(self._codec, "r")
        if not isinstance(context, VideoCodecContext):
            raise NoVideoStreamError(f"{self._codec} is no codec of pictures", path=str(path))
        context.options = {"max_pixels": str(MAX_PIXELS), **_CODEC_OPTIONS.get(self._codec, {})}
        try:
            if path.stat().st_size > MAX_IMAGE_BYTES:
                raise MediaUnreadableError(
                    f"{path.name} is larger than {MAX_IMAGE_BYTES} bytes", path=str(path)
                )
            frames = [*context.decode(Packet(path.read_bytes())), *context.decode(None)]
        except FileNotFoundError as exc:
            raise MediaNotFoundError(f"there is no image {path} any more", path=str(path)) from exc
        except (av.error.FFmpegError, OSError) as exc:
            if isinstance(exc, MediaUnreadableError):
                raise
            message = f"{path.name} cannot be decoded ({exc.strerror or exc}); check that it opens, or render it again"
            raise MediaUnreadableError(message, path=str(path)) from exc
        if not frames:
            raise MediaUnreadableError(f"{path.name} holds no picture; render it again", path=str(path))
        return frames[0]


def _black_picture() -> VideoFrame:
    return VideoFrame.from_ndarray(np.zeros((_BLACK_PX, _BLACK_PX, 3), np.uint8), format="rgb24")
