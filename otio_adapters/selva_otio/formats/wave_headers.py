"""The chunks of WAV files, read without a decoder: this package has no library for sound."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from selva_core.base.regular_file import open_regular
from selva_otio.picture.staged_media import locate_staged

_MAX_CHUNKS = 256
_FORMAT = struct.Struct("<HHIIHH")


@dataclass(frozen=True, kw_only=True)
class WaveHeader:
    """What a format chunk says. frame_bytes: of one sample of all channels."""

    num_channels: int
    sample_rate_hz: int
    bits_per_sample: int
    frame_bytes: int = 0


def load_wave_header(path: Path) -> WaveHeader | None:
    """The header of a WAV file (RIFF, RF64 or BW64); None for other files and for files that cannot be read."""
    try:
        with open_regular(locate_staged(path)) as file:
            for name, _ in iter_chunks(file):
                if name == b"fmt ":
                    return parse_format(file.read(_FORMAT.size))
    except OSError:
        return None
    return None


def iter_chunks(
    file: BinaryIO, *, forms: tuple[bytes, ...] = (b"RIFF", b"RF64", b"BW64")
) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk, with the file at its first byte; none for a file that is not WAV.

    The caller may read from the file and leave it anywhere. Sizes are as written: nothing says that the file has so much.
    """
    head = file.read(12)
    if head[:4] not in forms or head[8:12] != b"WAVE":
        return
    for _ in range(_MAX_CHUNKS):
        name_and_size = file.read(8)
        if len(name_and_size) < 8:
            return
        name, size_bytes = struct.unpack("<4sI", name_and_size)
        start = file.tell()
        yield name, size_bytes
        file.seek(start + size_bytes + size_bytes % 2)  # chunks start at even bytes


def parse_format(content: bytes) -> WaveHeader | None:
    """The content of a format chunk; None where it is too short or names no channel or rate."""
    if len(content) < _FORMAT.size:
        return None
    _, num_channels, sample_rate_hz, _, frame_bytes, bits = _FORMAT.unpack_from(content)
    if not num_channels or not sample_rate_hz:
        return None
    return WaveHeader(
        num_channels=num_channels,
        sample_rate_hz=sample_rate_hz,
        bits_per_sample=bits,
        frame_bytes=frame_bytes,
    )
