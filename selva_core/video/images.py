"""Reads an image sequence like a video: each file is decoded when its frame is reached.

Files are decoded from memory by the codec that the suffix names, not opened by FFmpeg, whose demuxers guess formats and may
follow references from one file to another.
"""

from __future__ import annotations

import math
import struct
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
from selva_core.video.colour import has_alpha
from selva_core.video.notes.transparency import note_transparent
from selva_core.video.reader import ShownFrame, black_frame
from selva_core.video.regular_file import require_file
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

_TIFF_COMPRESSION = 259
_TIFF_EXTRA_SAMPLES, _ASSOCIATED_ALPHA = 338, 1
_TIFF_JPEG = (6, 7)
"""FFmpeg decodes them as black."""
# EXR files hold linear light; without a transfer curve FFmpeg would show it far too dark.
_CODEC_OPTIONS = {"exr": {"apply_trc": "iec61966_2_1"}}
_OPAQUE = (1 << 16) - 1


class ImageReader:
    """One image sequence as a video, with the interface of `MediaReader`; for one thread at a time."""

    def __init__(self, path: Path, images: ImageSequence) -> None:
        """Find the files of the sequence. path: with the number as %04d.

        Raises RequestError, MediaNotFoundError, NoVideoStreamError.
        """
        self._files = find_images(path, images)
        suffix = Path(self._files.pattern.suffix).suffix.lower() or self._files.pattern.suffix.lower()
        if suffix not in IMAGE_CODECS:
            raise NoVideoStreamError(
                f"{path.name} is no image sequence that can be read; image files are {', '.join(sorted(IMAGE_CODECS))}",
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
        """Does nothing: no file stays open between frames."""

    @property
    def frame_s(self) -> Fraction:
        """How long each frame is shown."""
        return 1 / self._images.rate_hz

    @property
    def end_s(self) -> Fraction:
        """When the last frame stops being shown."""
        return len(self._files.played) * self.frame_s

    def require_images(self, picture: PictureRange) -> None:
        """Raises MediaNotFoundError where an image that a range shows is missing and may not be held or black.

        Checked before the first frame is decoded, so that no render fails half-way.
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
        shown = self._files.played[max(first, 0) : last + 1]
        present = set(self._files.present)
        missing = [number for number in shown if number not in present]
        if missing:
            file = self._files.pattern.file(missing[0])
            raise MediaNotFoundError(
                f"image {file.name} is missing ({len(missing)} of the {len(shown)} that are shown are); render it, or "
                'let missing images be held ("hold") or black ("black")',
                path=str(file),
            )

    def iter_shown(
        self, first_s: Fraction, *, decoded: Callable[[], None] | None = None
    ) -> Iterator[ShownFrame]:
        """Yield frames from the one on screen at `first_s` to the end; see `MediaReader.iter_shown`.

        Missing images are held or black. Raises MediaUnreadableError.
        """
        count = len(self._files.played)
        held: tuple[int, VideoFrame] | None = None
        for index in range(self._index_at(first_s), count):
            number = self._shown_number(self._files.played[index])
            if number is None:
                frame = black_frame()
            elif held is not None and held[0] == number:
                frame = held[1]
            else:
                frame, is_transparent = self._decode(number)
                if is_transparent:
                    note_transparent(self.path, index * self.frame_s)
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
        return min(max(media_s // self.frame_s, 0), len(self._files.played) - 1)

    def _shown_number(self, number: int) -> int | None:
        """The number of the image that is shown for `number`; None for black."""
        present = self._files.present
        before = bisect_right(present, number) - 1
        if before >= 0 and present[before] == number:
            return number
        return present[max(before, 0)] if self._images.missing == "hold" else None

    def _decode(self, number: int) -> tuple[VideoFrame, bool]:
        """An image, and whether it is transparent in places where its alpha was taken out here."""
        path = self._files.pattern.file(number)
        context = CodecContext.create(self._codec, "r")
        if not isinstance(context, VideoCodecContext):
            raise NoVideoStreamError(f"{self._codec} is no image codec", path=str(path))
        context.options = {"max_pixels": str(MAX_PIXELS), **_CODEC_OPTIONS.get(self._codec, {})}
        try:
            content = _read_image(path)
            frames = [*context.decode(Packet(content)), *context.decode(None)]
        except FileNotFoundError as exc:
            raise MediaNotFoundError(f"the image {path} has been removed", path=str(path)) from exc
        except (av.error.FFmpegError, OSError) as exc:
            if isinstance(exc, MediaUnreadableError):
                raise
            message = f"{path.name} cannot be decoded ({exc.strerror or exc}); check that it opens, or render it again"
            raise MediaUnreadableError(message, path=str(path)) from exc
        if not frames:
            raise MediaUnreadableError(f"{path.name} holds no image; render it again", path=str(path))
        if has_alpha(frames[0]) and _is_premultiplied(self._codec, content):
            return _over_black(frames[0])
        return frames[0], False


def _is_premultiplied(codec: str, content: bytes) -> bool:
    """Whether colours are stored as they are over black: always in EXR (its technical introduction), where a tag says so in
    TIFF.
    """
    is_associated = codec == "tiff" and _tiff_tag(content, _TIFF_EXTRA_SAMPLES) == _ASSOCIATED_ALPHA
    return codec == "exr" or is_associated


def _over_black(frame: VideoFrame) -> tuple[VideoFrame, bool]:
    """Premultiplied colours without their alpha, and whether it was transparent in places."""
    with_alpha = np.asarray(frame.reformat(format="rgba64le", threads=1).to_ndarray(), dtype=np.uint16)
    opaque = VideoFrame.from_ndarray(np.ascontiguousarray(with_alpha[..., :3]), format="rgb48le")
    return opaque, bool((with_alpha[..., 3] < _OPAQUE).any())


def _read_image(path: Path) -> bytes:
    """The bytes of a regular file. Raises MediaUnreadableError, MediaNotFoundError, OSError."""
    require_file(path)
    with path.open("rb") as file:
        content = file.read(MAX_IMAGE_BYTES + 1)
    if len(content) > MAX_IMAGE_BYTES:
        raise MediaUnreadableError(f"{path.name} is larger than {MAX_IMAGE_BYTES} bytes", path=str(path))
    if path.suffix.lower() in (".tif", ".tiff") and _tiff_tag(content, _TIFF_COMPRESSION) in _TIFF_JPEG:
        raise MediaUnreadableError(
            f"{path.name} is a TIFF with JPEG compression, which cannot be read; save it with LZW or without compression",
            path=str(path),
        )
    return content


def _tiff_tag(content: bytes, tag: int) -> int | None:
    """The number that the first image of a TIFF file (TIFF 6.0) has for a tag; None where it has none."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None:
        return None
    try:
        (at,) = struct.unpack_from(f"{order}I", content, 4)
        (count,) = struct.unpack_from(f"{order}H", content, at)
        entries = (struct.unpack_from(f"{order}HHIH", content, at + 2 + 12 * k) for k in range(count))
        return next((value for each, _, _, value in entries if each == tag), None)
    except struct.error:
        return None
