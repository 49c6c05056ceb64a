"""Every check of the project, one after another, each named as it runs."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

CHECKS = (
    ("style", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("types", ["-m", "mypy"]),
)


def run_checks(root: Path, python: Path, pytest_arguments: list[str]) -> int:
    """Run style, format, types and tests; returns 0 when all passed, else 1. All run even when one fails."""
    environment = {**os.environ, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    workers = min(os.cpu_count() or 1, 8)
    pytest = ["-m", "pytest", "-n", str(workers), "--dist", "loadgroup", "-m", "not slow and not gpu", "-q"]
    failed = []
    for name, arguments in (*CHECKS, ("tests", [*pytest, *pytest_arguments])):
        print(f"\n== {name}", flush=True)
        started_s = time.monotonic()
        status = subprocess.run([str(python), *arguments], cwd=root, env=environment, check=False).returncode
        print(
            f"== {name}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - started_s:.0f} s",
            flush=True,
        )
        if status != 0:
            failed.append(name)
    print(f"\nFAILED: {', '.join(failed)}" if failed else "\nAll checks passed.", flush=True)
    return 1 if failed else 0
