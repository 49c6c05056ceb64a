"""Batches by measured memory, on a device that only counts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from selva_core.base.errors import OutOfMemoryError
from selva_core.inference.batching import BatchLimit, memory_of, translate_out_of_memory


class MeasuredMemory:
    """A device that tells: every item takes `item_bytes` while it is worked on."""

    def __init__(self, *, free_bytes: int, item_bytes: int) -> None:
        self.free, self.item = free_bytes, item_bytes
        self.tried: list[int] = []
        self._taken = 0

    def __call__(self, batch: Sequence[int]) -> None:
        self.tried.append(len(batch))
        self._taken = len(batch) * self.item

    def begin(self) -> None:
        self._taken = 0

    def taken_bytes(self) -> int:
        return self._taken

    def free_bytes(self) -> int:
        return self.free


def test_where_memory_is_measured_one_item_goes_first_and_then_as_many_as_four_fifths_hold() -> None:
    memory = MeasuredMemory(free_bytes=100, item_bytes=20)
    limit = BatchLimit(32, memory=memory)
    limit.run(range(9), memory)
    assert memory.tried == [1, 4, 4]
    memory.free = 10_000
    limit.run(range(40), memory)
    assert memory.tried[3:] == [32, 8]


def test_a_measured_batch_shrinks_when_others_take_the_memory_and_never_below_one() -> None:
    memory = MeasuredMemory(free_bytes=1_000, item_bytes=20)
    limit = BatchLimit(8, memory=memory)
    limit.run(range(9), memory)
    memory.free = 50
    limit.run(range(4), memory)
    memory.free = 0
    limit.run(range(2), memory)
    assert memory.tried == [1, 8, 2, 2, 1, 1]


def test_larger_items_are_measured_anew() -> None:
    memory = MeasuredMemory(free_bytes=100, item_bytes=10)
    limit = BatchLimit(32, memory=memory)
    limit.run(range(9), memory)
    memory.item = 40
    limit.run(range(10), memory)
    assert memory.tried == [1, 8, 8, 2]


def test_a_device_that_does_not_tell_is_not_asked() -> None:
    assert memory_of(torch.device("cpu")) is None
    assert memory_of(torch.device("mps")) is None


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_full_memory_outside_a_batch_is_told_as_such(error: Exception) -> None:
    told = pytest.raises(OutOfMemoryError, match="too small for this model; close other programs")
    with told, translate_out_of_memory("this model"):
        raise error


def test_what_is_not_about_memory_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), translate_out_of_memory("this model"):
        raise RuntimeError("shapes differ")
    told = OutOfMemoryError("even one stem")
    with pytest.raises(OutOfMemoryError, match="even one stem"), translate_out_of_memory("this model"):
        raise told
