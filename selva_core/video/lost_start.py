"""Whether packets at the very beginning of a file were lost together with their headers, so that FFmpeg never sees them.

FFmpeg skips what it cannot read up to the next header, without a word, and the file then seems to begin there. What lies
before the first packet that it gives is therefore read once more: in a whole file it is a chain of headers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MAX_SCANNED_BYTES = 64 << 20
_TS_SIZES = (188, 204)
_STAMPED_BYTES = 192
"""Packets of cameras and discs (.mts, .m2ts), with a time of arrival of four bytes before each."""
_TS_SYNC = 0x47
_KLV_KEY = b"\x06\x0e\x2b\x34"
_PS_CODE = b"\x00\x00\x01"
_PS_PACK, _PS_FIRST_PACKET = 0xBA, 0xBB


@dataclass(frozen=True, kw_only=True)
class LostStart:
    """num_packets: of the picture that were lost at least; size_bytes: of what cannot be read, 0 where headers can."""

    num_packets: int
    size_bytes: int


def find_lost_start(path: Path, format_name: str, *, first_byte: int, stream_id: int) -> LostStart | None:
    """What was lost before the first packet of a stream; None where nothing was, and for formats that are not read here.

    first_byte: where that packet begins; stream_id: the packet identifier in a transport stream.
    """
    if not 0 < first_byte <= _MAX_SCANNED_BYTES:
        return None
    try:
        with path.open("rb") as file:
            content = file.read(first_byte)
    except OSError:
        return None
    if format_name == "mpegts":
        return _lost_in_transport_stream(content, stream_id)
    if format_name == "mpeg":
        return _lost_in_chain(content, _program_element_bytes)
    if format_name == "mxf":
        return _lost_in_chain(content, _klv_bytes)
    return None


def _lost_in_transport_stream(content: bytes, stream_id: int) -> LostStart | None:
    """Whole packets before the first one of the picture that was found (ISO/IEC 13818-1, 2.4.3.2)."""
    is_stamped = content[4:5] == b"\x47" and len(content) % _STAMPED_BYTES in (0, 4)
    sizes = (_STAMPED_BYTES,) if is_stamped else _TS_SIZES if content[:1] == b"\x47" else ()
    offset = 4 if is_stamped else 0
    size = next((n for n in sizes if is_stamped or len(content) % n == 0), 0)
    if not size:
        return None
    num_starts = size_bytes = 0
    for at in range(offset, len(content) - size + 1, size):
        if content[at] != _TS_SYNC:
            size_bytes += size
        elif content[at + 1] & 0x40 and (content[at + 1] & 0x1F) << 8 | content[at + 2] == stream_id:
            num_starts += 1
    if not num_starts and not size_bytes:
        return None
    return LostStart(num_packets=num_starts + (size_bytes > 0), size_bytes=size_bytes)


def _lost_in_chain(content: bytes, element_bytes: Callable[[bytes, int], int | None]) -> LostStart | None:
    """Elements that follow one another, from the first that can be read."""
    at = 0
    while at < len(content):
        size = element_bytes(content, at)
        if size is None:
            return LostStart(num_packets=1, size_bytes=len(content) - at)
        at += size
    return None


def _program_element_bytes(content: bytes, at: int) -> int | None:
    """Size of a pack header or packet (ISO/IEC 13818-1, 2.5.3, and 11172-1); None where there is none."""
    if content[at : at + 3] != _PS_CODE:
        return None
    kind = content[at + 3] if at + 3 < len(content) else 0
    if kind == _PS_PACK:
        if at + 14 > len(content):
            return 14
        return 12 if content[at + 4] >> 4 == 2 else 14 + (content[at + 13] & 7)
    if kind < _PS_FIRST_PACKET:
        return None
    return 6 + int.from_bytes(content[at + 4 : at + 6], "big")


def _klv_bytes(content: bytes, at: int) -> int | None:
    """Size of a key, length and value (SMPTE ST 336); None where there is no key."""
    if content[at : at + 4] != _KLV_KEY or at + 17 > len(content):
        return None
    length = content[at + 16]
    if length < 0x80:
        return 17 + length
    num_bytes = length & 0x7F
    return 17 + num_bytes + int.from_bytes(content[at + 17 : at + 17 + num_bytes], "big")
