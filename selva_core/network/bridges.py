"""Segments that lie across the borders of others, for an encoder whose own segments do not overlap.

A segment sees no frame of its neighbours. What happens between the last frame of one and the first of the next, as the jump of
a clock's hand does, is in neither. A bridge is a further segment that has half of its frames on each side of a border: the
tubelets next to the border take their tokens from it, in which they lie in the middle, and all others from their own segment.
At the two ends of a clip there is no bridge.

Dimensions: S segments, F frames of a segment, T tubelets along time of a segment, P patches, D width.
"""

from __future__ import annotations

from torch import Tensor

from selva_core.models.part_specs import VideoEncoderSpec
from selva_core.network._layers import check_shape
from selva_core.network.video_encoder import VideoEncoder, cut_segments


def bridge_reach_frames(spec: VideoEncoderSpec) -> int:
    """How many frames on each side of a border its bridge has; 0 for an encoder without bridges."""
    return spec.segment_num_frames // 2 if spec.bridges_segments else 0


def cut_bridges(frames: Tensor, spec: VideoEncoderSpec) -> Tensor:
    """frames: (num_frames, 3, size, size), from `bridge_reach_frames` before the first border on to as many after the last.

    Returns (number of borders, F, 3, size, size), a view; none where the frames are fewer than those of one bridge.
    """
    if frames.shape[0] < spec.segment_num_frames:
        return frames.new_empty((0, spec.segment_num_frames, *frames.shape[1:]))
    return cut_segments(frames, spec)


def apply_bridges(tokens: Tensor, bridges: Tensor, *, begins_at_border: bool) -> Tensor:
    """Tokens (S, T, P, D) with those next to each border from its bridge.

    bridges: (number of borders, T, P, D): of all borders between these segments and, if `begins_at_border`, of the one before
    them; of the one after them where there is one more. Raises ValueError for another number.
    """
    num_segments, num_times = tokens.shape[:2]
    num_before = int(begins_at_border)
    num_inside = num_segments - 1
    if len(bridges) - num_before not in {num_inside, num_segments}:
        raise ValueError(
            f"{num_segments} segments have {num_inside} borders between them; got {len(bridges)} bridges"
        )
    check_shape("bridges", bridges, (None, *tokens.shape[1:]))
    middle, reach = num_times // 2, num_times // 4
    num_starts = num_inside + num_before
    num_ends = len(bridges) - num_before
    bridged = tokens.clone()
    bridged[num_segments - num_starts :, :reach] = bridges[:num_starts, middle : middle + reach]
    bridged[:num_ends, num_times - reach :] = bridges[num_before:, middle - reach : middle]
    return bridged


def encode_clip(encoder: VideoEncoder, frames: Tensor) -> Tensor:
    """All tokens (S, T, P, D) of a clip: frames (num_frames, 3, size, size), -1..1, in one batch, with bridges where the encoder
    has them.
    """
    spec = encoder.spec
    tokens = encoder.encode_segments(cut_segments(frames, spec))
    reach = bridge_reach_frames(spec)
    covered = frames[: len(tokens) * spec.segment_hop_frames] if reach else frames[:0]
    bridges = cut_bridges(covered[reach : len(covered) - reach], spec)
    if not len(bridges):
        return tokens
    return apply_bridges(tokens, encoder.encode_segments(bridges), begins_at_border=False)
