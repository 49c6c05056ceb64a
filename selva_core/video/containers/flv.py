"""The chain of tags in a Flash Video file (Adobe Flash Video File Format 10.1, annex E), which FFmpeg does not check.

A tag whose header is damaged is skipped without a report, and what follows a joined file's first part is not shown.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

_SIGNATURE = b"FLV"
_TAG_KINDS = frozenset((8, 9, 18))  # sound, picture, script
_HEADER_BYTES = 11
_FOOTER_BYTES = 4
_MAX_SCRIPT_BYTES = 4096
_DURATION = b"duration\x00"  # a number follows
_MAX_SHORT_S = 0.5
_REORDERED_TAGS = 5
_MAX_TAGS = 4_000_000
"""Ten hours with sound; longer files are believed."""


def is_chain_to(path: Path, byte: int) -> bool:
    """Whether tags follow one another from the header of the file to one that begins at `byte`."""
    try:
        with path.open("rb") as file:
            return byte in takewhile(lambda at: at <= byte, _iter_tags(file, _first_tag(file)))
    except (OSError, struct.error):
        return False


def is_gap_damaged(path: Path, *, after_byte: int, before_byte: int) -> bool:
    """Whether something other than tags lies between the tag at `after_byte` and the one at `before_byte`."""
    try:
        with path.open("rb") as file:
            for at in _iter_tags(file, after_byte):
                if at >= before_byte:
                    return at > before_byte
    except (OSError, struct.error):
        pass
    return True


def is_followed_by_another(path: Path) -> bool:
    """Whether a whole file lies behind the last tag of the first one."""
    try:
        with path.open("rb") as file:
            (end,) = deque(_iter_tags(file, _first_tag(file)), maxlen=1)
            file.seek(end)
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except (OSError, struct.error):
        return False


def is_cut_off(file: BinaryIO, size: int) -> bool:
    """Whether the last tag is longer than the file, or much earlier than the duration that the script data state. Its footer
    may be missing.
    """
    first = _first_tag(file)
    *starts, end = deque(_iter_tags(file, first), maxlen=_REORDERED_TAGS + 1)
    if end - _FOOTER_BYTES > size or 0 < size - end < _HEADER_BYTES:
        return True
    times_s = [_read_time_s(file, at) for at in starts]
    last_s = max(times_s, default=0.0)
    slack_s = _MAX_SHORT_S + last_s - min(times_s, default=0.0)  # tags state when they are decoded
    file.seek(first)
    script = file.read(_MAX_SCRIPT_BYTES)
    at = script.find(_DURATION)
    if at < 0 or end < size:
        return False
    (stated_s,) = struct.unpack_from(">d", script, at + len(_DURATION))
    return bool(stated_s > last_s + slack_s)


def _read_time_s(file: BinaryIO, at: int) -> float:
    file.seek(at)
    low_ms, high_ms = struct.unpack(">4x3sB3x", file.read(_HEADER_BYTES))
    return float(high_ms << 24 | int.from_bytes(low_ms, "big")) / 1000


def _first_tag(file: BinaryIO) -> int:
    file.seek(0)
    signature, size = struct.unpack(">3s2xI", file.read(9))
    if signature != _SIGNATURE:
        raise struct.error("no Flash Video")
    return int(size) + _FOOTER_BYTES


def _iter_tags(file: BinaryIO, at: int) -> Iterator[int]:
    """Where each tag begins, and at last where no further one does. A size that its footer contradicts is damage too."""
    for _ in range(_MAX_TAGS):
        yield at
        file.seek(at)
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or header[0] & 0x1F not in _TAG_KINDS:
            return
        end = at + _HEADER_BYTES + int.from_bytes(header[1:4], "big")
        file.seek(end)
        footer = file.read(_FOOTER_BYTES)
        if len(footer) == _FOOTER_BYTES and int.from_bytes(footer, "big") not in (end - at, 0):
            return
        at = end + _FOOTER_BYTES
