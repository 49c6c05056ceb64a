"""Products of halves give the numbers of plain ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selva_core.network import Network, _strassen
from selva_core.network._strassen import TallLinear, held_sums, is_large, multiply, sum_weight
from tests.selva_core.network.tiny import TINY


@pytest.fixture
def no_layer_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("_MIN_ROWS", "_MIN_WIDTH", "_MIN_LARGER_WIDTH"):
        monkeypatch.setattr(_strassen, limit, 2)


@pytest.mark.parametrize("num_rows", [1, 2, 7, 12])
@pytest.mark.parametrize("has_bias", [False, True])
def test_the_product_is_that_of_a_linear_layer(num_rows: int, has_bias: bool) -> None:
    torch.manual_seed(num_rows)
    x, weight = torch.randn(num_rows, 10, dtype=torch.float64), torch.randn(6, 10, dtype=torch.float64)
    bias = torch.randn(6, dtype=torch.float64) if has_bias else None
    product = multiply(x, weight, sum_weight(weight), bias)
    torch.testing.assert_close(product, F.linear(x, weight, bias), rtol=1e-12, atol=1e-12)


def test_rounding_is_that_of_float32() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(41, 768), torch.randn(64, 768)
    exact = x.double() @ weight.double().T
    product = multiply(x, weight, sum_weight(weight), None)
    assert float((product - exact).abs().max() / exact.abs().max()) < 5e-6


def test_only_large_float32_weights_of_a_cpu_are_halved() -> None:
    large = torch.empty(1536, 768)
    assert is_large(large)
    assert is_large(large.T)
    square, odd = large[:768], large[:-1]
    assert not any(is_large(other) for other in (square, odd, large.bfloat16(), large.to("meta")))


@pytest.mark.usefixtures("no_layer_is_small")
def test_a_layer_gives_back_what_it_holds_after_an_error_too() -> None:
    torch.manual_seed(0)
    layer = TallLinear(8, 12).requires_grad_(False)
    x = torch.randn(2, 5, 8)
    plain = layer(x)
    with held_sums(layer):
        halved = layer(x)
    assert not torch.equal(halved, plain)
    torch.testing.assert_close(halved, plain)
    with pytest.raises(RuntimeError, match="stopped"), held_sums(layer):
        raise RuntimeError("stopped")
    assert torch.equal(layer(x), plain)


def test_few_rows_run_as_before() -> None:
    layer = TallLinear(768, 1536).requires_grad_(False)
    x = torch.randn(3, 768)
    plain = layer(x)
    with held_sums(layer):
        assert torch.equal(layer(x), plain)


@pytest.mark.usefixtures("no_layer_is_small")
@torch.inference_mode()
def test_many_segments_give_the_tokens_of_one(network: Network) -> None:
    encoder, spec = network.video_encoder, TINY.video_encoder
    torch.manual_seed(1)
    segments = torch.rand(1, spec.segment_num_frames, 3, spec.frame_size_px, spec.frame_size_px) * 2 - 1
    plain: Tensor = encoder.encode_segments(segments)
    with encoder.many_segments():
        halved = encoder.encode_segments(segments)
    assert not torch.equal(halved, plain)
    torch.testing.assert_close(halved, plain, rtol=1e-4, atol=1e-5)
    assert torch.equal(encoder.encode_segments(segments), plain)
