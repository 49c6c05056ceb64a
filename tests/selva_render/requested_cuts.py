"""Cuts that are written as request bundles, rendered with the echo model."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from tests.selva_otio.cuts import CutBuilder
from tests.support.flashes import write_flashing_clip

ECHO = {"model": "selva-echo", "tracks": {"Dog": "small dog barking"}}


def make_cut(folder: Path) -> otio.schema.Timeline:
    """Two clips of one flashing file at 24; the first shows the flash at its frame 5, the second at its frame 11."""
    video = write_flashing_clip(folder / "shot.mov", rate=Fraction(24), num_frames=48, flashes={9, 31})
    builder = CutBuilder(rate_hz=24.0, start_frame=86_400, media_url=video.as_uri(), media_num_frames=48)
    return builder.timeline(
        builder.track(
            builder.clip("a", offset=4, frames=12), builder.gap(6), builder.clip("b", offset=20, frames=24)
        )
    )


def write(cut: otio.schema.Timeline, path: Path, **options: Any) -> Any:
    return otio.adapters.write_to_file(cut, str(path), **{**ECHO, **options})


def read(path: Path) -> otio.schema.Timeline:
    return otio.adapters.read_from_file(str(path))
