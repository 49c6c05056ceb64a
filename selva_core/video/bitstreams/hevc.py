"""Frames that are missing from an HEVC stream (ITU-T H.265): picture order counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selva_core.video.bitstreams.bits import BitReader, iter_units, open_unit, read_unit
from selva_core.video.bitstreams.frame_order import FrameOrder
from selva_core.video.bitstreams.repeated_headers import RepeatedHeaders

_SEQUENCE, _PICTURE, _END_OF_SEQUENCE = 33, 34, 36
_IDR = (19, 20)
_CRA = 21
_RANDOM_ACCESS = range(16, 24)
_LAST_SLICE = 31
_LEADING = range(6, 10)
_FIRST_REFERENCE = 16
"""Below it, even kinds of slices are none that the same temporal layer refers to."""
_SLICE_HEADER_BYTES = 64
_SET_BYTES = 4096
_PROFILE_BITS, _LEVEL_BITS = 88, 8


@dataclass(frozen=True, kw_only=True)
class _PictureSet:
    sequence_id: int
    num_extra_bits: int
    has_output_flag: bool


class HevcCounter:
    """Reads the packets of a raw stream, one after the other."""

    def __init__(self) -> None:
        self._sequences: dict[int, tuple[int, bool]] = {}
        self._pictures: dict[int, _PictureSet] = {}
        self._order = FrameOrder()
        self._headers = RepeatedHeaders()
        self._num_packets = 0
        self._begins = True
        self._reference_order = 0

    def read(self, packet: bytes) -> None:
        """The next packet, which holds one picture."""
        number, self._num_packets = self._num_packets, self._num_packets + 1
        is_counted = False
        for at in iter_units(packet):
            if at + 1 >= len(packet):
                return
            kind = packet[at] >> 1 & 0x3F
            if packet[at] & 1 or packet[at + 1] >> 3:
                continue  # of another layer
            try:
                if kind == _SEQUENCE:
                    sequence_id = self._read_sequence(open_unit(packet, at + 2, _SET_BYTES))
                    self._headers.add(sequence_id, read_unit(packet, at), number)
                elif kind == _PICTURE:
                    self._read_picture(open_unit(packet, at + 2, _SET_BYTES))
                elif kind == _END_OF_SEQUENCE:
                    self._begins = True
                elif kind <= _LAST_SLICE and not is_counted:
                    is_counted = True
                    bits = open_unit(packet, at + 2, _SLICE_HEADER_BYTES)
                    self._count(bits, kind, number, temporal_id=(packet[at + 1] & 7) - 1)
            except (IndexError, KeyError, ValueError):
                return  # the decoder reports what it cannot read

    def missing(self) -> Sequence[int]:
        """The packets at or before which frames are missing."""
        return sorted({*self._order.missing(), *self._headers.odd()})

    def _count(self, bits: BitReader, kind: int, number: int, *, temporal_id: int) -> None:
        """Picture order count (8.3.1)."""
        bits.skip(2 if kind in _RANDOM_ACCESS else 1)
        picture = self._pictures[bits.read_ue()]
        order_bits, has_planes = self._sequences[picture.sequence_id]
        bits.skip(picture.num_extra_bits)
        bits.skip_ues(1)
        bits.skip(picture.has_output_flag + 2 * has_planes)
        low = 0 if kind in _IDR else bits.read(order_bits)
        begins = kind in _RANDOM_ACCESS and (self._begins or kind < _CRA)
        if begins:
            self._order.begin()
            self._begins, self._reference_order, order = False, low, low
        elif self._begins:
            return  # nothing says what its number counts from
        else:
            size = 1 << order_bits
            order = self._reference_order + (low - self._reference_order + size // 2) % size - size // 2
        self._order.add(order, number)
        is_reference = kind >= _FIRST_REFERENCE or kind % 2 == 1
        if temporal_id == 0 and is_reference and kind not in _LEADING:
            self._reference_order = order

    def _read_sequence(self, bits: BitReader) -> int:
        bits.skip(4)
        num_sub_layers = bits.read(3)
        bits.skip(1 + _PROFILE_BITS + _LEVEL_BITS)
        stated = [(bits.read_flag(), bits.read_flag()) for _ in range(num_sub_layers)]
        bits.skip(2 * (8 - num_sub_layers) if num_sub_layers else 0)
        for has_profile, has_level in stated:
            bits.skip(_PROFILE_BITS * has_profile + _LEVEL_BITS * has_level)
        sequence_id = bits.read_ue()
        has_planes = bits.read_ue() == 3 and bits.read_flag()
        bits.skip_ues(2)
        bits.skip_ues(4 if bits.read_flag() else 0)
        bits.skip_ues(2)
        self._sequences[sequence_id] = bits.read_ue() + 4, has_planes
        return sequence_id

    def _read_picture(self, bits: BitReader) -> None:
        picture_id, sequence_id = bits.read_ue(), bits.read_ue()
        bits.skip(1)
        has_output_flag = bits.read_flag()
        self._pictures[picture_id] = _PictureSet(
            sequence_id=sequence_id, has_output_flag=has_output_flag, num_extra_bits=bits.read(3)
        )
