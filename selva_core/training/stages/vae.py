"""Stage 1: the autoencoder between mel frames and latents, on dry sounds and mixtures of them.

The loss gives more weight to the loud bands of every frame. With the plain mean of absolute errors it costs next to nothing to
leave out a single high note, which is two of eighty bands for a tenth of a second, and so it is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network.mel import MelSpectrogram
from selva_core.network.vae import Vae
from selva_core.training.stages.dataset import SceneSet
from selva_core.training.stages.excerpts import Excerpts
from selva_core.training.stages.loop import (
    LoopSettings,
    Losses,
    device_of,
    mixed_precision,
    run_loop,
    training_device,
)

FRAMES_PER_LATENT = 2
MARGIN_LATENTS = 4
"""Latents on either side that are encoded and not decoded: sounds are encoded whole, but decoded from any position."""
CROP_SAMPLES = (64 + 2 * MARGIN_LATENTS * FRAMES_PER_LATENT) * NANO_SPEC.mel.hop_samples
BATCH_SIZE = 24
KL_WEIGHT = 2e-4
LOUD_RANGE = 2.0
"""Bands within this many powers of ten of the loudest of their frame count in full, others a quarter."""
QUIET_MEL = -3.0
SETTINGS = LoopSettings(num_steps=2600, learning_rate=2e-3, weight_decay=0.0)


def train_vae(
    train: SceneSet, held_back: SceneSet, checkpoint: Path, *, settings: LoopSettings = SETTINGS
) -> Vae:
    """Train the autoencoder on the error of the mel, weighted by band, with a small Kullback-Leibler term."""
    torch.manual_seed(settings.seed)
    device = training_device()
    mel_of, excerpts = MelSpectrogram(NANO_SPEC.mel).to(device), Excerpts(train)
    vae = Vae(NANO_SPEC.vae).to(device)
    _measure_data(vae, mel_of, excerpts)

    def compute_losses(_: int, rng: np.random.Generator) -> Losses:
        mel = mel_of(excerpts.draw(rng, batch_size=BATCH_SIZE, num_samples=CROP_SAMPLES).to(device))
        with mixed_precision(device):
            posterior = vae.encode(mel)
            latents = posterior.sample(torch.randn_like(posterior.mean))
            rebuilt = vae.decode(latents[:, MARGIN_LATENTS:-MARGIN_LATENTS])
        error = mel_loss(rebuilt.float(), _inner(mel))
        kl = 0.5 * (posterior.mean**2 + posterior.std**2 - 1 - 2 * posterior.std.log()).mean()
        return error + KL_WEIGHT * kl, {"error": float(error.detach()), "kl": float(kl.detach())}

    run_loop(
        vae,
        compute_losses,
        checkpoint=checkpoint,
        settings=settings,
        evaluate=_mel_errors(vae, Excerpts(held_back), mel_of),
    )
    return vae


def mel_loss(rebuilt: Tensor, mel: Tensor) -> Tensor:
    """Absolute and squared error of log10 mels (B, M, R), weighted by `weigh_bands` -> ()."""
    error = (rebuilt - mel).abs()
    return (weigh_bands(mel) * (error + 0.5 * error.square())).mean()


def weigh_bands(mel: Tensor, *, quiet_count: float = 0.25) -> Tensor:
    """Weight of each band of log10 mel (B, M, R): one where it is loud in its frame, `quiet_count` where it is not."""
    edge = mel.amax(dim=1, keepdim=True).clamp_min(QUIET_MEL) - LOUD_RANGE
    return quiet_count + (1.0 - quiet_count) * torch.sigmoid(4.0 * (mel - edge))


def _inner(mel: Tensor) -> Tensor:
    margin = MARGIN_LATENTS * FRAMES_PER_LATENT
    return mel[..., margin:-margin]


def _measure_data(vae: Vae, mel_of: MelSpectrogram, excerpts: Excerpts) -> None:
    waves = excerpts.draw(np.random.default_rng(0), batch_size=256, num_samples=CROP_SAMPLES)
    mel = mel_of(waves.to(device_of(vae)))
    vae.data_mean.copy_(mel.mean(dim=(0, 2))[None, :, None])
    vae.data_std.copy_(mel.std(dim=(0, 2))[None, :, None])


def _mel_errors(vae: Vae, held_back: Excerpts, mel_of: MelSpectrogram) -> Callable[[], dict[str, float]]:
    waves = held_back.draw(np.random.default_rng(1), batch_size=64, num_samples=CROP_SAMPLES)
    mel = mel_of(waves.to(device_of(vae)))
    is_loud = weigh_bands(_inner(mel)) > 0.6

    def evaluate() -> dict[str, float]:
        posterior = vae.encode(mel)
        rebuilt = vae.decode(posterior.mean[:, MARGIN_LATENTS:-MARGIN_LATENTS])
        error = rebuilt - _inner(mel)
        return {
            "mel_error": float(error.abs().mean()),
            "loud_error": float(error[is_loud].abs().mean()),
            "loud_offset": float(error[is_loud].mean()),
            "latent_std": float(posterior.mean.std()),
        }

    return evaluate
