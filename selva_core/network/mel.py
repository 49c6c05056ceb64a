"""Mel spectrogram of a waveform, as the VAE was trained on it.

Dimensions: B batch, M mels, R mel frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchaudio.functional
from torch import Tensor, nn

from selva_core.models.part_specs import MelSpec
from selva_core.network._layers import check_shape


class MelSpectrogram(nn.Module):
    """Short-time Fourier transform, Slaney filters (arXiv 2010.05646 and the Auditory Toolbox), logarithm; float32."""

    filters: Tensor
    window: Tensor

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        filters = torchaudio.functional.melscale_fbanks(
            n_freqs=spec.fft_samples // 2 + 1,
            f_min=spec.f_min_hz,
            f_max=spec.f_max_hz,
            n_mels=spec.num_mels,
            sample_rate=spec.sample_rate_hz,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("filters", filters.T.contiguous(), persistent=False)
        self.register_buffer("window", torch.hann_window(spec.fft_samples), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """waveform float32 (B, samples), -1..1, at the spec's rate -> (B, M, samples // hop)."""
        check_shape("waveform", waveform, (None, None))
        spec = self.spec
        edge_samples = (spec.fft_samples - spec.hop_samples) // 2
        padded = F.pad(waveform.unsqueeze(1), (edge_samples, edge_samples), mode="reflect").squeeze(1)
        spectrum = torch.stft(
            padded,
            n_fft=spec.fft_samples,
            hop_length=spec.hop_samples,
            window=self.window,
            center=False,
            return_complex=True,
        )
        magnitude = torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-9)
        mel = (self.filters @ magnitude).clamp_min(spec.floor)
        return mel.log10() if spec.log == "log10" else mel.log()
