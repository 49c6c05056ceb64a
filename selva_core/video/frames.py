"""The frames that a model sees: whole frames squashed to a square, at exact record times.

Frame k is the one on screen k / 25 s after the range begins, retimed as the range says. Frames are scaled while they are
decoded, so that memory never holds many full-size frames, however long the range is.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from selva_core.base.errors import MediaUnreadableError, RequestError
from selva_core.base.media import PictureRange
from selva_core.video.colour import SdrConverter, has_alpha, is_hd_frame
from selva_core.video.frame_source import FrameSource, check_range, open_picture
from selva_core.video.notes.transparency import note_transparent

MIN_NUM_FRAMES = 16
PICTURE_RATE_HZ = Fraction(25)

_FIRST_STEP = 4  # larger frames are first scaled to this many times the requested size
_REVERSE_BLOCK_FRAMES = 256  # reverse play decodes blocks of so many frames forwards and holds them scaled

Frame = npt.NDArray[np.uint8]


def count_frames(duration_s: Fraction, frame_rate_hz: Fraction = PICTURE_RATE_HZ) -> int:
    """How many frames cover `duration_s`: all times k / rate inside it, and never fewer than 16."""
    return max(math.ceil(duration_s * frame_rate_hz), MIN_NUM_FRAMES)


def read_frames(
    picture: PictureRange,
    *,
    size_px: int,
    num_frames: int | None = None,
    frame_rate_hz: Fraction = PICTURE_RATE_HZ,
) -> npt.NDArray[np.uint8]:
    """uint8 (T, size_px, size_px, 3): all frames of `iter_frames`."""
    num_frames = num_frames or count_frames(picture.duration_s, frame_rate_hz)
    frames = np.empty((num_frames, size_px, size_px, 3), dtype=np.uint8)
    shown = iter_frames(picture, size_px=size_px, num_frames=num_frames, frame_rate_hz=frame_rate_hz)
    for index, frame in enumerate(shown):
        frames[index] = frame
    return frames


def iter_frames(
    picture: PictureRange,
    *,
    size_px: int,
    num_frames: int | None = None,
    frame_rate_hz: Fraction = PICTURE_RATE_HZ,
) -> Iterator[Frame]:
    """Yield uint8 (size_px, size_px, 3) RGB frames in playing order, read-only.

    Frame k is the one that `PictureRange` defines for t = k / frame_rate_hz: media of lower rates repeat frames, media of
    higher rates drop them. num_frames: `count_frames` by default; past the range's end its last frame is repeated. Seeks to
    the in-point and decodes no further than the out-point.

    Raises MediaNotFoundError, MediaUnreadableError, NoVideoStreamError, RangeOutsideMediaError.
    """
    if size_px < 1 or frame_rate_hz <= 0:
        raise RequestError(
            f"frames have a size and a rate above 0; got {size_px} px and {float(frame_rate_hz):g} Hz"
        )
    num_frames = num_frames or count_frames(picture.duration_s, frame_rate_hz)
    num_inside = min(math.ceil(picture.duration_s * frame_rate_hz), num_frames)
    times_s = [picture.start_s + picture.speed * k / frame_rate_hz for k in range(num_inside)]
    times_s += times_s[-1:] * (num_frames - num_inside)
    with open_picture(picture) as reader:
        check_range(reader, picture)
        yield from _frames_at(reader, times_s, FrameScaler(size_px), picture.speed)


def _frames_at(
    reader: FrameSource, times_s: Sequence[Fraction], scaler: FrameScaler, speed: Fraction
) -> Iterator[Frame]:
    if speed >= 0:
        yield from _frames_forwards(reader, times_s, scaler)
    else:
        for first in range(0, len(times_s), _REVERSE_BLOCK_FRAMES):
            block_s = times_s[first : first + _REVERSE_BLOCK_FRAMES]
            yield from reversed(list(_frames_forwards(reader, block_s[::-1], scaler, is_reverse=True)))


def _frames_forwards(
    reader: FrameSource, times_s: Sequence[Fraction], scaler: FrameScaler, *, is_reverse: bool = False
) -> Iterator[Frame]:
    """Yield one scaled frame for each of the ascending media times; past the media's end its last frame.

    A frame is on screen from its start on; in reverse, where its start is reached last, up to its start.
    """
    num_yielded = 0
    for shown in reader.iter_shown(times_s[0]):
        if shown.is_last:
            _require_complete(reader, shown.end_s, times_s[-1])
            num_due = len(times_s)
        elif is_reverse:
            num_due = bisect_right(times_s, shown.start_s, lo=num_yielded)
        else:
            num_due = bisect_left(times_s, shown.end_s, lo=num_yielded)
        if num_due > num_yielded:
            scaled = scaler.scale(shown.frame)
            if scaler.was_transparent:
                note_transparent(reader.path, shown.start_s)
            yield from (scaled for _ in range(num_due - num_yielded))
            num_yielded = num_due
        if num_yielded == len(times_s):
            return


def _require_complete(reader: FrameSource, decoded_end_s: Fraction, last_s: Fraction) -> None:
    if last_s > decoded_end_s + reader.frame_s:
        raise MediaUnreadableError(
            f"{reader.path.name} breaks off after {float(decoded_end_s):.3f} s although its header states "
            f"{float(reader.end_s):.3f} s; copy or render it again",
            path=str(reader.path),
            decoded_end_s=float(decoded_end_s),
        )


class FrameScaler:
    """Turns decoded frames into square RGB frames of one size, upright as the file's display matrix says.

    Bicubic with antialiasing, and converted to RGB before the last scaling, as the frames were on which the published weights
    were trained. Converting and scaling in a single step would differ by one level of 255. was_transparent: whether the last
    frame was transparent in places.
    """

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px
        self._to_first_step = VideoReformatter()
        self._to_sdr = SdrConverter()
        self._to_size = VideoReformatter()
        self.was_transparent = False

    def scale(self, frame: VideoFrame) -> Frame:
        """uint8 (size_px, size_px, 3), read-only."""
        decoded = frame
        self.was_transparent = False
        limit_px = _FIRST_STEP * self.size_px
        is_hd = is_hd_frame(frame)
        # Before scaling, which would mix the colours of transparent pixels into visible ones.
        if has_alpha(frame):
            frame = self._to_sdr.convert(frame, is_hd=is_hd)
            self.was_transparent = self._to_sdr.was_transparent
        if max(frame.width, frame.height) > limit_px:
            frame = self._to_first_step.reformat(
                frame,
                width=min(frame.width, limit_px),
                height=min(frame.height, limit_px),
                interpolation=Interpolation.BICUBIC,
                threads=1,
            )
        rgb = self._to_sdr.convert(frame, is_hd=is_hd)
        square = self._to_size.reformat(
            rgb, width=self.size_px, height=self.size_px, interpolation=Interpolation.BICUBIC, threads=1
        )
        pixels = np.asarray(square.to_ndarray(), dtype=np.uint8)
        upright = np.ascontiguousarray(_upright(pixels, decoded))
        upright.setflags(write=False)
        return upright


def _upright(square: Frame, frame: VideoFrame) -> Frame:
    try:
        return _turned(square, _display_matrix(frame))
    except ValueError:
        # PyAV raises it for all side data when one entry has a type that it has no name for, such as EXIF.
        return np.rot90(square, round(frame.rotation / 90))


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int] | None:
    """The signs (a, b, c, d) of the file's display matrix: x' = ax + cy, y' = bx + dy (ISO/IEC 14496-12)."""
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(side_data, SideData):
        return None
    a, b, _, c, d, *_ = np.sign(np.frombuffer(bytes(side_data), dtype=np.int32))
    return int(a), int(b), int(c), int(d)


def _turned(square: Frame, matrix: tuple[int, int, int, int] | None) -> Frame:
    """Apply quarter turns and mirrors, under which a square frame keeps its size."""
    if matrix is None:
        return square
    a, b, c, d = matrix
    if a == 0 and d == 0:
        square, a, d = square.transpose(1, 0, 2), c, b
    return square[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
