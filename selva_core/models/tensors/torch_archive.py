"""torch's archive of a state dict (torch 1.6 and later): an uncompressed zip of a pickle and one entry per storage.

Layout: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/serialization/ (PyTorchStreamWriter). Entries are
written with a data descriptor behind them, and their content begins on a multiple of 64 bytes; where exactly follows from
where the next entry begins, so that a remote file need not be read entry by entry. The checksums of the zip prove it.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from typing import IO, cast

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.tensors.byte_source import ByteSource, DirectoryReader
from selva_core.models.tensors.spans import ITEM_BYTES, TensorSpan, UnreadableIndexError
from selva_core.models.tensors.torch_pickle import PickleError, StoredTensor, read_state_dict

_MAX_PICKLE_BYTES = 16 * 1024 * 1024
_MAX_ENTRIES = 100_000
_ALIGNMENT = 64
_DESCRIPTOR_BYTES = (0, 16, 24)
"""None; with sizes of 32 bits; with sizes of 64 bits (APPNOTE 4.3.9)."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")


@dataclass(frozen=True, kw_only=True)
class _Entry:
    start: int
    num_bytes: int
    crc32: int


def read_archive(source: ByteSource, reader: DirectoryReader) -> list[TensorSpan]:
    """Spans of all tensors. Raises WeightsMismatchError, UnreadableIndexError where a tensor is not one run of bytes."""
    try:
        with zipfile.ZipFile(cast(IO[bytes], reader)) as archive:
            members = archive.infolist()
            end_of_entries = archive.start_dir
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as exc:
        raise WeightsMismatchError(
            f"{source.name} is not whole: it begins as torch's archive and has no directory at its end ({exc})",
            path=source.name,
        ) from exc
    if len(members) > _MAX_ENTRIES:
        raise WeightsMismatchError(f"{source.name} has {len(members)} entries", path=source.name)
    pickles = [member for member in members if member.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise WeightsMismatchError(f"{source.name} is a zip, but not of tensors", path=source.name)
    root = pickles[0].filename.removesuffix("data.pkl")
    entries = _locate(source, members, end_of_entries)
    content = entries[pickles[0].filename]
    if content.num_bytes > _MAX_PICKLE_BYTES:
        raise WeightsMismatchError(
            f"{source.name} is not a file of weights: its pickle has {content.num_bytes} bytes",
            path=source.name,
        )
    try:
        tensors = read_state_dict(reader.read_exactly(content.start, content.num_bytes))
        return [
            _span(name, tensor, entries[f"{root}data/{tensor.storage}"]) for name, tensor in tensors.items()
        ]
    except (PickleError, KeyError) as exc:
        raise WeightsMismatchError(
            f"{source.name} holds something other than named tensors: {exc}", path=source.name
        ) from exc


def _locate(source: ByteSource, members: list[zipfile.ZipInfo], end_of_entries: int) -> dict[str, _Entry]:
    """Where the content of each entry begins. Raises UnreadableIndexError for zips that torch did not write."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    starts = [member.header_offset for member in ordered[1:]] + [end_of_entries]
    entries: dict[str, _Entry] = {}
    for member, following in zip(ordered, starts, strict=True):
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise UnreadableIndexError(f"{source.name} is compressed", path=source.name)
        least = member.header_offset + _LOCAL_HEADER.size + len(member.orig_filename.encode())
        for descriptor in _DESCRIPTOR_BYTES if member.flag_bits & 8 == 0 else _DESCRIPTOR_BYTES[1:]:
            start = following - descriptor - member.file_size
            if start >= least and start % _ALIGNMENT == 0:
                entries[member.filename] = _Entry(start=start, num_bytes=member.file_size, crc32=member.CRC)
                break
        else:
            raise UnreadableIndexError(f"{source.name} is not laid out as torch does", path=source.name)
    return entries


def _span(name: str, tensor: StoredTensor, entry: _Entry) -> TensorSpan:
    item_bytes = ITEM_BYTES[tensor.dtype]
    span = TensorSpan(
        name=name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        start=entry.start + tensor.offset * item_bytes,
        crc32=None,
    )
    if not tensor.is_contiguous or span.end > entry.start + entry.num_bytes:
        raise UnreadableIndexError(f"{name} is not one run of bytes", key=name)
    if span.num_bytes == entry.num_bytes and entry.crc32:  # torch can be made to leave the checksum out, as 0
        return TensorSpan(name=name, dtype=span.dtype, shape=span.shape, start=span.start, crc32=entry.crc32)
    return span
