"""What lies at the border of two segments is seen together with what lies on its other side."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.part_specs import VideoEncoderSpec
from selva_core.network import VideoEncoder, cut_segments
from selva_core.network.bridges import apply_bridges, cut_bridges, encode_clip

SPEC = NANO_SPEC.video_encoder
PLAIN = replace(SPEC, bridges_segments=False)
NUM_SEGMENTS = 3
SEGMENT, TUBELETS = SPEC.segment_num_frames, SPEC.num_times


@pytest.fixture(scope="module")
def frames() -> Tensor:
    torch.manual_seed(3)
    return torch.rand(NUM_SEGMENTS * SEGMENT, 3, SPEC.frame_size_px, SPEC.frame_size_px) * 2 - 1


def build_encoder(spec: VideoEncoderSpec) -> VideoEncoder:
    torch.manual_seed(4)
    return VideoEncoder(spec).eval()


@torch.inference_mode()
def changed_tubelets(spec: VideoEncoderSpec, frames: Tensor, frame: int) -> list[tuple[int, int]]:
    """Segment and tubelet of all tokens that another picture in one frame changes."""
    encoder, other = build_encoder(spec), frames.clone()
    other[frame] = -other[frame]
    difference = (encode_clip(encoder, frames) - encode_clip(encoder, other)).abs().amax(dim=(2, 3))
    return [(int(segment), int(tubelet)) for segment, tubelet in (difference > 1e-6).nonzero()]


def test_the_tubelets_beside_a_border_see_the_frames_on_its_other_side(frames: Tensor) -> None:
    last_of_first = SEGMENT - 1
    assert (1, 0) in changed_tubelets(SPEC, frames, last_of_first)
    assert (0, TUBELETS - 1) in changed_tubelets(SPEC, frames, SEGMENT)


def test_without_bridges_a_segment_sees_its_own_frames_only(frames: Tensor) -> None:
    assert {segment for segment, _ in changed_tubelets(PLAIN, frames, SEGMENT - 1)} == {0}
    assert {segment for segment, _ in changed_tubelets(PLAIN, frames, SEGMENT)} == {1}


@torch.inference_mode()
def test_tubelets_in_the_middle_and_at_the_ends_of_a_clip_are_those_of_their_own_segment(
    frames: Tensor,
) -> None:
    bridged, plain = (encode_clip(build_encoder(spec), frames) for spec in (SPEC, PLAIN))
    reach = TUBELETS // 4
    assert torch.equal(bridged[:, reach:-reach], plain[:, reach:-reach])
    assert torch.equal(bridged[0, :reach], plain[0, :reach])
    assert torch.equal(bridged[-1, -reach:], plain[-1, -reach:])
    assert not torch.equal(bridged[1, :reach], plain[1, :reach])


@torch.inference_mode()
def test_a_bridged_tubelet_shows_the_same_frames_at_the_same_time(frames: Tensor) -> None:
    """A clip that begins half a segment later has its own segments where the bridges of this one are."""
    encoder, half = build_encoder(SPEC), SEGMENT // 2
    bridged = encode_clip(encoder, frames)
    later = encoder.encode_segments(cut_segments(frames[half:-half], PLAIN))
    middle = TUBELETS // 2
    for border in range(NUM_SEGMENTS - 1):
        torch.testing.assert_close(bridged[border, -1], later[border, middle - 1])
        torch.testing.assert_close(bridged[border + 1, 0], later[border, middle])


@torch.inference_mode()
def test_a_clip_of_one_segment_has_no_border(frames: Tensor) -> None:
    one, plain = (encode_clip(build_encoder(spec), frames[:SEGMENT]) for spec in (SPEC, PLAIN))
    assert torch.equal(one, plain)
    assert len(cut_bridges(frames[:0], SPEC)) == 0


@pytest.mark.parametrize(("num_bridges", "begins_at_border"), [(2, False), (3, False), (3, True), (4, True)])
def test_borders_inside_and_at_either_end_have_bridges(num_bridges: int, begins_at_border: bool) -> None:
    tokens = torch.zeros(NUM_SEGMENTS, 4, 1, 1)
    bridges = 1.0 + torch.arange(num_bridges * 4.0).reshape(num_bridges, 4, 1, 1)
    rows = apply_bridges(tokens, bridges, begins_at_border=begins_at_border)[..., 0, 0].tolist()
    first = 0 if begins_at_border else -1
    for segment, (start, *middle, end) in enumerate(rows):
        before, after = first + segment, first + segment + 1
        assert start == (4 * before + 3 if before >= 0 else 0)
        assert middle == [0, 0]
        assert end == (4 * after + 2 if after < num_bridges else 0)
    assert not tokens.any()


@pytest.mark.parametrize(("num_bridges", "begins_at_border"), [(1, False), (4, False), (2, True), (5, True)])
def test_another_number_of_bridges_is_refused(num_bridges: int, begins_at_border: bool) -> None:
    with pytest.raises(ValueError, match=f"2 borders between them.* {num_bridges} bridges"):
        apply_bridges(
            torch.zeros(NUM_SEGMENTS, 4, 1, 1),
            torch.zeros(num_bridges, 4, 1, 1),
            begins_at_border=begins_at_border,
        )


def test_bridges_of_overlapping_segments_or_of_odd_tubelets_are_refused() -> None:
    assert SPEC.bridges_segments
    for num_frames in (8, 4):  # overlapping by half; two tubelets
        assert (
            replace(PLAIN, segment_num_frames=num_frames, segment_hop_frames=4).num_times == num_frames // 2
        )
        with pytest.raises(ValueError, match="segments are bridged where they do not overlap"):
            replace(SPEC, segment_num_frames=num_frames, segment_hop_frames=4)
