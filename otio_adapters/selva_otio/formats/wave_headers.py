"""What the header of a WAV file says, read without a decoder."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_MAX_CHUNKS = 64
_FMT = struct.Struct("<HHIIHH")


@dataclass(frozen=True, kw_only=True)
class WaveHeader:
    num_channels: int
    sample_rate_hz: int
    bits_per_sample: int


def load_wave_header(path: Path) -> WaveHeader | None:
    """The header of a WAV (RIFF, RF64 or BW64) file; None for what is none or cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(12)
            if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
                return None
            for _ in range(_MAX_CHUNKS):
                name_and_size = stream.read(8)
                if len(name_and_size) < 8:
                    return None
                name, size_bytes = struct.unpack("<4sI", name_and_size)
                if name == b"fmt ":
                    return _parse_format(stream.read(_FMT.size))
                stream.seek(size_bytes + size_bytes % 2, 1)
    except OSError:
        return None
    return None


def _parse_format(content: bytes) -> WaveHeader | None:
    if len(content) < _FMT.size:
        return None
    _, num_channels, sample_rate_hz, _, _, bits = _FMT.unpack(content)
    if not num_channels or not sample_rate_hz:
        return None
    return WaveHeader(num_channels=num_channels, sample_rate_hz=sample_rate_hz, bits_per_sample=bits)
