"""Cost against the number of prompts, takes, clip length and queue length: measured, stored as JSON, and drawn.

    PYTHONPATH=.:bench python bench/scale/plots.py measure [--model selva-nano]   # results/cost.json; minutes
    PYTHONPATH=.:bench python bench/scale/plots.py draw   # docs/pictures/performance.png; extra `plot`

Each point is one process of `speed.py` (the median of its repeats) or of `long_queue.py`. Measure alone on the machine: the
load before it began is written beside the figures, and the picture names it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from run_info import ROOT, describe_run

RESULTS = ROOT / "bench" / "results" / "cost.json"
PICTURE = ROOT / "docs" / "pictures" / "performance.png"
STAGES = ("picture", "text", "sampling", "sound")
SWEEPS: dict[str, tuple[int, ...]] = {
    "prompts": (1, 2, 4, 8),
    "takes": (1, 2, 4, 8),
    "seconds": (8, 16, 32, 64),
}
QUEUE_LENGTHS = (1_000, 10_000, 100_000)


def run(script: str, *arguments: object) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "bench" / script), *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "bench")))},
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(options: argparse.Namespace) -> None:
    results: dict[str, Any] = {"run": describe_run()}
    for name, values in SWEEPS.items():
        results[name] = []
        for value in values:
            figures = run(
                "speed.py", "--model", options.model, "--threads", options.threads, "--steps", options.steps,
                "--repeats", 3, f"--{name}", value, "--json",
            )  # fmt: skip
            stored = {
                key: figures[key] for key in ("seconds", "again", "peak_rss_mb", "model", "threads", "steps")
            }
            results[name].append({"value": value, **stored})
            print(name, value, figures["seconds"], file=sys.stderr)
    results["queue"] = [run("scale/long_queue.py", "--jobs", length) for length in QUEUE_LENGTHS]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def draw() -> None:
    import matplotlib as mpl  # noqa: PLC0415 - an extra, not needed to measure

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
    titles = {
        "prompts": "prompts of one clip of 8 s",
        "takes": "takes of one prompt, 8 s",
        "seconds": "length of the clip, s",
    }
    for axis, (name, title) in zip(axes, titles.items(), strict=False):
        draw_stages(axis, results[name])
        axis.set_xlabel(title)
        axis.set_ylabel("s")
    axes[0].legend(frameon=False, fontsize=8)
    draw_queue(axes[3], results["queue"])
    info, first = results["run"], results["prompts"][0]
    machine = f"{first['threads']} threads of {info['processor']}, torch {info['versions']['torch']}"
    figure.suptitle(
        f"{first['model']}, {first['steps']} steps; {machine}; load before it {info['load'][0]}", fontsize=9
    )
    figure.savefig(PICTURE, dpi=80)
    plt.close(figure)


def draw_stages(axis: Any, points: Sequence[dict[str, Any]]) -> None:
    """Stacked bars of the stages, and a line for as many single renders: what is above the bars is saved by sharing."""
    labels = [str(point["value"]) for point in points]
    bottom = [0.0] * len(points)
    for stage in STAGES:
        heights = [point["seconds"][stage] for point in points]
        axis.bar(labels, heights, bottom=bottom, label=stage)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    single_s = points[0]["seconds"]["total"] / points[0]["value"]
    axis.plot(
        labels, [single_s * point["value"] for point in points], "k--", lw=1, label="that many renders alone"
    )


def draw_queue(axis: Any, points: Sequence[dict[str, Any]]) -> None:
    lengths = [point["jobs"] for point in points]
    for request in points[0]["ms"]:
        axis.plot(lengths, [point["ms"][request] for point in points], "o-", ms=3, lw=1, label=request)
    axis.axhline(1000, color="k", ls="--", lw=1)
    axis.set(xscale="log", yscale="log", ylim=(0.5, 1e6), xlabel="jobs that wait", ylabel="ms")
    axis.legend(frameon=False, fontsize=7, loc="upper left")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("measure", "draw"))
    parser.add_argument("--model", default="selva-nano")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args(arguments)
    if options.what == "measure":
        measure(options)
    else:
        draw()
    return 0


if __name__ == "__main__":
    sys.exit(main())
