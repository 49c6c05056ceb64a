"""The vocoder's activation against its definition: convolutions per channel at twice the rate."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selva_core.base.errors import RenderCancelled
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
