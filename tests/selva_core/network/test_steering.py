"""Steering by several prompts at a time gives what each prompt gives alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from selva_core.network import Network, VideoEncoder, video_encoder
from tests.selva_core.network.tiny import TINY

WIDE = replace(
    TINY.video_encoder, width=192, num_heads=6, depth=1, mlp_width=64, text_width=20, num_cross_blocks=2
)
NUM_SEGMENTS = 3


@pytest.fixture(scope="module")
def wide() -> VideoEncoder:
    torch.manual_seed(1)
    encoder = VideoEncoder(WIDE).requires_grad_(False)
    for parameter in encoder.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return encoder


@pytest.fixture(scope="module")
def wide_tokens() -> Tensor:
    torch.manual_seed(2)
    return torch.randn(NUM_SEGMENTS, WIDE.num_times, WIDE.num_patches, WIDE.width)


@pytest.fixture(scope="module")
def texts() -> list[Tensor]:
    torch.manual_seed(3)
    return [torch.randn(1, num_tokens, WIDE.text_width) for num_tokens in (4, 1, 50)]


def steer_alone(encoder: VideoEncoder, tokens: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    return encoder.steer_and_attend(tokens, text, torch.ones(text.shape[:2]))


@torch.inference_mode()
def test_wide_encoders_give_the_numbers_of_the_plain_layers_but_for_rounding(
    wide: VideoEncoder, wide_tokens: Tensor, texts: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_encoder, "_ROWS_AT_A_TIME", 5 * WIDE.num_patches)  # does not divide the clip
    before = wide_tokens.clone()
    together = wide.steer_each(wide_tokens, texts)
    assert torch.equal(wide_tokens, before)
    for text, (sync, attention) in zip(texts, together, strict=True):
        plain_sync, plain_attention = steer_alone(wide, wide_tokens, text)
        assert not torch.equal(sync, plain_sync)
        torch.testing.assert_close(sync, plain_sync, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(attention, plain_attention, rtol=1e-4, atol=1e-6)


@torch.inference_mode()
def test_a_prompt_gives_the_same_bits_beside_others(
    wide: VideoEncoder, wide_tokens: Tensor, texts: list[Tensor]
) -> None:
    for text, (sync, attention) in zip(texts, wide.steer_each(wide_tokens, texts), strict=True):
        ((alone, its_attention),) = wide.steer_each(wide_tokens, [text])
        assert torch.equal(alone, sync)
        assert torch.equal(its_attention, attention)


@torch.inference_mode()
def test_narrow_encoders_keep_the_bits_of_the_plain_layers(network: Network, tokens: Tensor) -> None:
    texts = [torch.randn(1, num_tokens, TINY.video_encoder.text_width) for num_tokens in (3, 5)]
    for text, (sync, attention) in zip(texts, network.video_encoder.steer_each(tokens, texts), strict=True):
        plain_sync, plain_attention = steer_alone(network.video_encoder, tokens, text)
        assert torch.equal(sync, plain_sync)
        assert torch.equal(attention, plain_attention)


@torch.inference_mode()
def test_half_precision_stays_near_the_plain_layers(wide_tokens: Tensor, texts: list[Tensor]) -> None:
    torch.manual_seed(4)
    half = VideoEncoder(WIDE).requires_grad_(False).bfloat16()
    for text, (sync, attention) in zip(texts, half.steer_each(wide_tokens.bfloat16(), texts), strict=True):
        plain_sync, plain_attention = steer_alone(half, wide_tokens.bfloat16(), text)
        assert attention.dtype == torch.float32
        torch.testing.assert_close(sync, plain_sync, rtol=0.05, atol=0.05)
        torch.testing.assert_close(attention, plain_attention, rtol=0.05, atol=0.01)


def test_a_prompt_of_another_width_is_refused(wide: VideoEncoder, wide_tokens: Tensor) -> None:
    with torch.inference_mode(), pytest.raises(ValueError, match=r"text has shape \(1, any, 20\)"):
        wide.steer_each(wide_tokens, [torch.randn(1, 4, 21)])
