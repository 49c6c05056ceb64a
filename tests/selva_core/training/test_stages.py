"""Every stage of training runs a few steps, writes a checkpoint, and resumes from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network.vae import Vae
from selva_core.training.phrasings import Corpus
from selva_core.training.prompts import all_training_prompts
from selva_core.training.stages.dataset import SceneSet, load_scene_set, render_scene_set
from selva_core.training.stages.encoder import (
    EncoderWithHead,
    HeldBackPhrasebook,
    Phrasebook,
    SegmentSampler,
    build_target_table,
    compute_encoder_losses,
    compute_video_losses,
)
from selva_core.training.stages.generator import build_cache, draw_batch, train_generator
from selva_core.training.stages.loop import LoopSettings, load_average, run_loop
from selva_core.training.stages.text import TextTowers, train_text, train_tokenizer
from selva_core.training.stages.vae import train_vae
from selva_core.training.stages.vocoder import train_vocoder

TWO_STEPS = LoopSettings(num_steps=2, learning_rate=1e-4, save_every=2, log_every=1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> SceneSet:
    folder = tmp_path_factory.mktemp("scenes")
    render_scene_set(folder, first_seed=3, num_scenes=3)
    return load_scene_set(folder)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    known = all_training_prompts()
    embeddings = np.random.default_rng(0).standard_normal((len(known), 384)).astype(np.float32)
    return Corpus(
        phrases=tuple(prompt for _, prompt in known),
        kinds=tuple(kind for kind, _ in known),
        embeddings=embeddings,
    )


@pytest.fixture(scope="module")
def towers(corpus: Corpus) -> TextTowers:
    return TextTowers(train_tokenizer(corpus)).requires_grad_(False)


def test_an_interrupted_run_resumes_with_the_same_result(tmp_path: Path) -> None:
    def train(path: Path, stops: tuple[int, ...]) -> nn.Module:
        for stop in stops:
            torch.manual_seed(0)
            module = nn.Linear(3, 1)
            settings = LoopSettings(num_steps=8, learning_rate=0.1, save_every=stop, log_every=1)

            def compute(step: int, rng: np.random.Generator, module: nn.Linear = module, stop: int = stop):  # type: ignore[no-untyped-def]
                if step == stop and stop < 8:
                    raise KeyboardInterrupt
                x = torch.from_numpy(rng.standard_normal((4, 3)).astype(np.float32))
                return (module(x) - x.sum(1, keepdim=True)).square().mean(), {}

            try:
                run_loop(module, compute, checkpoint=path, settings=settings)
            except KeyboardInterrupt:
                continue
        return module

    whole = train(tmp_path / "whole.pt", (8,))
    stopped = train(tmp_path / "stopped.pt", (4, 8))
    assert torch.equal(whole.state_dict()["weight"], stopped.state_dict()["weight"])


def test_text_towers_and_tokenizer_train(corpus: Corpus, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(corpus)
    towers = train_text(corpus, tokenizer, tmp_path / "text.pt", settings=TWO_STEPS)
    states, mask = towers.t5_states(["a dog barking", "xylophone"])
    assert states.shape == (2, mask.shape[1], NANO_SPEC.t5.width)
    assert not torch.equal(states[0], states[1])
    rain, bell = towers.clip_states(["rain"]), towers.clip_states(["a bell"])
    assert rain.shape == bell.shape == (1, NANO_SPEC.clip_text.num_tokens, NANO_SPEC.clip_text.width)
    assert not torch.equal(rain, bell)
    assert all(torch.isfinite(each).all() for each in (states, rain, bell))


def test_autoencoder_and_vocoder_train(scenes: SceneSet, tmp_path: Path) -> None:
    vae = train_vae(scenes, scenes, tmp_path / "vae.pt", settings=TWO_STEPS)
    train_vocoder(scenes, scenes, vae, tmp_path / "vocoder.pt", settings=TWO_STEPS)
    assert load_average(Vae(NANO_SPEC.vae), tmp_path / "vae.pt") == 2


def test_encoder_trains_on_video_and_text(
    scenes: SceneSet, corpus: Corpus, towers: TextTowers, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = EncoderWithHead()
    sampler = SegmentSampler(scenes, build_target_table(scenes, tmp_path / "lesson.npy"), Phrasebook(corpus))
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    batch = sampler.draw(np.random.default_rng(1), 8)
    losses = []
    for _ in range(8):
        loss, numbers = compute_encoder_losses(model, towers, batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert 0.0 <= numbers["kind_accuracy"] <= 1.0
    picture_loss, _ = compute_video_losses(model, batch)
    assert torch.isfinite(picture_loss)


def test_generator_trains_on_cached_latents_and_features(
    scenes: SceneSet, towers: TextTowers, tmp_path: Path
) -> None:
    vae = Vae(NANO_SPEC.vae).requires_grad_(False)
    model = EncoderWithHead().requires_grad_(False)
    cache = build_cache(scenes, vae, model, towers, HeldBackPhrasebook(), tmp_path / "cache")
    again = build_cache(scenes, vae, model, towers, HeldBackPhrasebook(), tmp_path / "cache")
    assert np.array_equal(cache.features, again.features)
    assert cache.prompts == again.prompts
    train_generator(cache, cache, towers, vae, tmp_path / "generator.pt", settings=TWO_STEPS)
    assert (tmp_path / "generator.pt").exists()


def test_batches_cut_latents_and_features_at_the_same_segments(
    scenes: SceneSet, towers: TextTowers, tmp_path: Path
) -> None:
    vae, model = Vae(NANO_SPEC.vae).requires_grad_(False), EncoderWithHead().requires_grad_(False)
    cache = build_cache(scenes, vae, model, towers, HeldBackPhrasebook(), tmp_path / "cache")
    rng = np.random.default_rng(0)
    for _ in range(6):
        batch = draw_batch(cache, rng)
        assert (
            batch.latents.shape[1] / 10 == batch.features.shape[1] / NANO_SPEC.generator.num_sync_per_segment
        )
        assert len(batch.prompts) == batch.latents.shape[0] == batch.features.shape[0] > 0
