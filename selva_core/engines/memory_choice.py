"""Whether all parts of a model stay on its device, or each comes only while it runs; decided before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from selva_core.base.command_line import selva_command
from selva_core.base.errors import OutOfMemoryError, RequestError
from selva_core.inference.device import DeviceChoice
from selva_core.inference.machine_memory import find_available_bytes
from selva_core.models.catalog import Model
from selva_core.models.memory_needs import AUTO, LOW, MEMORY_MODES, NORMAL, MemoryNeeds, estimate_needs

CPU_ROOM = 3
"""On a CPU a model stays whole where all its parts take at most a third of what is available: editors and their hosts need the
rest. Parts that come and go cost 1.5 s a job there, and make up for it only where memory is short.
"""
MIN_WEIGHTS_BYTES = 1 << 28
"""On a CPU smaller models (selva-nano) stay whole: that their parts come and go would gain nothing."""


@dataclass(frozen=True, kw_only=True)
class MemoryChoice:
    """on_demand: whether parts come only while they run. reason: a clause for the device's reason, "" where all is as usual."""

    on_demand: bool
    reason: str = ""


def find_free_bytes(device: torch.device) -> int:
    """What a model may take of a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    return find_available_bytes()


def choose_memory(
    model: Model,
    requested: str,
    choice: DeviceChoice,
    *,
    free_bytes: Callable[[torch.device], int] = find_free_bytes,
) -> MemoryChoice:
    """requested: one of MEMORY_MODES. Raises OutOfMemoryError where the device cannot hold the model so, RequestError."""
    if requested not in MEMORY_MODES:
        raise RequestError(f"memory is one of {', '.join(MEMORY_MODES)}; got {requested!r}")
    needs = estimate_needs(model, has_bfloat16=choice.dtype == torch.bfloat16)
    free = free_bytes(choice.device)
    if choice.device.type == "cpu":
        return _choose_on_cpu(model, requested, needs, free)
    # CUDA itself is there by the time its free memory is known.
    low_bytes, normal_bytes = (
        needs.low_bytes - needs.reserved_bytes,
        needs.normal_bytes - needs.reserved_bytes,
    )
    if requested == NORMAL and normal_bytes > free >= low_bytes:
        raise OutOfMemoryError(
            f"{model.model_id} needs about {_gb(normal_bytes)} of {choice.device} with all its parts there, and "
            f"{_gb(free)} are free; {_gb(low_bytes)} are enough with: {selva_command('config', 'set', 'memory', LOW)}"
        )
    if low_bytes > free:
        raise OutOfMemoryError(
            f"{model.model_id} needs at least {_gb(low_bytes)} of {choice.device} ({needs.widest_stage.stage}), and "
            f"{_gb(free)} are free; close other programs, choose a smaller model or render on the CPU: "
            f"{selva_command('config', 'set', 'device', 'cpu')}"
        )
    return _describe(needs, on_demand=requested == LOW or (requested == AUTO and normal_bytes > free))


def _choose_on_cpu(model: Model, requested: str, needs: MemoryNeeds, available: int) -> MemoryChoice:
    """Nothing is refused: the system takes mapped weights back when others need the room."""
    if requested != AUTO or model.size_bytes < MIN_WEIGHTS_BYTES:
        return _describe(needs, on_demand=requested == LOW)
    normal = needs.normal_bytes - needs.reserved_bytes
    free = f"{_gb(available)} are free"
    if CPU_ROOM * normal > available:
        found = _describe(needs, on_demand=True)
        return replace(found, reason=f"{found.reason}; {free}")
    return MemoryChoice(
        on_demand=False, reason=f"; memory normal: all parts stay (about {_gb(normal)}, {free})"
    )


def _describe(needs: MemoryNeeds, *, on_demand: bool) -> MemoryChoice:
    if not on_demand:
        return MemoryChoice(on_demand=False)
    low, normal = needs.low_bytes - needs.reserved_bytes, needs.normal_bytes - needs.reserved_bytes
    return MemoryChoice(
        on_demand=True,
        reason=f"; memory low: each part is there only while it runs (about {_gb(low)} in place of {_gb(normal)})",
    )


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
