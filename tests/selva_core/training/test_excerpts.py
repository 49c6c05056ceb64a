"""Training data and losses of the autoencoder and the vocoder."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network.mel import MelSpectrogram
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ
from selva_core.training.stages.dataset import SceneSet, Target
from selva_core.training.stages.excerpts import Excerpts, pure_sound
from selva_core.training.stages.vae import mel_loss, weigh_bands
from selva_core.training.stages.vocoder import SpectralLoss

NUM_SAMPLES = 4096


@pytest.fixture
def scenes() -> SceneSet:
    """Nine sounds of a ball and one of a bird, each a constant that tells them apart."""
    kinds = ["ball"] * 9 + ["bird"]
    sounds = np.stack([np.full(40_000, 8000 if kind == "ball" else -8000, np.int16) for kind in kinds])
    return SceneSet(
        frames=np.zeros((1, 200, 48, 48, 3), np.uint8),
        sounds=sounds,
        seen=np.zeros((10, 200), np.float32),
        targets=tuple(Target(0, kind, "", index) for index, kind in enumerate(kinds)),
    )


def test_rare_kinds_are_drawn_as_often_as_common_ones(
    scenes: SceneSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selva_core.training.stages.excerpts.PURE_SHARE", 0.0)
    monkeypatch.setattr("selva_core.training.stages.excerpts.MIXED_SHARE", 0.0)
    waves = Excerpts(scenes).draw(np.random.default_rng(0), batch_size=300, num_samples=NUM_SAMPLES)
    heard = Counter("ball" if wave.mean() > 0 else "bird" for wave in waves)
    assert 100 < heard["bird"] < 200


def test_the_same_seed_draws_the_same_excerpts(scenes: SceneSet) -> None:
    one, same, other = (
        Excerpts(scenes).draw(np.random.default_rng(seed), batch_size=4, num_samples=NUM_SAMPLES)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_pure_sounds_are_finite_and_of_many_pitches() -> None:
    rng = np.random.default_rng(0)
    waves = np.stack([pure_sound(rng, NUM_SAMPLES) for _ in range(60)])
    assert np.isfinite(waves).all()
    strongest_hz = np.abs(np.fft.rfft(waves)).argmax(axis=1) * SAMPLE_RATE_HZ / NUM_SAMPLES
    assert strongest_hz.min() < 300
    assert strongest_hz.max() > 3000


def test_leaving_out_one_high_note_costs_more_than_a_small_error_everywhere() -> None:
    mel = torch.full((1, NANO_SPEC.mel.num_mels, 40), -4.0)
    mel[:, 60:62, 10:16] = 0.0
    silent = torch.full_like(mel, -4.0)
    weights = weigh_bands(mel)
    assert weights[0, 60, 12] > 0.9
    assert weights[0, 30, 12] < 0.3
    assert mel_loss(silent, mel) > 2.0 * mel_loss(mel + 0.01, mel)


def test_a_note_slightly_out_of_tune_has_less_power_error_than_silence() -> None:
    t = torch.arange(8192) / SAMPLE_RATE_HZ
    note, sharp_note = (0.3 * torch.sin(2 * torch.pi * hz * t)[None] for hz in (4000.0, 4060.0))
    spectral = SpectralLoss()
    _, to_note = spectral(sharp_note, note)
    _, to_silence = spectral(torch.zeros_like(note), note)
    assert to_note < 0.5 * to_silence


def test_excerpts_stay_within_full_scale(scenes: SceneSet) -> None:
    waves = Excerpts(scenes).draw(np.random.default_rng(3), batch_size=64, num_samples=NUM_SAMPLES)
    assert waves.dtype == torch.float32
    assert waves.abs().max() <= 1.0
    mels = MelSpectrogram(NANO_SPEC.mel)(waves)
    assert mels.shape == (64, NANO_SPEC.mel.num_mels, NUM_SAMPLES // NANO_SPEC.mel.hop_samples)
