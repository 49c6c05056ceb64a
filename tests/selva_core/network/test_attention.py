"""The places that the last layer of the video encoder reads, beside its features."""

from __future__ import annotations

import torch
from torch import Tensor

from selva_core.network import Network
from selva_core.network._steering import SpaceAggregation
from tests.selva_core.network.tiny import LENGTHS, TINY


def test_attention_is_that_of_the_layer_itself() -> None:
    torch.manual_seed(4)
    layer = SpaceAggregation(24, 3, 32).eval()
    with torch.no_grad():
        layer.self_attn.in_proj_bias.normal_()
        x = torch.randn(5, 7, 24)
        normed = layer.norm1(torch.cat([layer.cls_token.expand(5, -1, -1), x], dim=1))
        _, weights = layer.self_attn(normed[:, :1], normed, normed, average_attn_weights=False)
        to_patches = weights[:, :, 0, 1:]
        expected = to_patches / to_patches.sum(dim=-1, keepdim=True)
        features, attention = layer.gather(x)
    torch.testing.assert_close(attention, expected)
    torch.testing.assert_close(features, layer(x))


def test_features_are_the_same_to_the_last_bit_with_and_without_attention(
    network: Network, tokens: Tensor
) -> None:
    states, mask = torch.randn(2, 4, TINY.t5.width), torch.ones(2, 4)
    plain = network.video_encoder.steer(tokens, states, mask)
    features, attention = network.video_encoder.steer_and_attend(tokens, states, mask)
    assert torch.equal(plain, features)
    spec = TINY.video_encoder
    assert attention.shape == (2, LENGTHS.num_sync, spec.num_heads, spec.num_patches)
    torch.testing.assert_close(attention.sum(dim=-1), torch.ones(attention.shape[:-1]))


def test_attention_in_half_precision_is_computed_in_full() -> None:
    torch.manual_seed(5)
    layer = SpaceAggregation(24, 3, 32).eval().to(torch.bfloat16)
    _, attention = layer.gather(torch.randn(2, 9, 24, dtype=torch.bfloat16))
    assert attention.dtype == torch.float32
