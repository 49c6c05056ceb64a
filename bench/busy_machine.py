"""Render stems on the CPU on an idle machine, and beside programs that keep its cores busy, as an editor does.

    .venv/bin/python bench/busy_machine.py --repeats 3

Prints one line of JSON: seconds of rendering (median, least, most; loading is not counted) for each way to wait at OpenMP's
barriers: what Selva Bridge sets, what the run-time library does by itself, and no spinning at all. Run it where nothing
else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROMPTS = ("dog barking", "rain", "footsteps")
WAYS: dict[str, dict[str, str]] = {
    "ours": {},
    "library's own": {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"},
    "no spinning": {"OMP_WAIT_POLICY": "PASSIVE"},
}
"""Variables of each way; the values of the second are those that GNU's and LLVM's libraries have built in."""
RULING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")


def render_once(options: argparse.Namespace) -> dict[str, float]:
    """Load and render in this process; returns the seconds."""
    from selva_core.base.media import PictureRange  # noqa: PLC0415 - the parent process only starts others
    from selva_core.engine import SamplingSettings, StemRequest  # noqa: PLC0415
    from selva_core.engines import load_engine  # noqa: PLC0415

    engine = load_engine(options.model, device="cpu")
    begun_s = time.perf_counter()
    engine.render(
        PictureRange(path=options.picture, start_s=Fraction(0), duration_s=options.seconds),
        [StemRequest(prompt=prompt) for prompt in PROMPTS],
        settings=SamplingSettings(),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    return {"render": time.perf_counter() - begun_s}


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """Keep `count` processes busy meanwhile."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def time_renders(options: argparse.Namespace, variables: Mapping[str, str]) -> dict[str, float]:
    """Seconds of rendering in fresh processes with these variables."""
    inherited = {name: value for name, value in os.environ.items() if name not in RULING}
    command = [sys.executable, __file__, "--once", "--model", options.model]
    command += ["--picture", str(options.picture), "--seconds", str(options.seconds)]
    seconds = []
    for _ in range(options.repeats):
        done = subprocess.run(
            command, env={**inherited, **variables}, check=True, stdout=subprocess.PIPE, text=True
        )
        seconds.append(json.loads(done.stdout)["render"])
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every way, idle and busy; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="selva-nano")
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "yard.mp4")
    parser.add_argument("--seconds", type=Fraction, default=Fraction(8))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--busy", type=int, default=os.cpu_count() or 2, help="programs beside")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--once", action="store_true", help="render in this process, print its seconds")
    options = parser.parse_args(arguments)
    if options.once:
        print(json.dumps(render_once(options)))
        return 0
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    results = {}
    for way in options.ways:
        idle = time_renders(options, WAYS[way])
        with busy_programs(options.busy):
            results[way] = {"idle": idle, "busy": time_renders(options, WAYS[way])}
    machine = {"cores": os.cpu_count(), "busy_programs": options.busy, "repeats": options.repeats}
    print(json.dumps({"commit": commit.stdout.strip(), "model": options.model, **machine, "render": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
