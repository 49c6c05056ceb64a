"""Picture that counts from the timecode of its file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.media import MediaInfo
from selva_otio import load_timeline, spot_timeline, write_timeline
from selva_otio.formats.profiles import find_profile
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.rendered_cuts import DOG


@pytest.mark.parametrize(
    ("host", "starts_at"), [("resolve", 864_000), ("kdenlive", 864_000), ("premiere", 0)]
)
def test_picture_counts_from_its_timecode_for_hosts_that_find_frames_by_it(
    cut_at_24: CutBuilder, tmp_path: Path, host: str, starts_at: int
) -> None:
    cut = cut_at_24
    media = tmp_path / "shot.mov"
    media.write_bytes(b"picture")
    first, stamped = (cut.clip(name, offset=7, frames=20, url=media.as_uri()) for name in ("a", "b"))
    stamped.media_reference.available_range = cut.span(48, 1000)  # what counts already is left alone
    timeline = cut.timeline(cut.track(first, stamped))

    def ask(path: Path) -> MediaInfo | None:
        return MediaInfo(
            path=path, duration_s=Fraction(60), frame_rate_hz=Fraction(24), timecode="10:00:00:00"
        )

    target = tmp_path / "out.otio"
    write_timeline(timeline, target, profile=find_profile(host), probe=ask)
    one, two = otio.adapters.read_from_file(str(target)).find_clips()
    assert one.source_range.start_time.value == starts_at + 7
    assert one.media_reference.available_range.start_time.value == starts_at
    assert two.source_range.start_time.value == 7
    plain = spot_timeline(timeline, [DOG], base_folder=tmp_path).clips[0]
    read = spot_timeline(load_timeline(target), [DOG], base_folder=tmp_path).clips[0]
    assert read.media_start_s == plain.media_start_s
