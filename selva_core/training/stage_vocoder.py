"""Stage 2: the vocoder, from mel frames to sound, on dry sounds and mixtures.

Losses: mean absolute error of the mel, and spectral convergence with log magnitude at three resolutions (arXiv 1910.11480); the
waveform itself at the shortest window keeps onsets sharp and silence silent.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from selva_core.nano_spec import NANO_SPEC
from selva_core.network.mel import MelSpectrogram
from selva_core.network.vocoder import Vocoder
from selva_core.training.dataset import SceneSet
from selva_core.training.loop import LoopSettings, Losses, run_loop
from selva_core.training.oscillators import INNER_GAIN, amplitudes_of, run_first_stage, start_as_oscillators
from selva_core.training.sounds import SAMPLE_RATE_HZ
from selva_core.training.stage_vae import crop_sounds

log = logging.getLogger(__name__)

CROP_SAMPLES = SAMPLE_RATE_HZ // 2
BATCH_SIZE = 8
AMPLITUDE_STEPS = 200
AUDIBLE = 1e-3
"""Amplitude of an oscillator above which errors count in proportion."""
RESOLUTIONS = ((1024, 256), (512, 128), (128, 32))
SILENCE_FLOOR = 1e-4
MEL_FLOOR = -4.0
SETTINGS = LoopSettings(num_steps=2600, learning_rate=3.5e-4, weight_decay=0.0, average_decay=0.99)


class SpectralLoss(nn.Module):
    """Distance of two waveforms over short-time spectra of several lengths."""

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """made, wanted (B, samples) -> ()."""
        total = made.new_zeros(())
        for num_fft, hop in RESOLUTIONS:
            a, b = _magnitude(made, num_fft, hop), _magnitude(wanted, num_fft, hop)
            size = torch.linalg.vector_norm(b, dim=(1, 2))
            missed = torch.linalg.vector_norm(a - b, dim=(1, 2))
            convergence = (missed / (size + 0.02 * num_fft)).mean()
            logarithm = (
                ((a + SILENCE_FLOOR * num_fft).log() - (b + SILENCE_FLOOR * num_fft).log()).abs().mean()
            )
            total = total + convergence + logarithm
        return total / len(RESOLUTIONS)


def _magnitude(wave: Tensor, num_fft: int, hop: int) -> Tensor:
    window = torch.hann_window(num_fft, device=wave.device)
    spectrum = torch.stft(wave, num_fft, hop, window=window, return_complex=True)
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


def _learn_amplitudes(vocoder: Vocoder, mel_of: MelSpectrogram, train: SceneSet) -> None:
    """Teach the stage at the frame rate, alone and cheaply, to turn log mels into the oscillators' amplitudes."""
    optimiser = torch.optim.Adam([p for p in vocoder.parameters() if p.requires_grad], lr=1e-4)
    for step in range(AMPLITUDE_STEPS):
        wave = crop_sounds(train, np.random.default_rng([9, step]), batch_size=32, num_samples=CROP_SAMPLES)
        mel = mel_of(wave)
        wanted = amplitudes_of(mel, mel_of)
        made = run_first_stage(vocoder, mel)[:, : wanted.shape[1]] / INNER_GAIN
        loss = (torch.asinh(made / AUDIBLE) - torch.asinh(wanted / AUDIBLE)).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 50 == 0:
            log.info("amplitudes: step %d loss %.4f", step, float(loss.detach()))


def train_vocoder(
    train: SceneSet, held_back: SceneSet, checkpoint: Path, *, settings: LoopSettings = SETTINGS
) -> Vocoder:
    """Train the vocoder on true mels."""
    torch.manual_seed(settings.seed)
    mel_of, vocoder, spectral = MelSpectrogram(NANO_SPEC.mel), Vocoder(NANO_SPEC.vocoder), SpectralLoss()
    start_as_oscillators(vocoder, mel_of)
    vocoder.conv_pre.requires_grad_(
        False
    )  # log mels lie far from zero: the least change here shifts everything
    _learn_amplitudes(vocoder, mel_of, train)
    exam = crop_sounds(held_back, np.random.default_rng(3), batch_size=32, num_samples=CROP_SAMPLES)

    def losses_of(wave: Tensor) -> Losses:
        num_kept = wave.shape[1] // NANO_SPEC.mel.hop_samples * NANO_SPEC.mel.hop_samples
        mel = mel_of(wave)
        made = vocoder(mel)
        mel_error = (mel_of(made).clamp_min(MEL_FLOOR) - mel.clamp_min(MEL_FLOOR)).abs().mean()
        spectral_error = spectral(made, wave[:, :num_kept])
        return 2.0 * mel_error + 2.0 * spectral_error, {
            "mel": float(mel_error.detach()),
            "spectral": float(spectral_error.detach()),
        }

    def compute_losses(_: int, rng: np.random.Generator) -> Losses:
        return losses_of(crop_sounds(train, rng, batch_size=BATCH_SIZE, num_samples=CROP_SAMPLES))

    def evaluate() -> dict[str, float]:
        return {f"exam_{name}": value for name, value in losses_of(exam)[1].items()}

    run_loop(vocoder, compute_losses, checkpoint=checkpoint, settings=settings, evaluate=evaluate)
    return vocoder
