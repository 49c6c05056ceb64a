"""How long each stage of a render takes, measured at the calls into the network's parts."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from selva_core.inference import token_encoder
from selva_core.network import ClipTextEncoder, Generator, T5TextEncoder, Vae, VideoEncoder, Vocoder

STAGES: Mapping[str, tuple[str, ...]] = {
    "picture": ("frames", "encoder"),
    "text": ("t5", "clip_text", "steering"),
    "sampling": ("conditions", "velocity"),
    "sound": ("vae", "vocoder"),
}
"""The parts of each stage. Steering, the encoder's half that reads the prompt, counts as text: it is paid for every prompt."""

_METHODS: tuple[tuple[str, type, str], ...] = (
    ("encoder", VideoEncoder, "encode_segments"),
    ("steering", VideoEncoder, "steer_each"),
    ("t5", T5TextEncoder, "forward"),
    ("clip_text", ClipTextEncoder, "forward"),
    ("conditions", Generator, "prepare_conditions"),
    ("velocity", Generator, "flow"),
    ("vae", Vae, "decode"),
    ("vocoder", Vocoder, "forward"),
)


class StageClock:
    """Adds up the wall-clock seconds of each part while it is installed; for one process that renders one thing at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds: dict[str, float] = {}

    def install(self) -> None:
        """Time the parts from now on, until the process ends."""
        for name, owner, method in _METHODS:
            setattr(owner, method, self._timed(name, getattr(owner, method)))
        module: Any = (
            token_encoder  # it exports no functions; what it imports is replaced by one of the same shape
        )
        module.iter_frames = self._timed_iterator("frames", module.iter_frames)

    def reset(self) -> None:
        self.seconds = {name: 0.0 for parts in STAGES.values() for name in parts}

    def stages(self) -> dict[str, float]:
        """Seconds by stage."""
        return {stage: sum(self.seconds[part] for part in parts) for stage, parts in STAGES.items()}

    def _now_s(self) -> float:
        """After all work that was sent to the device is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            begun_s = self._now_s()
            try:
                return call(*arguments, **keywords)
            finally:
                self.seconds[name] += self._now_s() - begun_s

        return timed

    def _timed_iterator(self, name: str, make: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        @functools.wraps(make)
        def timed(*arguments: Any, **keywords: Any) -> Iterator[Any]:
            items = make(*arguments, **keywords)
            while True:
                begun_s = time.perf_counter()
                try:
                    item = next(items)
                except StopIteration:
                    return
                finally:
                    self.seconds[name] += time.perf_counter() - begun_s
                yield item

        return timed
