"""Decodes the frames of a video file in the order they are shown, with their exact times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from selva_core.base.errors import MediaUnreadableError
from selva_core.video.container import DAMAGE_ERRORS, require_clear, translate_media_errors
from selva_core.video.containers.edit_spans import movie_times_s, spans_from
from selva_core.video.damage import note_damage, note_miscount
from selva_core.video.damage_watch import DECODES_WITHOUT_KEY, DamageWatch, is_erased
from selva_core.video.media_file import MediaFile
from selva_core.video.packet_order import PacketOrder, packet_time
from selva_core.video.restarts import ClockJump, jump_error

_SEEK_BACK_S = 1
"""How much earlier the second seek aims; doubled from then on, because groups of frames may last minutes."""
_MAX_BROKEN_PACKETS = 64
"""In a row; a file with more of them has lost more than a glitch, and holding one picture for seconds would hide that."""
_BLACK_PX = 16
_JUMP_BACK_S = 1
"""Broken files repeat timestamps; a step back by more than this is the clock of another recording."""


@dataclass(frozen=True, kw_only=True)
class ShownFrame:
    """A decoded frame, on screen from media time `start_s` up to, not including, `end_s`.

    is_last: the file ends with it.
    """

    start_s: Fraction
    end_s: Fraction
    frame: VideoFrame
    is_last: bool = False


class MediaReader(MediaFile):
    """The video stream of one file, decoded on demand."""

    def iter_shown(
        self, first_s: Fraction, *, decoded: Callable[[], None] | None = None
    ) -> Iterator[ShownFrame]:
        """Yield frames in the order they are shown, from the one on screen at `first_s` to the media's end.

        Seeks to the key frame before. At most two full-size frames are in memory at a time. `decoded` is called for every
        frame that is decoded, also those before `first_s`. Before the first frame that can be decoded, that one counts as
        shown; any other that cannot be decoded leaves the one before it on screen. Both are noted as damage.
        """
        with translate_media_errors(self.path):
            missing_s = self.missing_s
        try:
            with translate_media_errors(self.path):
                shown = self._iter_edited if self._spans else self._iter_shown
                yield from shown(first_s, decoded)
        finally:
            note_damage(self.path, movie_times_s(self._spans, self._lost_s) if self._spans else self._lost_s)
            note_miscount(self.path, {*missing_s, *(self._lost_s if self.is_raw else ())})

    def _iter_edited(self, first_s: Fraction, decoded: Callable[[], None] | None) -> Iterator[ShownFrame]:
        """The frames of a movie that is assembled from parts of its media, each decoded from the key frame before it."""
        spans = spans_from(self._spans, first_s)
        for span in spans:
            is_final = span is spans[-1]
            if span.media_s is None or span.media_end_s is None:
                yield ShownFrame(
                    start_s=span.start_s, end_s=span.end_s, frame=black_frame(), is_last=is_final
                )
                continue
            offset_s = span.start_s - span.media_s
            for shown in self._iter_shown(max(first_s - offset_s, span.media_s), decoded):
                is_end = shown.is_last or shown.end_s >= span.media_end_s
                yield ShownFrame(
                    start_s=max(shown.start_s + offset_s, span.start_s),
                    end_s=span.end_s if is_end else shown.end_s + offset_s,
                    frame=shown.frame,
                    is_last=is_final and is_end,
                )
                if is_end:
                    break

    def _iter_shown(self, first_s: Fraction, decoded: Callable[[], None] | None) -> Iterator[ShownFrame]:
        held: tuple[Fraction, VideoFrame] | None = None
        timed = self._stated_from(first_s) if self.states_times else self._counted_from(first_s)
        for start_s, frame in timed:
            if self._edit_end_s is not None and start_s >= self._edit_end_s:
                break
            if decoded is not None:
                decoded()
            if held is not None and start_s <= held[0]:
                self._refuse_jump_back(held[0], start_s)
                held = held[0], frame  # broken files repeat timestamps; the later frame is shown
                self._lose([held[0]])
                continue
            if held is not None and self.is_evenly_paced:
                num_lost = round((start_s - held[0]) / self.frame_s) - 1
                self._lose(held[0] + k * self.frame_s for k in range(1, num_lost + 1))
            if held is not None and start_s > first_s:
                yield ShownFrame(start_s=held[0], end_s=start_s, frame=held[1])
            held = start_s, frame
        if held is not None:
            end_s = held[0] + self._duration_of(held[1])
            if self._edit_end_s is not None:
                end_s = min(end_s, self._edit_end_s)
            elif self._lost_s and max(self._lost_s) > held[0]:
                end_s = max(end_s, max(self._lost_s) + self.frame_s)  # lost frames at the end are held too
            yield ShownFrame(start_s=held[0], end_s=end_s, frame=held[1], is_last=True)

    def _stated_from(self, first_s: Fraction) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Decode from a key frame shown at or before `first_s`.

        A seek can land too late: containers index decoding times, MPEG streams have no index at all, and the first frame that
        can be decoded may follow the one that was found. So the first decoded frame decides, not what the seek reports.
        """
        for target_s in _seek_targets_s(first_s):
            if not self._seek(self._origin_pts + math.floor(target_s / self.time_base_s)):
                break
            frames = self._timed()
            first = next(frames, None)
            if first is not None and first[0] <= first_s:
                yield first
                yield from frames
                return
        self._reopen()
        yield from self._timed(is_from_start=True)

    def _timed(self, *, is_from_start: bool = False) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Decode from the current position; frames with the times that the container states."""
        watch = DamageWatch(
            self.path,
            codec=self.stream.codec_context.name,
            format_name=self.container.format.name,
            first_pts=self._origin_pts if is_from_start else None,
            reads_gaps=not self.is_evenly_paced,
        )
        start_s: Fraction | None = None
        decoded = self._decoded(watch.on_packet, watch.on_broken, awaits_key=not is_from_start)
        for frame in decoded:
            start_s = self._start_of(frame, start_s)
            lost = watch.lost_up_to(frame)
            if lost:
                self._lose(self._time_of(pts) for pts in lost)
            yield start_s, frame
        self._lose(self._time_of(pts) for pts in watch.lost_at_end())

    def _counted_from(self, first_s: Fraction) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Decode a stream that states no times of display; see PacketOrder."""
        frame_ticks = self.frame_s / self.time_base_s
        begins_at = self._enter_group(first_s)
        order = PacketOrder(frame_ticks=frame_ticks, begins_at=begins_at, has_times=not self.is_raw)

        codec = self.stream.codec_context.name
        lacks_key = begins_at is None and codec in DECODES_WITHOUT_KEY

        def on_packet(packet: Packet[VideoStream]) -> None:
            nonlocal lacks_key
            if packet.size:
                stored_at = order.number(packet)
                lacks_key = lacks_key and not packet.is_keyframe
                is_lost = lacks_key or is_erased(packet, codec)
                if is_lost and stored_at is not None:
                    self._lose([self._time_of(stored_at)])

        def on_broken(packet: Packet[VideoStream]) -> None:
            lost = None if packet.pts is None else order.lose(packet.pts)
            if lost is not None:
                self._lose([self._time_of(lost)])

        for frame in self._decoded(on_packet, on_broken):
            time = order.time_of(frame.pts)
            self._lose(self._time_of(skipped) for skipped in order.take_skipped())
            if time is not None:
                if frame.is_corrupt:
                    self._lose([self._time_of(time)])
                yield self._time_of(time), frame
        if self.is_raw:  # in a container, a packet may stand for no frame
            self._lose(self._time_of(time) for time in order.take_rest())

    def _enter_group(self, first_s: Fraction) -> Fraction | None:
        """Seek to the group of frames before the one that holds `first_s`; returns the decoding time of the latter's key frame.

        Decoding begins a group early and counting with the later group: the first frames of an open group refer to the group
        before it, and a decoder that starts at their key frame drops them, which would move all others. None where the stream is
        decoded from its first packet.
        """
        begins_at = None
        if not self.is_raw:
            begins_at = self._key_time_before(self._origin_pts + math.floor(first_s / self.time_base_s))
        if begins_at is not None and begins_at > self._origin_pts:
            before = self._key_time_before(math.ceil(begins_at) - 1)
            if before is not None and before < begins_at and self._seek(math.floor(before)):
                return begins_at
        self._reopen()
        return None

    def _key_time_before(self, pts: int) -> Fraction | None:
        """Decoding time of the key frame that a seek to `pts` lands on; None where it does not land on one before."""
        if pts <= self._origin_pts or not self._seek(pts):
            return None
        packet = next(self._packets(), None)
        time = None if packet is None or not packet.is_keyframe else packet_time(packet)
        return time if time is not None and time <= pts else None

    def _start_of(self, frame: VideoFrame, previous_s: Fraction | None) -> Fraction:
        if frame.pts is not None:
            return self._time_of(frame.pts)
        if previous_s is not None:
            return previous_s + self.frame_s
        return Fraction(0) if frame.dts is None else self._time_of(frame.dts)

    def _decoded(
        self,
        on_packet: Callable[[Packet[VideoStream]], None],
        on_broken: Callable[[Packet[VideoStream]], None],
        *,
        awaits_key: bool = False,
    ) -> Iterator[VideoFrame]:
        """Decode from the current position. Raises MediaUnreadableError after too many undecodable packets in a row.

        awaits_key: whether packets before a key frame are passed over, where the decoder would take grey for it.
        """
        num_broken = 0
        awaits_key = awaits_key and self.stream.codec_context.name in DECODES_WITHOUT_KEY
        for packet in self._packets():
            awaits_key = awaits_key and not packet.is_keyframe
            if awaits_key and packet.size:
                continue
            on_packet(packet)
            try:
                frames = self._decode(packet)
            except DAMAGE_ERRORS as exc:
                require_clear(self.stream, packet, self.path)
                num_broken += 1
                if num_broken > _MAX_BROKEN_PACKETS:
                    raise MediaUnreadableError(
                        f"{self.path.name} is damaged ({exc.strerror}); transcode it or use another copy",
                        path=str(self.path),
                    ) from exc
                on_broken(packet)
                continue
            if frames:
                num_broken = 0
            yield from frames

    def _refuse_jump_back(self, shown_s: Fraction, next_s: Fraction) -> None:
        if shown_s - next_s > _JUMP_BACK_S + self.frame_s:
            raise jump_error(self.path, ClockJump(at_s=shown_s, direction="back"))


def black_frame() -> VideoFrame:
    """For times at which nothing is shown; scaled to any size."""
    return VideoFrame.from_ndarray(np.zeros((_BLACK_PX, _BLACK_PX, 3), np.uint8), format="rgb24")


def _seek_targets_s(first_s: Fraction) -> Iterator[Fraction]:
    """Where to seek for a frame shown at `first_s`: there, then further and further back, at last before the start."""
    back_s = 0
    while first_s - back_s > 0:
        yield first_s - back_s
        back_s = max(_SEEK_BACK_S, back_s * 2)
    yield Fraction(0)
    yield Fraction(-_SEEK_BACK_S)  # in some formats the first key frame is before time 0
