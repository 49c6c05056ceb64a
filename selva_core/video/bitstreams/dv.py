"""Frames that are missing from a raw DV recording (IEC 61834-2, SMPTE 314M): the time code in the subcode of each frame."""

from __future__ import annotations

from collections.abc import Sequence

_PACK = 80 + 3 + 3
"""Of the first sync block in the first subcode block."""
_TIMECODE = 0x13
_IS_625 = 0x80
_IS_DROP = 0x40
_MAX_GAP_S = 10
"""A longer one, or one back, is where another recording begins."""


class DvCounter:
    """Reads the frames of a recording, one after the other."""

    def __init__(self) -> None:
        self._gaps: list[int] = []
        self._num_packets = self._num_steps = 0
        self._label: int | None = None

    def read(self, packet: bytes) -> None:
        """The next frame."""
        number, self._num_packets = self._num_packets, self._num_packets + 1
        label = _read_label(packet)
        if label is not None and self._label is not None:
            step = label - self._label
            self._num_steps += step == 1
            if 1 < step <= _MAX_GAP_S * _labels_per_second(packet):
                self._gaps.append(number)
        self._label = label

    def missing(self) -> Sequence[int]:
        """The frames before which others are missing; none where most frames do not follow the one before."""
        return self._gaps if self._num_steps > len(self._gaps) else []


def _labels_per_second(frame: bytes) -> int:
    return 25 if frame[3] & _IS_625 else 30


def _read_label(frame: bytes) -> int | None:
    """The number of frames since 00:00:00:00; None where a frame has no time code."""
    if len(frame) < _PACK + 5 or frame[_PACK] != _TIMECODE:
        return None
    masks = (0x3F, 0x7F, 0x7F, 0x3F)
    digits = [byte & mask for byte, mask in zip(frame[_PACK + 1 : _PACK + 5], masks, strict=True)]
    if any(value & 0x0F > 9 for value in digits):
        return None
    frames, seconds, minutes, hours = (10 * (value >> 4) + (value & 0x0F) for value in digits)
    label = ((hours * 60 + minutes) * 60 + seconds) * _labels_per_second(frame) + frames
    is_drop = frame[_PACK + 1] & _IS_DROP and not frame[3] & _IS_625
    return label - 2 * (hours * 54 + minutes - minutes // 10) if is_drop else label
