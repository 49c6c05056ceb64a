"""An open video file: its clock, its frame rate and where it ends.

Every time is a rational number of seconds on the file's own clock, zero where the container begins: stream start offsets,
edit lists and embedded timecode are taken out here and nowhere else. The clock does not depend on what can be decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from selva_core.video.beginning import MPEG_FORMATS, NUMBERING_FORMATS, RAW_FORMATS, Beginning, read_beginning
from selva_core.video.bitstreams.counters import create_frame_counter
from selva_core.video.container import (
    create_alpha_decoder,
    find_video_stream,
    open_container,
    require_clear,
    translate_media_errors,
)
from selva_core.video.containers.avi_index import AviIndex
from selva_core.video.containers.edit_spans import EditSpan, lay_out_edits
from selva_core.video.containers.iso_boxes import TrackEdit, read_edits
from selva_core.video.containers.matroska import read_first_block
from selva_core.video.containers.mxf_index import has_index
from selva_core.video.damage import kept_damage_s
from selva_core.video.lost_start import find_lost_start, start_error
from selva_core.video.packet_order import packet_time
from selva_core.video.rates import MPEG_SLACK_S, FrameRate, is_standard_rate
from selva_core.video.restarts import find_clock_jump, is_joined, joined_error, jump_error

FALLBACK_RATE_HZ = Fraction(25)
_SCANNED_END_S = Fraction(2)
_SCANNED_END_FRAMES = 16
"""More than any codec that is met stores out of order: at one frame per second, 2 s hold too few."""
MAX_SHORT_S = Fraction(1, 2)
"""Writers disagree on whether a duration reaches to the last frame's start or end; more than this was lost."""
_CONTAINER_SUFFIXES = frozenset(
    {".avi", ".flv", ".m2ts", ".mkv", ".mov", ".mp4", ".mts", ".mxf", ".ts", ".vob", ".webm"}
)
"""FFmpeg takes such a file for a bare stream where its header is damaged, and would show what lies between the frames too."""
_PLAIN_EDITS = {"advanced_editlist": "0"}
_NO_EDITS = {"ignore_editlist": "1"}


OpenedFile = TypeVar("OpenedFile", bound="MediaFile")  # typing.Self came with Python 3.11


class MediaFile:
    """The video stream of one file. Owns the open file: use it as a context manager, from one thread at a time."""

    container: InputContainer
    stream: VideoStream

    def __init__(self, path: Path) -> None:
        """Open `path` and read its beginning, which defines the clock.

        Raises MediaNotFoundError, MediaUnreadableError, NoVideoStreamError.
        """
        self.path = path
        self._options: dict[str, str] = {}
        self._edit_end_s: Fraction | None = None
        self._spans: Sequence[EditSpan] = ()
        self._lost_s: set[Fraction] = set()
        self._open()
        try:
            with translate_media_errors(path):
                self._beginning = self._begin()
        except BaseException:
            self.container.close()
            raise
        self._origin_pts = self._beginning.origin_pts
        self.rotation_deg = self._beginning.rotation_deg
        self._restore_start()
        self._lose(self._time_of(pts) for pts in self._beginning.undecoded_pts)
        if "mp4" in self.container.format.name:
            self._lose(kept_damage_s(path))

    def __enter__(self: OpenedFile) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    @cached_property
    def time_base_s(self) -> Fraction:
        """Seconds per tick of the stream's timestamps."""
        return self.stream.time_base or Fraction(1, 1000)

    @property
    def frame_rate(self) -> FrameRate | None:
        """The rate of the frames; None where nothing says it."""
        return self._beginning.frame_rate

    @property
    def frame_rate_hz(self) -> Fraction | None:
        """Frame rate, snapped to a standard one; for a variable rate the one its timecode is counted in."""
        return self.frame_rate.rate_hz if self.frame_rate else None

    @property
    def frame_s(self) -> Fraction:
        """How long one frame lasts on average; 1/25 s where the file states no rate."""
        return 1 / (self.frame_rate_hz or FALLBACK_RATE_HZ)

    @property
    def origin_s(self) -> Fraction:
        """The first frame's time as the file states it, which is subtracted from every timestamp."""
        return self._origin_pts * self.time_base_s

    @property
    def is_raw(self) -> bool:
        """Whether the file is a codec's bare stream, without a container."""
        return self.container.format.name in RAW_FORMATS

    @property
    def counts_frames(self) -> bool:
        """Whether the times of frames are their numbers, so that all that follows a missing one is shown early."""
        return self.is_raw or self.container.format.name in (*NUMBERING_FORMATS, "dv")

    @property
    def has_alpha(self) -> bool:
        """Whether frames may be transparent in places, by what the codec states."""
        pixel_format = self.stream.codec_context.format
        states_alpha = pixel_format is not None and any(part.is_alpha for part in pixel_format.components)
        return self._alpha_decoder is not None or states_alpha

    @property
    def is_matroska(self) -> bool:
        """Whether the container is Matroska or WebM."""
        return self.container.format.name.startswith("matroska")

    @property
    def states_times(self) -> bool:
        """Whether the container states when frames are shown; else they are counted."""
        return self._beginning.states_times

    @cached_property
    def _can_seek(self) -> bool:
        return self.container.format.name != "mxf" or has_index(self.path)

    @cached_property
    def is_evenly_paced(self) -> bool:
        """Whether a gap between frames means that packets were lost; other formats may mean it."""
        rate = self.frame_rate
        has_constant_rate = self.container.format.name in ("mpegts", "mpeg", "mxf", "flv")
        return has_constant_rate and rate is not None and not rate.is_variable

    @cached_property
    def end_s(self) -> Fraction:
        """When the last frame stops being shown, read from the packets at the file's end without decoding."""
        if self._spans:
            return self._spans[-1].end_s
        # Without sound, the duration of the file is that of its picture: packets that are missing at its end were lost.
        states_duration = self.is_matroska or self.container.format.name == "flv"
        if not states_duration or self.container.streams.audio or self._edit_end_s is not None:
            return self.found_end_s
        stated_s = self._declared_duration_s - (0 if self.stream.duration else self.origin_s)
        return stated_s if stated_s > self.found_end_s + MAX_SHORT_S else self.found_end_s

    @cached_property
    def found_end_s(self) -> Fraction:
        """Where the last packet ends that is in the file."""
        with translate_media_errors(self.path):
            end_s = self._read_end_s()
        return end_s if self._edit_end_s is None else min(end_s, self._edit_end_s)

    def _open(self) -> None:
        self.container = open_container(self.path, self._options)
        try:
            self.stream = find_video_stream(self.container, self.path)
            self.stream.thread_type = "AUTO"
            require_clear(self.stream, None, self.path)
            self._alpha_decoder = create_alpha_decoder(self.stream)
            self.avi_index = AviIndex(self.stream) if self.container.format.name == "avi" else None
        except BaseException:
            self.container.close()
            raise

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        """Frames of a packet, with their alpha, which FFmpeg's own VP8 and VP9 decoders leave out."""
        if self._alpha_decoder is None:
            return self.stream.decode(packet)
        return self._alpha_decoder.decode(packet if packet.size else None)

    def _reopen(self) -> None:
        """Go back to the first packet, also in formats that cannot seek or seek too late."""
        self.container.close()
        self._open()
        self.__dict__.pop("time_base_s", None)

    def _begin(self) -> Beginning:
        if self.is_raw and self.path.suffix.lower() in _CONTAINER_SUFFIXES:
            raise start_error(self.path)
        if is_joined(self.path, self.container.format.name):
            raise joined_error(self.path)
        jump = find_clock_jump(self.path, self.container.format.name)
        if jump is not None:
            raise jump_error(self.path, jump)
        edits = read_edits(self.path, self.stream.id) if "mp4" in self.container.format.name else ()
        self._spans = lay_out_edits(edits, self.time_base_s)
        if self._spans:
            self._options = _NO_EDITS
            self._reopen()
            return read_beginning(self.container, self.stream, self.path).moved_to(0)
        beginning = read_beginning(self.container, self.stream, self.path)
        if beginning.has_hidden_frames and len(edits) == 1:
            beginning = self._enter_edit(beginning, edits[0])
        return self._find_true_start(beginning)

    def _enter_edit(self, beginning: Beginning, edit: TrackEdit) -> Beginning:
        """Read the edit list exactly where its only edit begins inside a frame; FFmpeg's own way drops that frame."""
        if edit.media_ticks is None:
            return beginning
        self._options = _PLAIN_EDITS
        self._reopen()
        plain = read_beginning(self.container, self.stream, self.path)
        if plain.begins_on_zero:
            self._options = {}
            self._reopen()
            return read_beginning(self.container, self.stream, self.path)
        self._edit_end_s = edit.duration_s
        return plain.moved_to(0)

    def _restore_start(self) -> None:
        """Count frames from those that were lost with their headers before the first packet that FFmpeg gives."""
        format_name = self.container.format.name
        first_byte = self._beginning.first_byte or 0
        begins_with_key = self._beginning.begins_with_key
        lost = find_lost_start(
            self.path,
            format_name,
            first_byte=first_byte,
            stream_id=self.stream.id,
            begins_with_key=begins_with_key,
        )
        if lost is None:
            return
        num_lost = lost.num_packets
        if num_lost is None:
            raise start_error(self.path)
        if format_name == "mxf" and self._origin_pts in self._beginning.undecoded_pts:
            return  # the numbers of an MXF file with an index say what was lost
        frame_ticks = round(self.frame_s / self.time_base_s)
        if (
            format_name == "flv"
        ):  # the clock of a file begins at 0, with sound or picture (annex E.4.1), in whole ms
            first_at = (self._beginning.first_decoded_at or 0) + 1
            num_lost = int(first_at * self.time_base_s / self.frame_s)
        if format_name == "mxf" and self.stream.duration:
            num_lost = max(0, self.stream.duration - round(self.found_end_s / self.frame_s))
            self.__dict__.pop("found_end_s", None)
            self._reopen()
        if not num_lost:
            return
        first_pts = self._origin_pts - num_lost * frame_ticks
        self._beginning = self._beginning.preceded_by(range(first_pts, self._origin_pts, frame_ticks))
        self._origin_pts = first_pts

    def _find_true_start(self, beginning: Beginning) -> Beginning:
        """Move the origin to where a Matroska file begins, where the frames there were skipped as damaged."""
        if not self.is_matroska or beginning.origin_pts <= 0:
            return beginning
        block = read_first_block(self.path)
        if block is None or 1 <= block.track_number <= len(self.container.streams):
            return beginning
        rate_hz = beginning.frame_rate.rate_hz if beginning.frame_rate else FALLBACK_RATE_HZ
        frame_ticks = max(1, int(1 / rate_hz / self.time_base_s))
        lost_pts = range(int(block.cluster_s / self.time_base_s), beginning.origin_pts, frame_ticks)
        return beginning.preceded_by(lost_pts) if lost_pts else beginning

    @cached_property
    def _steady_rate_hz(self) -> Fraction | None:
        """The constant rate whose times the timestamps round; None for variable rates and for ticks as long as frames."""
        rate = self.frame_rate
        if rate is None or rate.is_variable or not is_standard_rate(rate.rate_hz):
            return None
        return rate.rate_hz if 4 * self.time_base_s * rate.rate_hz <= 1 else None

    @property
    def _declared_duration_s(self) -> Fraction:
        if self.stream.duration is not None:
            return self.stream.duration * self.time_base_s
        if self.container.duration is not None:
            return Fraction(self.container.duration, av.time_base)
        return Fraction(0)

    def _read_end_s(self) -> Fraction:
        # All packets of the last seconds are read: some formats seek to any packet, and with B-frames the frame shown last is not
        # the one stored last.
        scanned_s = max(_SCANNED_END_S, _SCANNED_END_FRAMES * self.frame_s)
        near_end_s = max(self._declared_duration_s - scanned_s, Fraction(0))
        end = None
        if not self.is_raw and self._seek(self._origin_pts + int(near_end_s / self.time_base_s)):
            end = self._find_end()
        if end is None:  # the duration of some files counts from before their first frame
            self._reopen()
            end = self._find_end()
        return self._declared_duration_s if end is None else self._time_of(end)

    def _find_end(self) -> Fraction | None:
        """Where the last frame ends of those from the present position on, in ticks; None where there is none."""
        frame_ticks = self.frame_s / self.time_base_s
        latest = end = None
        for packet in self._packets():
            if packet.is_discard or not packet.size:
                continue
            if self.states_times and not self.is_raw:
                time = None if packet.pts is None else Fraction(packet.pts)
            else:
                time = None if self.is_raw else packet_time(packet)
                time = time if time is not None else self._next_time(latest, frame_ticks)
            if time is not None:
                length = frame_ticks if self.is_raw else packet.duration or frame_ticks
                latest, end = time, max(time + length, time if end is None else end)
        return end

    @cached_property
    def missing_s(self) -> Sequence[Fraction]:
        """Where frames are missing in a stream whose frames are counted, by what its codec numbers. Reads all of the stream
        where no index says that it is whole.
        """
        counter = create_frame_counter(self.stream.codec_context.name) if self.counts_frames else None
        has_index = self.container.format.name in NUMBERING_FORMATS and self._is_indexed()
        if counter is None or has_index:
            return ()
        self._reopen()
        for packet in self._packets():
            if packet.size:
                counter.read(bytes(packet))
        return [number * self.frame_s for number in counter.missing()]

    def _is_indexed(self) -> bool:
        """Whether an index names the packets that are found at the stream's end, so that none is missing before."""
        if self.avi_index is None:
            return self._can_seek
        last = self.avi_index.last_number
        if last is None or last + 1 < (self.stream.duration or 0) or not self._seek(last):
            return False  # FFmpeg passes over an index that is not where the file says
        packet = next(self._packets(), None)
        return packet is not None and self.avi_index.holds(packet)

    def _next_time(self, latest: Fraction | None, frame_ticks: Fraction) -> Fraction:
        return Fraction(self._origin_pts) if latest is None else latest + frame_ticks

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
        within_s = MPEG_SLACK_S if self.container.format.name in MPEG_FORMATS else self.time_base_s
        return steady_s if abs(steady_s - stated_s) <= within_s else stated_s

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        is_first = True
        for packet in self.container.demux(self.stream):
            if self.avi_index is not None:
                self._lose(map(self._time_of, self.avi_index.number(packet, follows=not is_first)))
                is_first = False
            yield packet

    def _seek(self, pts: int) -> bool:
        """Whether the container could seek there."""
        if not self._can_seek:
            return False
        try:
            self.container.seek(pts, stream=self.stream, backward=True, any_frame=False)
            if self._alpha_decoder is not None:
                self._alpha_decoder.flush_buffers()
        except av.error.FFmpegError:
            return False
        return True

    def _lose(self, times_s: Iterable[Fraction]) -> None:
        """Remember frames that cannot be decoded."""
        self._lost_s.update(max(at_s, Fraction(0)) for at_s in times_s)
