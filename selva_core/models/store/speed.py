"""How quickly this machine calculates, measured in a process of its own: `python -m selva_core.models.store.speed`.

The caller loads no torch, and a torch that does not load or hangs costs it the figure and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from selva_core.base.child_process import own_environment, popen_options, python_executable

_TIMEOUT_S = 60.0
_MEASURED_S = 0.5
_SIZE = 1024


@dataclass(frozen=True, kw_only=True)
class MachineSpeed:
    """device: as torch calls it. flops: floating-point operations per second in a large product of matrices."""

    device: str
    flops: float


def measure_speed(*, timeout_s: float = _TIMEOUT_S) -> MachineSpeed | None:
    """None where torch does not load or does not answer in time."""
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [python_executable(), "-m", "selva_core.models.store.speed"],
            capture_output=True,
            check=True,
            timeout=timeout_s,
            env=own_environment(os.environ),
            **popen_options(),
        )
        found = json.loads(done.stdout.splitlines()[-1])
        return MachineSpeed(device=str(found["device"]), flops=float(found["flops"]))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError):
        return None


def _measure() -> MachineSpeed:
    import torch  # noqa: PLC0415 - in the child process alone

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    matrix = torch.ones(_SIZE, _SIZE, device=device, dtype=dtype)
    float((matrix @ matrix)[0, 0])  # the first product also starts the device
    num_products, started_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - started_s) < _MEASURED_S:
        result = matrix
        for _ in range(4):
            result = result @ matrix
        float(result[0, 0])  # waits for the device
        num_products += 4
    return MachineSpeed(device=device, flops=2 * _SIZE**3 * num_products / elapsed_s)


if __name__ == "__main__":
    speed = _measure()
    sys.stdout.write(json.dumps({"device": speed.device, "flops": speed.flops}) + "\n")
