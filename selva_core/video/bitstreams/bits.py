"""Bits of a header, with the codes that H.264, HEVC and MPEG-4 use, and where their units begin."""

from __future__ import annotations

import re
from collections.abc import Iterator

_START_CODE = b"\x00\x00\x01"
_EMULATION = re.compile(b"\x00\x00\x03")
_MAX_EXP_GOLOMB_ZEROS = 32


class BitReader:
    """Reads from the first bit of `content` on. Raises IndexError behind the last one, ValueError for an impossible code."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "big")
        self._num_left = 8 * len(content)

    def read(self, num_bits: int) -> int:
        """An unsigned number of so many bits."""
        if num_bits > self._num_left:
            raise IndexError("the header ends before this")
        self._num_left -= num_bits
        return self._value >> self._num_left & ((1 << num_bits) - 1)

    def read_flag(self) -> bool:
        return self.read(1) == 1

    def skip(self, num_bits: int) -> None:
        self.read(num_bits)

    def read_ue(self) -> int:
        """An Exp-Golomb code (ITU-T H.264, 9.1); signed ones have the same lengths."""
        num_zeros = 0
        while not self.read_flag():
            num_zeros += 1
            if num_zeros > _MAX_EXP_GOLOMB_ZEROS:
                raise ValueError("no Exp-Golomb code is that long")
        return (1 << num_zeros) - 1 + self.read(num_zeros)

    def skip_ues(self, count: int) -> None:
        """Pass over so many Exp-Golomb codes."""
        for _ in range(count):
            self.read_ue()

    def read_se(self) -> int:
        """A signed Exp-Golomb code (ITU-T H.264, 9.1.1)."""
        code = self.read_ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def iter_units(content: bytes) -> Iterator[int]:
    """Where the content of each unit begins, behind its start code."""
    at = content.find(_START_CODE)
    while at >= 0:
        yield at + len(_START_CODE)
        at = content.find(_START_CODE, at + len(_START_CODE))


def open_unit(content: bytes, at: int, max_bytes: int) -> BitReader:
    """The bits of a unit of H.264 or HEVC, without the bytes that keep start codes out of it."""
    return BitReader(_EMULATION.sub(b"\x00\x00", content[at : at + max_bytes]))


def read_unit(content: bytes, at: int) -> bytes:
    """A whole unit, without the zeros that may follow it."""
    end = content.find(_START_CODE, at)
    return content[at : end if end >= 0 else None].rstrip(b"\0")
