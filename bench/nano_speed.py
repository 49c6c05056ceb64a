"""How long one stem of selva-nano takes, from the start of a fresh process to the waveform.

    python bench/nano_speed.py [--picture examples/yard.mp4] [--seconds 8] [--repeats 3] [--threads 2]

Every run is a process of its own that imports, loads the weights and renders one stem. Prints one JSON object; times are
seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).parent.parent


def render_once(picture: Path, seconds: Fraction) -> dict[str, float]:
    """Import, load and render in this process; seconds of each part, counted from here."""
    begun_s = time.perf_counter()
    from selva_core.base.media import PictureRange  # noqa: PLC0415 - imports are timed
    from selva_core.engine import SamplingSettings, StemRequest  # noqa: PLC0415
    from selva_core.engines.registry import load_engine  # noqa: PLC0415

    engine = load_engine("selva-nano", device="cpu")
    loaded_s = time.perf_counter()
    engine.render(
        PictureRange(path=picture, start_s=Fraction(0), duration_s=seconds),
        [StemRequest(prompt="a dog barking")],
        settings=SamplingSettings(),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    return {"import_and_load": loaded_s - begun_s, "render": time.perf_counter() - loaded_s}


def time_processes(options: argparse.Namespace) -> list[dict[str, float]]:
    """One row of seconds per fresh process."""
    command = [
        sys.executable,
        __file__,
        "--once",
        "--picture",
        str(options.picture),
        "--seconds",
        str(options.seconds),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    rows = []
    for _ in range(options.repeats):
        begun_s = time.perf_counter()
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        whole_s = time.perf_counter() - begun_s
        rows.append({"whole": whole_s, **json.loads(done.stdout)})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "yard.mp4")
    parser.add_argument("--seconds", type=Fraction, default=Fraction(8))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--once", action="store_true", help="render in this process, print its seconds")
    options = parser.parse_args(arguments)
    if options.once:
        print(json.dumps(render_once(options.picture, options.seconds)))
        return 0
    rows = time_processes(options)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    times = {
        part: {
            "median": round(statistics.median(row[part] for row in rows), 2),
            "min": round(min(row[part] for row in rows), 2),
        }
        for part in rows[0]
    }
    run_info = {"commit": commit.stdout.strip(), "system": platform.platform(), "threads": options.threads}
    print(json.dumps({"clip_seconds": float(options.seconds), "seconds": times, **run_info}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
