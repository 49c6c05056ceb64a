"""Stage 1: the autoencoder between mel frames and latents, on dry sounds and mixtures of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selva_core.nano_spec import NANO_SPEC
from selva_core.network.mel import MelSpectrogram
from selva_core.network.vae import Vae
from selva_core.training.dataset import SceneSet
from selva_core.training.loop import LoopSettings, Losses, run_loop

CROP_SAMPLES = 80 * 256
BATCH_SIZE = 24
KL_WEIGHT = 2e-4
SETTINGS = LoopSettings(num_steps=1700, learning_rate=2e-3, weight_decay=0.0)


def crop_sounds(scenes: SceneSet, rng: np.random.Generator, *, batch_size: int, num_samples: int) -> Tensor:
    """Random excerpts of dry sounds, three in ten mixed with another; float32 (batch_size, num_samples)."""
    rows = np.empty((batch_size, num_samples), np.float32)
    for index in range(batch_size):
        rows[index] = _excerpt(scenes, rng, num_samples)
        if rng.random() < 0.3:
            rows[index] += _excerpt(scenes, rng, num_samples)
    return torch.from_numpy(np.clip(rows * rng.uniform(0.6, 1.1, (batch_size, 1)).astype(np.float32), -1, 1))


def _excerpt(scenes: SceneSet, rng: np.random.Generator, num_samples: int) -> npt.NDArray[np.float32]:
    """One excerpt: the loudest of three places, or at times just any, so that silence is learned too."""
    sound = scenes.sounds[int(rng.integers(scenes.sounds.shape[0]))]
    starts = rng.integers(sound.size - num_samples, size=3)[: 1 if rng.random() < 0.25 else 3]
    places = [
        np.asarray(sound[start : start + num_samples] / np.float32(32767), np.float32) for start in starts
    ]
    return max(places, key=lambda wave: float(np.square(wave).sum()))


def train_vae(
    train: SceneSet, held_back: SceneSet, checkpoint: Path, *, settings: LoopSettings = SETTINGS
) -> Vae:
    """Train the autoencoder; the loss is the mean absolute error of the mel with a small Kullback-Leibler term."""
    torch.manual_seed(settings.seed)
    mel_of, vae = MelSpectrogram(NANO_SPEC.mel), Vae(NANO_SPEC.vae)
    _measure_data(vae, mel_of, train)

    def compute_losses(_: int, rng: np.random.Generator) -> Losses:
        mel = mel_of(crop_sounds(train, rng, batch_size=BATCH_SIZE, num_samples=CROP_SAMPLES))
        posterior = vae.encode(mel)
        rebuilt = vae.decode(posterior.sample(torch.randn_like(posterior.mean)))
        error = ((rebuilt - mel) / vae.data_std).abs().mean()
        kl = 0.5 * (posterior.mean**2 + posterior.std**2 - 1 - 2 * posterior.std.log()).mean()
        return error + KL_WEIGHT * kl, {"error": float(error.detach()), "kl": float(kl.detach())}

    run_loop(
        vae,
        compute_losses,
        checkpoint=checkpoint,
        settings=settings,
        evaluate=_mel_error(vae, held_back, mel_of),
    )
    return vae


def _measure_data(vae: Vae, mel_of: MelSpectrogram, train: SceneSet) -> None:
    mel = mel_of(crop_sounds(train, np.random.default_rng(0), batch_size=256, num_samples=CROP_SAMPLES))
    vae.data_mean.copy_(mel.mean(dim=(0, 2))[None, :, None])
    vae.data_std.copy_(mel.std(dim=(0, 2))[None, :, None])


def _mel_error(vae: Vae, held_back: SceneSet, mel_of: MelSpectrogram) -> Callable[[], dict[str, float]]:
    mel = mel_of(crop_sounds(held_back, np.random.default_rng(1), batch_size=64, num_samples=CROP_SAMPLES))

    def evaluate() -> dict[str, float]:
        posterior = vae.encode(mel)
        rebuilt = vae.decode(posterior.mean)
        return {"mel_error": float((rebuilt - mel).abs().mean()), "latent_std": float(posterior.mean.std())}

    return evaluate
