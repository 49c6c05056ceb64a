"""Essence descriptors: what an AAF file says of a media file, and the locator that leads to it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from selva_otio.formats.wave_headers import WaveHeader
from selva_otio.picture.media import build_media_url

_PCM = 1


def build_picture_descriptor(file: Any, path: Path, edit_rate: str, length: int) -> Any:
    """The descriptor of a video file. Its picture properties are required by the format; hosts read those of the file."""
    descriptor = file.create.CDCIDescriptor()
    descriptor["SampleRate"].value = edit_rate
    descriptor["Length"].value = length
    descriptor["StoredWidth"].value = 1920
    descriptor["StoredHeight"].value = 1080
    descriptor["ComponentWidth"].value = 8
    descriptor["HorizontalSubsampling"].value = 2
    descriptor["FrameLayout"].value = "FullFrame"
    descriptor["VideoLineMap"].value = [42, 0]
    descriptor["ImageAspectRatio"].value = "16/9"
    descriptor["Locator"].append(_build_locator(file, path))
    return descriptor


def build_wave_descriptor(file: Any, path: Path, header: WaveHeader, num_samples: int) -> Any:
    """The descriptor of a WAV file, with the header (Summary) that the format requires."""
    descriptor = file.create.WAVEDescriptor()
    descriptor["SampleRate"].value = f"{header.sample_rate_hz}/1"
    descriptor["Length"].value = num_samples
    descriptor["ContainerFormat"].value = file.dictionary.lookup_containerdef("AAF")
    descriptor["Summary"].value = _build_summary(header, num_samples)
    descriptor["Locator"].append(_build_locator(file, path))
    return descriptor


def _build_summary(header: WaveHeader, num_samples: int) -> bytearray:
    """The RIFF header, the format chunk and the head of the data chunk of a WAV file of that length."""
    block_bytes = header.num_channels * ((header.bits_per_sample + 7) // 8)
    data_bytes = min(
        num_samples * block_bytes, 2**32 - 64
    )  # longer files are RF64, whose RIFF size is not used
    form = struct.pack(
        "<HHIIHH",
        _PCM,
        header.num_channels,
        header.sample_rate_hz,
        header.sample_rate_hz * block_bytes,
        block_bytes,
        header.bits_per_sample,
    )
    head = b"RIFF" + struct.pack("<I", 36 + data_bytes) + b"WAVE"
    return bytearray(
        head + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", data_bytes)
    )


def _build_locator(file: Any, path: Path) -> Any:
    locator = file.create.NetworkLocator()
    locator["URLString"].value = build_media_url(path)
    return locator
