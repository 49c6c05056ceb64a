"""Whether an MXF file says where its frames lie, and where it ends (SMPTE ST 377-1, 6, 7 and 11).

Without an index FFmpeg guesses places from the bit rate and numbers frames from there: a file that still grows, or that was
cut off, shows other frames after a seek.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_PARTITION_KEY = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01"
_INDEX_PACK_KEY = _PARTITION_KEY + b"\x11\x01\x00"
_HEADER_KEY = _PARTITION_KEY + b"\x02"
_KLV_KEY = b"\x06\x0e\x2b\x34"
_MAX_RUN_IN_BYTES = 65_536 + 16
_MAX_FOOTER_ELEMENTS = 10_000
_MAX_ELEMENTS = 1_000_000
"""Of a file whose header names no footer; longer files are believed."""
_MAX_PACK_BYTES = 1 << 20
_KEY_BYTES = 16


def has_index(path: Path) -> bool:
    """Whether the random index pack at the file's end names partitions one of which holds an index."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - 4, 0))
            (length,) = struct.unpack(">I", file.read(4))
            if not 4 < length <= min(size, _MAX_PACK_BYTES):
                return False
            file.seek(size - length)
            pack = file.read(length)
            if pack[:_KEY_BYTES] != _INDEX_PACK_KEY:
                return False
            entries = pack[_KEY_BYTES + _length_bytes(pack) : -4]
            offsets = [offset for _, offset in struct.iter_unpack(">IQ", entries)]
            return any(_index_bytes(file, offset) for offset in offsets)
    except (OSError, struct.error, IndexError):
        return False


def is_followed_by_another(path: Path) -> bool:
    """Whether another file lies behind the end of the first one, which FFmpeg shows alone. A file without a footer, which
    still grows or was cut off, states no end.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_MAX_RUN_IN_BYTES).find(_HEADER_KEY)
            if start < 0:
                return False
            file.seek(start)
            pack = file.read(_KEY_BYTES + 9 + 88)
            (footer,) = struct.unpack_from(">24xQ", pack, _KEY_BYTES + _length_bytes(pack))
            end = _find_end(file, start + footer) if footer else None
            if end is None:
                return False
            file.seek(end)
            return file.read(len(_HEADER_KEY)) == _HEADER_KEY
    except (OSError, struct.error, IndexError):
        return False


def is_cut_off(file: BinaryIO, size: int) -> bool:
    """Whether a file lacks the footer that its header names, or, where that names none, the rest of its last element."""
    file.seek(0)
    start = file.read(_MAX_RUN_IN_BYTES).find(_HEADER_KEY)
    if start < 0:
        return False
    file.seek(start)
    pack = file.read(_KEY_BYTES + 9 + 88)
    (footer,) = struct.unpack_from(">24xQ", pack, _KEY_BYTES + _length_bytes(pack))
    at = start + footer
    for _ in range(_MAX_ELEMENTS):
        if at >= size:
            return bool(at > size or footer == size - start)
        file.seek(at)
        head = file.read(_KEY_BYTES + 9)
        if head[: len(_KLV_KEY)] != _KLV_KEY[: len(head)]:
            return False
        if len(head) <= _KEY_BYTES:
            return True
        num_bytes = _length_bytes(head)
        at += _KEY_BYTES + num_bytes
        at += int.from_bytes(head[_KEY_BYTES + (num_bytes > 1) : _KEY_BYTES + num_bytes], "big")
    return False


def _find_end(file: BinaryIO, footer: int) -> int | None:
    """Where the random index pack behind a footer partition ends; None where there is none."""
    at = footer
    for _ in range(_MAX_FOOTER_ELEMENTS):
        file.seek(at)
        head = file.read(_KEY_BYTES + 9)
        if head[: len(_KLV_KEY)] != _KLV_KEY:
            return None
        num_bytes = _length_bytes(head)
        length = int.from_bytes(head[_KEY_BYTES + (num_bytes > 1) : _KEY_BYTES + num_bytes], "big")
        at += _KEY_BYTES + num_bytes + length
        if head[:_KEY_BYTES] == _INDEX_PACK_KEY:
            return at
    return None


def _length_bytes(pack: bytes) -> int:
    """Of the length that follows a key (BER)."""
    return 1 if pack[_KEY_BYTES] < 0x80 else 1 + (pack[_KEY_BYTES] & 0x7F)


def _index_bytes(file: BinaryIO, offset: int) -> int:
    """IndexByteCount of the partition at an offset; 0 where none begins there."""
    file.seek(offset)
    pack = file.read(_KEY_BYTES + 9 + 88)
    if pack[: len(_PARTITION_KEY)] != _PARTITION_KEY:
        return 0
    at = _KEY_BYTES + _length_bytes(pack)
    this_partition, index_bytes = struct.unpack_from(">8xQ16x8xQ", pack, at)
    return int(index_bytes) if this_partition == offset else 0
