"""Boxes of MP4 and MOV files (ISO/IEC 14496-12) that FFmpeg does not show: edit lists (8.6.6), movies, notes of our own.

FFmpeg drops the frame in which an edit begins and moves the next one to its start, up to a frame too early.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_HEADER_BYTES = 8
_MAX_EDITS = 1024
_EMPTY = -1
_MAX_EXTRA_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TrackEdit:
    """One edit. duration_s: None where it lasts to the end of the media. media_ticks: where it begins, in the track's ticks; None
    where it shows nothing.
    """

    duration_s: Fraction | None
    media_ticks: int | None


def read_edits(path: Path, track_id: int) -> Sequence[TrackEdit]:
    """The edits of a track in their order; none for a file that is not of this kind."""
    try:
        with path.open("rb") as file:
            return _read_edits(file, track_id)
    except (OSError, struct.error):
        return ()


def count_movies(path: Path) -> int:
    """How many movies lie one behind the other in a file; FFmpeg shows the first alone."""
    try:
        with path.open("rb") as file:
            return sum(kind == b"moov" for kind, _, _ in _boxes(file, *_whole(file)))
    except (OSError, struct.error):
        return 0


def read_extra(path: Path, identifier: bytes) -> bytes | None:
    """The content of the last box of a user's own kind (`uuid`) in a file; None where there is none."""
    found = None
    try:
        with path.open("rb") as file:
            for kind, start, end in _boxes(file, *_whole(file)):
                if kind == b"uuid" and end - start <= _MAX_EXTRA_BYTES:
                    file.seek(start)
                    content = file.read(end - start)
                    found = content[16:] if content[:16] == identifier else found
    except (OSError, struct.error):
        return None
    return found


def append_extra(path: Path, identifier: bytes, content: bytes) -> None:
    """Add a box of a user's own kind behind everything else; players pass over it. Raises OSError."""
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", _HEADER_BYTES + 16 + len(content), b"uuid") + identifier + content)


def _read_edits(file: BinaryIO, track_id: int) -> Sequence[TrackEdit]:
    movie = _find(file, b"moov", *_whole(file))
    if movie is None:
        return ()
    timescale = _read_timescale(file, movie)
    for kind, start, end in _boxes(file, *movie):
        if kind != b"trak" or _read_track_id(file, (start, end)) != track_id:
            continue
        edits = _find(file, b"edts", start, end)
        edit_list = edits and _find(file, b"elst", *edits)
        return [
            TrackEdit(
                duration_s=Fraction(duration, timescale) if duration and timescale else None,
                media_ticks=None if media_time == _EMPTY else media_time,
            )
            for duration, media_time in (_read_entries(file, edit_list) if edit_list else ())
        ]
    return ()


def _whole(file: BinaryIO) -> tuple[int, int]:
    return 0, file.seek(0, 2)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the content begins and ends, of each box."""
    while start + _HEADER_BYTES <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(_HEADER_BYTES))
        content = start + _HEADER_BYTES
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            content += 8
        box_end = end if size == 0 else start + size
        if box_end < content or box_end > end:
            return
        yield kind, content, box_end
        start = box_end


def _find(file: BinaryIO, kind: bytes, start: int, end: int) -> tuple[int, int] | None:
    return next(((first, last) for each, first, last in _boxes(file, start, end) if each == kind), None)


def _read_versioned(
    file: BinaryIO, box: tuple[int, int], *, old: tuple[int, str], new: tuple[int, str]
) -> int:
    """A number of a box whose version 1 has wider fields; old, new: its offset and format."""
    file.seek(box[0])
    offset, form = new if file.read(1) == b"\x01" else old
    file.seek(box[0] + offset)
    (value,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return int(value)


def _read_timescale(file: BinaryIO, movie: tuple[int, int]) -> int:
    header = _find(file, b"mvhd", *movie)
    return 0 if header is None else _read_versioned(file, header, old=(12, ">I"), new=(20, ">I"))


def _read_track_id(file: BinaryIO, track: tuple[int, int]) -> int | None:
    header = _find(file, b"tkhd", *track)
    return None if header is None else _read_versioned(file, header, old=(12, ">I"), new=(20, ">I"))


def _read_entries(file: BinaryIO, box: tuple[int, int]) -> list[tuple[int, int]]:
    """(segment duration in the movie's ticks, media time in the track's ticks or -1) of each edit."""
    file.seek(box[0])
    version, count = struct.unpack(">B3xI", file.read(8))
    form = ">Qq4x" if version == 1 else ">Ii4x"
    size = struct.calcsize(form)
    return [struct.unpack(form, file.read(size)) for _ in range(min(count, _MAX_EDITS))]
