"""Video tokens depend on nothing but their segment, and are reused for any prompts."""

from __future__ import annotations

import torch
from torch import Tensor

from selva_core.network import (
    Network,
    cut_segments,
)
from tests.selva_core.network.tiny import LENGTHS, TINY


def test_segments_overlap_by_the_hop() -> None:
    size = TINY.video_encoder.frame_size_px
    frames = torch.arange(32.0)[:, None, None, None].expand(-1, 3, size, size)
    segments = cut_segments(frames, TINY.video_encoder)
    assert segments.shape == (3, 16, 3, size, size)
    assert segments[:, :, 0, 0, 0].tolist() == [list(range(k, k + 16)) for k in (0, 8, 16)]


def test_the_last_frame_is_repeated_where_a_segment_is_not_full() -> None:
    size = TINY.video_encoder.frame_size_px
    frames = torch.arange(5.0)[:, None, None, None].expand(-1, 3, size, size)
    assert cut_segments(frames, TINY.video_encoder)[0, :, 0, 0, 0].tolist() == [0, 1, 2, 3] + [4] * 12


def test_tokens_of_a_segment_do_not_depend_on_its_neighbours(network: Network, tokens: Tensor) -> None:
    torch.manual_seed(6)
    size = TINY.video_encoder.frame_size_px
    frames = torch.rand(LENGTHS.num_frames, 3, size, size) * 2 - 1
    second = cut_segments(frames[8:24], TINY.video_encoder)
    torch.testing.assert_close(network.video_encoder.encode_segments(second)[0], tokens[1])


def test_steering_several_prompts_gives_what_each_gives_singly(network: Network, tokens: Tensor) -> None:
    states = torch.randn(2, 6, TINY.t5.width)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    batched = network.video_encoder.steer(tokens, states, mask)
    assert batched.shape == (2, LENGTHS.num_sync, TINY.video_encoder.width)
    for prompt, length in enumerate((6, 3)):
        single = network.video_encoder.steer(
            tokens, states[prompt : prompt + 1, :length], mask[prompt : prompt + 1, :length]
        )
        torch.testing.assert_close(batched[prompt], single[0])
    assert (batched[0] - batched[1]).abs().max() > 1e-3


def test_each_prompt_may_have_a_clip_of_its_own(network: Network, tokens: Tensor) -> None:
    states, mask = torch.randn(2, 4, TINY.t5.width), torch.ones(2, 4)
    clips = torch.stack([tokens, tokens.flip(0)])
    batched = network.video_encoder.steer(clips, states, mask)
    for clip_index in range(2):
        one = slice(clip_index, clip_index + 1)
        single = network.video_encoder.steer(clips[clip_index], states[one], mask[one])
        torch.testing.assert_close(batched[clip_index], single[0])


def test_segments_can_be_steered_in_pieces(network: Network, tokens: Tensor) -> None:
    states, mask = torch.randn(1, 4, TINY.t5.width), torch.ones(1, 4)
    whole = network.video_encoder.steer(tokens, states, mask)
    pieces = [network.video_encoder.steer(piece, states, mask) for piece in torch.split(tokens, 1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)
