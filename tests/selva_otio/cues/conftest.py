"""A cut of two clips to set cues in."""

from __future__ import annotations

import opentimelineio as otio
import pytest

from tests.selva_otio.cuts import CutBuilder


@pytest.fixture
def cut(cut_at_24: CutBuilder) -> CutBuilder:
    cut_at_24.media_start_frame = 86_400
    return cut_at_24


@pytest.fixture
def timeline(cut: CutBuilder) -> otio.schema.Timeline:
    """a: 0..48, a gap, b: 60..108 of the record; in-points 10 and 20 frames into the media."""
    return cut.timeline(
        cut.track(cut.clip("a", offset=10, frames=48), cut.gap(12), cut.clip("b", offset=20, frames=48))
    )
