"""`python -m selva_core.inference.device_probe DEVICE`: the version of torch, the device that would be chosen and how fast it
multiplies matrices, as one JSON object. It runs as a process of its own, so that a torch that crashes while it loads ends
nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

PROBE_S, _SLICE_S = 1.0, 0.2
_SIDE = 1024


def probe(requested: str) -> dict[str, Any]:
    """Versions, device and matrix products per second. Raises what torch raises."""
    import torch  # noqa: PLC0415 - that it does not load is an answer

    from selva_core.inference.device import choose_device, probe_devices  # noqa: PLC0415

    present = probe_devices()
    choice = choose_device(requested.split(",", maxsplit=1)[0], present)
    return {
        "torch": torch.__version__,
        "built_for": torch.version.cuda or torch.version.hip or ("mps" if present.has_mps else "cpu"),
        "device": str(choice.device),
        "has_bfloat16": choice.dtype == torch.bfloat16,
        "reason": choice.reason,
        "gigaflops": round(_measure(torch, choice.device, choice.dtype) / 1e9, 1),
        "threads": torch.get_num_threads(),
        "free_bytes": _find_free_bytes(choice.device, present),
    }


def _find_free_bytes(device: Any, present: Any) -> int | None:
    """Of the card that would be used; None where torch does not say, or where there is none."""
    return int(present.cuda[device.index].free_bytes) if device.type == "cuda" else None


def _measure(torch: Any, device: Any, dtype: Any) -> float:
    """Floating-point operations per second of square products: the best slice of PROBE_S, as other programs may have slowed
    down the others.
    """
    left = torch.rand(_SIDE, _SIDE, device=device, dtype=dtype)
    right = torch.rand(_SIDE, _SIDE, device=device, dtype=dtype)
    (left @ right).sum().item()  # the first product loads the kernels
    best_per_s, give_up_s = 0.0, time.perf_counter() + PROBE_S
    while (started_s := time.perf_counter()) < give_up_s:
        count = 0
        while (elapsed_s := time.perf_counter() - started_s) < _SLICE_S:
            (left @ right)[0, 0].item()
            count += 1
        best_per_s = max(best_per_s, count / elapsed_s)
    return float(best_per_s * 2 * _SIDE**3)


def main(requested: str) -> int:
    try:
        found = probe(requested)
    except Exception as exc:
        found = {"error": f"{type(exc).__name__}: {exc}"}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "auto"))
