"""The headers of WAV files, in each of their forms, and of files that are not WAV."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from selva_otio.formats.wave_headers import WaveHeader, load_wave_header

FORMAT = struct.pack("<HHIIHH", 1, 2, 48_000, 48_000 * 6, 6, 24)
STEREO = WaveHeader(num_channels=2, sample_rate_hz=48_000, bits_per_sample=24, frame_bytes=6)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def write_wave(path: Path, *chunks: bytes, form: bytes = b"RIFF", kind: bytes = b"WAVE") -> Path:
    content = b"".join(chunks)
    path.write_bytes(form + struct.pack("<I", 4 + len(content)) + kind + content)
    return path


@pytest.mark.parametrize("form", [b"RIFF", b"RF64", b"BW64"])
def test_the_header_of_each_form_is_read(tmp_path: Path, form: bytes) -> None:
    path = write_wave(tmp_path / "a.wav", chunk(b"fmt ", FORMAT), chunk(b"data", b""), form=form)
    assert load_wave_header(path) == STEREO


def test_a_chunk_of_odd_size_is_followed_by_a_padding_byte(tmp_path: Path) -> None:
    path = write_wave(tmp_path / "a.wav", chunk(b"LIST", b"odd"), chunk(b"fmt ", FORMAT))
    assert load_wave_header(path) == STEREO


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0AVI " + chunk(b"fmt ", FORMAT),
        b"FORM\0\0\0\0WAVE" + chunk(b"fmt ", FORMAT),
        b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", FORMAT[:10]),
        b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"\0" * 16),
        b"RIFF\0\0\0\0WAVE" + chunk(b"data", b"1234"),
        b"RIFF\0\0\0\0WAVE" + chunk(b"JUNK", b"") * 300 + chunk(b"fmt ", FORMAT),
    ],
)
def test_a_file_without_a_format_has_no_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    assert load_wave_header(tmp_path / "a.wav") is None


def test_a_missing_file_has_no_header(tmp_path: Path) -> None:
    assert load_wave_header(tmp_path / "none.wav") is None
