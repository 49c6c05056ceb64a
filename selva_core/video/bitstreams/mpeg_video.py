"""Frames that are missing from an MPEG-1 or MPEG-2 stream (ISO/IEC 11172-2, 13818-2): numbers within each group of pictures,
and the time codes of the groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from selva_core.video.bitstreams.bits import BitReader, iter_units
from selva_core.video.bitstreams.frame_order import FrameOrder
from selva_core.video.bitstreams.repeated_headers import RepeatedHeaders

_PICTURE, _SEQUENCE, _GROUP = 0x00, 0xB3, 0xB8
_NUMBERS = 1024
_LABELS_PER_SECOND = (0, 24, 24, 25, 30, 30, 50, 60, 60)
"""By frame_rate_code (table 6-4)."""
_HEADER_BYTES = 8
_MAX_GAP_S = 60
_MAX_LATE_START_S = 10
"""Recordings begin at any label, mostly at a whole hour or minute; one of the first seconds follows others."""


class MpegVideoCounter:
    """Reads the packets of a raw stream, one after the other."""

    def __init__(self) -> None:
        self._order = FrameOrder(usual_step=1)
        self._headers = RepeatedHeaders()
        self._missing: list[int] = []
        self._num_packets = 0
        self._labels_per_second = 0
        self._group: set[int] = set()
        self._label: int | None = None
        self._gaps: list[tuple[int, int]] = []
        self._first_label = 0
        self._latest = 0
        self._is_open = True

    def read(self, packet: bytes) -> None:
        """The next packet, which holds one frame."""
        number, self._num_packets = self._num_packets, self._num_packets + 1
        for at in iter_units(packet):
            if at >= len(packet):
                return
            bits = BitReader(packet[at + 1 : at + 1 + _HEADER_BYTES])
            try:
                if packet[at] == _SEQUENCE:
                    self._headers.add(_SEQUENCE, packet[at : at + 5], number)
                    bits.skip(28)
                    code = bits.read(4)
                    self._labels_per_second = (
                        _LABELS_PER_SECOND[code] if code < len(_LABELS_PER_SECOND) else 0
                    )
                elif packet[at] == _GROUP:
                    self._begin_group(bits, number)
                elif packet[at] == _PICTURE:
                    self._add(bits.read(10), number)
                    return
            except IndexError:
                return

    def missing(self) -> Sequence[int]:
        """The packets at or before which frames are missing."""
        return sorted({*self._missing, *self._gaps_in_labels(), *self._order.missing(), *self._headers.odd()})

    def _gaps_in_labels(self) -> Iterator[int]:
        """Groups whose label is later than what was counted, where most labels count: many encoders write none."""
        num_right = sum(gap == 0 for _, gap in self._gaps)
        if num_right * 2 <= len(self._gaps):
            return
        longest = _MAX_GAP_S * self._labels_per_second
        yield from (number for number, gap in self._gaps if 0 < gap <= longest)
        if 0 < self._first_label <= _MAX_LATE_START_S * self._labels_per_second:
            yield 0

    def _add(self, reference: int, number: int) -> None:
        place = self._latest + (reference - self._latest + _NUMBERS // 2) % _NUMBERS - _NUMBERS // 2
        self._latest = place
        self._group.add(place)
        self._order.add(place, number)

    def _begin_group(self, bits: BitReader, number: int) -> None:
        """A group header with its time code (6.2.2.6)."""
        is_drop = bits.read_flag()
        hours, minutes = bits.read(5), bits.read(6)
        bits.skip(1)
        seconds, pictures = bits.read(6), bits.read(6)
        is_closed, is_broken = bits.read_flag(), bits.read_flag()
        label = ((hours * 60 + minutes) * 60 + seconds) * self._labels_per_second + pictures
        if is_drop:
            label -= 2 * (hours * 54 + minutes - minutes // 10)
        if self._group:
            self._end_group(label, number)
        elif self._label is None:
            self._first_label = label
        self._label = label
        self._order.begin()
        self._group = set()
        self._latest = 0
        self._is_open = is_broken or (not is_closed and number == 0)
        if not self._is_open:
            self._order.add(-1, number)  # the group's first picture is number 0

    def _end_group(self, next_label: int, number: int) -> None:
        """Compare time codes with what was counted."""
        if self._label is None or not self._labels_per_second:
            return
        num_counted = len(self._group)
        first = min(self._group) if self._is_open else 0
        num_numbered = max(self._group) + 1 - first
        gap = next_label - self._label - num_counted
        if gap == 0 or num_counted == num_numbered:
            self._gaps.append((number, gap))  # nothing else misses the last of a group
