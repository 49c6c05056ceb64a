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
from selva_core.network.vocoder import UpConv, Vocoder, WeightNormConv
from selva_core.training.dataset import SceneSet
from selva_core.training.loop import LoopSettings, Losses, run_loop
from selva_core.training.sounds import SAMPLE_RATE_HZ
from selva_core.training.stage_vae import crop_sounds

CROP_SAMPLES = SAMPLE_RATE_HZ // 2
BATCH_SIZE = 8
RESOLUTIONS = ((1024, 256), (512, 128), (128, 32))
SILENCE_FLOOR = 1e-4
MEL_FLOOR = -4.0
TYPICAL_MEL = -3.5
SETTINGS = LoopSettings(num_steps=3000, learning_rate=2e-3, weight_decay=0.0, average_decay=0.995)


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


def start_lively(vocoder: Vocoder) -> None:
    """Set the lengths of all weights so that a sound of every harmonic of the frame rate comes out from the start.

    A loss on magnitudes can only make louder or softer what is there: from the usual small weights, tones take very long to
    appear. Each layer keeps the power of what goes in; the last one makes it quiet.
    """
    with torch.no_grad():
        for name, layer in vocoder.named_modules():
            if isinstance(layer, UpConv):
                num_in, num_out, _ = layer.weight_v.shape
                layer.weight_g.fill_((num_out * layer.rate / num_in) ** 0.5)
            elif isinstance(layer, WeightNormConv):
                is_branch_end = ".convs2." in name
                layer.weight_g.fill_(0.1 if name == "conv_post" else 0.3 if is_branch_end else 0.7)
        pre = vocoder.conv_pre
        if pre.bias is not None:
            pre.bias.copy_(-TYPICAL_MEL * pre.build_weight().sum(dim=(1, 2)))


def train_vocoder(
    train: SceneSet, held_back: SceneSet, checkpoint: Path, *, settings: LoopSettings = SETTINGS
) -> Vocoder:
    """Train the vocoder on true mels."""
    torch.manual_seed(settings.seed)
    mel_of, vocoder, spectral = MelSpectrogram(NANO_SPEC.mel), Vocoder(NANO_SPEC.vocoder), SpectralLoss()
    start_lively(vocoder)
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
