"""What the WAV file of a stem says about itself: its length, and in its iXML chunk what made it (docs/formats/wav.md, "Chunks").

A stems folder may hold any file; None stands for one that is not a whole stem.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

from selva_core.base.regular_file import open_regular
from selva_otio.formats.wave_headers import WaveHeader, iter_chunks, parse_format

PROVENANCE_SCHEMA = "selva.stem/1"
_MAX_TEXT_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class StemFile:
    """A stem on disk. provenance: prompt, cue, take, seed, model ... as texts."""

    path: Path
    sample_rate_hz: int
    num_samples: int
    provenance: Mapping[str, str]


def load_stem_file(path: Path) -> StemFile | None:
    """What a stem says about itself; None for links, other files and files that are not whole."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with open_regular(path) as file:
            return _read(file, path)
    except (OSError, ValueError, RecursionError):
        return None


def _read(file: BinaryIO, path: Path) -> StemFile | None:
    size_bytes = path.stat().st_size
    header: WaveHeader | None = None
    data_bytes = 0
    provenance: Mapping[str, str] | None = None
    for name, chunk_bytes in iter_chunks(file, forms=(b"RIFF",)):
        if file.tell() + chunk_bytes > size_bytes:
            return None  # cut off, by a copy that is still running or a full disk
        if name == b"fmt ":
            header = parse_format(file.read(chunk_bytes))
        elif name == b"data":
            data_bytes = chunk_bytes
        elif name == b"iXML" and chunk_bytes <= _MAX_TEXT_BYTES:
            provenance = _parse_provenance(file.read(chunk_bytes))
    if header is None or not header.frame_bytes or not data_bytes or provenance is None:
        return None
    return StemFile(
        path=path,
        sample_rate_hz=header.sample_rate_hz,
        num_samples=data_bytes // header.frame_bytes,
        provenance=provenance,
    )


def _parse_provenance(ixml: bytes) -> Mapping[str, str] | None:
    if b"<!" in ixml:  # a document type could define entities; a stem has none
        return None
    try:
        user = json.loads(ElementTree.fromstring(ixml).findtext("USER") or "null")  # noqa: S314 - no entities
    except ElementTree.ParseError:
        return None
    provenance = user.get("provenance") if isinstance(user, dict) else None
    if not isinstance(provenance, dict) or user.get("schema") != PROVENANCE_SCHEMA:
        return None
    return {str(key): str(value) for key, value in provenance.items()}
