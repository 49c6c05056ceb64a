"""Frames that are missing from an H.264 stream (ITU-T H.264): frame numbers of reference frames, order counts of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selva_core.video.bitstreams.bits import BitReader, iter_units, open_unit, read_unit
from selva_core.video.bitstreams.frame_order import FrameOrder
from selva_core.video.bitstreams.repeated_headers import RepeatedHeaders

_SLICE, _IDR_SLICE, _SEQUENCE, _PICTURE = 1, 5, 7, 8
_SLICE_HEADER_BYTES = 512
_SET_BYTES = 4096
_WITH_CHROMA_FORMAT = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_P, _B, _I, _SP, _SI = range(5)
_RESET = 5
_OPERANDS = {1: 1, 2: 1, 3: 2, 4: 1, 5: 0, 6: 1}
"""Of each memory management control operation (7.3.3.3)."""


@dataclass(frozen=True, kw_only=True)
class _Sequence:
    frame_num_bits: int
    order_type: int
    order_bits: int
    order_deltas: bool
    is_frames_only: bool
    has_planes: bool
    has_chroma: bool
    allows_gaps: bool


@dataclass(frozen=True, kw_only=True)
class _PictureSet:
    sequence_id: int
    has_bottom_order: bool
    num_references: tuple[int, int]
    is_weighted: bool
    is_b_weighted: bool
    has_redundant: bool


@dataclass(frozen=True, kw_only=True)
class _Slice:
    """order: pic_order_cnt_lsb. idr_id: None where it is none. is_reset: whether numbering begins anew behind it."""

    sequence: _Sequence
    frame_num: int
    is_field: bool
    is_reference: bool
    idr_id: int | None
    order: int | None
    is_reset: bool


class H264Counter:
    """Reads the packets of a raw stream, one after the other."""

    def __init__(self) -> None:
        self._sequences: dict[int, _Sequence] = {}
        self._pictures: dict[int, _PictureSet] = {}
        self._order = FrameOrder()
        self._headers = RepeatedHeaders()
        self._missing: list[int] = []
        self._num_packets = 0
        self._previous: _Slice | None = None
        self._reference_num: int | None = None
        self._reference_order = 0
        self._idr_id: int | None = None
        self._idr_ids_differ: bool | None = None

    def read(self, packet: bytes) -> None:
        """The next packet, which holds one picture."""
        number, self._num_packets = self._num_packets, self._num_packets + 1
        for at in iter_units(packet):
            if at >= len(packet):
                return
            kind = packet[at] & 0x1F
            try:
                if kind == _SEQUENCE:
                    sequence_id = self._read_sequence(open_unit(packet, at + 1, _SET_BYTES))
                    self._headers.add(sequence_id, read_unit(packet, at), number)
                elif kind == _PICTURE:
                    self._read_picture(open_unit(packet, at + 1, _SET_BYTES))
                elif kind in (_SLICE, _IDR_SLICE):
                    bits = open_unit(packet, at + 1, _SLICE_HEADER_BYTES)
                    self._count(
                        self._read_slice(bits, packet[at] >> 5 & 3, is_idr=kind == _IDR_SLICE), number
                    )
                    return
            except (IndexError, KeyError, ValueError):
                return  # the decoder reports what it cannot read

    def missing(self) -> Sequence[int]:
        """The packets at or before which frames are missing."""
        return sorted({*self._missing, *self._order.missing(), *self._headers.odd()})

    def _count(self, found: _Slice, number: int) -> None:
        before, self._previous = self._previous, found
        is_second_field = before is not None and found.is_field and before.is_field
        if found.idr_id is not None:
            if not is_second_field or before is None or before.idr_id is None:
                self._check_idr(
                    found.idr_id, number, is_adjacent=before is not None and before.idr_id is not None
                )
                self._order.begin()
            self._reference_num, self._reference_order = 0, 0
        else:
            self._check_number(found, number)
        self._add_order(found, number)
        if found.is_reference:
            self._reference_num = 0 if found.is_reset else found.frame_num

    def _check_idr(self, idr_id: int, number: int, *, is_adjacent: bool) -> None:
        """Identifiers of two IDR pictures in a row differ (7.4.3); most encoders let those of all differ from the one before."""
        if self._idr_id is not None:
            if idr_id != self._idr_id:
                self._idr_ids_differ = self._idr_ids_differ is not False
            elif is_adjacent or self._idr_ids_differ:
                self._missing.append(number)
            else:
                self._idr_ids_differ = False
        self._idr_id = idr_id

    def _check_number(self, found: _Slice, number: int) -> None:
        """Each picture has the number that follows that of the last reference frame; fields of one frame share it (7.4.3)."""
        if self._reference_num is None or found.sequence.allows_gaps:
            return
        follows = (self._reference_num + 1) % (1 << found.sequence.frame_num_bits)
        is_same_allowed = not found.sequence.is_frames_only and found.frame_num == self._reference_num
        if found.frame_num != follows and not is_same_allowed:
            self._missing.append(number)

    def _add_order(self, found: _Slice, number: int) -> None:
        """Picture order count of type 0 (8.2.1.1)."""
        if found.order is None or (self._reference_num is None and found.idr_id is None):
            return
        size = 1 << found.sequence.order_bits
        distance = (found.order - self._reference_order + size // 2) % size - size // 2
        order = self._reference_order + distance
        self._order.add(order & ~1 if found.is_field else order, number, may_repeat=found.is_field)
        if found.is_reset:
            self._order.begin()
        if found.is_reference:
            self._reference_order = 0 if found.is_reset else order

    def _read_sequence(self, bits: BitReader) -> int:
        profile = bits.read(8)
        bits.skip(16)
        sequence_id = bits.read_ue()
        chroma_format, has_planes = 1, False
        if profile in _WITH_CHROMA_FORMAT:
            chroma_format = bits.read_ue()
            has_planes = chroma_format == 3 and bits.read_flag()
            bits.skip_ues(2)
            bits.skip(1)
            if bits.read_flag():
                _skip_scaling_lists(bits, 12 if chroma_format == 3 else 8)
        frame_num_bits = bits.read_ue() + 4
        order_type = bits.read_ue()
        order_bits, order_deltas = 0, False
        if order_type == 0:
            order_bits = bits.read_ue() + 4
        elif order_type == 1:
            order_deltas = not bits.read_flag()
            bits.skip_ues(2)
            bits.skip_ues(bits.read_ue())
        bits.skip_ues(1)
        allows_gaps = bits.read_flag()
        bits.skip_ues(2)
        self._sequences[sequence_id] = _Sequence(
            frame_num_bits=frame_num_bits,
            order_type=order_type,
            order_bits=order_bits,
            order_deltas=order_deltas,
            is_frames_only=bits.read_flag(),
            has_planes=has_planes,
            has_chroma=chroma_format != 0 and not has_planes,
            allows_gaps=allows_gaps,
        )
        return sequence_id

    def _read_picture(self, bits: BitReader) -> None:
        picture_id, sequence_id = bits.read_ue(), bits.read_ue()
        bits.skip(1)
        has_bottom_order = bits.read_flag()
        if bits.read_ue():
            raise ValueError("slice groups, which only the extended and baseline profiles have, are not read")
        num_references = (bits.read_ue() + 1, bits.read_ue() + 1)
        is_weighted, is_b_weighted = bits.read_flag(), bits.read(2) == 1
        bits.skip_ues(3)
        bits.skip(2)
        self._pictures[picture_id] = _PictureSet(
            sequence_id=sequence_id,
            has_bottom_order=has_bottom_order,
            num_references=num_references,
            is_weighted=is_weighted,
            is_b_weighted=is_b_weighted,
            has_redundant=bits.read_flag(),
        )

    def _read_slice(self, bits: BitReader, reference_idc: int, *, is_idr: bool) -> _Slice:
        bits.skip_ues(1)
        kind = bits.read_ue() % 5
        picture = self._pictures[bits.read_ue()]
        sequence = self._sequences[picture.sequence_id]
        bits.skip(2 if sequence.has_planes else 0)
        frame_num = bits.read(sequence.frame_num_bits)
        is_field = not sequence.is_frames_only and bits.read_flag()
        bits.skip(1 if is_field else 0)
        idr_id = bits.read_ue() if is_idr else None
        order = None
        if sequence.order_type == 0:
            order = bits.read(sequence.order_bits)
        if sequence.order_type == 0 or sequence.order_deltas:
            bits.skip_ues((sequence.order_type == 1) + (picture.has_bottom_order and not is_field))
        bits.skip_ues(1 if picture.has_redundant else 0)
        _skip_references(bits, kind, picture, sequence)
        return _Slice(
            sequence=sequence,
            frame_num=frame_num,
            is_field=is_field,
            is_reference=reference_idc != 0,
            idr_id=idr_id,
            order=order,
            is_reset=reference_idc != 0 and not is_idr and _is_reset(bits),
        )


def _skip_scaling_lists(bits: BitReader, count: int) -> None:
    for index in range(count):
        last = following = 8
        for _ in range((16 if index < 6 else 64) if bits.read_flag() else 0):
            if following:
                following = (last + bits.read_se()) % 256
            last = following or last


def _skip_references(bits: BitReader, kind: int, picture: _PictureSet, sequence: _Sequence) -> None:
    """From direct_spatial_mv_pred_flag to the table of weights (7.3.3 to 7.3.3.2)."""
    num_lists = {_P: 1, _SP: 1, _B: 2}.get(kind, 0)
    num_references = list(picture.num_references)
    bits.skip(1 if kind == _B else 0)
    if num_lists and bits.read_flag():
        num_references[:num_lists] = [bits.read_ue() + 1 for _ in range(num_lists)]
    for _ in range(num_lists):
        if bits.read_flag():
            while bits.read_ue() != 3:
                bits.skip_ues(1)
    if not (picture.is_b_weighted if kind == _B else picture.is_weighted and num_lists):
        return
    bits.skip_ues(2 if sequence.has_chroma else 1)
    for _ in range(sum(num_references[:num_lists])):
        bits.skip_ues(2 if bits.read_flag() else 0)
        if sequence.has_chroma:
            bits.skip_ues(4 if bits.read_flag() else 0)


def _is_reset(bits: BitReader) -> bool:
    """Whether the marks of reference pictures hold operation 5 (7.3.3.3), after which numbers begin anew."""
    is_reset = False
    if bits.read_flag():
        while operation := bits.read_ue():
            is_reset |= operation == _RESET
            bits.skip_ues(_OPERANDS[operation])
    return is_reset
