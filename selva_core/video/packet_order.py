"""Display times for streams whose container states none.

AVI, Matroska in its Video-for-Windows mode, MXF without a complete index and raw streams state at most when a packet is
*decoded*, and with B-frames that order is not the order of display. A decoder returns frames in display order, so the n-th
frame that it returns gets the n-th smallest time; only the frame at which counting begins must be known. Counting begins at a
key frame, because every frame that is stored before a key frame is also shown before it.
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
    """Assigns display times to the frames of one pass over a stream. Times are in ticks.

    Each packet's timestamp is replaced by its number, which FFmpeg passes on to the frame: that tells which packet a frame came
    from, although the decoder reorders and drops frames. Frames of packets before `begins_at` are not counted; the decoder
    needs them for reference only.
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

    def number(self, packet: Packet[VideoStream]) -> Fraction | None:
        """Number a packet that is about to be decoded. Returns its time of decoding, None before the first frame counts."""
        number = self._num_packets
        self._num_packets += 1
        time = packet_time(packet) if self._has_times else None
        if time is None:
            time = Fraction(0) if self._latest is None else self._latest + self._frame_ticks
        self._latest = time
        # The pass begins one group of frames early, for reference (see MediaReader._enter_group).
        if self._first_number is None and self._begins_at is not None and time >= self._begins_at:
            self._first_number = number
        if self._first_number is not None:
            self._times.append(time)
            if packet.is_keyframe:
                self._key_numbers.add(number)
        packet.pts = number
        return None if self._first_number is None else time

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
            # All frames stored before a key frame are shown before it. Those that did not come by now were lost without an
            # error; without this step every later frame would be shown one frame early for each of them.
            if number in self._key_numbers:
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

    def take_rest(self) -> list[Fraction]:
        """Times whose frames did not come out of the decoder up to its end."""
        rest, self._num_shown = self._times[self._num_shown :], max(self._num_shown, len(self._times))
        return rest


def packet_time(packet: Packet[VideoStream]) -> Fraction | None:
    """Decoding time in ticks; None where none is stated."""
    return PacketStamp(pts=packet.pts, dts=packet.dts).decoded_at


def states_display_order(stamps: Sequence[PacketStamp], *, reorder_depth: int) -> bool:
    """Whether the timestamps of a stream's first packets are those of the screen.

    They are if the codec reorders nothing, or if they do not ascend from packet to packet. Ascending timestamps of a stream
    that reorders are decoding times in the field of display times.
    """
    known = [stamp.pts for stamp in stamps if stamp.pts is not None]
    if len(known) < len(stamps):
        return False
    return reorder_depth == 0 or len(known) < 2 or known != sorted(known)
