"""Opens video files and yields their frames on an exact clock.

Every time is a rational number of seconds on the file's own clock, zero at its first frame: stream start offsets, edit
lists and embedded timecode are taken out here and nowhere else. Errors of PyAV are translated here too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from selva_core.base.errors import (
    MediaNotFoundError,
    MediaUnreadableError,
    NoVideoStreamError,
)

_STILL_FORMATS = frozenset({"image2", "image2pipe"})
_SEEK_BACK_S = 1
_SCANNED_END_S = 2
_MAX_BROKEN_PACKETS_AFTER_SEEK = 64


@dataclass(frozen=True, kw_only=True)
class ShownFrame:
    """A decoded frame, on screen from media time `start_s` up to, not including, `end_s`.

    is_last: the file ends with it.
    """

    start_s: Fraction
    end_s: Fraction
    frame: VideoFrame
    is_last: bool = False


def snap_rate(rate_hz: Fraction) -> Fraction:
    """The whole or NTSC (n * 1000 / 1001) rate within 0.01 % of `rate_hz`, else `rate_hz` itself."""
    whole = Fraction(max(1, round(rate_hz)))
    ntsc = Fraction(max(1, round(rate_hz * 1001 / 1000)) * 1000, 1001)
    nearest = min(whole, ntsc, key=lambda candidate: abs(candidate - rate_hz))
    return nearest if abs(nearest - rate_hz) <= rate_hz / 10_000 else rate_hz


def is_standard_rate(rate_hz: Fraction) -> bool:
    """Whether a rate is whole or NTSC; the averages of variable rates are neither."""
    return rate_hz.denominator == 1 or (rate_hz * Fraction(1001, 1000)).denominator == 1


@contextmanager
def translate_media_errors(path: Path) -> Iterator[None]:
    """Turn PyAV's errors about `path` into MediaError."""
    try:
        yield
    except av.error.FileNotFoundError as exc:
        raise MediaNotFoundError(f"there is no file {path}", path=str(path)) from exc
    except av.error.PermissionError as exc:
        message = f"{path} may not be read; give this user the permission to read it"
        raise MediaUnreadableError(message, path=str(path)) from exc
    except av.error.FFmpegError as exc:
        message = f"{path.name} cannot be decoded ({exc.strerror}); check that it plays, or transcode it"
        raise MediaUnreadableError(message, path=str(path)) from exc


def require_file(path: Path) -> None:
    """Raises MediaNotFoundError where nothing exists at `path`, MediaUnreadableError where it is a folder."""
    if not path.exists():
        message = f"there is no file {path}; relink the clip or check that its drive is mounted"
        raise MediaNotFoundError(message, path=str(path))
    if path.is_dir():
        raise MediaUnreadableError(f"{path} is a folder; a video file is needed", path=str(path))


class MediaReader:
    """The video stream of one file, decoded on demand.

    Owns the open file: use it as a context manager, from one thread at a time.
    """

    def __init__(self, path: Path) -> None:
        """Open `path` and decode its first frame, which defines the clock.

        Raises MediaNotFoundError, MediaUnreadableError, NoVideoStreamError.
        """
        require_file(path)
        self.path = path
        with translate_media_errors(path):
            # FFmpeg takes no absolute path for a protocol ("concat:", "http:"), and the list keeps playlists to local files.
            self.container: InputContainer = av.open(
                str(path.absolute()), mode="r", options={"protocol_whitelist": "file,crypto,data"}
            )
        try:
            self.stream = _find_video_stream(self.container, path)
            self.stream.thread_type = "AUTO"
            first = self._first_frame()
        except BaseException:
            self.container.close()
            raise
        self._origin_pts = _timestamp(first) or 0
        self.rotation_deg = first.rotation % 360

    def __enter__(self) -> MediaReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    @cached_property
    def time_base_s(self) -> Fraction:
        """Seconds per tick of the stream's timestamps."""
        return self.stream.time_base or Fraction(1, 1000)

    @cached_property
    def frame_rate_hz(self) -> Fraction | None:
        """Average frame rate, snapped to a standard one; None where the file states none."""
        rate_hz = self.stream.average_rate or self.stream.guessed_rate
        return snap_rate(rate_hz) if rate_hz else None

    @property
    def frame_s(self) -> Fraction:
        """How long one frame lasts on average; 1/25 s where the file states no rate."""
        return 1 / (self.frame_rate_hz or Fraction(25))

    @property
    def origin_s(self) -> Fraction:
        """The first frame's time as the file states it, which is subtracted from every timestamp."""
        return self._origin_pts * self.time_base_s

    @cached_property
    def end_s(self) -> Fraction:
        """When the last frame stops being shown, read from the packets at the file's end without decoding."""
        frame_ticks = self.frame_s / self.time_base_s
        with translate_media_errors(self.path):
            # Some formats seek to any packet, and with B-frames the frame shown last is not the one stored last.
            near_end_s = max(self._declared_duration_s - _SCANNED_END_S, Fraction(0))
            self._seek(self._origin_pts + int(near_end_s / self.time_base_s))
            ends_pts = [
                packet.pts + (packet.duration or frame_ticks)
                for packet in self._packets()
                if packet.pts is not None and not packet.is_discard
            ]
        return self._time_of(max(ends_pts)) if ends_pts else self._declared_duration_s

    def iter_shown(
        self, first_s: Fraction, *, decoded: Callable[[], None] | None = None
    ) -> Iterator[ShownFrame]:
        """Yield frames in the order they are shown, from the one on screen at `first_s` to the media's end.

        Seeks to the key frame before. At most two full-size frames are in memory at a time. `decoded` is called for every
        frame that is decoded, also those before `first_s`. Before the media's start the first frame counts as shown.
        """
        with translate_media_errors(self.path):
            held: tuple[Fraction, VideoFrame] | None = None
            for start_s, frame in self._timed_from(first_s):
                if decoded is not None:
                    decoded()
                if held is not None and start_s <= held[0]:
                    held = held[0], frame  # broken files repeat timestamps; the later frame is shown
                    continue
                if held is not None and start_s > first_s:
                    yield ShownFrame(start_s=held[0], end_s=start_s, frame=held[1])
                held = start_s, frame
            if held is not None:
                end_s = held[0] + self._duration_of(held[1])
                yield ShownFrame(start_s=held[0], end_s=end_s, frame=held[1], is_last=True)

    @cached_property
    def _steady_rate_hz(self) -> Fraction | None:
        """The constant rate whose times the timestamps round; None for odd averages and for ticks as long as frames."""
        rate_hz = self.frame_rate_hz
        if rate_hz is None or not is_standard_rate(rate_hz) or 4 * self.time_base_s * rate_hz > 1:
            return None
        return rate_hz

    def _first_frame(self) -> VideoFrame:
        with translate_media_errors(self.path):
            first = next(self._decoded(), None)
        if first is None:
            raise MediaUnreadableError(f"no frame of {self.path.name} can be decoded", path=str(self.path))
        return first

    @property
    def _declared_duration_s(self) -> Fraction:
        if self.stream.duration is not None:
            return self.stream.duration * self.time_base_s
        if self.container.duration is not None:
            return Fraction(self.container.duration, av.time_base)
        return Fraction(0)

    def _duration_of(self, frame: VideoFrame) -> Fraction:
        return self._time_of(self._origin_pts + frame.duration) if frame.duration else self.frame_s

    def _time_of(self, pts: int | Fraction) -> Fraction:
        """Media time of a timestamp, with the rounding undone that a coarse time base forces on a constant rate.

        Matroska stores whole milliseconds, MPEG-TS ticks of 1/90000 s: frame 1 at 24000/1001 fps is stored as 42 ms, and an
        in-point at exactly 1001/24000 s would miss it.
        """
        stated_s = (pts - self._origin_pts) * self.time_base_s
        rate_hz = self._steady_rate_hz
        if rate_hz is None:
            return stated_s
        steady_s = round(stated_s * rate_hz) / rate_hz
        return steady_s if abs(steady_s - stated_s) <= self.time_base_s else stated_s

    def _timed_from(self, first_s: Fraction) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Decode from a key frame shown at or before `first_s`; seeks again further back where a seek lands too late."""
        for target_s in _seek_targets_s(first_s):
            self._seek(self._origin_pts + math.floor(target_s / self.time_base_s))
            frames = self._decoded()
            first = next(frames, None)
            if first is None:
                continue
            start_s = self._start_of(first, None)
            if start_s <= first_s or target_s < 0:
                yield start_s, first
                break
        else:
            message = f"no frame of {self.path.name} can be decoded at {float(first_s):.3f} s"
            raise MediaUnreadableError(message, path=str(self.path))
        for frame in frames:
            start_s = self._start_of(frame, start_s)
            yield start_s, frame

    def _start_of(self, frame: VideoFrame, previous_s: Fraction | None) -> Fraction:
        pts = _timestamp(frame)
        if pts is not None:
            return self._time_of(pts)
        return Fraction(0) if previous_s is None else previous_s + self.frame_s

    def _decoded(self) -> Iterator[VideoFrame]:
        """Decode from the current position; up to 64 undecodable packets are skipped before the first frame.

        After a seek, decoders report packets that refer to frames before the seek point as invalid.
        """
        max_broken = _MAX_BROKEN_PACKETS_AFTER_SEEK
        for packet in self._packets():
            try:
                frames = self.stream.decode(packet)
            except av.error.InvalidDataError as exc:
                max_broken -= 1
                if max_broken < 0:
                    raise MediaUnreadableError(
                        f"{self.path.name} is damaged ({exc.strerror}); transcode it or use another copy",
                        path=str(self.path),
                    ) from exc
                continue
            if frames:
                max_broken = 0
            yield from frames

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        yield from self.container.demux(self.stream)

    def _seek(self, pts: int) -> None:
        try:
            self.container.seek(pts, stream=self.stream, backward=True, any_frame=False)
        except av.error.FFmpegError as exc:
            raise MediaUnreadableError(
                f"{self.path.name} has no timestamps or index to seek by ({exc.strerror}); "
                "remux it into MP4, MOV, MKV or MXF",
                path=str(self.path),
            ) from exc


def _find_video_stream(container: InputContainer, path: Path) -> VideoStream:
    if container.format.name in _STILL_FORMATS or container.format.name.endswith("_pipe"):
        raise NoVideoStreamError(
            f"{path.name} is a still image; a video is needed. "
            "An image sequence is named by its pattern, as frame.%04d.png, with its frame rate",
            path=str(path),
        )
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        found = "only audio" if container.streams.audio else "no video"
        raise NoVideoStreamError(
            f"{path.name} holds {found}; a clip with a video stream is needed", path=str(path)
        )
    best = container.streams.best("video")
    return best if isinstance(best, VideoStream) and best in videos else videos[0]


def _seek_targets_s(first_s: Fraction) -> Iterator[Fraction]:
    """Where to seek for a frame shown at `first_s`: there, then further and further back, at last before the start."""
    back_s = 0
    while first_s - back_s > 0:
        yield first_s - back_s
        back_s = max(_SEEK_BACK_S, back_s * 2)
    yield Fraction(0)
    yield Fraction(-_SEEK_BACK_S)  # in some formats the first key frame is before time 0


def _timestamp(frame: VideoFrame) -> int | None:
    return frame.pts if frame.pts is not None else frame.dts
