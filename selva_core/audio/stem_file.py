"""What the file of a stem holds besides its audio, read back: enough to write another take like it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from selva_core.audio.provenance import find_provenance
from selva_core.audio.wav import Chunk, iter_text_chunks, read_wave_audio
from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError
from selva_core.base.media import Label
from selva_core.base.regular_file import open_regular


@dataclass(frozen=True, kw_only=True)
class StemFile:
    """provenance: as `write_stem` stored it; empty for a file that is no stem of ours. time_reference_samples, labels: see
    StemTags; texts of labels are ASCII.
    """

    path: Path
    sample_rate_hz: int
    num_samples: int
    num_channels: int = 1
    time_reference_samples: int | None = None
    provenance: dict[str, str] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()


def read_stem_file(path: Path) -> StemFile:
    """Raises MediaNotFoundError; MediaUnreadableError for a file that is no WAV of 24 bits, and for a folder."""
    if path.is_dir():  # opening one fails with another error on each system
        raise MediaUnreadableError(
            f"{path} is a folder; name the file of one stem in it, such as {_find_example(path)}",
            path=str(path),
        )
    try:
        audio = read_wave_audio(path)
        with open_regular(path) as file:
            chunks = list(iter_text_chunks(file))
    except FileNotFoundError as exc:
        raise MediaNotFoundError(f"there is no file {path}", path=str(path)) from exc
    except (OSError, ValueError) as exc:
        raise MediaUnreadableError(f"{path.name} cannot be read as a stem: {exc}", path=str(path)) from exc
    return StemFile(
        path=path,
        sample_rate_hz=audio.sample_rate_hz,
        num_samples=audio.num_samples,
        num_channels=audio.num_channels,
        time_reference_samples=_find_time_reference(chunks),
        provenance=find_provenance(chunks) or {},
        labels=_find_labels(chunks),
    )


def _find_example(folder: Path) -> str:
    """A WAV file of a folder, as an argument of a command."""
    try:
        files = sorted(file.name for file in folder.iterdir() if file.suffix.lower() == ".wav")
    except OSError:
        files = []
    return str(folder / (files[0] if files else "STEM.wav"))


def _find_time_reference(chunks: Sequence[Chunk]) -> int | None:
    """That of iXML: bext says 0 for a file without a clock."""
    for chunk in chunks:
        if chunk.chunk_id == b"iXML" and b"<!" not in chunk.payload:
            try:
                speed = ElementTree.fromstring(chunk.payload).find("SPEED")  # noqa: S314 - no entities
                if speed is not None:
                    high, low = (
                        int(speed.findtext(f"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_{part}", ""))
                        for part in ("HI", "LO")
                    )
                    return (high << 32) + low
            except (ElementTree.ParseError, ValueError):
                return None
    return None


def _find_labels(chunks: Sequence[Chunk]) -> tuple[Label, ...]:
    """The labels that `build_label_chunks` wrote."""
    starts: dict[int, int] = {}
    texts: dict[int, str] = {}
    lengths: dict[int, int] = {}
    try:
        for chunk in chunks:
            if chunk.chunk_id == b"cue ":
                for at in range(4, len(chunk.payload), 24):
                    number, _, _, _, _, start = struct.unpack_from("<II4sIII", chunk.payload, at)
                    starts[number] = start
            elif chunk.chunk_id == b"LIST" and chunk.payload[:4] == b"adtl":
                _read_notes(chunk.payload[4:], texts, lengths)
    except struct.error:
        return ()
    return tuple(
        Label(start_sample=start, text=texts[number], num_samples=lengths.get(number, 0))
        for number, start in starts.items()
        if texts.get(number)
    )


def _read_notes(notes: bytes, texts: dict[int, str], lengths: dict[int, int]) -> None:
    """Raises struct.error."""
    at = 0
    while at + 8 <= len(notes):
        kind, size_bytes = struct.unpack_from("<4sI", notes, at)
        (number,) = struct.unpack_from("<I", notes, at + 8)
        if kind == b"labl":
            texts[number] = notes[at + 12 : at + 8 + size_bytes].rstrip(b"\0").decode("ascii", "replace")
        elif kind == b"ltxt":
            (lengths[number],) = struct.unpack_from("<I", notes, at + 12)
        at += 8 + size_bytes + size_bytes % 2
