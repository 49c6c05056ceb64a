"""Mel spectrogram of a waveform, as the VAE was trained on it.

Dimensions: B batch, M mels, R mel frames.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selva_core.models.part_specs import MelSpec
from selva_core.network._layers import check_shape

# Slaney's scale: linear up to 1 kHz, 15 mels there; logarithmic above, 27 mels for a factor of 6.4.
_LINEAR_HZ_PER_MEL = 200.0 / 3
_LOGARITHMIC_FROM_HZ = 1000.0
_LOGARITHMIC_FROM_MEL = 15.0
_LOG_HZ_PER_MEL = math.log(6.4) / 27


def build_filters(spec: MelSpec) -> Tensor:
    """Triangular filters of equal area, evenly spread over Slaney's mel scale; float32 (M, fft_samples // 2 + 1).

    In float32 throughout, as those that the published weights were trained with.
    """
    bins_hz = torch.linspace(0, spec.sample_rate_hz // 2, spec.fft_samples // 2 + 1)
    edges_mel = torch.linspace(_hz_to_mel(spec.f_min_hz), _hz_to_mel(spec.f_max_hz), spec.num_mels + 2)
    edges_hz = torch.where(
        edges_mel < _LOGARITHMIC_FROM_MEL,
        _LINEAR_HZ_PER_MEL * edges_mel,
        _LOGARITHMIC_FROM_HZ * torch.exp(_LOG_HZ_PER_MEL * (edges_mel - _LOGARITHMIC_FROM_MEL)),
    )
    widths_hz = edges_hz.diff()
    distances_hz = edges_hz[:, None] - bins_hz
    rising = -distances_hz[:-2] / widths_hz[:-1, None]
    falling = distances_hz[2:] / widths_hz[1:, None]
    heights = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return torch.minimum(rising, falling).clamp_min(0.0) * heights[:, None]


def _hz_to_mel(frequency_hz: float) -> float:
    if frequency_hz < _LOGARITHMIC_FROM_HZ:
        return frequency_hz / _LINEAR_HZ_PER_MEL
    return _LOGARITHMIC_FROM_MEL + math.log(frequency_hz / _LOGARITHMIC_FROM_HZ) / _LOG_HZ_PER_MEL


class MelSpectrogram(nn.Module):
    """Short-time Fourier transform, Slaney filters (arXiv 2010.05646 and the Auditory Toolbox), logarithm; float32."""

    filters: Tensor
    window: Tensor

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("filters", build_filters(spec), persistent=False)
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
