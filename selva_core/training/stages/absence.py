"""Stage 5: the finished generator learns to be silent where the picture does not show what the prompt names.

Training of the generator meets hardly a prompt for something that is not there, and so it imagines a sound for most of them.
Here it goes on from the weights that it has. What it must make of things that are there is what it makes of them already
(its own velocity is the target, as in distillation, arXiv 1503.02531), which needs no encoder of the autoencoder: that is
not shipped. What it must make of absent things is the silence of its own quietest moments, by conditional flow matching as
in the stage before.

A source that leaves for a while is both: its own sound while it is there, silence while it is away. So is one that rests
between its sounds, as its dry sound says: a car whose wheels stand still, or a dog between two barks. Dropped conditions
keep the velocity that they have, because guidance leads away from it.

Dimensions: S segments, N latents, C channels, B batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selva_core.models.checkpoints import read_tensors
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import Generator, Network, load_network
from selva_core.network.parts import load_part
from selva_core.training.evaluation import measures
from selva_core.training.scenes.sounds import Rng
from selva_core.training.stages.absence_rows import (
    NO_ROW,
    RowBuilder,
    Rows,
    load_or_build_rows,
    sample,
)
from selva_core.training.stages.encoder import Phrasebook
from selva_core.training.stages.generator import (
    FEATURES_PER_SEGMENT,
    LATENTS_PER_SEGMENT,
    NUM_SEGMENTS,
    build_conditions,
)
from selva_core.training.stages.loop import LoopSettings, Losses, run_loop

TRAINING_SEED, VALIDATION_SEED = 300_000, 390_000
NUM_SCENES, NUM_VALIDATION_SCENES = 400, 12
SHARES: Mapping[str, float] = {
    "present": 0.72,
    "leaving": 0.1,
    "absent": 0.11,
    "strange": 0.05,
    "still": 0.02,
}
"""Of the rows of a batch. All but the first two are silent."""
SEGMENTS_PER_BATCH = 100
DROPPED_VIDEO, DROPPED_BOTH = 0.12, 0.09
SETTINGS = LoopSettings(
    num_steps=240, learning_rate=5e-4, warmup_steps=20, average_decay=0.95, save_every=120, log_every=10
)


@dataclass(frozen=True)
class Batch:
    """Excerpts of one length: features (B, 4 S, 96) of the pictures and `own_features` of those with the source all the time,
    latents (B, N, C), is_silent (B, N), dropped (2, B) as in `build_conditions`.
    """

    features: Tensor
    own_features: Tensor
    latents: Tensor
    is_silent: Tensor
    prompts: list[str]
    dropped: npt.NDArray[np.bool_]


def draw_batch(rows: Rows, rng: Rng) -> Batch:
    """Rows of each group in its share, of one random length; half of the batches have the full 8 s."""
    num_segments = NUM_SEGMENTS if rng.random() < 0.5 else int(rng.integers(4, NUM_SEGMENTS))
    size = SEGMENTS_PER_BATCH // num_segments
    of_group = {group: rows.of_group(group) for group in SHARES}
    shares = np.asarray([SHARES[group] * bool(of_group[group].size) for group in SHARES])
    groups = rng.choice(list(SHARES), size, p=shares / shares.sum())
    chosen = [int(rng.choice(of_group[group])) for group in groups]
    own = [int(rows.own[row]) if rows.own[row] != NO_ROW else row for row in chosen]
    starts = rng.integers(NUM_SEGMENTS - num_segments + 1, size=size)

    def cut(values: npt.NDArray[Any], indices: list[int], per_segment: int) -> Tensor:
        parts = [
            values[index, start * per_segment : (start + num_segments) * per_segment]
            for index, start in zip(indices, starts, strict=True)
        ]
        stacked = np.stack(parts)
        return torch.from_numpy(stacked if stacked.dtype == bool else stacked.astype(np.float32))

    chance = rng.random(size)
    return Batch(
        features=cut(rows.features, chosen, FEATURES_PER_SEGMENT),
        own_features=cut(rows.features, own, FEATURES_PER_SEGMENT),
        latents=cut(rows.latents, own, LATENTS_PER_SEGMENT),
        is_silent=cut(rows.is_silent, chosen, LATENTS_PER_SEGMENT),
        prompts=[rows.prompts[row] for row in chosen],
        dropped=np.stack([chance < DROPPED_VIDEO, chance < DROPPED_BOTH]),
    )


def compute_absence_losses(
    generator: Generator, teacher: Generator, batch: Batch, *, text: Tensor, silence: Tensor, rng: Rng
) -> Losses:
    """Squared error of the velocity: against the teacher's where something sounds, against that to silence where not.

    text (B, L, D); silence (C,), normalised.
    """
    size, num_latents = batch.latents.shape[:2]
    is_silent, dropped = batch.is_silent[..., None], torch.from_numpy(batch.dropped[0])[:, None, None]
    x0 = torch.randn_like(batch.latents)
    logit_normal = torch.sigmoid(torch.randn(size))
    t = torch.where(torch.from_numpy(rng.random(size) < 0.5), logit_normal, torch.rand(size))
    x1 = torch.where(is_silent, silence, batch.latents)
    x = torch.lerp(x0, x1, t[:, None, None])
    sounding = torch.where(dropped, x, torch.lerp(x0, batch.latents, t[:, None, None]))
    with torch.no_grad():
        expected = x1 - x0
        taught = np.flatnonzero(batch.dropped[0] | ~batch.is_silent.all(dim=1).numpy())
        if taught.size:
            conditions = build_conditions(
                teacher,
                text=text[taught],
                features=batch.own_features[taught],
                num_latents=num_latents,
                drop=batch.dropped[:, taught],
            )
            velocity = teacher.flow(sounding[taught], t[taught], conditions)
            is_taught = dropped[taught] | ~is_silent[taught]
            expected[taught] = torch.where(is_taught, velocity, expected[taught])
    conditions = build_conditions(
        generator, text=text, features=batch.features, num_latents=num_latents, drop=batch.dropped
    )
    errors = (generator.flow(x, t, conditions) - expected).square().mean(dim=2)
    is_quiet = batch.is_silent & ~dropped[..., 0]
    numbers = {
        name: float(errors[where].detach().mean()) if bool(where.any()) else 0.0
        for name, where in (("silent", is_quiet), ("sounding", ~is_quiet))
    }
    return errors.mean(), numbers


def train_absence(
    files: Mapping[str, Path], phrasebook: Phrasebook, folder: Path, *, settings: LoopSettings = SETTINGS
) -> Generator:
    """Go on with the generator of a model's files; rows and checkpoint lie in `folder`."""
    network = load_network(NANO_SPEC, files)
    builder = RowBuilder(network, files, phrasebook)
    rows = load_or_build_rows(builder, folder / "rows", TRAINING_SEED, NUM_SCENES)
    held_back = load_or_build_rows(builder, folder / "held-back", VALIDATION_SEED, NUM_VALIDATION_SCENES)
    generator = load_trainable_generator(files["generator"])
    silence = torch.from_numpy(rows.silence)

    def compute_losses(_: int, rng: Rng) -> Losses:
        batch = draw_batch(rows, rng)
        return compute_absence_losses(
            generator, network.generator, batch, text=builder.text(batch.prompts), silence=silence, rng=rng
        )

    def evaluate() -> dict[str, float]:
        return validate(generator, network, builder, held_back)

    run_loop(
        generator, compute_losses, checkpoint=folder / "generator.pt", settings=settings, evaluate=evaluate
    )
    return generator.requires_grad_(False).eval()


def load_trainable_generator(path: Path) -> Generator:
    """The generator of a weights file, float32."""
    generator = load_part("generator", NANO_SPEC, read_tensors(path), source=path.name, for_training=True)
    if not isinstance(generator, Generator):
        raise TypeError(f"{path.name} is no generator")
    return generator.float()


def validate(
    generator: Generator, network: Network, builder: RowBuilder, rows: Rows, *, num_rows: int = 4
) -> dict[str, float]:
    """Share of silent stems of each silent group, and how far present ones are from what the model made of them before.

    The latter is in log10 of the mel, from the same noise.
    """
    scores: dict[str, float] = {}
    for group in SHARES:
        chosen = rows.of_group(group)[:num_rows]
        if not chosen.size or group == "leaving":
            continue
        features = torch.from_numpy(rows.features[chosen].astype(np.float32))
        text = builder.text([rows.prompts[index] for index in chosen])
        mels = [
            network.vae.decode(each.unnormalize(sample(each, text=text, features=features, seed=3)))
            for each in ((generator,) if group != "present" else (generator, network.generator))
        ]
        if group == "present":
            scores["changed"] = float((mels[0] - mels[1]).abs().mean())
        else:
            waves = np.asarray(network.vocoder(mels[0]))
            scores[f"{group}_silent"] = float(np.mean([measures.is_silent(wave) for wave in waves]))
    return scores
