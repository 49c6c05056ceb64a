"""Copies between the processor's memory and a device's, all in one place: each one that comes back is a wait for the device.

On a GPU work is queued and the processor runs ahead of it. A number that is read back, or a pageable copy that is sent, stops
that. So what is sent is pinned and does not wait, and what comes back does so here, in pieces as large as can be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Send values from the processor's memory to a device; on CUDA without waiting for its work.

    The pinned copy is freed by torch's allocator only after the device has read it.
    """
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def to_host(values: Tensor) -> Tensor:
    """The values in the processor's memory; waits for the device's work on them."""
    return values.detach().cpu()


def to_array(values: Tensor) -> npt.NDArray[np.float32]:
    """The values of a float32 tensor, as `to_host`."""
    array: npt.NDArray[np.float32] = to_host(values).numpy()
    return array


def send_indices(indices: Sequence[int], device: torch.device) -> Tensor:
    """int64 (len(indices),) on a device. Indexing with a list copies it there, and waits, each time."""
    return to_device(torch.from_numpy(np.asarray(indices, dtype=np.int64)), device)
