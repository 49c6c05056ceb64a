"""One small network for all tests of a module, and the tokens of a clip."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from selva_core.network import (
    Network,
    cut_segments,
)
from tests.selva_core.network.tiny import LENGTHS, TINY, build_tiny


@pytest.fixture(scope="module")
def network() -> Network:
    return build_tiny()


@pytest.fixture(scope="module")
def tokens(network: Network) -> Tensor:
    torch.manual_seed(6)
    size = TINY.video_encoder.frame_size_px
    frames = torch.rand(LENGTHS.num_frames, 3, size, size) * 2 - 1
    return network.video_encoder.encode_segments(cut_segments(frames, TINY.video_encoder))
