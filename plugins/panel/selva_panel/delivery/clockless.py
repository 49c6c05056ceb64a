"""Copies of stems without a time of day, for hosts that read it as the start timecode of the file: in Resolve and Premiere,
ranges that count from the first sample are offline then.
"""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from selva_core.audio.stem_file import read_stem_file
from selva_core.audio.wav import Chunk, iter_text_chunks, overwrite_chunk
from selva_core.base.atomic_write import explain_os_error, staged_file
from selva_core.base.errors import MediaError, OutputError
from selva_panel.delivery.chosen import ChosenStems, ChosenTake

FOLDER_NAME = "without time of day"
_TIME_REFERENCE_AT = 256 + 32 + 32 + 10 + 8
_TIME_REFERENCE = struct.Struct("<Q")
"""In bext (EBU Tech 3285), after description, originator, its reference, date and time."""
_STARTS_AT = re.compile(rb"; starts at [^\0]*")
_SPEED = re.compile(rb"<SPEED>.*?</SPEED>", re.DOTALL)


def without_clock(chosen: ChosenStems) -> ChosenStems:
    """The same stems in files that carry no time of day: copies in a folder beside those that do. Raises OutputError."""
    return replace(chosen, takes=[_take_without_clock(take) for take in chosen.takes])


def _take_without_clock(take: ChosenTake) -> ChosenTake:
    source = Path(take.stem.file)
    if not read_stem_file(source).time_reference_samples:
        return take
    target = source.parent / FOLDER_NAME / source.name
    if not _is_copy(source, target):
        _require_replaceable(target)
        write_copy_without_clock(source, target)
    return replace(take, stem=msgspec.structs.replace(take.stem, file=str(target)))


def _is_copy(source: Path, target: Path) -> bool:
    """Whether an earlier save has made the copy of this very stem: it is as long, and no older."""
    try:
        made, original = target.stat(), source.stat()
    except OSError:
        return False
    return made.st_size == original.st_size and made.st_mtime_ns >= original.st_mtime_ns


def _require_replaceable(target: Path) -> None:
    """Raises OutputError where another program's file has the name."""
    try:
        target.parent.mkdir(exist_ok=True)
        if not target.exists() or read_stem_file(target).provenance:
            return
    except MediaError:
        pass  # no stem, and so none of ours
    except OSError as exc:
        raise OutputError(f"cannot write {target}: {explain_os_error(exc)}", path=str(target)) from exc
    raise OutputError(f"{target} is no stem of Selva; move it away and save again", path=str(target))


def write_copy_without_clock(source: Path, target: Path) -> None:
    """The file byte for byte, but for the time of day in bext and iXML. Raises OutputError."""
    with staged_file(target) as temporary:
        shutil.copyfile(source, temporary)
        with temporary.open("r+b") as file:
            for chunk in _list_without_clock(list(iter_text_chunks(file))):
                overwrite_chunk(file, chunk)


def _list_without_clock(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Those that change; all keep their sizes."""
    changed = []
    for chunk in chunks:
        payload = chunk.payload
        if chunk.chunk_id == b"bext":
            description = _STARTS_AT.sub(b"", payload[:256]).ljust(256, b"\0")
            after = _TIME_REFERENCE_AT + _TIME_REFERENCE.size
            payload = (
                description + payload[256:_TIME_REFERENCE_AT] + _TIME_REFERENCE.pack(0) + payload[after:]
            )
        elif chunk.chunk_id == b"iXML":
            payload = _SPEED.sub(lambda found: b" " * len(found[0]), payload)
        if payload != chunk.payload:
            changed.append(Chunk(chunk.chunk_id, payload))
    return changed
