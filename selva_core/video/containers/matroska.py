"""Whether blocks of a Matroska file were lost, at its beginning or between two frames.

FFmpeg skips a block with a damaged header and everything up to the next cluster that it can read, and reports nothing: the file
then seems to begin there, or to hold one frame for long, as files of variable rate do.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_SCANNED_BYTES = 4 << 20
_MAX_GAP_BYTES = 256 << 20
_BLOCK_HEADER_BYTES = 4
_CLUSTER_ID = b"\x1f\x43\xb6\x75"
_MAX_HEADER_BYTES = 4096
_MAX_ELEMENTS = 1_000_000
"""Of a file that states no size; longer files are believed."""
_EBML_ID = b"\x1a\x45\xdf\xa3"
_SEGMENT_ID = b"\x18\x53\x80\x67"
_INFO_ID = b"\x15\x49\xa9\x66"
_TIMESTAMP_ID = 0xE7
_SIMPLE_BLOCK_ID = 0xA3
_BLOCK_GROUP_ID = 0xA0
_BLOCK_ID = 0xA1
_SCALE_ID = 0x2AD7B1
_CONTAINER_IDS = frozenset({0x1F43B675, _BLOCK_GROUP_ID})
"""Elements that are entered: clusters and block groups."""
_VOID_IDS = frozenset({0xEC, 0xBF, 0xA7, 0xAB, 0x5854})
_KNOWN_IDS = frozenset(
    {
        *_CONTAINER_IDS,
        *_VOID_IDS,
        *(_TIMESTAMP_ID, _SIMPLE_BLOCK_ID),
        *(
            0xA1,
            0x9B,
            0xFB,
            0xFD,
            0x75A1,
            0x75A2,
            0xA4,
            0xAF,
            0xC8,
            0x8E,
        ),  # of blocks and block groups
        *(
            0x1C53BB6B,
            0x1254C367,
            0x1043A770,
            0x1941A469,
            0x114D9B74,
        ),  # cues, tags, chapters, attachments, index
    }
)
_HEAD_IDS = frozenset(
    {
        0x114D9B74,
        0x1549A966,
        0x1654AE6B,
        0x1C53BB6B,
        0x1254C367,
        0x1043A770,
        0x1941A469,
        0xEC,
        0xBF,
    }  # index, information, tracks, cues, tags, chapters, attachments, void, checksum
)
_DEFAULT_SCALE_NS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class FirstBlock:
    """cluster_s: time of the first cluster. track_number: of its first block, 0 where that is damaged."""

    cluster_s: Fraction
    track_number: int


def read_first_block(path: Path) -> FirstBlock | None:
    """The first block of a Matroska file; None where its beginning is not understood."""
    try:
        with path.open("rb") as file:
            content = file.read(_SCANNED_BYTES)
    except OSError:
        return None
    at = content.find(_CLUSTER_ID)
    if at < 0:
        return None
    if _is_head_damaged(content[:at]):
        return FirstBlock(cluster_s=Fraction(0), track_number=0)
    try:
        return _read_cluster(content, at, _read_scale_ns(content[:at]))
    except (IndexError, ValueError):
        return None


def is_followed_by_another(path: Path) -> bool:
    """Whether another file begins where the segment of the first ends."""
    try:
        with path.open("rb") as file:
            head = file.read(_MAX_HEADER_BYTES)
            at = head.find(_SEGMENT_ID)
            if at < 0:
                return False
            size, at = _read_number(head, at + len(_SEGMENT_ID))
            file.seek(at + size)
            return file.read(len(_EBML_ID)) == _EBML_ID
    except (OSError, IndexError, ValueError):
        return False


def is_cut_off(file: BinaryIO, size: int) -> bool:
    """Whether the segment is longer than the file, or, where it states no size (live streams, recordings that were not ended),
    the last element is.
    """
    file.seek(0)
    head = file.read(_MAX_HEADER_BYTES)
    at = head.find(_SEGMENT_ID) + len(_SEGMENT_ID)
    if at < len(_SEGMENT_ID):
        return False
    length, content = _read_number(head, at)
    if length != _unknown_size(content - at):
        return content + length > size
    at = content
    for _ in range(_MAX_ELEMENTS):
        file.seek(at)
        head = file.read(16)
        if not head:
            return at > size
        try:
            element, start = _read_number(head, 0, keeps_marker=True)
            length, end = _read_number(head, start)
        except IndexError:
            return True
        is_open = element in _CONTAINER_IDS or length == _unknown_size(end - start)
        at += end if is_open else end + length
    return False


def _unknown_size(num_bytes: int) -> int:
    """The number of so many bytes that stands for a size that is not stated (RFC 8794, 6.2)."""
    return (1 << 7 * num_bytes) - 1


def _is_head_damaged(head: bytes) -> bool:
    """Whether what lies between the segment's beginning and the first cluster that was found is no sequence of elements."""
    at = head.find(_SEGMENT_ID)
    if at < 0:
        return False
    _, at = _read_number(head, at + len(_SEGMENT_ID))
    try:
        while at < len(head):
            element, at = _read_number(head, at, keeps_marker=True)
            size, at = _read_number(head, at)
            if element not in _HEAD_IDS:
                return True
            at += size
    except (IndexError, ValueError):
        return True
    return False


def is_gap_damaged(path: Path, *, after_byte: int, size_bytes: int, before_byte: int) -> bool:
    """Whether what lies between two blocks is no sequence of Matroska elements.

    after_byte: where the content of the first block begins; size_bytes: of its frame; before_byte: where the second begins.
    """
    at = after_byte + _BLOCK_HEADER_BYTES + size_bytes
    if not 0 < before_byte - at <= _MAX_GAP_BYTES:
        return False
    try:
        with path.open("rb") as file:
            while at < before_byte:
                file.seek(at)
                head = file.read(16)
                element, length = _read_number(head, 0, keeps_marker=True)
                size, length = _read_number(head, length)
                is_block = element in (_SIMPLE_BLOCK_ID, _BLOCK_ID)
                if element not in _KNOWN_IDS or (is_block and not head[length]):
                    return True  # no element, or one of track number 0, which does not exist
                at += length if element in _CONTAINER_IDS else length + size
    except (OSError, IndexError, ValueError):
        return True
    return False


def _read_cluster(content: bytes, at: int, scale_ns: int) -> FirstBlock | None:
    """The first block of the cluster at a position; of track 0 where what is there is no element."""
    cluster_s = Fraction(0)
    try:
        _, at = _read_number(content, at + len(_CLUSTER_ID))
        while at < len(content):
            element, at = _read_number(content, at, keeps_marker=True)
            size, at = _read_number(content, at)
            if element == _TIMESTAMP_ID:
                cluster_s = Fraction(int.from_bytes(content[at : at + size], "big") * scale_ns, 10**9)
            elif element in (_SIMPLE_BLOCK_ID, _BLOCK_GROUP_ID):
                if element == _BLOCK_GROUP_ID:
                    _, at = _read_number(content, at, keeps_marker=True)
                    _, at = _read_number(content, at)
                number = content[at] & 0x7F if content[at] & 0x80 else 0
                return FirstBlock(cluster_s=cluster_s, track_number=number)
            elif element not in _VOID_IDS:
                return FirstBlock(cluster_s=cluster_s, track_number=0)
            at += size
    except ValueError:
        return FirstBlock(cluster_s=cluster_s, track_number=0)
    return None


def _read_scale_ns(head: bytes) -> int:
    at = head.find(_INFO_ID)
    at = head.find(_SCALE_ID.to_bytes(3, "big"), max(at, 0))
    if at < 0:
        return _DEFAULT_SCALE_NS
    size, at = _read_number(head, at + 3)
    return int.from_bytes(head[at : at + size], "big") or _DEFAULT_SCALE_NS


def _read_number(content: bytes, at: int, *, keeps_marker: bool = False) -> tuple[int, int]:
    """A variable-length number of EBML (RFC 8794, 4) and where it ends. Raises IndexError, ValueError."""
    length = 9 - content[at].bit_length()
    if length > 8:
        raise ValueError("no EBML number begins with a zero byte")
    value = int.from_bytes(content[at : at + length], "big")
    return (value if keeps_marker else value & ((1 << 7 * length) - 1)), at + length
