"""Mel filters: those of torchaudio, which the published weights were trained with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchaudio.functional
from torch import Tensor

from selva_core.models.part_specs import MelSpec
from selva_core.models.specs import MEL_16K, MEL_44K
from selva_core.network.mel import build_filters

SPECS = [MEL_16K, MEL_44K, replace(MEL_16K, f_min_hz=1200.0, num_mels=13)]


def judged(spec: MelSpec) -> Tensor:
    filters: Tensor = torchaudio.functional.melscale_fbanks(
        n_freqs=spec.fft_samples // 2 + 1,
        f_min=spec.f_min_hz,
        f_max=spec.f_max_hz,
        n_mels=spec.num_mels,
        sample_rate=spec.sample_rate_hz,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters.T


@pytest.mark.parametrize("spec", SPECS)
def test_filters_equal_those_of_torchaudio(spec: MelSpec) -> None:
    ours, theirs = build_filters(spec), judged(spec)
    assert ours.shape == theirs.shape
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=1e-7 * float(theirs.max()))
