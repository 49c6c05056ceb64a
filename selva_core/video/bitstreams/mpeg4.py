"""Frames that are missing from an MPEG-4 part 2 stream (ISO/IEC 14496-2, 6.2 and 6.3): the time of each picture."""

from __future__ import annotations

from collections.abc import Sequence

from selva_core.video.bitstreams.bits import BitReader, iter_units, read_unit
from selva_core.video.bitstreams.frame_order import FrameOrder
from selva_core.video.bitstreams.repeated_headers import RepeatedHeaders

_LAYERS = range(0x20, 0x30)
_GROUP, _PICTURE = 0xB3, 0xB6
_HEADER_BYTES = 64
_B_PICTURE = 2
_EXTENDED_ASPECT = 15
_GREY_SHAPE = 3
_BUFFER_BITS = 79


class Mpeg4Counter:
    """Reads the packets of a raw stream, one after the other."""

    def __init__(self) -> None:
        self._order = FrameOrder()
        self._headers = RepeatedHeaders()
        self._without_header: list[int] = []
        self._num_packets = 0
        self._ticks_per_second = 0
        self._second = self._second_before = 0

    def read(self, packet: bytes) -> None:
        """The next packet, which holds a picture or two."""
        number, self._num_packets = self._num_packets, self._num_packets + 1
        for at in iter_units(packet):
            if at >= len(packet):
                return
            bits = BitReader(packet[at + 1 : at + 1 + _HEADER_BYTES])
            try:
                if packet[at] in _LAYERS:
                    self._headers.add(packet[at], read_unit(packet, at), number)
                    self._ticks_per_second = _read_ticks(bits)
                elif packet[at] == _GROUP:
                    hours, minutes, _, seconds = bits.read(5), bits.read(6), bits.read(1), bits.read(6)
                    self._second = (hours * 60 + minutes) * 60 + seconds
                elif packet[at] == _PICTURE and self._ticks_per_second:
                    time = self._read_time(bits)
                    bits.skip(1)
                    # A packet may hold two pictures, and the next one an empty picture of the same time in its place.
                    self._order.add(time, number, may_repeat=not bits.read_flag())
                elif packet[at] == _PICTURE:
                    self._without_header.append(number)  # the decoder guesses what its layer is
            except IndexError:
                return

    def missing(self) -> Sequence[int]:
        """The packets at or before which frames are missing."""
        return sorted({*self._without_header, *self._order.missing(), *self._headers.odd()})

    def _read_time(self, bits: BitReader) -> int:
        """Ticks since the time code 0; a B picture counts seconds from the reference picture that is shown before it."""
        is_b = bits.read(2) == _B_PICTURE
        num_seconds = 0
        while bits.read_flag():
            num_seconds += 1
        bits.skip(1)
        ticks = bits.read(max((self._ticks_per_second - 1).bit_length(), 1))
        if is_b:
            return (self._second_before + num_seconds) * self._ticks_per_second + ticks
        self._second_before = self._second
        self._second += num_seconds
        return self._second * self._ticks_per_second + ticks


def _read_ticks(bits: BitReader) -> int:
    """vop_time_increment_resolution of a video object layer."""
    bits.skip(9)
    version = 1
    if bits.read_flag():
        version = bits.read(4)
        bits.skip(3)
    bits.skip(16 if bits.read(4) == _EXTENDED_ASPECT else 0)
    if bits.read_flag():
        bits.skip(3)
        bits.skip(_BUFFER_BITS if bits.read_flag() else 0)
    shape = bits.read(2)
    bits.skip(4 if shape == _GREY_SHAPE and version != 1 else 0)
    bits.skip(1)
    return bits.read(16)
