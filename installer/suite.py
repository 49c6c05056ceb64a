"""Every check of the project, one after another, each named as it runs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

CHECKS = (
    ("style", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("types", ["-m", "mypy"]),
)
COVERAGE = ["--cov", "--cov-report=term:skip-covered"]
"""Lines of the six packages that the tests reach in the processes of pytest itself. Daemons and workers that tests start are
processes of their own and are not counted: tests kill them in mid-sentence, and a killed process writes no figures."""


TESTS_ALONE = [
    *("-m", "pytest", "-q", "-m", "not slow and not gpu"),
    *("--last-failed", "--last-failed-no-failures", "none"),
]
"""What failed beside others, by itself. Tests of the daemon and of the hosts start processes and signal them, and a loaded
machine makes a different race of it each time: such a failure is printed with its cause and does not refuse a change that is
innocent of it. A fault in the product fails again."""


def pytest_arguments(extra: Sequence[str], *, has_coverage: bool) -> list[str]:
    """Arguments after `python` for the default run: quick tests on every core, at most 8."""
    workers = min(os.cpu_count() or 1, 8)
    arguments = [
        "-m",
        "pytest",
        "-n",
        str(workers),
        "--dist",
        "loadgroup",
        "-m",
        "not slow and not gpu",
        "-q",
    ]
    return [*arguments, *(COVERAGE if has_coverage else ()), *extra]


def run_checks(root: Path, python: Path, *, extra: Sequence[str] = (), has_coverage: bool = False) -> int:
    """Run style, format, types and tests; returns 0 when all passed, else 1. All run even when one fails.

    Args:
        extra: arguments passed on to pytest.
        has_coverage: whether the share of lines that the tests reach is printed.
    """
    checks = [*CHECKS, ("tests", pytest_arguments(extra, has_coverage=has_coverage))]
    return _run_each(root, python, checks, second_looks={"tests": TESTS_ALONE})


def run_quick_checks(root: Path, python: Path) -> int:
    """Run style, format and types, without tests; returns 0 when all passed, else 1."""
    return _run_each(root, python, CHECKS)


def _run_each(
    root: Path,
    python: Path,
    checks: Sequence[tuple[str, list[str]]],
    *,
    second_looks: Mapping[str, list[str]] = MappingProxyType({}),
) -> int:
    """second_looks: by the name of a check, what is run when it finds faults (status 1), and decides then."""
    # One thread for each of PyTorch's operations: the tests themselves run side by side.
    environment = {**os.environ, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    failed = []
    for name, arguments in checks:
        print(f"\n== {name}", flush=True)
        started_s = time.monotonic()
        status = subprocess.run([str(python), *arguments], cwd=root, env=environment, check=False).returncode
        print(
            f"== {name}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - started_s:.0f} s",
            flush=True,
        )
        if status == 1 and name in second_looks:
            print(f"\n== {name} that failed, once more and one after another", flush=True)
            status = subprocess.run(
                [str(python), *second_looks[name]], cwd=root, env=environment, check=False
            ).returncode
            if status == 0:
                print(
                    f"== {name}: those named above fail beside others and pass alone; mend them", flush=True
                )
        if status != 0:
            failed.append(name)
    print(f"\nFAILED: {', '.join(failed)}" if failed else "\nAll checks passed.", flush=True)
    return 1 if failed else 0
