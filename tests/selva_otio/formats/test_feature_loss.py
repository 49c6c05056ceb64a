"""What a format or a host drops is reported."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.formats.profiles import find_profile
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.rendered_cuts import render, two_clip_cut


@pytest.fixture
def timeline(cut_at_24: CutBuilder) -> otio.schema.Timeline:
    return two_clip_cut(cut_at_24)


@pytest.mark.parametrize("suffix", [".otio", ".otioz", ".xml", ".fcpxml", ".rpp", ".edl", ".mlt"])
def test_takes_are_written_or_reported_as_lost(
    timeline: otio.schema.Timeline, tmp_path: Path, suffix: str
) -> None:
    placed = render(timeline, tmp_path, "one").timeline
    written = write_timeline(placed, tmp_path / f"out{suffix}")
    if any("has no takes" in loss for loss in written.losses):
        return
    back = load_timeline(written.files[0])
    urls = [
        reference.target_url
        for track in back.audio_tracks()
        for clip in track.find_clips()
        for reference in clip.media_references().values()
    ]
    assert {Path(url).stem for url in urls} == {f"{name}-one-{take}" for name in "ab" for take in (1, 2)}


def test_what_kdenlive_does_not_import_is_reported(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cut = cut_at_24
    nest = cut.nest(cut.track(cut.clip("n", offset=5, frames=60)))
    timeline = cut.timeline(cut.track(cut.clip("a", offset=9, frames=24), cut.dissolve(2, 2), nest))
    losses = write_timeline(timeline, tmp_path / "out.otio", profile=find_profile("kdenlive")).losses
    assert losses == (
        "Kdenlive has no transitions: they become cuts (1)",
        "Kdenlive has no nested sequences: they are left out (1)",
    )
