"""Whether a file ends before its container does: a copy or a recording that was cut off.

FFmpeg reads such a file to its last whole packet and reports nothing, so that the picture merely seems to be shorter. Containers
state the size of their elements, or end with a mark of their own; only what contradicts these is called cut off.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from selva_core.video.containers import flv, matroska, mxf_index

_MAX_ELEMENTS = 1_000_000
"""Of a file that states no size of its whole; longer files are believed."""
_TAIL_BYTES = 256 << 10
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
_MOVIE_BOXES = frozenset(
    (
        b"mdat",
        b"moov",
        b"moof",
        b"mfra",
        b"sidx",
        b"styp",
        b"ftyp",
        b"free",
        b"skip",
        b"uuid",
        b"udta",
        b"meta",
    )
)
_TS_SIZES = (188, 192, 204)
_TS_SYNC, _TS_PROOF = 0x47, 20
_PS_PACK, _PS_FIRST_PACKET = 0xBA, 0xBB
_PS_PACK_START = b"\x00\x00\x01\xba"
_OGG_CAPTURE, _OGG_LAST_PAGE = b"OggS", 4
_GIF_TRAILER = b";"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_BROADCAST = 1
_DV_BYTES = 80 * 150
"""Of a DIF sequence (IEC 61834-2): a frame has 10 or 12 of them, a recording with 50 or 100 Mbit/s some times as many."""
_Y4M_SAMPLES: Mapping[bytes, tuple[int, int]] = {
    b"mono": (1, 0), b"411": (4, 1), b"420": (2, 2), b"422": (2, 1), b"444": (1, 1),
}  # fmt: skip
"""By how much the planes of colour are smaller, across and down; 0 where there are none."""


def is_cut_off(path: Path, format_name: str) -> bool:
    """Whether the end of a file is missing, by FFmpeg's name of its format; False where nothing says so."""
    read = next(
        (read for name, read in _READERS.items() if format_name.split(",", maxsplit=1)[0] == name), None
    )
    if read is None:
        return False
    try:
        with path.open("rb") as file:
            return read(file, file.seek(0, 2))
    except (OSError, struct.error, IndexError, ValueError):
        return False


def _is_movie_cut(file: BinaryIO, size: int) -> bool:
    """ISO/IEC 14496-12, 4.2: boxes follow one another to the end of the file."""
    at = 0
    for _ in range(_MAX_ELEMENTS):
        head = _read_at(file, at, 16)
        if len(head) < 8:
            return False  # what is too short for a box may be padding
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, 8)
        if length < 8:
            return False  # 0: to the end of the file
        at += length
        if at >= size:
            return at > size and kind in _MOVIE_BOXES
    return False


def _is_riff_cut(file: BinaryIO, size: int) -> bool:
    """A RIFF list, or several in files of more than 1 GB. A recording that was not ended states no size: then the chunks of
    its movie list count.
    """
    at = 0
    while at < size:
        head = _read_at(file, at, 12)
        if head[:4] != b"RIFF":
            return False
        (length,) = struct.unpack_from("<I", head, 4)
        if length in _UNKNOWN_SIZES:
            return _is_chunk_chain_cut(file, at + 12, size)
        at += 8 + length + length % 2
    return at > size + 1  # a last chunk may lack its byte of padding


def _is_chunk_chain_cut(file: BinaryIO, at: int, size: int) -> bool:
    for _ in range(_MAX_ELEMENTS):
        head = _read_at(file, at, 12)
        if len(head) < 8:
            return len(head) > 0
        (length,) = struct.unpack_from("<I", head, 4)
        if head[:4] == b"LIST" and (head[8:12] == b"movi" or length in _UNKNOWN_SIZES):
            at += 12
            continue
        at += 8 + length + length % 2
        if at > size + 1:
            return True
    return False


def _is_transport_stream_cut(file: BinaryIO, size: int) -> bool:
    """ISO/IEC 13818-1, 2.4.3: packets of one size; those of cameras and discs (192) have a time before each, the next
    of which is missing behind the last.
    """
    tail = _read_at(file, max(size - _TAIL_BYTES, 0), _TAIL_BYTES)
    for length in _TS_SIZES:
        for rest in range(length):
            starts = range(len(tail) - rest - length, -1, -length)[:_TS_PROOF]
            if len(starts) == _TS_PROOF and all(tail[at] == _TS_SYNC for at in starts):
                return rest != (188 if length == 192 else 0)
    return False


def _is_program_stream_cut(file: BinaryIO, size: int) -> bool:
    """ISO/IEC 13818-1, 2.5.3: packs of packets, each with its length."""
    tail = _read_at(file, max(size - _TAIL_BYTES, 0), _TAIL_BYTES)
    at = tail.rfind(_PS_PACK_START)
    while 0 <= at <= len(tail) - 4 and tail[at : at + 3] == _PS_PACK_START[:3]:
        kind = tail[at + 3]
        if kind == _PS_PACK:
            if at + 14 > len(tail):
                return True
            at += 12 if tail[at + 4] >> 4 == 2 else 14 + (tail[at + 13] & 7)
        elif kind >= _PS_FIRST_PACKET:
            at += 6 + int.from_bytes(tail[at + 4 : at + 6].ljust(2, b"\xff"), "big")
        else:
            return False  # the end code, or none that is known
    rest = tail[at:] if at >= 0 else b""
    return at > len(tail) or (0 < len(rest) < 4 and _PS_PACK_START.startswith(rest))


def _is_ogg_cut(file: BinaryIO, size: int) -> bool:
    """RFC 3533, 6: the last page of each stream is marked as such."""
    tail = _read_at(file, max(size - _TAIL_BYTES, 0), _TAIL_BYTES)
    at = tail.rfind(_OGG_CAPTURE)
    if at < 0:
        return False
    if at + 27 > len(tail) or at + 27 + tail[at + 26] > len(tail):
        return True
    length = sum(tail[at + 27 : at + 27 + tail[at + 26]])
    is_last = bool(tail[at + 5] & _OGG_LAST_PAGE)
    return at + 27 + tail[at + 26] + length > len(tail) or not is_last


def _is_dv_cut(file: BinaryIO, size: int) -> bool:
    """Raw DV: the first byte of the header says whether a frame has 10 or 12 sequences."""
    is_625 = bool(_read_at(file, 3, 1)[0] & 0x80)
    return size % (_DV_BYTES * (12 if is_625 else 10)) != 0


def _is_ivf_cut(file: BinaryIO, size: int) -> bool:
    (at,) = struct.unpack("<H", _read_at(file, 6, 2))
    for _ in range(_MAX_ELEMENTS):
        head = _read_at(file, at, 12)
        if len(head) < 12:
            return len(head) > 0
        at += 12 + int.from_bytes(head[:4], "little")
        if at > size:
            return True
    return False


def _is_y4m_cut(file: BinaryIO, size: int) -> bool:
    header = _read_at(file, 0, 256).split(b"\n", maxsplit=1)[0]
    fields = {field[:1]: field[1:] for field in header.split()[1:]}
    width, height, colour = int(fields[b"W"]), int(fields[b"H"]), fields.get(b"C", b"420")
    across, down = next(planes for name, planes in _Y4M_SAMPLES.items() if colour.startswith(name))
    num_samples = width * height
    if down:
        num_samples += 2 * -(-width // across) * -(-height // down)
    num_samples += width * height if b"alpha" in colour else 0
    deep = re.search(rb"(?:p|mono)(9|1[0-9])$", colour)
    first = _read_at(file, len(header) + 1, 256).split(b"\n", maxsplit=1)[0]
    num_bytes = len(first) + 1 + num_samples * (2 if deep else 1)
    return first.startswith(b"FRAME") and (size - len(header) - 1) % num_bytes != 0


def _is_gif_cut(file: BinaryIO, size: int) -> bool:
    return not _read_at(file, max(size - 1024, 0), 1024).rstrip(b"\0").endswith(_GIF_TRAILER)


def _is_asf_cut(file: BinaryIO, size: int) -> bool:
    """The file properties of its header state the size, unless they are those of a broadcast."""
    head = _read_at(file, 0, 4096)
    at = head.index(_ASF_PROPERTIES)
    stated, flags = struct.unpack_from("<40xQ40xI", head, at)
    return not flags & _ASF_BROADCAST and size < stated


def _is_flash_cut(file: BinaryIO, size: int) -> bool:
    head = _read_at(file, 0, 8)
    return head[:3] == b"FWS" and size < int.from_bytes(head[4:8], "little")


def _read_at(file: BinaryIO, at: int, num_bytes: int) -> bytes:
    file.seek(at)
    return file.read(num_bytes)


_READERS: Mapping[str, Callable[[BinaryIO, int], bool]] = {
    "mov": _is_movie_cut,
    "avi": _is_riff_cut,
    "matroska": matroska.is_cut_off,
    "mxf": mxf_index.is_cut_off,
    "flv": flv.is_cut_off,
    "mpegts": _is_transport_stream_cut,
    "mpeg": _is_program_stream_cut,
    "ogg": _is_ogg_cut,
    "dv": _is_dv_cut,
    "ivf": _is_ivf_cut,
    "yuv4mpegpipe": _is_y4m_cut,
    "gif": _is_gif_cut,
    "asf": _is_asf_cut,
    "swf": _is_flash_cut,
}
