"""Which way of running the network pays on this machine's CUDA device: all are measured, and the best is named.

    python bench/acceleration.py [--model selva-small-16k] [--prompts 4] [--seconds 8] [--device cuda]

Each is a process of its own (bench/speed.py), so that none profits from what another compiled or left in memory. Loading and the
first render, in which the compiler works, are not in the times but are shown. Afterwards check the numbers on the card too:
`python bench/parity.py --device cuda --golden DIR`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WAYS = ("plain", "fused", "compiled", "graphs")
MIN_GAIN = 1.05
"""Less than five parts in a hundred is within what two runs of the same differ by."""


def recommend(total_s: Mapping[str, float]) -> str:
    """The quickest way that is faster than the plain one by MIN_GAIN; the simplest of those within that of the quickest."""
    quickest_s = min(total_s.values())
    if total_s["plain"] < quickest_s * MIN_GAIN:
        return "plain"
    return next(way for way in WAYS if way in total_s and total_s[way] < quickest_s * MIN_GAIN)


def measure(way: str, arguments: Sequence[str]) -> dict[str, Any] | str:
    """The figures of bench/speed.py, or the last line that it said when it failed."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("speed.py")), *arguments, "--acceleration", way, "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        return next(reversed(done.stderr.strip().splitlines()), f"exit status {done.returncode}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="selva-small-16k")
    parser.add_argument("--prompts", default="4")
    parser.add_argument("--seconds", default="8")
    parser.add_argument("--repeats", default="5")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args(arguments)
    case = [part for name, value in vars(options).items() for part in (f"--{name}", value)]
    total_s: dict[str, float] = {}
    for way in WAYS:
        figures = measure(way, case)
        if isinstance(figures, str):
            print(f"{way:10}failed: {figures}")
            if way == "plain":
                return 1
            continue
        total_s[way] = figures["seconds"]["total"]
        gain = total_s["plain"] / total_s[way]
        print(
            f"{way:10}{total_s[way]:.3f} s  {gain:.2f} times as fast  loads in {figures['load_seconds']:.1f} s"
        )
    print(f"switch on with: selva config set acceleration {recommend(total_s)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
