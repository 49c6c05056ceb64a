"""One interface to frames, whether they come from a video file or from an image sequence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

from selva_core.base.errors import MediaNotFoundError, RangeOutsideMediaError
from selva_core.base.media import PictureRange
from selva_core.video.images import ImageReader
from selva_core.video.reader import MediaReader, ShownFrame
from selva_core.video.regular_file import require_file
from selva_core.video.sequence_files import find_images


class FrameSource(Protocol):
    """Frames on a clock that is zero at the first one. A context manager."""

    path: Path

    def __enter__(self) -> FrameSource: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def frame_s(self) -> Fraction: ...

    @property
    def end_s(self) -> Fraction: ...

    def iter_shown(
        self, first_s: Fraction, *, decoded: Callable[[], None] | None = None
    ) -> Iterator[ShownFrame]: ...


def open_picture(picture: PictureRange) -> FrameSource:
    """Open the file or image sequence of a range. Raises MediaError, RequestError."""
    if picture.images is not None:
        images = ImageReader(picture.path, picture.images)
        images.require_images(picture)
        return images
    return MediaReader(picture.path)


def read_stamp(picture: PictureRange) -> str:
    """A text from sizes and modification times of the files of a range, which changes when one of them is changed.

    Raises MediaNotFoundError, MediaUnreadableError, RequestError.
    """
    if picture.images is None:
        require_file(picture.path)
        return _stamp_of(picture.path)
    sequence = find_images(picture.path, picture.images)
    digest = hashlib.sha256()
    for number in sequence.present:
        digest.update(f"{number} {_stamp_of(sequence.pattern.file(number))}\n".encode())
    return digest.hexdigest()


def _stamp_of(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as exc:
        raise MediaNotFoundError(f"{path} cannot be read: {exc.strerror or exc}", path=str(path)) from exc
    return f"{status.st_size} {status.st_mtime_ns}"


def check_range(reader: FrameSource, picture: PictureRange) -> None:
    """Raises RangeOutsideMediaError where `picture` leaves the media by more than one frame on either side."""
    far_s = picture.start_s + picture.speed * picture.duration_s
    first_s, last_s = min(picture.start_s, far_s), max(picture.start_s, far_s)
    begins_inside = -reader.frame_s <= first_s and (first_s < reader.end_s or picture.speed == 0)
    if begins_inside and last_s <= reader.end_s + reader.frame_s:
        return
    raise RangeOutsideMediaError(
        f"{reader.path.name} lasts {float(reader.end_s):.3f} s; the clip needs {float(first_s):.3f} s to "
        f"{float(last_s):.3f} s of it. Trim the clip, or relink it to the whole media",
        path=str(reader.path),
        media_duration_s=float(reader.end_s),
        wanted_start_s=float(first_s),
        wanted_end_s=float(last_s),
    )
