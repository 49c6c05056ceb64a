"""The training loop of every stage: steps, learning rate, averaged weights, checkpoints to resume from, a log.

A stage passes a module and a function from (step, generator) to a loss and named numbers. A checkpoint holds weights, average,
optimiser and step, and is replaced by rename, so that an interrupted run resumes from the last one.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from selva_core.base.atomic_write import staged_file

log = logging.getLogger(__name__)

Losses: TypeAlias = "tuple[Tensor, dict[str, float]]"


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """Length and learning rate of a stage. stop_at: ends a run early, with the learning rates of a run of `num_steps`."""

    num_steps: int
    stop_at: int | None = None
    learning_rate: float
    warmup_steps: int = 100
    final_share: float = 0.05
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    average_decay: float = 0.995
    log_every: int = 25
    save_every: int = 200
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Warm-up, then a half cosine down to `final_share`."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = min((step - self.warmup_steps) / max(self.num_steps - self.warmup_steps, 1), 1.0)
        share = self.final_share + (1 - self.final_share) * 0.5 * (1 + math.cos(math.pi * done))
        return self.learning_rate * share


def run_loop(
    module: nn.Module,
    compute_losses: Callable[[int, np.random.Generator], Losses],
    *,
    checkpoint: Path,
    settings: LoopSettings,
    evaluate: Callable[[], dict[str, float]] | None = None,
) -> None:
    """Train `module` to the end of the schedule, resuming from `checkpoint` if it exists; it ends with averaged weights."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    average = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    step = _resume(module, optimiser, average, checkpoint)
    report_path = checkpoint.with_suffix(".log.jsonl")
    totals: dict[str, float] = {}
    started = time.monotonic()
    last_step = min(settings.num_steps, settings.stop_at or settings.num_steps)
    while step < last_step:
        rng = np.random.default_rng([settings.seed, step])
        torch.manual_seed(settings.seed * 1_000_003 + step)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(step)
        loss, numbers = compute_losses(step, rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)
        optimiser.step()
        _average(average, module, settings.average_decay, step)
        for name, value in {"loss": float(loss.detach()), **numbers}.items():
            totals[name] = totals.get(name, 0.0) + value
        step += 1
        if step % settings.log_every == 0:
            means = {name: round(value / settings.log_every, 5) for name, value in totals.items()}
            _report(report_path, {"step": step, "seconds": round(time.monotonic() - started, 1), **means})
            totals = {}
        if step % settings.save_every == 0 or step == last_step:
            _save(module, optimiser, average, step, checkpoint)
            if evaluate is not None:
                with torch.no_grad(), averaged(module, average):
                    _report(report_path, {"step": step, "held back": 1, **evaluate()})
    module.load_state_dict(average)


def training_device() -> torch.device:
    """The device of training: the first GPU, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_of(module: nn.Module) -> torch.device:
    """The device that holds a module's weights."""
    return next(module.parameters()).device


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the device multiplies it faster; losses and weights stay float32."""
    has_it = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=has_it)


class averaged:  # noqa: N801 - reads as a phrase at its use
    """Swaps averaged weights into a module for the duration of a `with` block."""

    def __init__(self, module: nn.Module, average: dict[str, Tensor]) -> None:
        self.module, self.average = module, average

    def __enter__(self) -> None:
        self.current = {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}
        self.module.load_state_dict(self.average)

    def __exit__(self, *_: object) -> None:
        self.module.load_state_dict(self.current)


def load_average(module: nn.Module, checkpoint: Path) -> int:
    """Load the averaged weights of a checkpoint into `module`; returns their step."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    module.load_state_dict(stored["average"])
    return int(stored["step"])


def _average(average: dict[str, Tensor], module: nn.Module, decay: float, step: int) -> None:
    kept_share = min(decay, (1 + step) / (10 + step))
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            average[name].lerp_(tensor.detach(), 1 - kept_share)
        else:
            average[name].copy_(tensor)


def _resume(
    module: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, Tensor], checkpoint: Path
) -> int:
    if not checkpoint.exists():
        return 0
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    module.load_state_dict(stored["module"])
    optimiser.load_state_dict(stored["optimiser"])
    for name, tensor in stored["average"].items():
        average[name].copy_(tensor)
    log.info("resuming from step %d of %s", stored["step"], checkpoint)
    return int(stored["step"])


def _save(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
    step: int,
    checkpoint: Path,
) -> None:
    with staged_file(checkpoint) as temporary:
        torch.save(
            {
                "module": module.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average,
                "step": step,
            },
            temporary,
        )


def _report(path: Path, row: dict[str, float]) -> None:
    log.info("%s", " ".join(f"{name} {value:g}" for name, value in row.items()))
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
