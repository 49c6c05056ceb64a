"""The vocoder starts as a bank of oscillators: one band in, one harmonic out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network.mel import MelSpectrogram
from selva_core.network.vocoder import UpConv, Vocoder
from selva_core.training.stages.oscillators import band_centres_hz, run_first_stage, start_as_oscillators


@pytest.fixture(scope="module")
def vocoder() -> Vocoder:
    torch.manual_seed(0)
    vocoder = Vocoder(NANO_SPEC.vocoder).requires_grad_(False)
    start_as_oscillators(vocoder, MelSpectrogram(NANO_SPEC.mel))
    return vocoder


@pytest.mark.parametrize("band", [3, 10, 25, 50, 60, 79])
def test_a_band_drives_the_harmonic_nearest_to_it(vocoder: Vocoder, band: int) -> None:
    x = torch.zeros(1, 128, 40)
    x[0, band] = 1.0
    for up in [layer for layer in vocoder.ups.modules() if isinstance(layer, UpConv)][1:]:
        x = up(x)
    wave = vocoder.conv_post(vocoder.activation_post(x))[0, 0].numpy()[2048:6144]
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(wave.size)))
    loudest_hz = np.fft.rfftfreq(wave.size, 1 / 16_000)[spectrum.argmax()]
    wanted_hz = float(band_centres_hz(MelSpectrogram(NANO_SPEC.mel))[band])
    assert abs(loudest_hz - wanted_hz) <= 95.0


def test_a_louder_mel_gives_a_larger_amplitude(vocoder: Vocoder) -> None:
    quiet, loud = (
        run_first_stage(vocoder, torch.full((1, 80, 12), level))[0, 40, 6] for level in (-3.0, -1.0)
    )
    assert 0 < float(quiet) < 0.5 * float(loud)
