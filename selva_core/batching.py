"""Work in batches as large as the device's memory takes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from selva_core.device import is_out_of_memory
from selva_core.errors import OutOfMemoryError

Item = TypeVar("Item")


class BatchLimit:
    """How many items go together; halved for good when they do not fit."""

    def __init__(self, num_items: int) -> None:
        self.num_items = num_items

    def run(self, items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> None:
        """Call `work` on consecutive batches of `items`; a batch that runs out of memory is done again in halves.

        `work` changes nothing outside unless it returns. Raises OutOfMemoryError when a single item does not
        fit.
        """
        done = 0
        while done < len(items):
            batch = items[done : done + self.num_items]
            if self._fits(batch, work):
                done += len(batch)
                continue
            if len(batch) == 1:
                raise OutOfMemoryError(
                    "the device's memory is too small for even one stem; close other programs, "
                    "choose a smaller model or render on the CPU"
                )
            self.num_items = len(batch) // 2

    def _fits(self, batch: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> bool:
        """Whether the work was done; the failed try's tensors are gone when this returns False."""
        try:
            work(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return True
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return False
