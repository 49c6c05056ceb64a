"""Reads from a WAV file what Resolve reads: format, length and the time reference of a `bext` chunk (EBU
Tech 3285).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True)
class WavFormat:
    channels: int
    sample_rate_hz: int
    num_samples: int
    time_reference_samples: int

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.num_samples, self.sample_rate_hz)


def read_wav_format(path: Path) -> WavFormat | None:
    """None where the file is missing or no RIFF/WAVE file; unknown chunks are skipped."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return None
    channels = rate = block = num_samples = reference = 0
    offset = 12
    while offset + 8 <= len(content):
        name, size = content[offset : offset + 4], struct.unpack_from("<I", content, offset + 4)[0]
        body = content[offset + 8 : offset + 8 + size]
        if name == b"fmt ":
            channels, rate, block = struct.unpack_from("<2xHI4xH", body)
        elif name == b"data":
            num_samples = size // block if block else 0
        elif name == b"bext" and size >= 346:
            reference = struct.unpack_from("<Q", body, 338)[0]
        offset += 8 + size + size % 2
    return WavFormat(channels, rate, num_samples, reference) if channels and rate else None
