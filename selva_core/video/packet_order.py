"""When the frames of a stream are shown whose container does not say it.

AVI, Matroska in its Video-for-Windows mode, MXF without a complete index and raw streams state at most when a packet is
*decoded*. With B-frames that is another order than the one of the screen. What a decoder puts out is in the order of the
screen, so that the n-th frame out belongs to the n-th smallest time; only where counting begins must be known. It begins
at a key frame, before which all frames are shown that are stored before it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from av.packet import Packet
from av.video.stream import VideoStream


@dataclass(frozen=True, kw_only=True)
class PacketStamp:
    """What a container states of a packet, in ticks. is_hidden: an edit list hides its frame."""

    pts: int | None
    dts: int | None
    is_hidden: bool = False

    @property
    def decoded_at(self) -> Fraction | None:
        """Decoding time, the only one that containers without times of display state."""
        stated = self.pts if self.dts is None else self.dts
        return None if stated is None else Fraction(stated)


class PacketOrder:
    """Gives the frames of one pass over a stream their times. Each packet is numbered in place of its timestamp.

    Times are in ticks. first_number: of the first packet whose frame counts; frames of packets before it, which a decoder
    needs for reference, are passed over.
    """

    def __init__(
        self, *, frame_ticks: Fraction, begins_at: Fraction | None = None, has_times: bool = True
    ) -> None:
        """begins_at: decoding time of the key frame from which frames count; None counts from the first packet. has_times:
        whether the container states decoding times; else packets are one frame apart.
        """
        self._frame_ticks = frame_ticks
        self._has_times = has_times
        self._begins_at = begins_at
        self._first_number: int | None = 0 if begins_at is None else None
        self._times: list[Fraction] = []
        self._num_packets = 0
        self._num_shown = 0
        self._latest: Fraction | None = None
        self._key_numbers: set[int] = set()
        self._lost_numbers: list[int] = []
        self._skipped: list[Fraction] = []

    def number(self, packet: Packet[VideoStream]) -> int:
        """Number a packet that is about to be decoded."""
        number = self._num_packets
        self._num_packets += 1
        time = packet_time(packet) if self._has_times else None
        if time is None:
            time = Fraction(0) if self._latest is None else self._latest + self._frame_ticks
        self._latest = time
        if self._first_number is None and self._begins_at is not None and time >= self._begins_at:
            self._first_number = number
        if self._first_number is not None:
            self._times.append(time)
            if packet.is_keyframe:
                self._key_numbers.add(number)
        packet.pts = number
        return number

    def lose(self, number: int) -> Fraction | None:
        """A packet could not be decoded: leave out a time for it. Returns that time, None before the first frame counts."""
        if self._first_number is None or number < self._first_number:
            return None
        insort(self._lost_numbers, number)
        return self._times[number - self._first_number]

    def time_of(self, number: int | None) -> Fraction | None:
        """When the next frame is shown, by the number of its packet; None for a frame that does not count."""
        if self._first_number is None or (number is not None and number < self._first_number):
            return None
        if number is not None:
            num_lost = bisect_left(self._lost_numbers, number)
            del self._lost_numbers[:num_lost]
            self._num_shown += num_lost
            if number in self._key_numbers:  # frames stored before a key frame are shown before it
                due = max(self._num_shown, number - self._first_number)
                self._skipped += self._times[self._num_shown : due]
                self._num_shown = due
        index = self._num_shown
        self._num_shown += 1
        if index < len(self._times):
            return self._times[index]
        return self._times[-1] + self._frame_ticks * (index - len(self._times) + 1) if self._times else None

    def take_skipped(self) -> list[Fraction]:
        """Times whose frames never came out of the decoder, since the last call."""
        skipped, self._skipped = self._skipped, []
        return skipped


def packet_time(packet: Packet[VideoStream]) -> Fraction | None:
    """Decoding time in ticks; None where none is stated."""
    return PacketStamp(pts=packet.pts, dts=packet.dts).decoded_at


def states_display_order(stamps: Sequence[PacketStamp], *, reorder_depth: int) -> bool:
    """Whether the timestamps of a stream's first packets are those of the screen.

    They are where the codec reorders nothing, and where they do not ascend from packet to packet. Where a stream reorders
    and its timestamps yet ascend, they are decoding times under another name.
    """
    known = [stamp.pts for stamp in stamps if stamp.pts is not None]
    if len(known) < len(stamps):
        return False
    return reorder_depth == 0 or len(known) < 2 or known != sorted(known)
