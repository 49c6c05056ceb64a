"""How long the stems of one clip take, stage by stage, and the memory it takes; any model of the table at full size.

    python bench/speed.py [--model selva-small-16k] [--prompts 4] [--takes 1] [--seconds 8] [--precision auto] [--threads 2]

A process of its own loads the model from files, renders a short clip to warm up, then the case `--repeats` times, each time
over another range of the picture, so that nothing is cached; after each, one more prompt over the picture it has seen
(`again`). Published models run on weights files of noise in their published layout, which are written once (4 GB for
selva-small-16k): speed and memory depend on sizes only. Times are wall-clock seconds, medians of the repeats; `text` holds
the encoder's half that reads the prompt. Compare two results with `python bench/compare.py A B`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from run_info import describe_run, peak_resident_mb, run_watched

if TYPE_CHECKING:
    from selva_core.engines.network import NetworkEngine

BENCH = Path(__file__).parent
DEFAULT_WEIGHTS = Path(tempfile.gettempdir()) / "selva-bench-weights"
FRAME_RATE_HZ = 25
WARM_UP_S = Fraction(7, 10)
PROMPTS = ("a dog barking", "boots on wet gravel", "a door that shuts", "rain on a tin roof")
OTHER_PROMPT = "a heavy door creaking open"

Seconds = dict[str, float]


def load(options: argparse.Namespace) -> NetworkEngine:
    from selva_core.engines.loading import load_network_engine  # noqa: PLC0415 - the parent process stays light

    return load_network_engine(
        options.model,
        device=options.device,
        precision=options.precision,
        acceleration=options.acceleration,
        memory=options.memory,
        models_dir=options.weights,
    )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Load and render in this process; the figures as one JSON object."""
    from stage_clock import StageClock  # noqa: PLC0415 - the parent process stays light

    begun_s = time.perf_counter()
    engine = load(options)
    load_s = time.perf_counter() - begun_s
    loaded_mb = peak_resident_mb()
    clock = StageClock(engine.device_choice.device)
    clock.install()

    def render(
        start_s: Fraction, seconds: Fraction, prompts: Sequence[str], takes: int, steps: int
    ) -> Seconds:
        return render_timed(
            engine, clock, options.picture, start_s, seconds, prompts=prompts, takes=takes, steps=steps
        )

    render(Fraction(0), WARM_UP_S, PROMPTS[:1], 1, 1)
    prompts = [
        PROMPTS[i % len(PROMPTS)] + ("" if i < len(PROMPTS) else f" {i}") for i in range(options.prompts)
    ]
    first: list[Seconds] = []
    again: list[Seconds] = []
    for repeat in range(options.repeats):
        start_s = Fraction(repeat + 1, FRAME_RATE_HZ)
        first.append(render(start_s, options.seconds, prompts, options.takes, options.steps))
        again.append(render(start_s, options.seconds, [OTHER_PROMPT], 1, options.steps))
    return {
        "seconds": medians(first, ("total", "picture", "text", "sampling", "sound")),
        "again": medians(again, ("total", "picture", "text", "sampling", "sound")),
        "peak_rss_mb": peak_resident_mb(),
        "loaded_rss_mb": loaded_mb,
        "load_seconds": round(load_s, 3),
        "spread": {"first": spread(first), "again": spread(again)},
        **describe_arithmetic(options, engine.device_choice, first),
        "device": engine.device_report,
    }


def render_timed(
    engine: Any,
    clock: Any,
    picture: Path,
    start_s: Fraction,
    seconds: Fraction,
    *,
    prompts: Sequence[str],
    takes: int,
    steps: int,
) -> Seconds:
    """Seconds of the whole render, of its stages and of their parts."""
    from selva_core.base.media import PictureRange  # noqa: PLC0415 - the parent process stays light
    from selva_core.engine import SamplingSettings, StemRequest  # noqa: PLC0415

    requests = [StemRequest(prompt=prompt, seed=seed) for prompt in prompts for seed in range(takes)]
    clock.reset()
    begun_s = time.perf_counter()
    waveforms = engine.render(
        PictureRange(path=picture, start_s=start_s, duration_s=seconds),
        requests,
        settings=SamplingSettings(num_steps=steps),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    for waveform in waveforms:
        float(waveform.samples[-1])
    return {"total": time.perf_counter() - begun_s, **clock.stages(), **clock.seconds}


def describe_arithmetic(
    options: argparse.Namespace, choice: Any, rows: Sequence[Seconds]
) -> dict[str, object]:
    """GFLOP by part, the device's measured peaks, and each part's share of the peak of its precision."""
    import torch  # noqa: PLC0415 - the parent process stays light
    from stage_flop import count_gflop, measure_peak_gflops, share_of_peak  # noqa: PLC0415

    from selva_core.models.catalog import find_model  # noqa: PLC0415

    spec = find_model(options.model).spec
    if spec is None:
        raise SystemExit(f"{options.model} has no network to measure; choose a row of `selva models list`")
    gflop = count_gflop(
        spec,
        options.seconds,
        num_prompts=options.prompts,
        num_stems=options.prompts * options.takes,
        num_steps=options.steps,
    )
    peaks = {
        str(dtype).removeprefix("torch."): round(measure_peak_gflops(choice.device, dtype), 1)
        for dtype in {torch.float32, choice.dtype}
    }
    reduced = str(choice.dtype).removeprefix("torch.")
    peak_of = {
        part: peaks[reduced if part in ("encoder", "steering", "velocity") else "float32"] for part in gflop
    }
    return {
        "dtype": reduced,
        "threads": torch.get_num_threads(),
        "gflop": {part: round(value, 2) for part, value in gflop.items()},
        "peak_gflops": peaks,
        "share_of_peak": share_of_peak(gflop, medians(rows, tuple(gflop)), peak_of),
    }


def medians(rows: Sequence[Seconds], names: Sequence[str]) -> Seconds:
    return {name: round(statistics.median(row[name] for row in rows), 4) for name in names}


def spread(rows: Sequence[Seconds]) -> dict[str, dict[str, float]]:
    """Median, least and most of the whole, of each stage and of each part."""
    return {
        name: {
            "median": round(statistics.median(row[name] for row in rows), 4),
            "min": round(min(row[name] for row in rows), 4),
            "max": round(max(row[name] for row in rows), 4),
        }
        for name in rows[0]
    }


def run_in_process(options: argparse.Namespace, arguments: Sequence[str]) -> dict[str, Any]:
    """Measure in a new process with so many threads, from weights that another process has written."""
    from selva_core.base.openmp import bounded_spinning  # noqa: PLC0415 - not in the measured process
    from selva_daemon.jobs.worker_process import worker_environment  # noqa: PLC0415

    threads = {"OMP_NUM_THREADS": str(options.threads)}
    environment = worker_environment({**os.environ, **bounded_spinning(os.environ), **threads})

    make_weights = [str(BENCH / "full_size_weights.py"), options.model, str(options.weights)]
    subprocess.run([sys.executable, *make_weights], env=environment, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        picture = options.picture or write_picture(Path(folder), options)
        command = [
            sys.executable,
            str(BENCH / "speed.py"),
            *arguments,
            "--picture",
            str(picture),
            "--once",
        ]
        output, private_mb = run_watched(command, environment)
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])
    return {**figures, "peak_private_mb": private_mb}


def write_picture(folder: Path, options: argparse.Namespace) -> Path:
    """A small picture as long as all repeats need."""
    from daemon_bench import write_clip  # noqa: PLC0415 - loads the client, which the measured process must not

    num_frames = int(options.seconds * FRAME_RATE_HZ) + options.repeats + FRAME_RATE_HZ
    return write_clip(folder / "picture.mp4", num_frames=num_frames)


def print_table(figures: Mapping[str, Any]) -> None:
    print(f"{figures['model']}, {figures['device']}, {figures['threads']} threads")
    for name in ("seconds", "again"):
        print(name.ljust(10), *(f"{stage} {value:.2f}" for stage, value in figures[name].items()), sep="  ")
    print(
        "share     ", *(f"{part} {value:.2f}" for part, value in figures["share_of_peak"].items()), sep="  "
    )
    print(
        f"peak memory {figures['peak_rss_mb']:.0f} MB, of it private {figures['peak_private_mb']:.0f} MB; "
        f"after loading {figures['loaded_rss_mb']:.0f} MB"
    )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="selva-nano")
    parser.add_argument("--prompts", type=int, default=1)
    parser.add_argument("--takes", type=int, default=1)
    parser.add_argument("--seconds", type=Fraction, default=Fraction(8))
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument(
        "--acceleration",
        default="plain",
        choices=("plain", "fused", "compiled", "graphs"),
        help="of CUDA devices",
    )
    parser.add_argument("--memory", default="auto", choices=("auto", "low", "normal"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1, help="how often the case is rendered")
    parser.add_argument(
        "--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of the weights of noise"
    )
    parser.add_argument("--picture", type=Path, help="a video file; by default one is made")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    if options.once:
        print(json.dumps(measure(options)))
        return 0
    case = {name: getattr(options, name) for name in ("model", "prompts", "takes", "steps", "repeats")}
    figures = {
        **run_in_process(options, arguments),
        **case,
        "clip_seconds": float(options.seconds),
        "precision": options.precision,
        "acceleration": options.acceleration,
        "memory": options.memory,
        **describe_run(),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
