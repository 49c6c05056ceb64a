"""Frames that are missing from a raw stream of the codecs of video conferences, H.261 and H.263: the time of each picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from selva_core.video.bitstreams.bits import BitReader
from selva_core.video.bitstreams.frame_order import FrameOrder

_HEADER_BYTES = 8


class ConferenceCounter:
    """Reads the packets of a raw stream, one after the other.

    A picture begins with its start code, which is a one behind zeros and may begin inside a byte, and its temporal reference
    (ITU-T H.261, 4.2.1; H.263, 5.1), which counts periods of 1001/30000 s.
    """

    def __init__(self, *, start_bits: int, start_code: int, reference_bits: int) -> None:
        self._start_bits, self._start_code, self._reference_bits = start_bits, start_code, reference_bits
        self._order = FrameOrder()
        self._num_packets = 0
        self._time: int | None = None

    def read(self, packet: bytes) -> None:
        """The next packet, which holds one picture."""
        number, self._num_packets = self._num_packets, self._num_packets + 1
        bits = BitReader(packet[:_HEADER_BYTES])
        try:
            window = bits.read(self._start_bits)
            for _ in range(8):
                if window == self._start_code:
                    self._add(bits.read(self._reference_bits), number)
                    return
                window = (window << 1 | bits.read(1)) & ((1 << self._start_bits) - 1)
        except IndexError:
            return

    def missing(self) -> Sequence[int]:
        """The packets before which frames are missing."""
        return self._order.missing()

    def _add(self, reference: int, number: int) -> None:
        if self._time is None:
            self._time = reference
        else:
            self._time += (reference - self._time) % (1 << self._reference_bits)
        self._order.add(self._time, number, may_repeat=True)


H261Counter = partial(ConferenceCounter, start_bits=20, start_code=0x10, reference_bits=5)
H263Counter = partial(ConferenceCounter, start_bits=22, start_code=0x20, reference_bits=8)
