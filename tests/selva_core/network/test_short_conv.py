"""Convolutions with fewer products give the numbers of plain ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from selva_core.network import _short_conv
from selva_core.network._layers import TokenConv
from selva_core.network._short_conv import arrange_taps, convolve, is_wide, transform_taps


@pytest.mark.parametrize("kernel", [3, 5, 7, 11])
@pytest.mark.parametrize("dilation", [1, 3, 5])
@pytest.mark.parametrize("num_rows", [1, 8, 61])
def test_the_sum_is_that_of_a_plain_convolution(
    kernel: int, dilation: int, num_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_short_conv, "_NUMBERS_AT_A_TIME", 4000)  # so that 61 rows take several rounds
    torch.manual_seed(kernel)
    x, bias = torch.randn(2, num_rows, 12, dtype=torch.float64), torch.randn(9, dtype=torch.float64)
    weight = torch.randn(9, 12, kernel, dtype=torch.float64)
    plain = F.conv1d(x.mT, weight, bias, padding=dilation * (kernel // 2), dilation=dilation).mT
    short = convolve(x, transform_taps(arrange_taps(weight)), bias, kernel=kernel, dilation=dilation)
    torch.testing.assert_close(short, plain, rtol=1e-9, atol=1e-9)


def test_rounding_is_that_of_float32() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 40, 512), torch.randn(8, 512, 3)
    exact = F.conv1d(x.double().mT, weight.double(), padding=1).mT
    short = convolve(x, transform_taps(arrange_taps(weight)), None, kernel=3)
    assert float((short - exact).abs().max() / exact.abs().max()) < 1e-5


def test_only_wide_float32_layers_of_a_cpu_are_shortened() -> None:
    wide = torch.empty(192, 256, 3)
    assert is_wide(wide)
    assert not any(is_wide(other) for other in (wide[:96], wide.bfloat16(), wide.to("meta"), wide[..., :1]))


@pytest.mark.parametrize("kernel", [3, 7])
def test_a_layer_gives_back_what_it_holds(kernel: int) -> None:
    torch.manual_seed(0)
    layer = TokenConv(192, 200, kernel).requires_grad_(False)
    x = torch.randn(2, 50, 192)
    plain = layer(x)
    layer.hold_taps()
    short = layer(x)
    assert not torch.equal(short, plain)
    torch.testing.assert_close(short, plain, rtol=1e-4, atol=1e-4)
    layer.drop_taps()
    assert torch.equal(layer(x), plain)


@pytest.mark.parametrize("kernel", [3, 7])
def test_what_a_layer_holds_is_as_large_as_it_says(kernel: int) -> None:
    layer = TokenConv(192, 200, kernel).requires_grad_(False)
    points = transform_taps(arrange_taps(layer.weight))
    assert layer.num_held_bytes == sum(point.nbytes for point in points)


def test_a_narrow_layer_holds_nothing() -> None:
    layer = TokenConv(64, 64, 3).requires_grad_(False)
    x = torch.randn(1, 50, 64)
    plain = layer(x)
    layer.hold_taps()
    assert layer.num_held_bytes == 0
    assert torch.equal(layer(x), plain)
