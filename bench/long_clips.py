"""How much memory one stem of a clip of any length takes.

    python bench/long_clips.py [--seconds 20 30 60 600] [--steps 1] [--model selva-nano] [--threads 1]

Every length is a process of its own, which loads the model, renders one stem and reads its sound once from end to end, as
writing a file does. It keeps its memory and stores what it saw of the picture as a worker of the daemon does. Prints one
JSON object; memory is in MB of 10^6 bytes: the largest that was resident after loading, after the render and after reading.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import psutil
from daemon_bench import write_clip

from selva_daemon.jobs.worker_process import worker_environment
from selva_daemon.worker.blob_store import BlobStore

ROOT = Path(__file__).parent.parent
PICTURES_PER_SECOND = 25
READ_SAMPLES = 1 << 16
STORE_BYTES = 1 << 30


def peak_resident_mb() -> float:
    """The most memory that this process has had resident so far."""
    if sys.platform == "win32":
        return round(psutil.Process().memory_info().peak_wset / 1e6, 1)
    import resource  # noqa: PLC0415 - not on Windows

    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes / 1e6, 1)


def render_once(picture: Path, seconds: Fraction, options: argparse.Namespace) -> dict[str, object]:
    """Load and render in this process."""
    import torch  # noqa: PLC0415 - only the measured process pays for it

    from selva_core.base.media import PictureRange  # noqa: PLC0415
    from selva_core.engine import SamplingSettings, StemRequest  # noqa: PLC0415
    from selva_core.engines.registry import load_engine  # noqa: PLC0415

    store = BlobStore(picture.parent / f"seen-{float(seconds):g}", max_bytes=STORE_BYTES)
    engine = load_engine(options.model, device="cpu", features=store)
    loaded_mb = peak_resident_mb()
    [waveform] = engine.render(
        PictureRange(path=picture, start_s=Fraction(0), duration_s=seconds),
        [StemRequest(prompt="a dog barking")],
        settings=SamplingSettings(num_steps=options.steps),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    rendered_mb = peak_resident_mb()
    samples = waveform.samples
    for first in range(0, len(samples), READ_SAMPLES):
        float(samples[first : first + READ_SAMPLES].max())
    return {
        "seconds": float(seconds),
        "num_samples": len(samples),
        "loaded_mb": loaded_mb,
        "rendered_mb": rendered_mb,
        "read_mb": peak_resident_mb(),
        "torch": torch.__version__,
    }


def measure_lengths(options: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """One row per length, each from a fresh process."""
    longest = max(options.seconds)
    picture = write_clip(folder / "long.mp4", num_frames=round(longest * PICTURES_PER_SECOND))
    environment = worker_environment({**os.environ, "OMP_NUM_THREADS": str(options.threads)})
    rows = []
    for seconds in options.seconds:
        command = [sys.executable, __file__, "--once", str(picture), "--seconds", str(seconds)]
        command += ["--steps", str(options.steps), "--model", options.model]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(done.stdout))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=Fraction, nargs="+", default=[Fraction(value) for value in (20, 30, 60, 600)]
    )
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--model", default="selva-nano")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--once", type=Path, metavar="PICTURE", help="render in this process, print its row")
    options = parser.parse_args(arguments)
    if options.once is not None:
        print(json.dumps(render_once(options.once, options.seconds[0], options)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_lengths(options, Path(folder))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    run_info = {
        "commit": commit.stdout.strip(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "model": options.model,
        "device": "cpu",
        "threads": options.threads,
        "steps": options.steps,
    }
    print(json.dumps({"lengths": rows, **run_info}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
