"""One tensor of a file: its name, its numbers' type, and where they lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from selva_core.base.errors import WeightsMismatchError

ITEM_BYTES: Mapping[str, int] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""Bytes of one number, by the names of safetensors."""


@dataclass(frozen=True, kw_only=True)
class TensorSpan:
    """One tensor: its numbers lie as one run of bytes from `start` on. crc32: of that run, where the file has it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    crc32: int | None = None

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]

    @property
    def end(self) -> int:
        return self.start + self.num_bytes


class UnreadableIndexError(WeightsMismatchError):
    """The file has no directory that can be read without torch; it may be a file of weights all the same."""
