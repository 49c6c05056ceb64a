"""The vocoder's activation against its definition: convolutions per channel at twice the rate."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selva_core.base.errors import RenderCancelled
from selva_core.network import _short_conv, _snake_rows, bake_weights
from selva_core.network.residency import ResidentPart
from selva_core.network.vocoder import AntiAliasedSnake, Vocoder, build_low_pass, slide
from tests.selva_core.network.tiny import TINY

CHANNELS = 3


def build_activation() -> AntiAliasedSnake:
    activation = AntiAliasedSnake(CHANNELS).double()
    torch.nn.init.normal_(activation.act.alpha)
    torch.nn.init.normal_(activation.act.beta)
    return activation


def bend_as_defined(activation: AntiAliasedSnake, x: Tensor) -> Tensor:
    """Zeros between the samples, low pass, bend, low pass, every second sample; edges held each time."""
    taps = build_low_pass().to(x).expand(CHANNELS, -1, -1)
    held = F.pad(x, (6, 6), mode="replicate")
    stuffed = torch.stack([held, torch.zeros_like(held)], dim=-1).flatten(-2)
    doubled = F.conv1d(stuffed, 2.0 * taps, groups=CHANNELS)[..., 6:]
    doubled = doubled[..., : 2 * x.shape[-1]]
    bent = F.pad(activation.act(doubled), (5, 6), mode="replicate")
    return F.conv1d(bent, taps, stride=2, groups=CHANNELS)


@pytest.mark.parametrize("num_samples", [1, 2, 5, 64])
def test_activation_gives_what_its_definition_gives(num_samples: int) -> None:
    torch.manual_seed(num_samples)
    activation = build_activation()
    x = torch.randn(2, CHANNELS, num_samples, dtype=torch.float64)
    assert torch.allclose(activation(x), bend_as_defined(activation, x), rtol=0, atol=1e-12)


def test_activation_has_the_gradients_of_its_definition() -> None:
    torch.manual_seed(0)
    activation = build_activation()
    x = torch.randn(2, CHANNELS, 40, dtype=torch.float64, requires_grad=True)
    wanted = torch.randn_like(x)
    learned = [x, activation.act.alpha, activation.act.beta]
    ours = torch.autograd.grad((activation(x) * wanted).sum(), learned)
    defined = torch.autograd.grad((bend_as_defined(activation, x) * wanted).sum(), learned)
    for one, other in zip(ours, defined, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


def test_sliding_sum_has_the_gradients_of_finite_differences() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 9, dtype=torch.float64, requires_grad=True)
    taps = (0.5, -1.0, 0.25)
    assert torch.autograd.gradcheck(lambda x: slide(x, taps), x)
    assert torch.autograd.gradgradcheck(lambda x: slide(x, taps), x)


def test_vocoder_can_be_stopped_between_its_stages() -> None:
    num_checks = 0

    def stop_at_second() -> None:
        nonlocal num_checks
        num_checks += 1
        if num_checks == 2:
            raise RenderCancelled("stop")

    vocoder = Vocoder(TINY.vocoder)
    mel = torch.zeros(1, TINY.vocoder.num_mels, 8)
    with pytest.raises(RenderCancelled):
        vocoder(mel, stop_at_second)
    assert num_checks == 2
    num_checks = 2
    torch.testing.assert_close(vocoder(mel, stop_at_second), vocoder(mel))


@pytest.mark.parametrize("num_samples", [1, 2, 7, 29, 64])
def test_activation_over_rows_gives_the_same_bits(num_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_snake_rows, "_NUMBERS_AT_A_TIME", 7 * CHANNELS)  # 64 rows take ten rounds
    torch.manual_seed(num_samples)
    activation = build_activation().float()
    x = torch.randn(2, CHANNELS, num_samples)
    with torch.inference_mode():
        assert torch.equal(activation.forward_rows(x.mT.contiguous()).mT, activation(x))


def test_wide_stages_give_the_waveform_of_narrow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    # Stages of 8 and 4 channels, with the kernels and dilations of the published sizes.
    spec = replace(TINY.vocoder, res_kernels=(3, 7, 11), res_dilations=(1, 3, 5))
    plain = Vocoder(spec).requires_grad_(False)
    wide = deepcopy(plain)
    monkeypatch.setattr(_short_conv, "_MIN_WIDTH", 8)
    bake_weights(wide)
    assert [block.is_wide for block in wide.resblocks] == [True] * 3 + [False] * 3
    mel = torch.randn(2, spec.num_mels, 5)
    with torch.inference_mode():
        torch.testing.assert_close(wide(mel), plain(mel), rtol=1e-4, atol=1e-5)
        bake_weights(wide)  # again: nothing changes
        torch.testing.assert_close(wide(mel), plain(mel), rtol=1e-4, atol=1e-5)


def test_wide_stages_run_with_weights_that_were_baked_in_another_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when weights come from their file only while they are needed: the layers stay, their tensors are exchanged."""
    torch.manual_seed(0)
    spec = replace(TINY.vocoder, res_kernels=(3, 7, 11), res_dilations=(1, 3, 5))
    plain = Vocoder(spec).requires_grad_(False)
    monkeypatch.setattr(_short_conv, "_MIN_WIDTH", 8)

    def bring() -> Vocoder:
        copy = deepcopy(plain)
        bake_weights(copy)
        return copy

    part = ResidentPart(Vocoder(spec).requires_grad_(False), bring)
    mel = torch.randn(1, spec.num_mels, 5)
    for _ in range(2):
        part.acquire()
        with torch.inference_mode():
            torch.testing.assert_close(part.module(mel), plain(mel), rtol=1e-4, atol=1e-5)
        part.release()
