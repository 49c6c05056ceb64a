"""How fast this machine's processor multiplies matrices in each precision: measured once, then read from a file.

A processor with matrix instructions for bfloat16 (AVX-512 BF16, AMX, some ARM) multiplies two to ten times as fast in it as in
float32; one without takes eight times as long (an EPYC of 2021: 64 GFLOP/s against 8 on one core). Names and flags of
processors do not say which, since virtual machines hide them and libraries do not use them all.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import SelvaError
from selva_core.base.paths import AppPaths

_log = logging.getLogger(__name__)

_TOKENS, _WIDTH = 392, 768  # a projection of the video encoder over two frames: 0.46 GFLOP
_NUM_RUNS = 3


@dataclass(frozen=True, kw_only=True)
class ProcessorRates:
    """Matrix products in GFLOP/s, by precision, with as many threads as torch uses."""

    float32_gflops: float
    bfloat16_gflops: float

    @property
    def bfloat16_gain(self) -> float:
        """How many times as fast bfloat16 is."""
        return self.bfloat16_gflops / self.float32_gflops


def load_processor_rates(file: Path | None = None) -> ProcessorRates:
    """The rates measured before with this processor and torch, else measure and store them.

    file: where they are stored; by default in the daemon's cache folder. A file that cannot be read or written costs a
    measurement (a third of a second) each time, never an error.
    """
    if file is None:
        try:
            file = AppPaths.find().cache / "processor.json"
        except SelvaError as exc:
            _log.warning("the rates of this processor are not stored: %s", exc)
            return measure_processor_rates()
    key = _machine_key()
    known = _read(file)
    try:
        return ProcessorRates(**known[key])
    except (KeyError, TypeError):
        pass
    rates = measure_processor_rates()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps({**known, key: asdict(rates)}, indent=1).encode())
    except (OSError, SelvaError) as exc:
        _log.warning("the rates of this processor are not stored: %s", exc)
    return rates


def measure_processor_rates() -> ProcessorRates:
    """Measure, in about a third of a second."""
    return ProcessorRates(
        float32_gflops=_measure_gflops(torch.float32), bfloat16_gflops=_measure_gflops(torch.bfloat16)
    )


@torch.inference_mode()
def _measure_gflops(dtype: torch.dtype) -> float:
    """The best of a few products after one for warm-up: others only ever slow a run down."""
    tokens = torch.ones(_TOKENS, _WIDTH, dtype=dtype)
    weight = torch.ones(_WIDTH, _WIDTH, dtype=dtype)
    shortest_s = float("inf")
    for _ in range(1 + _NUM_RUNS):
        begun_s = time.perf_counter()
        F.linear(tokens, weight)
        shortest_s = min(shortest_s, time.perf_counter() - begun_s)
    return round(2 * _TOKENS * _WIDTH**2 / max(shortest_s, 1e-9) / 1e9, 1)


def _machine_key() -> str:
    """What the rates depend on. A folder may be shared by several machines, so their entries lie side by side."""
    return " ".join(
        (
            platform.machine(),
            platform.processor(),
            torch.backends.cpu.get_cpu_capability(),
            f"{torch.get_num_threads()} threads",
            f"torch {torch.__version__}",
            platform.node(),
        )
    )


def _read(file: Path) -> dict[str, dict[str, float]]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
