"""Stage 2: the vocoder, from mel frames to sound, on dry sounds and mixtures.

Losses: mean absolute error of the mel, and spectral convergence with log magnitude at three resolutions (arXiv 1910.11480); the
waveform itself at the shortest window keeps onsets sharp and silence silent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from selva_core.nano_spec import NANO_SPEC
from selva_core.network.mel import MelSpectrogram
from selva_core.network.vocoder import Vocoder
from selva_core.training.dataset import SceneSet
from selva_core.training.loop import LoopSettings, Losses, run_loop
from selva_core.training.sounds import SAMPLE_RATE_HZ
from selva_core.training.stage_vae import crop_sounds

CROP_SAMPLES = SAMPLE_RATE_HZ // 2
BATCH_SIZE = 8
RESOLUTIONS = ((1024, 256), (512, 64), (128, 32))
SILENCE_FLOOR = 1e-4
SETTINGS = LoopSettings(num_steps=3600, learning_rate=1.5e-3, weight_decay=0.0, average_decay=0.998)


class SpectralLoss(nn.Module):
    """Distance of two waveforms over short-time spectra of several lengths."""

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """made, wanted (B, samples) -> ()."""
        total = made.new_zeros(())
        for num_fft, hop in RESOLUTIONS:
            a, b = _magnitude(made, num_fft, hop), _magnitude(wanted, num_fft, hop)
            convergence = torch.linalg.vector_norm(a - b) / (torch.linalg.vector_norm(b) + 1e-3)
            logarithm = (
                ((a + SILENCE_FLOOR * num_fft).log() - (b + SILENCE_FLOOR * num_fft).log()).abs().mean()
            )
            total = total + convergence + logarithm
        return total / len(RESOLUTIONS)


def _magnitude(wave: Tensor, num_fft: int, hop: int) -> Tensor:
    window = torch.hann_window(num_fft, device=wave.device)
    spectrum = torch.stft(wave, num_fft, hop, window=window, return_complex=True)
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


def train_vocoder(
    train: SceneSet, held_back: SceneSet, checkpoint: Path, *, settings: LoopSettings = SETTINGS
) -> Vocoder:
    """Train the vocoder on true mels."""
    torch.manual_seed(settings.seed)
    mel_of, vocoder, spectral = MelSpectrogram(NANO_SPEC.mel), Vocoder(NANO_SPEC.vocoder), SpectralLoss()
    exam = crop_sounds(held_back, np.random.default_rng(3), batch_size=32, num_samples=CROP_SAMPLES)

    def losses_of(wave: Tensor) -> Losses:
        num_kept = wave.shape[1] // NANO_SPEC.mel.hop_samples * NANO_SPEC.mel.hop_samples
        mel = mel_of(wave)
        made = vocoder(mel)
        mel_error = (mel_of(made) - mel).abs().mean()
        spectral_error = spectral(made, wave[:, :num_kept])
        return 3.0 * mel_error + spectral_error, {
            "mel": float(mel_error.detach()),
            "spectral": float(spectral_error.detach()),
        }

    def compute_losses(_: int, rng: np.random.Generator) -> Losses:
        return losses_of(crop_sounds(train, rng, batch_size=BATCH_SIZE, num_samples=CROP_SAMPLES))

    def evaluate() -> dict[str, float]:
        return {f"exam_{name}": value for name, value in losses_of(exam)[1].items()}

    run_loop(vocoder, compute_losses, checkpoint=checkpoint, settings=settings, evaluate=evaluate)
    return vocoder
