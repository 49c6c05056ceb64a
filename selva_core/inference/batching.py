"""Work in batches as large as the device's memory allows."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch

from selva_core.base.errors import OutOfMemoryError
from selva_core.inference.device import is_out_of_memory

Item = TypeVar("Item")
MEMORY_SHARE = 0.8


class DeviceMemory(Protocol):
    """Measures how much of a device's memory a piece of work takes, and how much is free."""

    def begin(self) -> None:
        """Start measuring."""
        ...

    def taken_bytes(self) -> int:
        """The peak of allocated memory since `begin`, above what was allocated then."""
        ...

    def free_bytes(self) -> int:
        """What can be allocated now, given what other programs use."""
        ...


class CudaMemory:
    """Measures with torch's allocator statistics (https://docs.pytorch.org/docs/stable/notes/cuda.html#memory-management)."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._allocated_at_start_bytes = 0

    def begin(self) -> None:
        torch.cuda.reset_peak_memory_stats(self._device)
        self._allocated_at_start_bytes = torch.cuda.memory_allocated(self._device)

    def taken_bytes(self) -> int:
        return torch.cuda.max_memory_allocated(self._device) - self._allocated_at_start_bytes

    def free_bytes(self) -> int:
        free_bytes, _ = torch.cuda.mem_get_info(self._device)
        cached_bytes = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return free_bytes + cached_bytes


def device_memory(device: torch.device) -> DeviceMemory | None:
    """None for a device whose memory cannot be measured: there only a failure shows that a batch was too large."""
    return CudaMemory(device) if device.type == "cuda" else None


@contextmanager
def translate_out_of_memory(what: str) -> Iterator[None]:
    """Turn torch's and Python's errors for full memory into OutOfMemoryError, for work that cannot be split further.

    what: what did not fit, for the message.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, OutOfMemoryError) or not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"the device's memory is too small for {what}; close other programs, choose a smaller model "
            "or render on the CPU"
        ) from error


class BatchLimit:
    """How many items make a batch; halved for good when a batch does not fit.

    memory: where it can be measured, the first item is processed alone, and a batch is no larger than fits into
    MEMORY_SHARE of what is free at that moment, because other programs use the device too.
    """

    def __init__(self, num_items: int, *, memory: DeviceMemory | None = None) -> None:
        self.num_items = num_items
        self._memory = memory
        self._bytes_per_item = 0

    def run(self, items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> None:
        """Call `work` on consecutive batches of `items`; a batch that runs out of memory is repeated in halves.

        `work` must have no effect unless it returns. Raises OutOfMemoryError when a single item does not fit.
        """
        done = 0
        while done < len(items):
            batch = items[done : done + self._num_that_fit()]
            if self._fits(batch, work):
                done += len(batch)
                continue
            if len(batch) == 1:
                raise OutOfMemoryError(
                    "the device's memory is too small for even one stem; close other programs, "
                    "choose a smaller model or render on the CPU"
                )
            self.num_items = len(batch) // 2

    def _num_that_fit(self) -> int:
        if self._memory is None:
            return self.num_items
        if not self._bytes_per_item:
            return 1
        room = int(self._memory.free_bytes() * MEMORY_SHARE) // self._bytes_per_item
        return max(1, min(self.num_items, room))

    def _fits(self, batch: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> bool:
        """Whether the work was done; when this returns False, the tensors of the failed attempt have been freed."""
        if self._memory is not None:
            self._memory.begin()
        try:
            work(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            if self._memory is not None:
                self._bytes_per_item = max(self._memory.taken_bytes() // len(batch), 1)
            return True
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return False
