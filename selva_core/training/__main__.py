"""`python -m selva_core.training STAGE`: make the data, train each stage, evaluate, and ship the weights."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from selva_core.base.limits import DEFAULT_SEPARATION
from selva_core.base.paths import AppPaths
from selva_core.base.render_options import QUALITIES, SamplingOptions
from selva_core.engine import SamplingSettings
from selva_core.engines.registry import load_engine
from selva_core.models.catalog import default_models_dir, find_model, installed_files
from selva_core.training.evaluation.ablations import score_all, train_ablation
from selva_core.training.evaluation.evaluate import evaluate_controls, evaluate_model
from selva_core.training.evaluation.judge import load_or_train_judge
from selva_core.training.evaluation.sound_distance import build_round_trip, measure_mel_distance
from selva_core.training.scenes.example_cut import write_example_cut
from selva_core.training.scenes.scene import build_scene
from selva_core.training.scenes.scene_files import write_scene
from selva_core.training.stages.absence import train_absence
from selva_core.training.stages.encoder import STEERINGS, Phrasebook
from selva_core.training.stages.presence import fit_presence
from selva_core.training.stages.ship import ship_weights, write_hashes, write_part
from selva_core.training.stages.work import WorkFolder

DEFAULT_WORK_DIR = Path("training-work")
_WEIGHTS_DIR = Path("selva_core/weights/selva-nano")


def main(arguments: list[str] | None = None) -> int:
    """Run one stage; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    run(options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m selva_core.training", description=__doc__)
    stages = parser.add_subparsers(required=True, metavar="STAGE")

    example = stages.add_parser("example-cut", help="render the example scenes and write their timeline")
    example.add_argument("-o", "--output", type=Path, default=Path("examples"))
    example.set_defaults(run=_example_cut)

    scene = stages.add_parser("scene", help="write one scene as MP4, WAV and JSON")
    scene.add_argument("--seed", type=int, required=True)
    scene.add_argument("--seconds", type=float, default=8.0)
    scene.add_argument("--size", type=int, default=240, help="picture width and height in pixels")
    scene.add_argument("-o", "--output", type=Path, default=Path())
    scene.set_defaults(run=_scene)

    _add_training_stages(stages)

    _add_spectrograms(stages)
    _add_scoring(stages)
    return parser


def _add_spectrograms(stages: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    look = stages.add_parser("spectrograms", help="draw dry sounds and stems of some scenes side by side")
    look.add_argument("--model", default="selva-nano")
    look.add_argument("--device", default="cpu")
    look.add_argument(
        "--quality", choices=QUALITIES, default="final", help="as in the product: draft or final"
    )
    look.add_argument(
        "--steps", type=int, help="of the sampler; by default as usual for the model and the quality"
    )
    look.add_argument("--seeds", type=int, nargs="+", required=True, help="outside the training range")
    look.add_argument("-o", "--output", type=Path, required=True, help="PNG file")
    look.set_defaults(run=_spectrograms)


def _add_scoring(stages: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, run, what in (
        ("evaluate", _evaluate, "score a model on scenes from held-back seeds"),
        ("compare", _compare, "score the trained ablations on scenes from held-back seeds"),
    ):
        scoring = stages.add_parser(name, help=what)
        scoring.add_argument("--scenes", type=int, default=24)
        scoring.add_argument(
            "--seed", type=int, default=2_000_000, help="first seed, outside the training range"
        )
        scoring.add_argument("--report", type=Path, required=True)
        scoring.add_argument("--work", type=Path, default=DEFAULT_WORK_DIR, help="folder of the training run")
        scoring.add_argument(
            "--judge",
            type=Path,
            default=AppPaths.find().cache / "evaluation" / "judge.pt",
            help="file of the judge; made when missing, by default among the caches",
        )
        if name == "evaluate":
            scoring.add_argument("--model", default="selva-nano")
            scoring.add_argument("--device", default="cpu")
            scoring.add_argument(
                "--quality", choices=QUALITIES, default="final", help="as in the product: draft or final"
            )
            scoring.add_argument(
                "--steps", type=int, help="of the sampler; by default as usual for the model and the quality"
            )
            scoring.add_argument(
                "--separate", type=float, default=DEFAULT_SEPARATION, help="weight, as in the product"
            )
            scoring.add_argument(
                "--controls",
                action="store_true",
                help="score the controls instead: templates and other ways to make stems without looking or listening",
            )
        scoring.set_defaults(run=run)


def _add_training_stages(stages: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, run, what in (
        ("render", _render, "render scenes and sounds for training"),
        ("text", _text, "tokenizer and text towers"),
        ("vae", _vae, "autoencoder of mel frames"),
        ("vocoder", _vocoder, "mel frames to waveform"),
        ("encoder", _encoder, "text-steered video encoder"),
        ("generator", _generator, "flow-matching generator"),
        ("ablation", _ablation, "train a variant of encoder and generator for comparison"),
        ("absence", _absence, "teach the finished generator silence for what is not in the picture"),
        ("presence", _presence, "whether the finished model sees what a prompt names"),
        ("ship", _ship, "write the trained parts as the weights of selva-nano"),
    ):
        stage = stages.add_parser(name, help=what)
        stage.add_argument(
            "--work", type=Path, default=DEFAULT_WORK_DIR, help="folder of data and checkpoints"
        )
        stage.set_defaults(run=run)
        if name == "render":
            stage.add_argument("--scenes", type=int, default=3000)
            stage.add_argument("--workers", type=int, default=2)
        if name == "text":
            stage.add_argument(
                "--sentence-model", type=Path, required=True, help="folder of all-MiniLM-L6-v2"
            )
        if name == "presence":
            stage.add_argument("-o", "--output", type=Path, default=_WEIGHTS_DIR / "presence.safetensors")
        if name in {"absence", "ship"}:
            stage.add_argument("-o", "--output", type=Path, default=_WEIGHTS_DIR)
        if name == "ablation":
            stage.add_argument("--steering", choices=STEERINGS, default="full")


def _example_cut(options: argparse.Namespace) -> None:
    write_example_cut(options.output)


def _scene(options: argparse.Namespace) -> None:
    scene = build_scene(options.seed, duration_s=options.seconds)
    write_scene(scene, options.output, f"scene-{options.seed}", size_px=options.size)


def _render(options: argparse.Namespace) -> None:
    _work(options).render(num_scenes=options.scenes, num_workers=options.workers)


def _text(options: argparse.Namespace) -> None:
    _work(options).train_text(options.sentence_model)


def _vae(options: argparse.Namespace) -> None:
    _work(options).train_vae()


def _vocoder(options: argparse.Namespace) -> None:
    _work(options).train_vocoder()


def _encoder(options: argparse.Namespace) -> None:
    _work(options).train_encoder()


def _generator(options: argparse.Namespace) -> None:
    _work(options).train_generator()


def _ablation(options: argparse.Namespace) -> None:
    train_ablation(_work(options), options.steering)


def _compare(options: argparse.Namespace) -> None:
    reports = score_all(
        _work(options), load_or_train_judge(options.judge), first_seed=options.seed, num_scenes=options.scenes
    )
    options.report.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    overall = {steering: report["overall"] for steering, report in reports.items()}
    sys.stdout.write(json.dumps(overall, indent=1) + "\n")


def _presence(options: argparse.Namespace) -> None:
    sys.stdout.write(json.dumps(fit_presence(options.output), indent=1) + "\n")


def _absence(options: argparse.Namespace) -> None:
    work = _work(options)
    files = installed_files(find_model("selva-nano"), default_models_dir())
    generator = train_absence(files, Phrasebook(work.corpus()), work.path / "absence")
    write_part("generator", generator, options.output / "generator.safetensors")
    write_hashes(options.output)


def _ship(options: argparse.Namespace) -> None:
    ship_weights(_work(options), options.output)


def _spectrograms(options: argparse.Namespace) -> None:
    draw_spectrograms = import_module("selva_core.training.evaluation.spectrograms").draw_spectrograms
    engine = load_engine(options.model, device=options.device)
    draw_spectrograms(engine, options.seeds, options.output, settings=_sampling_settings(options))


def _evaluate(options: argparse.Namespace) -> None:
    judge = load_or_train_judge(options.judge)
    if options.controls:
        shown = report = evaluate_controls(
            judge, first_seed=options.seed, num_scenes=options.scenes, mel_distance=measure_mel_distance
        )
    else:
        report = evaluate_model(
            load_engine(options.model, device=options.device),
            judge,
            first_seed=options.seed,
            num_scenes=options.scenes,
            settings=_sampling_settings(options),
            round_trip=build_round_trip(_work(options)),
            mel_distance=measure_mel_distance,
        )
        shown = {name: report[name] for name in ("overall", "kept", "chance")}
    options.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(shown, indent=1) + "\n")


def _sampling_settings(options: argparse.Namespace) -> SamplingSettings:
    """As the product settles them for the model, so that what is scored is what users get."""
    separate = getattr(options, "separate", DEFAULT_SEPARATION)
    sampling = SamplingOptions(num_steps=options.steps, quality=options.quality, separate=separate)
    return sampling.settle(find_model(options.model).usual_steps)


def _work(options: argparse.Namespace) -> WorkFolder:
    return WorkFolder(options.work)


if __name__ == "__main__":
    sys.exit(main())
