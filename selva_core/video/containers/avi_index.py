"""The index of an AVI file, which numbers its frames.

FFmpeg numbers frames in the order in which it finds them, so that everything after a damaged chunk would be shown a frame early.
"""

from __future__ import annotations

from bisect import bisect_left

from av.packet import Packet
from av.video.stream import VideoStream

_CHUNK_HEADER_BYTES = 8


class AviIndex:
    """The positions of a stream's chunks by the index of the file; without an index, nothing is changed.

    Read before the first packet, because FFmpeg builds a missing index from the chunks that it finds, damage included.
    """

    def __init__(self, stream: VideoStream) -> None:
        entries = [(entry.pos, entry.timestamp) for entry in stream.index_entries if entry.size > 0]
        self._starts = [at for at, _ in entries]
        self._numbers = [number for _, number in entries]
        self._next = 0

    @property
    def last_number(self) -> int | None:
        """Of the last chunk; None without an index."""
        return self._numbers[-1] if self._numbers else None

    def holds(self, packet: Packet[VideoStream]) -> bool:
        """Whether the index has a chunk where this packet is."""
        return packet.pos is not None and self._place_of(packet.pos) is not None

    def number(self, packet: Packet[VideoStream], *, follows: bool) -> range:
        """Give a packet the number that the index has for it, and return those of the chunks that were passed over.

        follows: whether the packet is read after the last one; else after a seek.
        """
        if packet.pos is None or not packet.size:
            return range(0)
        place = self._place_of(packet.pos)
        if place is None:
            return range(0)
        first = self._next if follows else place
        self._next = place + 1
        number = self._numbers[place]
        if packet.pts is not None and packet.dts is not None:
            packet.pts += number - packet.dts
        packet.dts = number
        return range(self._numbers[first], number) if first < place else range(0)

    def _place_of(self, pos: int) -> int | None:
        at = pos - _CHUNK_HEADER_BYTES
        place = bisect_left(self._starts, at)
        return place if place < len(self._starts) and self._starts[place] == at else None
