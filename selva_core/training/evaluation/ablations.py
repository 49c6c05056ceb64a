"""The effect of the text and the [SUP] tokens in the video encoder: the same short training without them, and its scores.

All variants are trained alike: the encoder for `ENCODER_STEPS` steps, and the full model's generator for `GENERATOR_STEPS`
more on features of that encoder. So the scores of the full model are those of a shorter training than of the shipped one.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from selva_core.engine import SamplingSettings
from selva_core.engines.network import LoadedModel, NetworkEngine
from selva_core.inference.device import choose_device
from selva_core.inference.tokenizer import load_tokenizer
from selva_core.models.catalog import find_model
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import load_network
from selva_core.training.evaluation.evaluate import evaluate_model
from selva_core.training.evaluation.judge import Judge
from selva_core.training.evaluation.sound_distance import measure_mel_distance
from selva_core.training.stages.encoder import SETTINGS as ENCODER_SETTINGS
from selva_core.training.stages.encoder import STEERINGS, Steering, encoder_spec, train_encoder
from selva_core.training.stages.generator import train_generator
from selva_core.training.stages.loop import LoopSettings
from selva_core.training.stages.ship import write_parts
from selva_core.training.stages.work import WorkFolder

ENCODER_STEPS = 2000
GENERATOR_STEPS = 400
NUM_TRAINING_SCENES = 600
TEXT_IN_GENERATOR_ONLY: Steering = "no-text"


def train_ablation(work: WorkFolder, steering: Steering) -> None:
    """Train encoder and generator of one variant in the folder `work.ablation(steering)`, resuming from its checkpoints."""
    variant = work.ablation(steering)
    train_encoder(
        work.scenes("train"),
        work.scenes("val"),
        work.towers(),
        work.corpus(),
        variant.encoder_path,
        settings=replace(ENCODER_SETTINGS, stop_at=ENCODER_STEPS),
        steering=steering,
    )
    train_generator(
        work.cache("generator", variant, num_scenes=NUM_TRAINING_SCENES),
        work.cache("val", variant),
        work.towers(),
        work.vae(),
        variant.generator_path,
        settings=LoopSettings(num_steps=GENERATOR_STEPS, learning_rate=5e-4, average_decay=0.995),
        start_from=work.full.generator_path,
    )


def score_ablation(
    work: WorkFolder, steering: Steering, judge: Judge, *, first_seed: int, num_scenes: int
) -> dict[str, Any]:
    """The report of `evaluate_model` for one variant.

    Raises RequestError when seeds are among those of training.
    """
    with tempfile.TemporaryDirectory() as folder:
        engine = _load_variant(work, steering, Path(folder))
        return evaluate_model(
            engine,
            judge,
            first_seed=first_seed,
            num_scenes=num_scenes,
            settings=SamplingSettings(),
            mel_distance=measure_mel_distance,
        )


def score_all(work: WorkFolder, judge: Judge, *, first_seed: int, num_scenes: int) -> dict[str, Any]:
    """One report per variant, by name."""
    return {
        steering: score_ablation(work, steering, judge, first_seed=first_seed, num_scenes=num_scenes)
        for steering in STEERINGS
    }


def _load_variant(work: WorkFolder, steering: Steering, folder: Path) -> NetworkEngine:
    files = write_parts(work, work.ablation(steering), folder)
    spec = replace(NANO_SPEC, video_encoder=encoder_spec(steering))
    device_choice = choose_device("cpu")
    return NetworkEngine(
        LoadedModel(
            model=replace(find_model("selva-nano"), spec=spec),
            network=load_network(spec, files, device=device_choice.device, dtype=device_choice.dtype),
            tokenizer=load_tokenizer(spec, files),
            device_choice=device_choice,
            weights_sha256=f"ablation {steering}",
        )
    )
