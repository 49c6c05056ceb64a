"""Some tensors of a file as a safetensors file of their own, made by copying ranges of bytes in their order.

The result is written from front to back: what stands of it after an interruption says where to go on.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.tensors.spans import TensorSpan

_HEADER_ALIGNMENT = 8
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class CopiedSpan:
    """A run of bytes of the source and where it lies in the result. crc32: where it is known. name: for messages."""

    source_start: int
    target_start: int
    num_bytes: int
    crc32: int | None = None
    name: str = ""

    @property
    def source_end(self) -> int:
        return self.source_start + self.num_bytes

    @property
    def target_end(self) -> int:
        return self.target_start + self.num_bytes


@dataclass(frozen=True, kw_only=True)
class CopyPlan:
    """What to copy: `header`, then the spans, each right behind the one before it."""

    header: bytes
    spans: tuple[CopiedSpan, ...]

    @property
    def size_bytes(self) -> int:
        return self.spans[-1].target_end if self.spans else len(self.header)


def plan_whole_file(size_bytes: int) -> CopyPlan:
    """The whole file as it is."""
    return CopyPlan(
        header=b"",
        spans=(CopiedSpan(source_start=0, target_start=0, num_bytes=size_bytes),) if size_bytes else (),
    )


def plan_excerpt(index: Mapping[str, TensorSpan], is_wanted: Callable[[str], bool]) -> CopyPlan:
    """The tensors whose names are wanted, in the order of the source. Raises WeightsMismatchError where there are none, or
    two share numbers.
    """
    wanted = sorted((span for name, span in index.items() if is_wanted(name)), key=lambda span: span.start)
    if not wanted:
        raise WeightsMismatchError("the file has none of the tensors that are needed of it")
    for span, following in pairwise(wanted):
        if following.start < span.end:
            raise WeightsMismatchError(f"{span.name} and {following.name} share their numbers")
    header = _build_header(wanted)
    spans: list[CopiedSpan] = []
    position = len(header)
    for span in wanted:
        spans.append(
            CopiedSpan(
                source_start=span.start,
                target_start=position,
                num_bytes=span.num_bytes,
                crc32=span.crc32,
                name=span.name,
            )
        )
        position += span.num_bytes
    return CopyPlan(header=header, spans=tuple(spans))


def find_damaged_span(plan: CopyPlan, path: Path) -> CopiedSpan | None:
    """The first span of a finished file whose checksum is not the one that its source has."""
    with path.open("rb") as file:
        for span in plan.spans:
            if span.crc32 is None:
                continue
            file.seek(span.target_start)
            crc32, num_left = 0, span.num_bytes
            while num_left and (block := file.read(min(_BLOCK_BYTES, num_left))):
                crc32 = zlib.crc32(block, crc32)
                num_left -= len(block)
            if num_left or crc32 != span.crc32:
                return span
    return None


def _build_header(spans: Iterable[TensorSpan]) -> bytes:
    rows: dict[str, object] = {}
    position = 0
    for span in spans:
        rows[span.name] = {
            "dtype": span.dtype,
            "shape": list(span.shape),
            "data_offsets": [position, position + span.num_bytes],
        }
        position += span.num_bytes
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    text += b" " * (-len(text) % _HEADER_ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
