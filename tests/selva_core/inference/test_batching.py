"""Batches as large as memory allows: halved where a batch fails, sized by measurement where memory can be measured."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from selva_core.base.errors import OutOfMemoryError
from selva_core.inference.batching import BatchLimit, device_memory, translate_out_of_memory


class SmallMemory:
    """Work on a device with memory for `room` items."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        self.room = room
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.tried: list[int] = []
        self.done: list[int] = []

    def __call__(self, batch: Sequence[int]) -> None:
        self.tried.append(len(batch))
        if len(batch) > self.room:
            raise self.error
        self.done += batch


def test_batches_are_as_large_as_the_limit() -> None:
    memory = SmallMemory(room=8)
    BatchLimit(4).run(range(10), memory)
    assert memory.tried == [4, 4, 2]
    assert memory.done == list(range(10))


def test_batch_that_does_not_fit_is_halved_for_good() -> None:
    memory, limit = SmallMemory(room=3), BatchLimit(8)
    limit.run(range(20), memory)
    assert memory.done == list(range(20))
    assert memory.tried[:3] == [8, 4, 2]
    assert memory.tried.count(8) == 1
    limit.run(range(20, 24), memory)
    assert memory.tried[-2:] == [2, 2]


def test_single_item_that_does_not_fit_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(OutOfMemoryError, match="choose a smaller model or render on the CPU"):
        BatchLimit(4).run(range(4), SmallMemory(room=0))


def test_other_errors_are_not_taken_for_full_memory() -> None:
    memory = SmallMemory(room=0, error=RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        BatchLimit(4).run(range(4), memory)
    assert memory.tried == [4]


class MeasuredMemory:
    """A device whose memory can be measured: every item takes `item_bytes` while it is processed."""

    def __init__(self, *, free_bytes: int, item_bytes: int) -> None:
        self.free, self.item = free_bytes, item_bytes
        self.tried: list[int] = []
        self._taken_bytes = 0

    def __call__(self, batch: Sequence[int]) -> None:
        self.tried.append(len(batch))
        self._taken_bytes = len(batch) * self.item

    def begin(self) -> None:
        self._taken_bytes = 0

    def taken_bytes(self) -> int:
        return self._taken_bytes

    def free_bytes(self) -> int:
        return self.free


def test_one_item_is_measured_first_and_then_batches_fill_four_fifths_of_the_free_memory() -> None:
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


def test_memory_of_cpu_and_mps_is_not_measured() -> None:
    assert device_memory(torch.device("cpu")) is None
    assert device_memory(torch.device("mps")) is None


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_full_memory_outside_a_batch_is_an_error_of_its_own(error: Exception) -> None:
    refusal = pytest.raises(OutOfMemoryError, match="too small for this model; close other programs")
    with refusal, translate_out_of_memory("this model"):
        raise error


def test_errors_that_are_not_about_memory_are_not_translated() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), translate_out_of_memory("this model"):
        raise RuntimeError("shapes differ")
    translated = OutOfMemoryError("even one stem")
    with pytest.raises(OutOfMemoryError, match="even one stem"), translate_out_of_memory("this model"):
        raise translated
