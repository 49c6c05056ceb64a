"""What a stem's WAV file says about itself: its length, and where its sound comes from (docs/wav.md, "Chunks").

Read by hand: this room has no library for sound. Files may be anybody's; what is no stem of ours is None.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

PROVENANCE_SCHEMA = "selva.stem/1"
_MAX_CHUNKS = 256
_MAX_TEXT_BYTES = 1 << 20
_FORMAT = struct.Struct("<HHIIH")


@dataclass(frozen=True, kw_only=True)
class StemWave:
    """A stem on disk. provenance: prompt, cue, take, seed, model ... as texts."""

    path: Path
    sample_rate_hz: int
    num_samples: int
    provenance: Mapping[str, str]


def read_stem_wave(path: Path) -> StemWave | None:
    """The facts of a stem; None for links, other files and files that are not whole."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except (OSError, ValueError, struct.error, RecursionError):
        return None


def _read(file: BinaryIO, path: Path) -> StemWave | None:
    header = file.read(12)
    if header[:4] != b"RIFF" or header[8:] != b"WAVE":
        return None
    size_bytes = path.stat().st_size
    sample_rate_hz = frame_bytes = sound_bytes = 0
    provenance: Mapping[str, str] | None = None
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        chunk_bytes = struct.unpack("<I", head[4:])[0]
        end = file.tell() + chunk_bytes + chunk_bytes % 2
        if end > size_bytes + chunk_bytes % 2:
            return None
        if head[:4] == b"fmt ":
            _, _, sample_rate_hz, _, frame_bytes = _FORMAT.unpack(file.read(_FORMAT.size))
        elif head[:4] == b"data":
            sound_bytes = chunk_bytes
        elif head[:4] == b"iXML" and chunk_bytes <= _MAX_TEXT_BYTES:
            provenance = _provenance_in(file.read(chunk_bytes))
        file.seek(end)
    if not sample_rate_hz or not frame_bytes or not sound_bytes or provenance is None:
        return None
    return StemWave(
        path=path,
        sample_rate_hz=sample_rate_hz,
        num_samples=sound_bytes // frame_bytes,
        provenance=provenance,
    )


def _provenance_in(ixml: bytes) -> Mapping[str, str] | None:
    if b"<!" in ixml:  # a document type could define entities; ours has none
        return None
    try:
        told = json.loads(ElementTree.fromstring(ixml).findtext("USER") or "null")  # noqa: S314 - no entities
    except ElementTree.ParseError:
        return None
    facts = told.get("provenance") if isinstance(told, dict) else None
    if not isinstance(facts, dict) or told.get("schema") != PROVENANCE_SCHEMA:
        return None
    return {str(key): str(value) for key, value in facts.items()}
