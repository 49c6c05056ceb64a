"""RIFF/WAVE files: 24-bit PCM between chunks of metadata.

Written by hand because no maintained Python library writes bext version 2 and iXML. Layouts: EBU Tech 3285 (bext),
Microsoft's Multimedia Programming Interface (RIFF, LIST/INFO). Chunks start on even bytes; sizes do not include the
padding.
"""

from __future__ import annotations

import hashlib
import struct
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from selva_core.base.errors import RequestError
from selva_core.base.media import Label
from selva_core.base.regular_file import open_regular

BYTES_PER_SAMPLE = 3
FULL_SCALE = 2**23
MAX_RIFF_BYTES = 2**32 - 1

_PACKED_SAMPLES = 1 << 20
_READ_BYTES = 1 << 20
_BEXT_FIXED = struct.Struct("<256s32s32s10s8sQH64s5h180s")
_LOUDNESS_UNSET = 0x7FFF
_LOUDNESS_LIMIT = 9999
_BEXT_VERSION = 2
_MAX_TEXT_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Chunk:
    """One chunk: an id of four ASCII characters, and its content."""

    chunk_id: bytes
    payload: bytes

    @property
    def stored_bytes(self) -> int:
        """Size in the file, with header and padding."""
        return 8 + _even(len(self.payload))


@dataclass(frozen=True, kw_only=True)
class BroadcastExtension:
    """The bext chunk, version 2 (EBU Tech 3285). Texts are converted to ASCII and cut to the size of their fields.

    time_reference_samples: samples since midnight at the file's first sample. origination_date: YYYY-MM-DD or
    empty. loudness: LUFS, LU, dBTP, LUFS, LUFS as in the chunk (integrated, range, maximum true peak, momentary,
    short-term); None where there is no value.
    """

    description: str
    originator: str
    originator_reference: str = ""
    origination_date: str = ""
    time_reference_samples: int = 0
    coding_history: str = ""
    loudness: Sequence[float | None] = (None,) * 5

    def to_chunk(self) -> Chunk:
        fixed = _BEXT_FIXED.pack(
            to_ascii(self.description).encode()[:256],
            to_ascii(self.originator).encode()[:32],
            to_ascii(self.originator_reference).encode()[:32],
            to_ascii(self.origination_date).encode()[:10],
            b"",
            self.time_reference_samples,
            _BEXT_VERSION,
            b"",
            *map(_loudness_field, self.loudness),
            b"",
        )
        return Chunk(b"bext", fixed + to_ascii(self.coding_history).encode())


def build_label_chunks(labels: Sequence[Label]) -> list[Chunk]:
    """`cue ` and LIST/adtl for the labels, texts in ASCII; no chunks without labels."""
    if not labels:
        return []
    points, notes = struct.pack("<I", len(labels)), b"adtl"
    for number, label in enumerate(labels, start=1):
        points += struct.pack("<II4sIII", number, number, b"data", 0, 0, label.start_sample)
        name = struct.pack("<I", number)
        notes += _stored(Chunk(b"labl", name + to_ascii(label.text).encode() + b"\0"))
        if label.num_samples:
            region = struct.pack("<I4sHHHH", label.num_samples, b"rgn ", 0, 0, 0, 0)
            notes += _stored(Chunk(b"ltxt", name + region))
    return [Chunk(b"cue ", points), Chunk(b"LIST", notes)]


def build_info_chunk(texts: Mapping[str, str]) -> Chunk:
    """A LIST/INFO chunk of ASCII texts by their four letters (INAM, ICMT, ISFT, ...); empty ones are left out."""
    entries = (Chunk(key.encode(), to_ascii(text).encode() + b"\0") for key, text in texts.items() if text)
    return Chunk(b"LIST", b"INFO" + b"".join(_stored(entry) for entry in entries))


def to_ascii(text: str) -> str:
    """The nearest ASCII form: accents dropped, what has no such form as "?", control characters as spaces."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    printable = "".join(c if c.isprintable() or c in "\r\n" else " " for c in plain)
    return printable.encode("ascii", errors="replace").decode("ascii")


def write_wave(
    file: BinaryIO,
    blocks: Iterable[npt.NDArray[np.float32]],
    *,
    num_samples: int,
    sample_rate_hz: int,
    num_channels: int = 1,
    before: Sequence[Chunk] = (),
    after: Sequence[Chunk] = (),
) -> None:
    """Write float32 blocks as 24-bit PCM between the chunks given: (n,), or (n, num_channels), with `num_samples` rows in all.

    Rounded to nearest without dither: the step is 144 dB below full scale, under every converter's noise, silence stays
    digital silence, and the same audio gives the same bytes. Values beyond full scale are clipped. Raises RequestError for
    files above 4 GB, whose sizes do not fit into RIFF's 32 bits.
    """
    frame_bytes = BYTES_PER_SAMPLE * num_channels
    data_bytes = frame_bytes * num_samples
    fmt = struct.pack(
        "<HHIIHH", 1, num_channels, sample_rate_hz, frame_bytes * sample_rate_hz, frame_bytes, 24
    )
    head = b"".join(_stored(chunk) for chunk in (*before, Chunk(b"fmt ", fmt)))
    tail = b"".join(_stored(chunk) for chunk in after)
    riff_bytes = 4 + len(head) + 8 + _even(data_bytes) + len(tail)
    if riff_bytes > MAX_RIFF_BYTES:
        raise RequestError(
            f"a WAV file holds at most {MAX_RIFF_BYTES} bytes, this audio needs {riff_bytes}; render it in parts"
        )
    file.write(b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVE" + head)
    file.write(b"data" + struct.pack("<I", data_bytes))
    for block in blocks:
        for first in range(0, len(block), _PACKED_SAMPLES):
            file.write(pack_pcm24(block[first : first + _PACKED_SAMPLES]))
    file.write(b"\0" * (data_bytes % 2) + tail)


def overwrite_chunk(file: BinaryIO, chunk: Chunk) -> None:
    """Replace the content of the first chunk of that id and length; moves the file's position.

    Raises ValueError when there is no such chunk.
    """
    file.seek(12)
    while len(head := file.read(8)) == 8:
        size_bytes = struct.unpack("<I", head[4:])[0]
        if (head[:4], size_bytes) == (chunk.chunk_id, len(chunk.payload)):
            file.write(chunk.payload)
            return
        file.seek(_even(size_bytes), 1)
    raise ValueError(f"there is no {chunk.chunk_id!r} chunk of {len(chunk.payload)} bytes")


def pack_pcm24(samples: npt.NDArray[np.float32]) -> bytes:
    """float32 (num_samples,) or (num_samples, channels), -1..1, to little-endian 24-bit integers, channels interleaved."""
    scaled = np.rint(samples.astype(np.float64) * FULL_SCALE)
    integers = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype("<i4")
    return integers.view(np.uint8).reshape(-1, 4)[:, :BYTES_PER_SAMPLE].tobytes()


def unpack_pcm24(stored: bytes) -> npt.NDArray[np.float32]:
    """The inverse of `pack_pcm24`, exactly."""
    padded = np.zeros((len(stored) // BYTES_PER_SAMPLE, 4), np.uint8)
    padded[:, 1:] = np.frombuffer(stored, np.uint8).reshape(-1, BYTES_PER_SAMPLE)
    return ((padded.view("<i4")[:, 0] >> 8) / FULL_SCALE).astype(np.float32)


def iter_text_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a RIFF/WAVE file except its audio, in their order; chunks above 1 MiB are skipped.

    Raises ValueError when it is no RIFF/WAVE file.
    """
    header = file.read(12)
    if len(header) < 12 or header[:4] not in (b"RIFF", b"RF64") or header[8:] != b"WAVE":
        raise ValueError("not a RIFF/WAVE file")
    while len(head := file.read(8)) == 8:
        chunk_id, size_bytes = head[:4], struct.unpack("<I", head[4:])[0]
        if chunk_id == b"data" or size_bytes > _MAX_TEXT_CHUNK_BYTES:
            file.seek(_even(size_bytes), 1)
            continue
        payload = file.read(size_bytes)
        file.seek(size_bytes % 2, 1)
        yield Chunk(chunk_id, payload)


@dataclass(frozen=True, kw_only=True)
class WaveAudio:
    """The audio of a file as `write_wave` writes it. num_samples: of one channel. data_offset: of its first byte in the file."""

    path: Path
    sample_rate_hz: int
    num_samples: int
    num_channels: int
    data_offset: int

    @property
    def _frame_bytes(self) -> int:
        return BYTES_PER_SAMPLE * self.num_channels

    def read(self, start: int, end: int) -> npt.NDArray[np.float32]:
        """The samples from `start` to before `end`, float32, which hold 24 bits exactly: (n,), or (n, num_channels) where there
        are several. Raises OSError, ValueError.
        """
        with open_regular(self.path) as file:
            file.seek(self.data_offset + self._frame_bytes * start)
            stored = file.read(self._frame_bytes * (end - start))
        if len(stored) != self._frame_bytes * (end - start):
            raise ValueError(f"{self.path} ends before sample {end}")
        samples = unpack_pcm24(stored)
        return samples if self.num_channels == 1 else samples.reshape(-1, self.num_channels)

    def iter_blocks(self, start: int, end: int) -> Iterator[npt.NDArray[np.float32]]:
        """The same, in pieces that need little memory."""
        for first in range(start, end, _PACKED_SAMPLES):
            yield self.read(first, min(first + _PACKED_SAMPLES, end))

    def digest(self) -> str:
        """SHA-256 (hex) of the audio alone."""
        digest = hashlib.sha256()
        remaining = self._frame_bytes * self.num_samples
        with open_regular(self.path) as file:
            file.seek(self.data_offset)
            while remaining and (piece := file.read(min(remaining, _READ_BYTES))):
                digest.update(piece)
                remaining -= len(piece)
        return digest.hexdigest()


def read_wave_audio(path: Path) -> WaveAudio:
    """Where the audio of a 24-bit PCM file lies. Raises OSError; ValueError for any other file."""
    size_bytes = path.stat().st_size
    rate_hz = channels = 0
    with open_regular(path) as file:
        if (header := file.read(12))[:4] != b"RIFF" or header[8:] != b"WAVE":
            raise ValueError("not a RIFF/WAVE file")
        while len(head := file.read(8)) == 8:
            length = struct.unpack("<I", head[4:])[0]
            if head[:4] == b"fmt ":
                layout = file.read(_even(length))
                kind, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", layout[:16].ljust(16, b"\0"))
                if (kind, bits) != (1, 24) or not channels:
                    raise ValueError(f"it is not PCM of 24 bits; got format {kind} of {bits} bits")
            elif head[:4] == b"data":
                offset = file.tell()
                if not rate_hz:
                    raise ValueError("it is damaged: nothing before its audio says how that is stored")
                if (lacking := offset + length - size_bytes) > 0:
                    lacking_s = lacking / (BYTES_PER_SAMPLE * channels * rate_hz)
                    raise ValueError(f"it is cut off: its last {lacking_s:.2f} s are missing; make it again")
                return WaveAudio(
                    path=path,
                    sample_rate_hz=rate_hz,
                    num_samples=length // (BYTES_PER_SAMPLE * channels),
                    num_channels=channels,
                    data_offset=offset,
                )
            else:
                file.seek(_even(length), 1)
    raise ValueError("it holds no audio")


def describe_cut_off(path: Path) -> str | None:
    """A sentence for a WAV file that has less audio than it says, as a full disk or a copy that was stopped leaves it.

    None for whole files, for those of other kinds or that cannot be read, and where a program that wrote into a pipe has left the
    size open (0xFFFFFFFF).
    """
    bytes_per_s = 0
    try:
        size_bytes = path.stat().st_size
        with open_regular(path) as file:
            if (header := file.read(12))[:4] != b"RIFF" or header[8:] != b"WAVE":
                return None
            while len(head := file.read(8)) == 8:
                length = struct.unpack("<I", head[4:])[0]
                start = file.tell()
                if head[:4] == b"fmt ":
                    bytes_per_s = struct.unpack("<8xI", file.read(12).ljust(12, b"\0"))[0]
                elif head[:4] == b"data":
                    lacking = start + length - size_bytes
                    if lacking <= 0 or length == MAX_RIFF_BYTES or not bytes_per_s:
                        return None
                    return f"{path.name} is cut off: its last {lacking / bytes_per_s:.2f} s are missing; make it again"
                file.seek(start + _even(length))
    except OSError:
        return None
    return None


def digest_without(path: Path, chunk_id: bytes) -> bytes:
    """SHA-256 of all chunks of a RIFF/WAVE file, in their order, except those of that id.

    Raises ValueError when it is no RIFF/WAVE file, OSError.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        if (header := file.read(12))[:4] != b"RIFF" or header[8:] != b"WAVE":
            raise ValueError("not a RIFF/WAVE file")
        while len(head := file.read(8)) == 8:
            remaining = _even(struct.unpack("<I", head[4:])[0])
            if head[:4] == chunk_id:
                file.seek(remaining, 1)
                continue
            digest.update(head)
            while remaining and (piece := file.read(min(remaining, _READ_BYTES))):
                digest.update(piece)
                remaining -= len(piece)
    return digest.digest()


def _stored(chunk: Chunk) -> bytes:
    return (
        chunk.chunk_id
        + struct.pack("<I", len(chunk.payload))
        + chunk.payload
        + b"\0" * (len(chunk.payload) % 2)
    )


def _loudness_field(value: float | None) -> int:
    """Hundredths, as Tech 3285 stores them; values that do not fit into the field are unset."""
    hundredths = None if value is None else round(value * 100)
    return _LOUDNESS_UNSET if hundredths is None or abs(hundredths) > _LOUDNESS_LIMIT else hundredths


def _even(size_bytes: int) -> int:
    return size_bytes + size_bytes % 2
