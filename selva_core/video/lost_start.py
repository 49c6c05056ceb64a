"""Whether packets at the very beginning of a file were lost together with their headers, so that FFmpeg never sees them.

FFmpeg skips what it cannot read up to the next header and reports nothing, so that the file seems to begin there. The bytes
before the first packet that FFmpeg returns are therefore read here as well: in an undamaged file they are a chain of headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_core.base.errors import MediaUnreadableError
from selva_core.video.containers import flv

_MAX_SCANNED_BYTES = 64 << 20
_TS_LAYOUTS = ((188, 0), (204, 0), (192, 4))
"""Sizes of packets and where they begin; those of cameras and discs (.mts, .m2ts) have a time of arrival before each."""
_TS_HEADER_BYTES = 8
_TS_SYNC = 0x47
_MAX_LOST_BYTES = 2 << 20
"""No more than a frame is taken to have been there."""
_HEADER_PARTITION_KEY = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"
_MAX_RUN_IN_BYTES = 65_536
_KLV_KEY = b"\x06\x0e\x2b\x34"
_AVI_MOVIE = re.compile(rb"LIST.{4}movi", re.DOTALL)
_PS_CODE = b"\x00\x00\x01"
_PS_PACK, _PS_FIRST_PACKET = 0xBA, 0xBB


@dataclass(frozen=True, kw_only=True)
class LostStart:
    """num_packets: of the picture that were lost; None where nothing says how many."""

    num_packets: int | None


def start_error(path: Path) -> MediaUnreadableError:
    """The refusal of a file whose beginning does not say when its first frame is shown."""
    return MediaUnreadableError(
        f"the beginning of {path.name} is damaged, so that nothing says when its first frame is shown; use "
        "another copy, or transcode it and check its synchronism",
        path=str(path),
    )


def find_lost_start(
    path: Path, format_name: str, *, first_byte: int, stream_id: int, begins_with_key: bool
) -> LostStart | None:
    """What was lost before the first packet of a stream; None where nothing was, and for formats that are not read here.

    first_byte: where that packet begins; stream_id: the packet identifier in a transport stream; begins_with_key: whether
    that packet holds a key frame.
    """
    if not 0 < first_byte <= _MAX_SCANNED_BYTES:
        return None
    if format_name == "flv":
        return None if flv.is_chain_to(path, first_byte) else LostStart(num_packets=1)
    try:
        with path.open("rb") as file:
            content = file.read(first_byte + _TS_HEADER_BYTES)
    except OSError:
        return None
    return _read_by_format(content, format_name, first_byte, stream_id, begins_with_key=begins_with_key)


def _read_by_format(
    content: bytes, format_name: str, first_byte: int, stream_id: int, *, begins_with_key: bool
) -> LostStart | None:
    if format_name == "mpegts" and len(content) == first_byte + _TS_HEADER_BYTES:
        return _lost_in_transport_stream(content, first_byte, stream_id, begins_with_key=begins_with_key)
    if format_name == "mpeg" and not _is_chain(content[:first_byte], _program_element_bytes):
        return LostStart(num_packets=None)
    if format_name == "avi" and not _AVI_MOVIE.search(content):
        return LostStart(num_packets=None)  # then FFmpeg passes over the first frame, and over the index
    if format_name == "mxf":
        at = content.find(_HEADER_PARTITION_KEY, 0, _MAX_RUN_IN_BYTES)
        if at < 0:
            return LostStart(num_packets=None)
        return None if _is_chain(content[at:first_byte], _klv_bytes) else LostStart(num_packets=1)
    return None


def _lost_in_transport_stream(
    content: bytes, first_byte: int, stream_id: int, *, begins_with_key: bool
) -> LostStart | None:
    """Whole packets before the first one of the picture that was found (ISO/IEC 13818-1, 2.4.3.2).

    Nothing but tables was lost where that one holds a key frame and is the first that was counted.
    """
    size, offset = max(
        ((size, shift) for size, shift in _TS_LAYOUTS if first_byte >= shift),
        key=lambda layout: _count_syncs(content, first_byte, *layout),
    )
    starts = range((first_byte % size) + offset, first_byte + offset, size)
    num_starts = size_bytes = 0
    for at in starts:
        if content[at] != _TS_SYNC:
            size_bytes += size
        elif content[at + 1] & 0x40 and (content[at + 1] & 0x1F) << 8 | content[at + 2] == stream_id:
            num_starts += 1
    counter = content[first_byte + offset + 3] & 0x0F
    is_hole_harmless = begins_with_key and counter == 0
    num_lost = num_starts + (size_bytes > 0 and not is_hole_harmless)
    if size_bytes > _MAX_LOST_BYTES:
        return LostStart(num_packets=None)
    return LostStart(num_packets=num_lost) if num_lost else None


def _count_syncs(content: bytes, first_byte: int, size: int, offset: int) -> Fraction:
    """The part of the packets before the first one, and of that itself, that are where this layout has them."""
    places = range((first_byte % size) + offset, min(first_byte + offset + 1, len(content)), size)
    return Fraction(sum(content[at] == _TS_SYNC for at in places), max(len(places), 1))


def _is_chain(content: bytes, element_bytes: Callable[[bytes, int], int | None]) -> bool:
    """Whether elements follow one another without anything between them."""
    at = 0
    while at < len(content):
        size = element_bytes(content, at)
        if size is None:
            return False
        at += size
    return True


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
