"""The list of tensors of a file, from its directory: safetensors, or torch's archive of a state dict."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.tensors.byte_source import ByteSource, DirectoryReader, FileSource
from selva_core.models.tensors.spans import TensorSpan, UnreadableIndexError
from selva_core.models.tensors.torch_archive import read_archive

_MAX_HEADER_BYTES = 32 * 1024 * 1024
_MAX_DIMENSIONS = 8


def read_index(source: ByteSource) -> dict[str, TensorSpan]:
    """All tensors of a file by name.

    Raises UnreadableIndexError for a layout without a directory (torch before 1.6), WeightsMismatchError for what is no file
    of weights or ends too early.
    """
    reader = DirectoryReader(source)
    start = reader.read_exactly(0, 16)
    if start[:4] == b"PK\x03\x04":
        spans = read_archive(source, reader)
    elif len(start) >= 9 and start[8:9] == b"{":
        spans = list(_read_safetensors(source, reader))
    else:
        raise UnreadableIndexError(f"{source.name} has no directory of tensors", path=source.name)
    for span in spans:
        if span.end > source.size_bytes:
            raise WeightsMismatchError(
                f"{source.name} ends inside the tensor {span.name}: it is not whole", path=source.name
            )
    return {span.name: span for span in spans}


def read_file_index(path: Path) -> dict[str, TensorSpan]:
    """`read_index` of a file on disk. Raises OSError, WeightsMismatchError."""
    with FileSource(path) as source:
        return read_index(source)


def _read_safetensors(source: ByteSource, reader: DirectoryReader) -> Iterator[TensorSpan]:
    """The header: its length in 8 bytes, then JSON (the format's own specification)."""
    (num_header_bytes,) = struct.unpack("<Q", reader.read_exactly(0, 8))
    if not 0 < num_header_bytes <= min(_MAX_HEADER_BYTES, source.size_bytes - 8):
        raise WeightsMismatchError(
            f"{source.name} is not a file of weights: its header has {num_header_bytes} bytes",
            path=source.name,
        )
    try:
        header = json.loads(reader.read_exactly(8, num_header_bytes))
        rows = {name: row for name, row in header.items() if name != "__metadata__"}
        for name, row in rows.items():
            start, end = row["data_offsets"]
            span = TensorSpan(
                name=str(name),
                dtype=row["dtype"],
                shape=_checked_shape(row["shape"]),
                start=8 + num_header_bytes + int(start),
            )
            if start < 0 or span.num_bytes != end - start:
                raise ValueError(f"{name} has a wrong size")
            yield span
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise WeightsMismatchError(
            f"{source.name} is not a file of weights: its header cannot be read ({exc})", path=source.name
        ) from exc


def _checked_shape(values: object) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or len(values) > _MAX_DIMENSIONS:
        raise ValueError("a shape is a short list of numbers")
    if not all(type(value) is int and 0 <= value < 1 << 40 for value in values):
        raise ValueError("a shape is a short list of numbers")
    return tuple(values)
