"""Stage 2: the vocoder, from mel frames to waveform.

Losses: error of the mel, weighted by band; spectral convergence and log magnitude at three resolutions (arXiv 1910.11480), of
which the shortest window keeps onsets sharp; and the power of patches of those spectra, up to whole frames.

A mel does not determine phases, so the predicted spectrum never matches exactly; the loss is then lowest for silence, and high
notes become quiet. Power summed over a patch only compares the amount of sound at that time and pitch. Magnitudes far below the
loudest of their frame, which the ear does not hear either, have little weight: their errors would make a note quieter.

In the second half of the training every other excerpt passes through the autoencoder first, as in the product.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network.mel import MelSpectrogram
from selva_core.network.vae import Vae
from selva_core.network.vocoder import Vocoder
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ
from selva_core.training.stages.dataset import SceneSet
from selva_core.training.stages.excerpts import Excerpts
from selva_core.training.stages.loop import LoopSettings, Losses, run_loop, training_device
from selva_core.training.stages.oscillators import (
    INNER_GAIN,
    amplitudes_of,
    run_first_stage,
    start_as_oscillators,
)
from selva_core.training.stages.vae import weigh_bands

log = logging.getLogger(__name__)

CROP_SAMPLES = SAMPLE_RATE_HZ // 2 // 512 * 512
BATCH_SIZE = 8
AMPLITUDE_STEPS = 200
AUDIBLE = 1e-3
"""Amplitude of an oscillator above which errors count in proportion."""
RESOLUTIONS = ((1024, 256), (512, 128), (128, 32))
PATCHES = ((1, 4), (4, 2), (16, 1))
"""Bins and frames over which power is summed, at each resolution; whole frames in addition."""
MASKED = 0.03
"""Magnitudes below this share of the loudest of their frame have nearly no influence."""
QUIET_BANDS_COUNT = 0.1
SILENCE_FLOOR = 1e-4
MEL_FLOOR = -4.0
SETTINGS = LoopSettings(num_steps=6000, learning_rate=5e-4, weight_decay=0.0, average_decay=0.99)


class SpectralLoss(nn.Module):
    """Distance of two waveforms over short-time spectra of several lengths."""

    def forward(self, predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """predicted, target (B, samples) -> error of the sharp spectra, error of the power of their patches, () each."""
        sharp, patches = predicted.new_zeros(()), predicted.new_zeros(())
        for num_fft, hop in RESOLUTIONS:
            a, b = _magnitude(predicted, num_fft, hop), _magnitude(target, num_fft, hop)
            size = torch.linalg.vector_norm(b, dim=(1, 2))
            missed = torch.linalg.vector_norm(a - b, dim=(1, 2))
            floor = SILENCE_FLOOR * num_fft + MASKED * b.amax(dim=1, keepdim=True)
            logarithm = ((a + floor).log() - (b + floor).log()).abs().mean()
            sharp = sharp + (missed / (size + 0.02 * num_fft)).mean() + logarithm
            patches = patches + _patch_error(a, b, floor)
        return sharp / len(RESOLUTIONS), patches / len(RESOLUTIONS)


def _patch_error(a: Tensor, b: Tensor, floor: Tensor) -> Tensor:
    """Mean absolute difference of the log level of patches, of magnitudes (B, bins, frames) over a floor (B, 1, frames)."""
    error = a.new_zeros(())
    for bins, frames in (*PATCHES, (a.shape[1], 2)):
        lowest = F.avg_pool2d(floor.square(), (1, frames))
        levels = [(F.avg_pool2d(x.square(), (bins, frames)) + lowest).log() for x in (a, b)]
        error = error + 0.5 * (levels[0] - levels[1]).abs().mean()
    return error / (len(PATCHES) + 1)


def _magnitude(wave: Tensor, num_fft: int, hop: int) -> Tensor:
    window = torch.hann_window(num_fft, device=wave.device)
    spectrum = torch.stft(wave, num_fft, hop, window=window, return_complex=True)
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


def _fit_amplitudes(vocoder: Vocoder, mel_of: MelSpectrogram, excerpts: Excerpts) -> None:
    """Train only the stage at the frame rate, which is cheap, to turn log mels into amplitudes of the oscillators."""
    optimiser = torch.optim.Adam([p for p in vocoder.parameters() if p.requires_grad], lr=1e-4)
    for step in range(AMPLITUDE_STEPS):
        wave = excerpts.draw(np.random.default_rng([9, step]), batch_size=32, num_samples=CROP_SAMPLES)
        mel = mel_of(wave)
        target = amplitudes_of(mel, mel_of)
        predicted = run_first_stage(vocoder, mel)[:, : target.shape[1]] / INNER_GAIN
        loss = (torch.asinh(predicted / AUDIBLE) - torch.asinh(target / AUDIBLE)).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 50 == 0:
            log.info("amplitudes: step %d loss %.4f", step, float(loss.detach()))


def start_vocoder(mel_of: MelSpectrogram, excerpts: Excerpts) -> Vocoder:
    """A vocoder initialised as a bank of oscillators with approximately correct amplitudes."""
    vocoder = Vocoder(NANO_SPEC.vocoder)
    start_as_oscillators(vocoder, mel_of)
    # Log mels are far from zero, so that the smallest change of the first layer shifts everything after it.
    vocoder.conv_pre.requires_grad_(False)
    _fit_amplitudes(vocoder, mel_of, excerpts)
    return vocoder


def train_vocoder(
    train: SceneSet, held_back: SceneSet, vae: Vae, checkpoint: Path, *, settings: LoopSettings = SETTINGS
) -> Vocoder:
    """Train the vocoder on true mels, then also on those that passed through `vae`."""
    torch.manual_seed(settings.seed)
    device = training_device()
    mel_of, spectral, excerpts = MelSpectrogram(NANO_SPEC.mel), SpectralLoss(), Excerpts(train)
    vocoder = start_vocoder(mel_of, excerpts).to(device)
    mel_of, vae = mel_of.to(device), vae.to(device)
    validation = (
        Excerpts(held_back).draw(np.random.default_rng(3), batch_size=32, num_samples=CROP_SAMPLES).to(device)
    )

    def losses_of(wave: Tensor, mel: Tensor) -> Losses:
        target, predicted = mel_of(wave), vocoder(mel)
        weight = weigh_bands(target, quiet_count=QUIET_BANDS_COUNT)
        error = (mel_of(predicted).clamp_min(MEL_FLOOR) - target.clamp_min(MEL_FLOOR)).abs()
        mel_error = (weight * error).mean() / weight.mean()
        sharp, patches = spectral(predicted, wave)
        return 2.0 * mel_error + sharp + 2.0 * patches, {
            "mel": float(mel_error.detach()),
            "sharp": float(sharp.detach()),
            "patches": float(patches.detach()),
        }

    def compute_losses(step: int, rng: np.random.Generator) -> Losses:
        wave = excerpts.draw(rng, batch_size=BATCH_SIZE, num_samples=CROP_SAMPLES).to(device)
        mel = mel_of(wave)
        if 2 * step >= settings.num_steps:
            with torch.no_grad():
                mel[::2] = vae.decode(vae.encode(mel[::2]).mean)
        return losses_of(wave, mel)

    def evaluate() -> dict[str, float]:
        return {f"exam_{name}": value for name, value in losses_of(validation, mel_of(validation))[1].items()}

    run_loop(vocoder, compute_losses, checkpoint=checkpoint, settings=settings, evaluate=evaluate)
    return vocoder
